#include "moves.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace kvmfr {
namespace {

// Columns of tiles whose rows are hashed.
constexpr std::uint32_t kStrips = 4;
constexpr std::uint32_t kOrder[kStrips] = {0, 2, 1, 3};
// Rows that must agree on the distance, and their least part of those that changed.
constexpr std::uint32_t kLeastVotes = 8;
constexpr std::uint32_t kVotePart = 8;
// The part of the changed tiles that a move must save.
constexpr std::uint32_t kSavedPart = 4;

constexpr std::uint32_t kNone = UINT32_MAX;
constexpr std::uint32_t kMany = UINT32_MAX - 1;

// Tiles: columns `left` to before `right`, lines `top` to before `bottom`.
struct TileBox {
  std::uint32_t left, top, right, bottom;
  bool empty() const { return left >= right || top >= bottom; }
  void Add(std::uint32_t column, std::uint32_t line) {
    left = std::min(left, column);
    top = std::min(top, line);
    right = std::max(right, column + 1);
    bottom = std::max(bottom, line + 1);
  }
};
constexpr TileBox kNothing = {UINT32_MAX, UINT32_MAX, 0, 0};

std::uint64_t Mix(std::uint64_t hash, const std::uint8_t* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

// Four at a time: one alone would wait for its multiplications.
std::uint64_t HashRow(const std::uint8_t* at, std::size_t bytes) {
  std::uint64_t lanes[4] = {1, 2, 3, 4};
  std::size_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    for (std::size_t lane = 0; lane < 4; ++lane) lanes[lane] = Mix(lanes[lane], at + i + 8 * lane);
  }
  for (; i + 8 <= bytes; i += 8) lanes[0] = Mix(lanes[0], at + i);
  if (i < bytes) {
    std::uint8_t last[8] = {};
    std::memcpy(last, at + i, bytes - i);
    lanes[1] = Mix(lanes[1], last);
  }
  std::uint64_t hash = lanes[0];
  for (std::size_t lane = 1; lane < 4; ++lane) {
    hash = (hash ^ lanes[lane]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 31;
  }
  return hash;
}

// Where a row was before, by its hash; kMany when that cannot be told.
class RowTable {
 public:
  void Clear(std::uint32_t rows) {
    std::size_t size = 64;
    while (size < std::size_t{rows} * 2) size *= 2;
    slots_.assign(size, Slot{0, kNone});
  }

  void Add(std::uint64_t hash, std::uint32_t row) {
    Slot& slot = Find(hash);
    slot.row = slot.row == kNone ? row : kMany;
    slot.hash = hash;
  }

  std::uint32_t RowOf(std::uint64_t hash) { return Find(hash).row; }

 private:
  struct Slot {
    std::uint64_t hash;
    std::uint32_t row;
  };

  Slot& Find(std::uint64_t hash) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(hash) & mask;
    while (slots_[at].row != kNone && slots_[at].hash != hash) at = (at + 1) & mask;
    return slots_[at];
  }

  std::vector<Slot> slots_;
};

// What is used again from call to call.
struct Scratch {
  RowTable table;
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint32_t> votes;
  std::vector<std::uint8_t> moved;
};

class Finder {
 public:
  Finder(const TiledPicture& picture, ConstRows before, std::uint32_t base, Scratch& scratch)
      : picture_(picture),
        before_(before),
        base_(base),
        columns_(picture.columns()),
        lines_(picture.lines()),
        scratch_(scratch) {}

  bool Find(std::uint32_t* rest, FoundMove* found) {
    BoxChanged();
    if (changed_ < kLeastMovedTiles) return false;
    if (!Vote()) return false;
    if (!BoxMoved()) return false;
    Extend();
    found->changed = changed_;
    found->rest = MarkRest(rest);
    found->move = {to_, to_.x, static_cast<std::uint32_t>(to_.y + distance_)};
    // Less than this is not worth a copy of what is on the screen.
    return found->rest + std::max(kLeastMovedTiles / 2, changed_ / kSavedPart) <= changed_;
  }

 private:
  bool Changed(std::uint32_t column, std::uint32_t line) const {
    return picture_.serials[std::size_t{line} * columns_ + column] > base_;
  }

