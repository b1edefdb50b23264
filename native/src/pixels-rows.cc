#include "pixels-rows.h"

#include <cstring>

namespace kvmfr {
namespace {

// ---- Reference ----

struct Bytes4 {
  std::uint8_t b, g, r, x;
};

Bytes4 ReferencePixel(PixelFormat format, const std::uint8_t* row, std::size_t x) {
  switch (format) {
    case PixelFormat::kBgra:
      return {row[4 * x], row[4 * x + 1], row[4 * x + 2], 255};
    case PixelFormat::kRgba:
      return {row[4 * x + 2], row[4 * x + 1], row[4 * x], 255};
    case PixelFormat::kBgr32:
      return {row[3 * x], row[3 * x + 1], row[3 * x + 2], 255};
    default:
      return {row[3 * x + 2], row[3 * x + 1], row[3 * x], 255};
  }
}

template <PixelFormat format>
bool ReferenceUpdate(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  bool changed = false;
  for (std::size_t x = 0; x < width; ++x) {
    const Bytes4 pixel = ReferencePixel(format, from, x);
    std::uint8_t* at = to + 4 * x;
    if (at[0] == pixel.b && at[1] == pixel.g && at[2] == pixel.r && at[3] == pixel.x) continue;
    at[0] = pixel.b;
    at[1] = pixel.g;
    at[2] = pixel.r;
    at[3] = pixel.x;
    changed = true;
  }
  return changed;
}

template <PixelFormat format>
void ReferenceConvert(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    const Bytes4 pixel = ReferencePixel(format, from, x);
    to[4 * x] = pixel.b;
    to[4 * x + 1] = pixel.g;
    to[4 * x + 2] = pixel.r;
    to[4 * x + 3] = pixel.x;
  }
}

void ReferencePack4(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    to[4 * x] = from[4 * x + 2];
    to[4 * x + 1] = from[4 * x + 1];
    to[4 * x + 2] = from[4 * x];
    to[4 * x + 3] = 255;
  }
}

void ReferencePack3(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    to[3 * x] = from[4 * x + 2];
    to[3 * x + 1] = from[4 * x + 1];
    to[3 * x + 2] = from[4 * x];
  }
}

// ---- Portable: a word per pixel, no branch in the inner loop ----

constexpr std::uint32_t kOpaque = 0xff000000u;

inline std::uint32_t LoadWord(const std::uint8_t* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

inline void StoreWord(std::uint8_t* at, std::uint32_t word) { std::memcpy(at, &word, sizeof word); }

// Exchanges the first and the third byte.
inline std::uint32_t SwapRedBlue(std::uint32_t word) {
  return (word & 0xff00ff00u) | ((word >> 16) & 0xffu) | ((word & 0xffu) << 16);
}

template <PixelFormat format>
inline std::uint32_t PortablePixel(const std::uint8_t* from, std::size_t x) {
  switch (format) {
    case PixelFormat::kBgra:
      return LoadWord(from + 4 * x) | kOpaque;
    case PixelFormat::kRgba:
      return SwapRedBlue(LoadWord(from + 4 * x)) | kOpaque;
    case PixelFormat::kBgr32:
      return from[3 * x] | from[3 * x + 1] << 8 | from[3 * x + 2] << 16 | kOpaque;
    default:
      return from[3 * x + 2] | from[3 * x + 1] << 8 | from[3 * x] << 16 | kOpaque;
  }
}

template <PixelFormat format>
void PortableConvert(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) StoreWord(to + 4 * x, PortablePixel<format>(from, x));
}

template <PixelFormat format>
bool PortableUpdate(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  // Through a small block, so that each source pixel is read once: the guest may be writing it.
  constexpr std::size_t kBlock = 64;
  std::uint8_t block[4 * kBlock];
  bool changed = false;
  for (std::size_t x = 0; x < width; x += kBlock) {
    const std::size_t count = width - x < kBlock ? width - x : kBlock;
    PortableConvert<format>(block, from + x * SourcePixelBytes(format), count);
    if (std::memcmp(to + 4 * x, block, 4 * count) == 0) continue;
    std::memcpy(to + 4 * x, block, 4 * count);
    changed = true;
  }
  return changed;
}

void PortablePack4(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    StoreWord(to + 4 * x, SwapRedBlue(LoadWord(from + 4 * x)) | kOpaque);
  }
}

}  // namespace

const RowKernels kReferenceRows = {
    {ReferenceConvert<PixelFormat::kBgra>, ReferenceConvert<PixelFormat::kRgba>,
     ReferenceConvert<PixelFormat::kBgr32>, ReferenceConvert<PixelFormat::kRgb24>},
    {ReferenceUpdate<PixelFormat::kBgra>, ReferenceUpdate<PixelFormat::kRgba>,
     ReferenceUpdate<PixelFormat::kBgr32>, ReferenceUpdate<PixelFormat::kRgb24>},
    ReferencePack4,
    ReferencePack3,
};

const RowKernels kPortableRows = {
    {PortableConvert<PixelFormat::kBgra>, PortableConvert<PixelFormat::kRgba>,
     PortableConvert<PixelFormat::kBgr32>, PortableConvert<PixelFormat::kRgb24>},
    {PortableUpdate<PixelFormat::kBgra>, PortableUpdate<PixelFormat::kRgba>,
     PortableUpdate<PixelFormat::kBgr32>, PortableUpdate<PixelFormat::kRgb24>},
    PortablePack4,
    ReferencePack3,
};

}  // namespace kvmfr
