// Tiles as a stream of small ops, exact to the bit: what docs/wire.md calls coding 2. The ops for one
// pixel are those of QOI (qoiformat.org, public domain) without alpha; those for several copy from
// the tile itself.
#ifndef KVMFR_TILE_OPS_H_
#define KVMFR_TILE_OPS_H_

#include <cstddef>
#include <cstdint>

namespace kvmfr {

// No op is longer, and each stands for at least one pixel.
constexpr std::size_t kMaxOpBytes = 4;
// Codes the tiles of one message, in order: what it knows of colours it carries from one to the next.
class TileOpsCoder {
 public:
  TileOpsCoder();

  // Codes a tile: `count` words of R, G, B, 255, in rows of `width`. Writes from `to` on and never
  // to `end`; returns where it stopped, or nullptr when there is no room.
  std::uint8_t* Code(const std::uint32_t* words, std::size_t width, std::size_t count,
                     std::uint8_t* to, const std::uint8_t* end);

 private:
  static constexpr unsigned kPlaceBits = 11;

  // The colours of late, each at the place that its own value says.
  std::uint32_t colours_[64];
  std::uint32_t previous_;
  // Where three pixels in a row that have this hash were seen last, in the lower 16 bits. Whatever is
  // found here is compared before it is believed, so what earlier tiles left does no harm.
  std::uint16_t places_[1u << kPlaceBits] = {};
};

// Tiles of a picture whose pixels have been packed: of a message, in order.
struct PackedTiles {
  const std::uint32_t* words;
  std::uint64_t length;
  std::uint32_t width, height, tile;
  const std::uint32_t* tiles;
  std::size_t count;

  // How many words they need, or -1 when the picture does not have one of them.
  std::int64_t Words() const;
};

// Codes tiles: as ops when those are shorter than the pixels at three bytes each, else as R, G, B, so
// the answer is the number of bytes and says which. Or -1 when the picture does not have a tile, when
// there are less words than they need, or less room than three bytes for each.
std::int64_t CodeTiles(const PackedTiles& packed, std::uint8_t* to, std::uint64_t capacity);

}  // namespace kvmfr

#endif  // KVMFR_TILE_OPS_H_