  // Ends of tiles, cut to the picture. Sides are below 2^30, and so are these.
  std::uint32_t Right(std::uint32_t column) const {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(picture_.width, (std::uint64_t{column} + 1) * picture_.tile));
  }
  std::uint32_t Bottom(std::uint32_t line) const {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(picture_.height, (std::uint64_t{line} + 1) * picture_.tile));
  }

  const std::uint8_t* Now(std::uint32_t x, std::uint32_t y) const {
    return picture_.pixels.at + y * picture_.pixels.pitch + std::size_t{x} * 4;
  }
  const std::uint8_t* Before(std::uint32_t x, std::int64_t y) const {
    return before_.at + static_cast<std::size_t>(y) * before_.pitch + std::size_t{x} * 4;
  }

  bool HasSource(std::uint32_t y) const {
    const std::int64_t from = y + distance_;
    return from >= 0 && from < picture_.height;
  }

  // Whether pixels of a row are those that were `distance` rows below.
  bool SameRow(std::uint32_t x, std::uint32_t right, std::uint32_t y, std::int64_t distance) const {
    return std::memcmp(Now(x, y), Before(x, y + distance), std::size_t{right - x} * 4) == 0;
  }

  void BoxChanged() {
    for (std::uint32_t line = 0; line < lines_; ++line) {
      for (std::uint32_t column = 0; column < columns_; ++column) {
        if (!Changed(column, line)) continue;
        box_.Add(column, line);
        ++changed_;
      }
    }
  }

  // Finds the distance over which most rows of a few columns of tiles have moved.
  bool Vote() {
    const std::uint32_t wide = box_.right - box_.left;
    const std::uint32_t strips = std::min(kStrips, wide);
    const std::uint32_t top = box_.top * picture_.tile;
    const std::uint32_t rows = Bottom(box_.bottom - 1) - top;
    scratch_.votes.assign(std::size_t{rows} * 2, 0);
    scratch_.hashes.resize(rows);
    std::uint64_t changed = 0;
    for (std::uint32_t done = 0; done < strips;) {
      // Every second one first, and the others only when those have something: a film costs half.
      const std::uint32_t strip = strips == kStrips ? kOrder[done] : done;
      const std::uint32_t column = box_.left + (2 * strip + 1) * wide / (2 * strips);
      const std::uint32_t x = column * picture_.tile;
      changed += VoteIn(x, std::size_t{Right(column) - x} * 4, top, rows);
      if (++done != strips / 2 && done != strips) continue;
      const auto best = std::max_element(scratch_.votes.begin(), scratch_.votes.end());
      distance_ = (best - scratch_.votes.begin()) - std::int64_t{rows};
      if (*best < kLeastVotes || std::uint64_t{*best} * kVotePart < changed) return false;
    }
    return true;
  }

  // Returns how many rows of a strip have changed.
  std::uint32_t VoteIn(std::uint32_t x, std::size_t bytes, std::uint32_t top, std::uint32_t rows) {
    scratch_.table.Clear(rows);
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint64_t hash = HashRow(Before(x, top + row), bytes);
      scratch_.hashes[row] = hash;
      scratch_.table.Add(hash, row);
    }
    std::uint32_t changed = 0;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint64_t hash = HashRow(Now(x, top + row), bytes);
      if (hash == scratch_.hashes[row]) continue;
      ++changed;
      const std::uint32_t was = scratch_.table.RowOf(hash);
      if (was != kNone && was != kMany) ++scratch_.votes[std::size_t{rows} + was - row];
    }
    return changed;
  }

  bool TileMoved(std::uint32_t column, std::uint32_t line) const {
    const std::uint32_t x = column * picture_.tile;
    const std::uint32_t y = line * picture_.tile;
    const std::uint32_t bottom = Bottom(line);
    if (!HasSource(y) || !HasSource(bottom - 1)) return false;
    for (std::uint32_t row = y; row < bottom; ++row) {
      if (!SameRow(x, Right(column), row, distance_)) return false;
    }
    return true;
  }

  std::uint8_t& Moved(std::uint32_t column, std::uint32_t line) {
    return scratch_.moved[std::size_t{line} * columns_ + column];
  }

  // The box of the tiles that changed and are explained as a whole.
  bool BoxMoved() {
    scratch_.moved.assign(std::size_t{columns_} * lines_, 0);
    core_ = kNothing;
    for (std::uint32_t line = box_.top; line < box_.bottom; ++line) {
      for (std::uint32_t column = box_.left; column < box_.right; ++column) {
        if (!TileMoved(column, line)) continue;
        Moved(column, line) = 1;
        if (Changed(column, line)) core_.Add(column, line);
      }
    }
    if (core_.empty()) return false;
    to_.x = core_.left * picture_.tile;
    to_.y = core_.top * picture_.tile;
    to_.width = Right(core_.right - 1) - to_.x;
    to_.height = Bottom(core_.bottom - 1) - to_.y;
    return true;
  }

  // What moves rarely begins and ends with a tile: takes in what has moved beside the core, up to a
  // tile on each side. Wherever it ends, MarkRest finds out what is right.
  void Extend() {
    const std::uint32_t left = Reach(core_.left, std::min(to_.x, picture_.tile), true);
    const std::uint32_t end = to_.x + to_.width;
    const std::uint32_t right =
        Reach(core_.right - 1, std::min(picture_.width - end, picture_.tile), false);
    to_.x -= left;
    to_.width += left + right;
    const std::uint32_t most = to_.y - std::min(to_.y, picture_.tile);
    while (to_.y > most && RowMoved(to_.y - 1)) {
      --to_.y;
      ++to_.height;
    }
    for (std::uint32_t more = 0; more < picture_.tile && RowMoved(to_.y + to_.height); ++more) {
      ++to_.height;
    }
  }

  bool RowMoved(std::uint32_t y) const {
    return y < picture_.height && HasSource(y) && SameRow(to_.x, to_.x + to_.width, y, distance_);
  }

  // How many pixels beside a column of the core have moved in all rows in which that column has.
  std::uint32_t Reach(std::uint32_t column, std::uint32_t most, bool to_left) {
    for (std::uint32_t line = core_.top; line < core_.bottom && most > 0; ++line) {
      if (!Moved(column, line)) continue;
      for (std::uint32_t y = line * picture_.tile; y < Bottom(line); ++y) {
        most = to_left ? ReachLeft(y, most) : ReachRight(y, most);
      }
    }
    return most;
  }

  std::uint32_t ReachLeft(std::uint32_t y, std::uint32_t most) const {
    if (SameRow(to_.x - most, to_.x, y, distance_)) return most;
    std::uint32_t reach = 0;
    while (SameRow(to_.x - reach - 1, to_.x - reach, y, distance_)) ++reach;
    return reach;
  }

  std::uint32_t ReachRight(std::uint32_t y, std::uint32_t most) const {
    const std::uint32_t end = to_.x + to_.width;
    if (SameRow(end, end + most, y, distance_)) return most;
    std::uint32_t reach = 0;
    while (SameRow(end + reach, end + reach + 1, y, distance_)) ++reach;
    return reach;
  }

  std::uint32_t MarkRest(std::uint32_t* rest) {
    std::fill_n(rest, (std::uint64_t{columns_} * lines_ + 31) / 32, 0u);
    std::uint32_t count = 0;
    for (std::uint32_t line = 0; line < lines_; ++line) {
      for (std::uint32_t column = 0; column < columns_; ++column) {
        if (Explained(column, line)) continue;
        const std::uint32_t index = line * columns_ + column;
        rest[index / 32] |= 1u << (index % 32);
        ++count;
      }
    }
    return count;
  }

  // Whether a tile is what the move alone makes of what was before.
  bool Explained(std::uint32_t column, std::uint32_t line) {
    const std::uint32_t x = column * picture_.tile;
    const std::uint32_t y = line * picture_.tile;
    const std::uint32_t right = Right(column);
    const std::uint32_t bottom = Bottom(line);
    const std::uint32_t to_right = to_.x + to_.width;
    const std::uint32_t to_bottom = to_.y + to_.height;
    if (right <= to_.x || x >= to_right || bottom <= to_.y || y >= to_bottom) {
      return !Changed(column, line);
    }
    if (Moved(column, line) && x >= to_.x && right <= to_right && y >= to_.y &&
        bottom <= to_bottom) {
      return true;
    }
    const std::uint32_t inner_left = std::max(x, to_.x);
    const std::uint32_t inner_right = std::min(right, to_right);
    for (std::uint32_t row = y; row < bottom; ++row) {
      if (row < to_.y || row >= to_bottom) {
        if (!SameRow(x, right, row, 0)) return false;
        continue;
      }
      if (!SameRow(x, inner_left, row, 0) || !SameRow(inner_left, inner_right, row, distance_) ||
          !SameRow(inner_right, right, row, 0)) {
        return false;
      }
    }
    return true;
  }

  const TiledPicture& picture_;
  const ConstRows before_;
  const std::uint32_t base_;
  const std::uint32_t columns_;
  const std::uint32_t lines_;
  Scratch& scratch_;
  TileBox box_ = kNothing;
  TileBox core_ = kNothing;
  std::uint32_t changed_ = 0;
  // From where a row is to where it was; rows.
  std::int64_t distance_ = 0;
  PixelRect to_{};
};

}  // namespace

