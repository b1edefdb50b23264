// UpdateTiles: the one pass over a frame.
#include <algorithm>
#include <cstring>

#include "i420.h"
#include "pixels-rows.h"

namespace kvmfr {
namespace {

// Tiles of a line are looked at in groups, and a group by pairs of rows, from left to right: what
// has just been copied is still in the first cache when it becomes I420, and memory is read nearly
// in the order in which it lies. Tile by tile, or the I420 after a whole line of tiles, took up to
// three times as long.
constexpr std::uint32_t kGroup = 8;

// Columns whose state is kept at a time.
constexpr std::uint32_t kColumnsAtOnce = 512;

void Prefetch(const std::uint8_t* at, std::size_t bytes) {
#if defined(__GNUC__) || defined(__clang__)
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
#else
  static_cast<void>(at);
  static_cast<void>(bytes);
#endif
}

// The part of a rect in one line of tiles: columns `first` to `last`, rows from `top` to before
// `end`.
struct Span {
  std::uint32_t line, first, last, top, end;
};

std::uint32_t Earlier(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint32_t>(std::min(a, b));
}

// Brings a picture up to a frame, span by span. `Update` is a function (to, from, width) of one row
// of a tile that says whether anything differed.
template <typename Update>
class TileComparison {
 public:
  TileComparison(const TiledPicture& picture, std::size_t pixel_bytes, ConstRows from,
                 PixelRect rect, const Update& update)
      : picture_(picture), pixel_bytes_(pixel_bytes), from_(from), rect_(rect), update_(update) {}

  // Whether a column of the span has changed until now.
  const bool* changed() const { return changed_; }

  // `after(y, begin, end)` is called for each pair of rows that begins at an even y, once for each
  // group of columns.
  template <typename After>
  void Compare(const Span& span, const After& after) {
    std::memset(changed_, 0, span.last - span.first + 1);
    for (std::uint32_t y = span.top & ~1u; y < span.end; y += 2) {
      for (std::uint32_t begin = span.first; begin <= span.last; begin += kGroup) {
        const std::uint32_t end = std::min(begin + kGroup - 1, span.last);
        // What comes next: the next group, or the first one two rows below.
        const bool wraps = end == span.last;
        const std::uint32_t next = wraps ? span.first : end + 1;
        const std::uint32_t step = wraps ? 2 : 0;
        if (y >= span.top) Row(span, y, begin, end, y + step, next);
        if (y + 1 < span.end) Row(span, y + 1, begin, end, y + 1 + step, next);
        after(y, begin, end);
      }
    }
  }

 private:
  // Where the rect begins and ends in a column.
  std::uint32_t Left(std::uint32_t column) const {
    return std::max(rect_.x, column * picture_.tile);
  }
  std::uint32_t Right(std::uint32_t column) const {
    return Earlier(std::uint64_t{rect_.x} + rect_.width,
                   (std::uint64_t{column} + 1) * picture_.tile);
  }

  // Compares a row from column `begin` to `end`; meanwhile as many columns of row `ahead` from
  // `next` on are brought near.
  void Row(const Span& span, std::uint32_t y, std::uint32_t begin, std::uint32_t end,
           std::uint32_t ahead, std::uint32_t next) {
    std::uint8_t* to = picture_.pixels.at + y * picture_.pixels.pitch;
    const std::uint8_t* row = from_.at + y * from_.pitch;
    for (std::uint32_t column = begin; column <= end; ++column, ++next) {
      if (ahead < span.end && next <= span.last) {
        const std::size_t x = Left(next);
        const std::size_t width = Right(next) - x;
        Prefetch(from_.at + ahead * from_.pitch + x * pixel_bytes_, width * pixel_bytes_);
        Prefetch(picture_.pixels.at + ahead * picture_.pixels.pitch + x * 4, width * 4);
      }
      const std::size_t x = Left(column);
      changed_[column - span.first] |=
          update_(to + x * 4, row + x * pixel_bytes_, Right(column) - x);
    }
  }

  const TiledPicture& picture_;
  const std::size_t pixel_bytes_;
  const ConstRows from_;
  const PixelRect rect_;
  const Update& update_;
  bool changed_[kColumnsAtOnce];
};

// Makes I420 of the tiles of a span that change, each from the first pair of rows on in which it
// did; and what was above and below that in the end.
class TileConversion {
 public:
  TileConversion(Variant variant, const I420Planes& to, const TiledPicture& picture)
      : variant_(variant), to_(to), picture_(picture) {}

  void Begin(const Span& span) { std::fill_n(begun_, span.last - span.first + 1, kNot); }

