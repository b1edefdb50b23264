// Pixel kernels: loops over memory, no JavaScript objects. Every range is checked by the caller.
//
// A picture holds the bytes B, G, R, 255 per pixel. Formats of more than 8 bits are in hdr.h. Each
// kernel exists as
//   reference  one pixel at a time, written for the eye; the others are tested against it
//   portable   plain C++ that a compiler vectorises (SSE2, NEON)
//   best       AVX2 where the processor has it, else portable
#ifndef KVMFR_PIXELS_H_
#define KVMFR_PIXELS_H_

#include <cstddef>
#include <cstdint>

#include "hdr.h"

namespace kvmfr {

enum class PixelFormat : std::uint32_t {
  kBgra = 0,   // B, G, R, and a fourth byte that is ignored
  kRgba = 1,   // R, G, B, and a fourth byte that is ignored
  kBgr32 = 2,  // triples B, G, R; pixel x at byte 3x of the row
  kRgb24 = 3,  // triples R, G, B
  // Words of R, G, B in ten bits each, R lowest, and two that are ignored: SDR, and HDR in two
  // ways.
  kRgba10 = 4,
  kRgba10Pq = 5,
  kRgba10Linear = 6,
  kRgba16f = 7,  // half floats R, G, B, and a fourth that is ignored: scRGB
};
// Those of 8 bits come first.
constexpr std::uint32_t kPixelFormats = 4;
constexpr std::uint32_t kAllPixelFormats = kPixelFormats + kHdrFormats;

constexpr std::size_t SourcePixelBytes(PixelFormat format) {
  if (format == PixelFormat::kRgba16f) return 8;
  return format == PixelFormat::kBgr32 || format == PixelFormat::kRgb24 ? 3 : 4;
}

// Whether the kernels of a format need a tone map, and one of this kind.
constexpr bool NeedsToneMap(PixelFormat format) { return format > PixelFormat::kRgba10; }
constexpr Transfer TransferOf(PixelFormat format) {
  return static_cast<Transfer>(static_cast<std::uint32_t>(format) -
                               static_cast<std::uint32_t>(PixelFormat::kRgba10Pq));
}

enum class Variant { kBest, kPortable, kReference };
constexpr std::uint32_t kVariants = 3;

// What kBest is on this processor: "avx2" or "portable".
const char* BestVariantName();

struct Rows {
  std::uint8_t* at;
  std::size_t pitch;
};
struct ConstRows {
  const std::uint8_t* at;
  std::size_t pitch;
};

void CopyRows(Rows to, ConstRows from, std::size_t row_bytes, std::size_t rows);

// Rows of `width` pixels of a format become rows of a picture.
void ConvertRows(Variant variant, PixelFormat format, Rows to, ConstRows from, std::size_t width,
                 std::size_t rows, const ToneMap& tone_map = {});

// A picture divided into square tiles, row by row from the top left; those at the right and lower
// edges are smaller. A tile's serial says when it last changed.
struct TiledPicture {
  Rows pixels;
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t tile;
  std::uint32_t* serials;

  std::uint32_t columns() const { return width / tile + (width % tile != 0); }
  std::uint32_t lines() const { return height / tile + (height % tile != 0); }
};

// A rect of pixels that lies within the picture.
struct PixelRect {
  std::uint32_t x, y, width, height;
};

struct I420Planes;

// Compares a rect of a frame with the picture, writes what differs, and gives each tile in which
// anything differed the serial. `from` is the frame's first pixel, not the rect's. Returns the
// number of those tiles.
//
// With `i420`, those tiles are also converted, the whole of each, from what is in the picture then:
// each source pixel is read once. The side of a tile is even then.
std::uint32_t UpdateTiles(Variant variant, const TiledPicture& picture, std::uint32_t serial,
                          PixelFormat format, ConstRows from, PixelRect rect,
                          const ToneMap& tone_map = {}, const I420Planes* i420 = nullptr);

// Packed pixels of the tiles: R, G, B, 255 for 4 bytes per pixel, R, G, B for 3. Only pixels of the
// picture are packed, row by row, so an edge tile takes less. Stops before the first tile that the
// picture does not have or that has no room left in `capacity`, and returns false then; *written
// counts the bytes packed until there.
bool PackTiles(Variant variant, std::uint8_t* to, std::uint64_t capacity,
               const TiledPicture& picture, const std::uint32_t* tiles, std::size_t count,
               std::size_t bytes_per_pixel, std::uint64_t* written);

}  // namespace kvmfr

#endif  // KVMFR_PIXELS_H_
