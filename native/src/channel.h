// Unix sockets that pass file descriptors, and eventfds: what an ivshmem-server and its peers need.
#ifndef KVMFR_CHANNEL_H_
#define KVMFR_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kvmfr {

// Each returns what it names, or a negative errno. Sockets do not block, and no descriptor is left to
// programs that are started.

// A socket that listens at a path which only its owner can connect to.
int ListenAt(const std::string& path, int backlog);
int AcceptFrom(int listener);
int ConnectTo(const std::string& path);
// Bytes sent; `passed` is a descriptor that goes with the first of them, or -1.
int SendTo(int socket, const std::uint8_t* bytes, std::size_t count, int passed);

constexpr std::size_t kMaxPassed = 8;
// Bytes received, 0 at the end; the descriptors that came with them are the caller's. The kernel
// closes those beyond kMaxPassed.
int ReceiveFrom(int socket, std::uint8_t* bytes, std::size_t count, int* passed,
                std::size_t* passed_count);

// An eventfd that does not block.
int CreateEvent();
// Makes sure that a descriptor from somebody else is an eventfd, and that it does not block.
int TakeEvent(int fd);
int RingEvent(int event);
// Whether it had been rung since the last time.
int DrainEvent(int event);

// Memory of zeros without a name, whose size nobody can change.
int CreateSealedMemory(std::uint64_t bytes);

}  // namespace kvmfr

#endif  // KVMFR_CHANNEL_H_
