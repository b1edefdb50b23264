// Memory in which a screen is: what a frame buffer shows, or what an X server writes pictures to. No
// JavaScript in here.
#ifndef KVMFR_SCREEN_PAGES_H_
#define KVMFR_SCREEN_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "guard.h"

namespace kvmfr {

class ScreenPages {
 public:
  // Maps what an open frame buffer (or file) shows, to read. The descriptor stays the caller's.
  // nullptr when that fails; *error holds the errno then.
  static std::unique_ptr<ScreenPages> MapDevice(int fd, std::size_t bytes, int* error);
  // Makes a segment of System V: X servers take no other memory without a descriptor being sent.
  // It has no name from the beginning, and is gone with whoever has it attached.
  static std::unique_ptr<ScreenPages> CreateSegment(std::size_t bytes, int* error);
  ~ScreenPages();
  ScreenPages(const ScreenPages&) = delete;
  ScreenPages& operator=(const ScreenPages&) = delete;

  // nullptr after Unmap().
  std::uint8_t* base() const { return base_; }
  std::size_t bytes() const { return bytes_; }
  // By what number others attach it; -1 for a device.
  int segment() const { return segment_; }
  // Whether memory went away under it. What was read since may be zeros in its place.
  bool lost() const { return guard_ != nullptr && IsLost(guard_); }
  // Nobody may touch base() any more.
  void Unmap();

 private:
  ScreenPages() = default;

  std::uint8_t* base_ = nullptr;
  std::size_t bytes_ = 0;
  int segment_ = -1;
  GuardedRange* guard_ = nullptr;
};

// How many numbers FrameBufferFacts() gives.
constexpr std::size_t kFrameBufferFacts = 16;

// Asks a frame buffer for its mode: 0 or an errno. In this order: visible width and height, first
// visible column and row, bits of a pixel, whether it is grey; where red, green and blue are in a
// pixel, and their bits; bytes of a row, bytes of its memory, kind of memory, kind of colours.
int FrameBufferFacts(int fd, std::uint32_t* facts);

}  // namespace kvmfr

#endif  // KVMFR_SCREEN_PAGES_H_
