// Content that merely moved up or down from one state of a picture to the next, as when something
// is scrolled. Both states are our own memory: nothing here reads what a guest may be writing.
#ifndef KVMFR_MOVES_H_
#define KVMFR_MOVES_H_

#include <cstdint>

#include "pixels.h"

namespace kvmfr {

// The pixels of `to` are those that were at `from_x`, `from_y` before.
struct PixelMove {
  PixelRect to;
  std::uint32_t from_x, from_y;
};

struct FoundMove {
  PixelMove move;
  // Tiles that changed, and tiles that are other than the move alone makes them.
  std::uint32_t changed, rest;
};

// Fewer tiles that changed are not looked at: they cost less than a move.
constexpr std::uint32_t kLeastMovedTiles = 24;

// Looks for the move that explains most of what changed from `before` to `picture`, which is what
// has a serial above `base`. Writes a bit to `rest` for each tile that is other than the move alone
// makes it, tile 0 in bit 0 of the first word; all words that the picture's tiles need are written.
// Returns false when there is no move that is worth it; then `rest` means nothing.
//
// Exact: every pixel of a tile without a bit was compared.
bool FindMove(const TiledPicture& picture, ConstRows before, std::uint32_t base,
              std::uint32_t* rest, FoundMove* found);

// Copies the tiles with a serial above `base`. Returns how many.
std::uint32_t CopyChangedTiles(Rows to, const TiledPicture& picture, std::uint32_t base);

}  // namespace kvmfr

#endif  // KVMFR_MOVES_H_
