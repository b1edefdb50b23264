// Maps, reads, cuts, unmaps and maps again, in many threads at once. Made to be compiled with
// -fsanitize=thread or -fsanitize=address.
//
// Each reader has files of its own and one that all of them share; another thread cuts them and makes
// them whole again all the time. Whoever reads something else than what the file holds, or the zeros
// that stand for what is gone, has read memory that is not its own.
//
// Prints the number of mappings that were lost and exits 0, or says what went wrong and exits 1.
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "../src/region.h"

namespace {

constexpr int kReaders = 4;
constexpr int kRounds = 150;
constexpr std::size_t kBytes = 16 * 4096;
constexpr std::uint32_t kMark = 0x5ca1ab1e;

std::string folder;
std::atomic<int> lost{0};
std::atomic<int> finished{0};

void Fail(const char* what) {
  std::printf("%s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

std::string PathOf(int file) { return folder + "/" + std::to_string(file); }

// All words of the file are the mark; written by a system call, so that nobody faults here.
void MakeWhole(int file) {
  static const std::vector<std::uint32_t> page(1024, kMark);
  const int fd = open(PathOf(file).c_str(), O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, kBytes) != 0) Fail("a file could not be made");
  for (std::size_t at = 0; at < kBytes; at += 4096) {
    if (pwrite(fd, page.data(), 4096, static_cast<off_t>(at)) != 4096) Fail("no room");
  }
  close(fd);
}

void Cut(int file, std::size_t bytes) {
  if (truncate(PathOf(file).c_str(), static_cast<off_t>(bytes)) != 0) Fail("it was not cut");
}

// Looks at all words, stores to some; true when something was gone.
bool Read(const kvmfr::Region& region) {
  auto* words = reinterpret_cast<std::uint32_t*>(region.base());
  bool zeros = false;
  for (std::size_t i = 0; i < region.bytes() / 4; i += 97) {
    const std::uint32_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
    if (word != kMark && word != 0) Fail("what was read is nobody's");
    if (word == 0) zeros = true;
    if (i % 1024 == 0) __atomic_store_n(&words[i], kMark, __ATOMIC_RELAXED);
  }
  return zeros;
}

// A second thread on the same mapping, as the waiter is.
struct Beside {
  const kvmfr::Region* region;
  std::atomic<bool> stop{false};
};

void* ReadBeside(void* context) {
  auto* beside = static_cast<Beside*>(context);
  while (!beside->stop) Read(*beside->region);
  return nullptr;
}

void* Reader(void* context) {
  const int own = *static_cast<int*>(context);
  std::uint32_t seed = static_cast<std::uint32_t>(own) + 1;
  for (int round = 0; round < kRounds; ++round) {
    seed = seed * 1664525 + 1013904223;
    const int file = seed >> 31 != 0 ? own : kReaders;
    kvmfr::OpenFailure failure;
    const bool read_only = (seed >> 30) % 2 != 0;
    auto region = kvmfr::Region::Open(PathOf(file), read_only, kvmfr::Region::Seals::kAny, &failure);
    // Cut to nothing just now.
    if (region == nullptr) continue;
    Beside beside{region.get()};
    pthread_t thread;
    pthread_create(&thread, nullptr, ReadBeside, &beside);
    for (int i = 0; i < 4; ++i) Read(*region);
    beside.stop = true;
    pthread_join(thread, nullptr);
    if (region->lost()) {
      ++lost;
      int error = 0;
      if (region->Look(&error) != kvmfr::Region::Presence::kLost) Fail("it is lost, but not told");
      // What is lost stays so, and is nobody else's.
      auto* end = reinterpret_cast<std::uint32_t*>(region->base() + region->bytes()) - 1;
      __atomic_store_n(end, 7, __ATOMIC_RELAXED);
    }
    region->Unmap();
    // Addresses that were given back are used again at once.
    std::vector<char> other(kBytes, 1);
    for (const char byte : other) {
      if (byte != 1) Fail("memory of somebody else became zeros");
    }
  }
  ++finished;
  return nullptr;
}

}  // namespace

int main() {
  char name[] = "/dev/shm/kvmfr-guard-XXXXXX";
  if (mkdtemp(name) == nullptr) Fail("no folder");
  folder = name;
  for (int file = 0; file <= kReaders; ++file) MakeWhole(file);
  pthread_t threads[kReaders];
  int numbers[kReaders];
  for (int i = 0; i < kReaders; ++i) {
    numbers[i] = i;
    pthread_create(&threads[i], nullptr, Reader, &numbers[i]);
  }
  std::uint32_t seed = 1;
  while (finished < kReaders) {
    seed = seed * 1664525 + 1013904223;
    const int file = static_cast<int>((seed >> 16) % (kReaders + 1));
    Cut(file, (seed >> 24) % 16 * 4096);
    usleep(200);
    MakeWhole(file);
  }
  for (pthread_t& thread : threads) pthread_join(thread, nullptr);
  for (int file = 0; file <= kReaders; ++file) unlink(PathOf(file).c_str());
  rmdir(name);
  if (lost == 0) Fail("nothing was lost: nothing was shown");
  std::printf("%d lost\n", lost.load());
  return 0;
}
