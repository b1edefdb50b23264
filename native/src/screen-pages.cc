#ifdef __linux__

#include "screen-pages.h"

#include <linux/fb.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cerrno>

namespace kvmfr {
namespace {

int Ask(int fd, unsigned long what, void* answer) {
  int result;
  do {
    result = ioctl(fd, what, answer);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

std::unique_ptr<ScreenPages> ScreenPages::MapDevice(int fd, std::size_t bytes, int* error) {
  // Shared, because drivers map their memory so, and to read: nobody paints by accident.
  void* base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    *error = errno;
    return nullptr;
  }
  std::unique_ptr<ScreenPages> pages(new ScreenPages());
  pages->base_ = static_cast<std::uint8_t*>(base);
  pages->bytes_ = bytes;
  // A card can be pulled out, and a driver be taken away.
  pages->guard_ = Guard(base, bytes, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
  if (pages->guard_ == nullptr) {
    *error = ENOMEM;
    return nullptr;
  }
  return pages;
}

std::unique_ptr<ScreenPages> ScreenPages::CreateSegment(std::size_t bytes, int* error) {
  const int segment = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
  if (segment < 0) {
    *error = errno;
    return nullptr;
  }
  void* base = shmat(segment, nullptr, 0);
  *error = errno;
  // Linux attaches also what is to be removed, as long as somebody has it: so nothing is left behind
  // however this process ends.
  shmctl(segment, IPC_RMID, nullptr);
  if (base == reinterpret_cast<void*>(-1)) return nullptr;
  *error = 0;
  std::unique_ptr<ScreenPages> pages(new ScreenPages());
  pages->base_ = static_cast<std::uint8_t*>(base);
  pages->bytes_ = bytes;
  pages->segment_ = segment;
  return pages;
}

ScreenPages::~ScreenPages() { Unmap(); }

void ScreenPages::Unmap() {
  if (guard_ != nullptr) Unguard(guard_);
  guard_ = nullptr;
  if (base_ != nullptr && segment_ >= 0) shmdt(base_);
  if (base_ != nullptr && segment_ < 0) munmap(base_, bytes_);
  base_ = nullptr;
}

int FrameBufferFacts(int fd, std::uint32_t* facts) {
  fb_var_screeninfo mode{};
  fb_fix_screeninfo memory{};
  int error = Ask(fd, FBIOGET_VSCREENINFO, &mode);
  if (error == 0) error = Ask(fd, FBIOGET_FSCREENINFO, &memory);
  if (error != 0) return error;
  const std::uint32_t found[kFrameBufferFacts] = {
      mode.xres,         mode.yres,        mode.xoffset,      mode.yoffset,
      mode.bits_per_pixel, mode.grayscale, mode.red.offset,   mode.red.length,
      mode.green.offset, mode.green.length, mode.blue.offset, mode.blue.length,
      memory.line_length, memory.smem_len, memory.type,       memory.visual,
  };
  for (std::size_t i = 0; i < kFrameBufferFacts; ++i) facts[i] = found[i];
  return 0;
}

}  // namespace kvmfr

#endif  // __linux__