bool FindMove(const TiledPicture& picture, ConstRows before, std::uint32_t base,
              std::uint32_t* rest, FoundMove* found) {
  thread_local Scratch scratch;
  return Finder(picture, before, base, scratch).Find(rest, found);
}

std::uint32_t CopyChangedTiles(Rows to, const TiledPicture& picture, std::uint32_t base) {
  const std::uint32_t columns = picture.columns();
  const std::uint32_t lines = picture.lines();
  std::uint32_t count = 0;
  for (std::uint32_t line = 0; line < lines; ++line) {
    const std::uint32_t* serials = picture.serials + std::size_t{line} * columns;
    const std::size_t top = std::size_t{line} * picture.tile;
    const std::size_t rows = std::min<std::size_t>(picture.tile, picture.height - top);
    for (std::uint32_t column = 0; column < columns; ++column) {
      if (serials[column] <= base) continue;
      // Neighbours together.
      const std::size_t x = std::size_t{column} * picture.tile;
      while (column < columns && serials[column] > base) {
        ++column;
        ++count;
      }
      const std::size_t right =
          std::min<std::size_t>(picture.width, std::size_t{column} * picture.tile);
      CopyRows({to.at + top * to.pitch + x * 4, to.pitch},
               {picture.pixels.at + top * picture.pixels.pitch + x * 4, picture.pixels.pitch},
               (right - x) * 4, rows);
    }
  }
  return count;
}

}  // namespace kvmfr