  void Pair(const Span& span, const bool* changed, std::uint32_t y, std::uint32_t begin,
            std::uint32_t end) {
    for (std::uint32_t column = begin; column <= end; ++column) {
      if (!changed[column - span.first]) continue;
      // Neighbours together.
      const std::uint32_t left = column;
      for (; column <= end && changed[column - span.first]; ++column) {
        std::uint32_t& begun = begun_[column - span.first];
        if (begun == kNot) begun = y;
      }
      Convert(left, column - 1, y, Earlier(picture_.height, std::uint64_t{y} + 2));
    }
  }

  void End(const Span& span) {
    const std::uint32_t top = span.line * picture_.tile;
    const std::uint32_t bottom =
        Earlier(picture_.height, (std::uint64_t{span.line} + 1) * picture_.tile);
    const std::uint32_t reached =
        Earlier(bottom, (std::uint64_t{span.end} + 1) & ~std::uint64_t{1});
    for (std::uint32_t column = span.first; column <= span.last; ++column) {
      const std::uint32_t begun = begun_[column - span.first];
      if (begun == kNot) continue;
      Convert(column, column, top, begun);
      Convert(column, column, reached, bottom);
    }
  }

 private:
  static constexpr std::uint32_t kNot = UINT32_MAX;

  void Convert(std::uint32_t first, std::uint32_t last, std::uint32_t top, std::uint32_t bottom) {
    if (top == bottom) return;
    const std::uint32_t x = first * picture_.tile;
    const std::uint32_t right = Earlier(picture_.width, (std::uint64_t{last} + 1) * picture_.tile);
    ConvertToI420(variant_, to_, {picture_.pixels.at, picture_.pixels.pitch},
                  {x, top, right - x, bottom - top});
  }

  const Variant variant_;
  const I420Planes& to_;
  const TiledPicture& picture_;
  std::uint32_t begun_[kColumnsAtOnce];
};

// Gives the tiles that changed the serial; returns how many.
std::uint32_t Mark(const TiledPicture& picture, const Span& span, const bool* changed,
                   std::uint32_t serial) {
  std::uint32_t count = 0;
  std::uint32_t* serials = picture.serials + std::size_t{span.line} * picture.columns();
  for (std::uint32_t column = span.first; column <= span.last; ++column) {
    if (!changed[column - span.first]) continue;
    serials[column] = serial;
    ++count;
  }
  return count;
}

template <typename Update>
std::uint32_t UpdateTilesBy(Variant variant, const TiledPicture& picture, std::uint32_t serial,
                            std::size_t pixel_bytes, ConstRows from, PixelRect rect,
                            const I420Planes* i420, const Update& update) {
  if (rect.width == 0 || rect.height == 0) return 0;
  const std::uint32_t tile = picture.tile;
  const std::uint32_t right = rect.x + rect.width;
  const std::uint32_t bottom = rect.y + rect.height;
  std::uint32_t count = 0;
  TileComparison<Update> comparison(picture, pixel_bytes, from, rect, update);
  Span span{};
  for (span.line = rect.y / tile; span.line <= (bottom - 1) / tile; ++span.line) {
    span.top = std::max(rect.y, span.line * tile);
    span.end = Earlier(bottom, (std::uint64_t{span.line} + 1) * tile);
    for (span.first = rect.x / tile; span.first <= (right - 1) / tile;
         span.first += kColumnsAtOnce) {
      span.last = std::min(span.first + kColumnsAtOnce - 1, (right - 1) / tile);
      if (i420 == nullptr) {
        comparison.Compare(span, [](std::uint32_t, std::uint32_t, std::uint32_t) {});
      } else {
        TileConversion conversion(variant, *i420, picture);
        conversion.Begin(span);
        comparison.Compare(span, [&](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
          conversion.Pair(span, comparison.changed(), y, begin, end);
        });
        conversion.End(span);
      }
      count += Mark(picture, span, comparison.changed(), serial);
    }
  }
  return count;
}

}  // namespace

std::uint32_t UpdateTiles(Variant variant, const TiledPicture& picture, std::uint32_t serial,
                          PixelFormat format, ConstRows from, PixelRect rect,
                          const ToneMap& tone_map, const I420Planes* i420) {
  const std::size_t number = static_cast<std::size_t>(format);
  const std::size_t bytes = SourcePixelBytes(format);
  if (number < kPixelFormats) {
    return UpdateTilesBy(variant, picture, serial, bytes, from, rect, i420,
                         RowKernelsOf(variant).update[number]);
  }
  const UpdateHdrRow update = HdrRowKernelsOf(variant).update[number - kPixelFormats];
  return UpdateTilesBy(variant, picture, serial, bytes, from, rect, i420,
                       [&](std::uint8_t* to, const std::uint8_t* row, std::size_t width) {
                         return update(to, row, width, tone_map);
                       });
}

}  // namespace kvmfr
