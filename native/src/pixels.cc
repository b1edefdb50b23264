#include "pixels.h"

#include <algorithm>
#include <cstring>

#include "pixels-rows.h"

namespace kvmfr {
namespace {

const RowKernels& KernelsOf(Variant variant) {
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

const HdrRowKernels& HdrKernelsOf(Variant variant) {
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

std::size_t HdrIndex(PixelFormat format) {
  return static_cast<std::size_t>(format) - kPixelFormats;
}

// Visible part of a tile.
PixelRect TileRect(const TiledPicture& picture, std::uint32_t index) {
  const std::uint32_t x = index % picture.columns() * picture.tile;
  const std::uint32_t y = index / picture.columns() * picture.tile;
  return {x, y, std::min(picture.tile, picture.width - x),
          std::min(picture.tile, picture.height - y)};
}

// The loop of UpdateTiles over a function (to, from, width) of one row of a tile.
template <typename Update>
std::uint32_t UpdateTilesBy(const TiledPicture& picture, std::uint32_t serial,
                            std::size_t pixel_bytes, ConstRows from, PixelRect rect,
                            const Update& update) {
  if (rect.width == 0 || rect.height == 0) return 0;
  const std::uint32_t tile = picture.tile;
  const std::uint32_t right = rect.x + rect.width;
  const std::uint32_t bottom = rect.y + rect.height;
  std::uint32_t changed_tiles = 0;

  // Whole rows, not tile by tile: memory is read in the order in which it lies.
  constexpr std::uint32_t kColumnsAtOnce = 512;
  bool changed[kColumnsAtOnce];
  for (std::uint32_t line = rect.y / tile; line <= (bottom - 1) / tile; ++line) {
    const std::uint32_t top = std::max(rect.y, line * tile);
    const std::uint32_t end = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(bottom, (std::uint64_t{line} + 1) * tile));
    for (std::uint32_t first = rect.x / tile; first <= (right - 1) / tile;
         first += kColumnsAtOnce) {
      const std::uint32_t last = std::min(first + kColumnsAtOnce - 1, (right - 1) / tile);
      std::memset(changed, 0, sizeof changed);
      for (std::uint32_t y = top; y < end; ++y) {
        std::uint8_t* to = picture.pixels.at + y * picture.pixels.pitch;
        const std::uint8_t* row = from.at + y * from.pitch;
        for (std::uint32_t column = first; column <= last; ++column) {
          const std::uint32_t x = std::max(rect.x, column * tile);
          const std::uint32_t stop = static_cast<std::uint32_t>(
              std::min<std::uint64_t>(right, (std::uint64_t{column} + 1) * tile));
          changed[column - first] |=
              update(to + std::size_t{x} * 4, row + x * pixel_bytes, stop - x);
        }
      }
      for (std::uint32_t column = first; column <= last; ++column) {
        if (!changed[column - first]) continue;
        picture.serials[std::size_t{line} * picture.columns() + column] = serial;
        ++changed_tiles;
      }
    }
  }
  return changed_tiles;
}

}  // namespace

const char* BestVariantName() {
  return &KernelsOf(Variant::kBest) == &kPortableRows ? "portable" : "avx2";
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
    const ConvertHdrRow convert = HdrKernelsOf(variant).convert[HdrIndex(format)];
    for (std::size_t y = 0; y < rows; ++y) {
      convert(to.at + y * to.pitch, from.at + y * from.pitch, width, tone_map);
    }
    return;
  }
  const ConvertRow convert = KernelsOf(variant).convert[static_cast<std::size_t>(format)];
  for (std::size_t y = 0; y < rows; ++y) {
    convert(to.at + y * to.pitch, from.at + y * from.pitch, width);
  }
}

std::uint32_t UpdateTiles(Variant variant, const TiledPicture& picture, std::uint32_t serial,
                          PixelFormat format, ConstRows from, PixelRect rect,
                          const ToneMap& tone_map) {
  if (static_cast<std::size_t>(format) >= kPixelFormats) {
    const UpdateHdrRow update = HdrKernelsOf(variant).update[HdrIndex(format)];
    return UpdateTilesBy(picture, serial, SourcePixelBytes(format), from, rect,
                         [&](std::uint8_t* to, const std::uint8_t* row, std::size_t width) {
                           return update(to, row, width, tone_map);
                         });
  }
  return UpdateTilesBy(picture, serial, SourcePixelBytes(format), from, rect,
                       KernelsOf(variant).update[static_cast<std::size_t>(format)]);
}

bool PackTiles(Variant variant, std::uint8_t* to, std::uint64_t capacity,
               const TiledPicture& picture, const std::uint32_t* tiles, std::size_t count,
               std::size_t bytes_per_pixel, std::uint64_t* written) {
  const RowKernels& kernels = KernelsOf(variant);
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
