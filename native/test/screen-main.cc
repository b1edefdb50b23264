// Maps what acts as a frame buffer, takes it away in the middle, and shares segments with another
// process. Made to be compiled with -fsanitize=address.
//
// Prints the number of rounds and exits 0, or says what went wrong and exits 1.
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../src/screen-pages.h"

namespace {

constexpr std::size_t kBytes = 5 * 4096 + 100;
constexpr int kRounds = 200;

void Fail(const char* what) {
  std::printf("%s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

void Device() {
  const int fd = memfd_create("screen", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, kBytes) != 0) Fail("no file");
  const char mark = 77;
  if (pwrite(fd, &mark, 1, kBytes - 1) != 1) Fail("no room");
  int error = 0;
  auto pages = kvmfr::ScreenPages::MapDevice(fd, kBytes, &error);
  if (pages == nullptr || pages->base()[kBytes - 1] != mark) Fail("it is not what was written");
  if (pages->lost() || pages->segment() != -1) Fail("it is neither lost nor a segment");
  if (ftruncate(fd, 4096) != 0) Fail("it was not cut");
  if (pages->base()[kBytes - 1] != 0) Fail("what is gone must read as zeros");
  if (!pages->lost()) Fail("it must be lost");
  pages->Unmap();
  if (pages->base() != nullptr) Fail("it must be unmapped");
  std::uint32_t facts[kvmfr::kFrameBufferFacts];
  if (kvmfr::FrameBufferFacts(fd, facts) != ENOTTY) Fail("a file must not answer");
  close(fd);
  if (kvmfr::FrameBufferFacts(fd, facts) != EBADF) Fail("what is closed must not answer");
  if (kvmfr::ScreenPages::MapDevice(fd, kBytes, &error) != nullptr || error != EBADF) {
    Fail("what is closed must not be mapped");
  }
}

void Segment() {
  int error = 0;
  auto pages = kvmfr::ScreenPages::CreateSegment(kBytes, &error);
  if (pages == nullptr) Fail("no segment");
  const pid_t other = fork();
  if (other == 0) {
    // As an X server does: it has the number alone.
    void* base = shmat(pages->segment(), nullptr, 0);
    if (base == reinterpret_cast<void*>(-1)) _exit(1);
    std::memset(base, 99, kBytes);
    _exit(0);
  }
  int status = 0;
  waitpid(other, &status, 0);
  if (status != 0) Fail("another process must be able to attach it");
  for (std::size_t i = 0; i < kBytes; ++i) {
    if (pages->base()[i] != 99) Fail("what the other wrote must be here");
  }
  const int segment = pages->segment();
  pages.reset();
  if (shmat(segment, nullptr, 0) != reinterpret_cast<void*>(-1)) Fail("it must be gone");
}

}  // namespace

int main() {
  for (int round = 0; round < kRounds; ++round) {
    Device();
    Segment();
  }
  std::printf("%d rounds\n", kRounds);
  return 0;
}
