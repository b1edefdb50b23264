#ifdef __linux__

#include "channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "region.h"

namespace kvmfr {
namespace {

int Failed(int fd) {
  const int error = errno;
  if (fd >= 0) close(fd);
  return -error;
}

bool AddressOf(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address->sun_path) return false;
  std::memcpy(address->sun_path, path.data(), path.size());
  return true;
}

// Whether a call will not block: others share an eventfd, and may have made it block again.
bool IsReady(int fd, short events) {
  pollfd ready = {fd, events, 0};
  return poll(&ready, 1, 0) == 1 && (ready.revents & events) != 0;
}

int NewSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

}  // namespace

int ListenAt(const std::string& path, int backlog) {
  sockaddr_un address;
  if (!AddressOf(path, &address)) return -ENAMETOOLONG;
  const int fd = NewSocket();
  if (fd < 0) return Failed(fd);
  // Before it has a name: what bind() makes takes its mode from here.
  if (fchmod(fd, 0600) != 0) return Failed(fd);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Failed(fd);
  if (listen(fd, backlog) != 0) return Failed(fd);
  return fd;
}

int AcceptFrom(int listener) {
  int fd;
  do {
    fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

int ConnectTo(const std::string& path) {
  sockaddr_un address;
  if (!AddressOf(path, &address)) return -ENAMETOOLONG;
  const int fd = NewSocket();
  if (fd < 0) return Failed(fd);
  // EAGAIN: its queue of those who wait is full.
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Failed(fd);
  return fd;
}

int SendTo(int socket, const std::uint8_t* bytes, std::size_t count, int passed) {
  iovec part = {const_cast<std::uint8_t*>(bytes), count};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : static_cast<int>(sent);
}

int ReceiveFrom(int socket, std::uint8_t* bytes, std::size_t count, int* passed,
                std::size_t* passed_count) {
  *passed_count = 0;
  iovec part = {bytes, count};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassed)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < found; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      if (*passed_count < kMaxPassed) {
        passed[(*passed_count)++] = fd;
      } else {
        close(fd);
      }
    }
  }
  return static_cast<int>(received);
}

int CreateEvent() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int TakeEvent(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  constexpr char kEvent[] = "anon_inode:[eventfd]";
  char found[sizeof kEvent] = {};
  const ssize_t length = readlink(path.c_str(), found, sizeof found);
  if (length < 0) return -errno;
  if (length != sizeof kEvent - 1 || std::memcmp(found, kEvent, sizeof kEvent - 1) != 0) {
    return -EINVAL;
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  return 0;
}

int RingEvent(int event) {
  if (!IsReady(event, POLLOUT)) return 0;
  const std::uint64_t one = 1;
  if (write(event, &one, sizeof one) == sizeof one) return 0;
  // Rung more often than can be counted: it is rung all the same.
  return errno == EAGAIN ? 0 : -errno;
}

int DrainEvent(int event) {
  if (!IsReady(event, POLLIN)) return 0;
  std::uint64_t times = 0;
  const ssize_t got = read(event, &times, sizeof times);
  if (got == sizeof times) return times > 0 ? 1 : 0;
  if (got >= 0) return -EIO;
  return errno == EAGAIN ? 0 : -errno;
}

int CreateSealedMemory(std::uint64_t bytes) {
  const int fd = memfd_create("kvmfr-doorbell", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Failed(fd);
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) return Failed(fd);
  const int error = AllocateBlocks(fd, bytes);
  if (error != 0) {
    close(fd);
    return -error;
  }
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return Failed(fd);
  return fd;
}

}  // namespace kvmfr

#endif  // __linux__
