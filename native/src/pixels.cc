#include "pixels.h"

#include <algorithm>
#include <cstring>

#include "pixels-rows.h"

namespace kvmfr {
namespace {

// Visible part of a tile.
PixelRect TileRect(const TiledPicture& picture, std::uint32_t index) {
  const std::uint32_t x = index % picture.columns() * picture.tile;
  const std::uint32_t y = index / picture.columns() * picture.tile;
  return {x, y, std::min(picture.tile, picture.width - x),
          std::min(picture.tile, picture.height - y)};
}

}  // namespace

const RowKernels& RowKernelsOf(Variant variant) {
  static const RowKernels* const best = BestRowKernels();
  switch (variant) {
    case Variant::kReference:
      return kReferenceRows;
    case Variant::kPortable:
      return kPortableRows;
    default:
      return *best;
  }
}

const HdrRowKernels& HdrRowKernelsOf(Variant variant) {
  static const HdrRowKernels* const best = BestHdrRowKernels();
  switch (variant) {
    case Variant::kReference:
      return kReferenceHdrRows;
    case Variant::kPortable:
      return kPortableHdrRows;
    default:
      return *best;
  }
}

const char* BestVariantName() {
  return &RowKernelsOf(Variant::kBest) == &kPortableRows ? "portable" : "avx2";
}

void CopyRows(Rows to, ConstRows from, std::size_t row_bytes, std::size_t rows) {
  if (rows == 0 || row_bytes == 0) return;
  if (to.pitch == row_bytes && from.pitch == row_bytes) {
    std::memcpy(to.at, from.at, row_bytes * rows);
    return;
  }
  for (std::size_t y = 0; y < rows; ++y) {
    std::memcpy(to.at + y * to.pitch, from.at + y * from.pitch, row_bytes);
  }
}

void ConvertRows(Variant variant, PixelFormat format, Rows to, ConstRows from, std::size_t width,
                 std::size_t rows, const ToneMap& tone_map) {
  if (static_cast<std::size_t>(format) >= kPixelFormats) {
    const ConvertHdrRow convert =
        HdrRowKernelsOf(variant).convert[static_cast<std::size_t>(format) - kPixelFormats];
    for (std::size_t y = 0; y < rows; ++y) {
      convert(to.at + y * to.pitch, from.at + y * from.pitch, width, tone_map);
    }
    return;
  }
  const ConvertRow convert = RowKernelsOf(variant).convert[static_cast<std::size_t>(format)];
  for (std::size_t y = 0; y < rows; ++y) {
    convert(to.at + y * to.pitch, from.at + y * from.pitch, width);
  }
}

bool PackTiles(Variant variant, std::uint8_t* to, std::uint64_t capacity,
               const TiledPicture& picture, const std::uint32_t* tiles, std::size_t count,
               std::size_t bytes_per_pixel, std::uint64_t* written) {
  const RowKernels& kernels = RowKernelsOf(variant);
  const PackRow pack = bytes_per_pixel == 4 ? kernels.pack4 : kernels.pack3;
  const std::uint64_t tile_count = std::uint64_t{picture.columns()} * picture.lines();
  *written = 0;
  for (std::size_t i = 0; i < count; ++i) {
    // Read once: the list may lie in memory that another thread writes.
    const std::uint32_t index = *static_cast<const volatile std::uint32_t*>(tiles + i);
    if (index >= tile_count) return false;
    const PixelRect rect = TileRect(picture, index);
    const std::uint64_t row_bytes = std::uint64_t{rect.width} * bytes_per_pixel;
    if (row_bytes * rect.height > capacity - *written) return false;
    for (std::uint32_t y = rect.y; y < rect.y + rect.height; ++y) {
      pack(to + *written, picture.pixels.at + y * picture.pixels.pitch + std::size_t{rect.x} * 4,
           rect.width);
      *written += row_bytes;
    }
  }
  return true;
}

}  // namespace kvmfr
