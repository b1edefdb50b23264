#include "tile-ops.h"

#include <algorithm>
#include <iterator>

namespace kvmfr {
namespace {

constexpr std::uint32_t kOpaque = 0xff000000u;

constexpr std::uint8_t kDiff = 0x40;
constexpr std::uint8_t kLuma = 0x80;
constexpr std::uint8_t kRun = 0xc0;
constexpr std::uint8_t kAbove = 0xe0;
constexpr std::uint8_t kRgb = 0xfe;
constexpr std::uint8_t kCopy = 0xff;

// Pixels of a run or of a row above in an op of one byte, and in one of two.
constexpr std::size_t kShortRun = 24;
constexpr std::size_t kShortAbove = 22;
constexpr std::size_t kLong = 2048;

constexpr std::size_t kMinCopy = 3;
constexpr std::size_t kMaxCopy = kMinCopy + 15 + 255;
constexpr std::size_t kMaxDistance = 4096;
// With so many pixels in one or two bytes, nobody looks for a better place.
constexpr std::size_t kEnough = 6;

std::size_t ColourPlace(std::uint32_t word) {
  return ((word & 0xff) * 3 + (word >> 8 & 0xff) * 5 + (word >> 16 & 0xff) * 7) & 63;
}

struct Size {
  std::uint32_t width, height;
};

// Of a tile, cut to the picture; 0 when the picture does not have it.
Size SizeOf(const PackedTiles& packed, std::uint32_t index) {
  const std::uint64_t columns = (std::uint64_t{packed.width} + packed.tile - 1) / packed.tile;
  if (columns == 0) return {0, 0};
  const std::uint64_t x = index % columns * packed.tile;
  const std::uint64_t y = index / columns * packed.tile;
  if (y >= packed.height) return {0, 0};
  return {static_cast<std::uint32_t>(std::min<std::uint64_t>(packed.tile, packed.width - x)),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(packed.tile, packed.height - y))};
}

// How many pixels, at most `most`, have a colour; and how many equal those `distance` before them.
std::size_t CountOf(const std::uint32_t* at, std::uint32_t word, std::size_t most) {
  std::size_t count = 0;
  while (count < most && at[count] == word) ++count;
  return count;
}

std::size_t CountAsBefore(const std::uint32_t* at, std::size_t distance, std::size_t most) {
  const std::uint32_t* from = at - distance;
  std::size_t count = 0;
  while (count < most && at[count] == from[count]) ++count;
  return count;
}

// A run, or pixels as above.
std::uint8_t* WriteCount(std::uint8_t* to, std::uint8_t op, std::size_t shorts, std::size_t count) {
  if (count <= shorts) {
    *to++ = static_cast<std::uint8_t>(op + count - 1);
    return to;
  }
  const std::size_t more = count - shorts - 1;
  *to++ = static_cast<std::uint8_t>(op + shorts + (more >> 8));
  *to++ = static_cast<std::uint8_t>(more);
  return to;
}

std::uint8_t* WriteCopy(std::uint8_t* to, std::size_t distance, std::size_t count) {
  const std::size_t back = distance - 1;
  const std::size_t more = count - kMinCopy;
  *to++ = kCopy;
  *to++ = static_cast<std::uint8_t>(back);
  *to++ = static_cast<std::uint8_t>(back >> 8 | std::min<std::size_t>(more, 15) << 4);
  if (more >= 15) *to++ = static_cast<std::uint8_t>(more - 15);
  return to;
}

// A colour by how it differs from the one before, or by itself.
std::uint8_t* WriteColour(std::uint8_t* to, std::uint32_t word, std::uint32_t previous) {
  const int red = static_cast<std::int8_t>(word - previous);
  const int green = static_cast<std::int8_t>((word >> 8) - (previous >> 8));
  const int blue = static_cast<std::int8_t>((word >> 16) - (previous >> 16));
  const auto within = [](int value, int half) { return value >= -half && value < half; };
  if (within(red, 2) && within(green, 2) && within(blue, 2)) {
    *to++ = static_cast<std::uint8_t>(kDiff | (red + 2) << 4 | (green + 2) << 2 | (blue + 2));
  } else if (within(green, 32) && within(red - green, 8) && within(blue - green, 8)) {
    *to++ = static_cast<std::uint8_t>(kLuma | (green + 32));
    *to++ = static_cast<std::uint8_t>((red - green + 8) << 4 | (blue - green + 8));
  } else {
    *to++ = kRgb;
    *to++ = static_cast<std::uint8_t>(word);
    *to++ = static_cast<std::uint8_t>(word >> 8);
    *to++ = static_cast<std::uint8_t>(word >> 16);
  }
  return to;
}

}  // namespace

TileOpsCoder::TileOpsCoder() : previous_(kOpaque) {
  std::fill(std::begin(colours_), std::end(colours_), kOpaque);
}

std::uint8_t* TileOpsCoder::Code(const std::uint32_t* words, std::size_t width, std::size_t count,
                                 std::uint8_t* to, const std::uint8_t* end) {
  std::size_t at = 0;
  while (at < count) {
    if (end - to < static_cast<std::ptrdiff_t>(kMaxOpBytes)) return nullptr;
    const std::uint32_t* here = words + at;
    const std::uint32_t word = *here;
    const std::size_t left = count - at;
    std::size_t run = 0;
    if (word == previous_) run = CountOf(here, word, std::min(left, kShortRun + kLong));
    std::size_t above = 0;
    if (at >= width) above = CountAsBefore(here, width, std::min(left, kShortAbove + kLong));
    const std::size_t best = std::max(run, above);
    if (best < kEnough && left >= kMinCopy) {
      const std::uint32_t hash =
          here[0] * 0x9e3779b1u ^ here[1] * 0x85ebca6bu ^ here[2] * 0xc2b2ae35u;
      std::uint16_t& place = places_[hash >> (32 - kPlaceBits)];
      const std::size_t distance = static_cast<std::uint16_t>(at - place);
      place = static_cast<std::uint16_t>(at);
      if (distance > 0 && distance <= std::min(at, kMaxDistance)) {
        const std::size_t same = CountAsBefore(here, distance, std::min(left, kMaxCopy));
        if (same >= kMinCopy && same > best + (best > 0)) {
          to = WriteCopy(to, distance, same);
          at += same;
          previous_ = words[at - 1];
          continue;
        }
      }
    }
    if (best > 0) {
      to = run >= above ? WriteCount(to, kRun, kShortRun, run)
                        : WriteCount(to, kAbove, kShortAbove, above);
      at += best;
      previous_ = words[at - 1];
      continue;
    }
    std::uint32_t& colour = colours_[ColourPlace(word)];
    if (colour == word) {
      *to++ = static_cast<std::uint8_t>(ColourPlace(word));
    } else {
      colour = word;
      to = WriteColour(to, word, previous_);
    }
    previous_ = word;
    ++at;
  }
  return to;
}

std::int64_t PackedTiles::Words() const {
  std::uint64_t need = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Size size = SizeOf(*this, tiles[i]);
    if (size.width == 0) return -1;
    need += std::uint64_t{size.width} * size.height;
    if (need > length) return -1;
  }
  return static_cast<std::int64_t>(need);
}

std::int64_t CodeTiles(const PackedTiles& packed, std::uint8_t* to, std::uint64_t capacity) {
  const std::int64_t need = packed.Words();
  if (need < 0 || static_cast<std::uint64_t>(need) > capacity / 3) return -1;
  TileOpsCoder coder;
  const std::uint32_t* words = packed.words;
  std::uint8_t* at = to;
  // One byte less than the pixels, so that the length tells which it is.
  const std::uint8_t* end = to + (need == 0 ? 0 : 3 * need - 1);
  for (std::size_t i = 0; i < packed.count && at != nullptr; ++i) {
    const Size size = SizeOf(packed, packed.tiles[i]);
    const std::size_t pixels = std::size_t{size.width} * size.height;
    if (pixels > static_cast<std::size_t>(packed.words + need - words)) return -1;
    at = coder.Code(words, size.width, pixels, at, end);
    words += pixels;
  }
  if (at != nullptr) return at - to;
  for (std::int64_t i = 0; i < need; ++i) {
    to[3 * i] = static_cast<std::uint8_t>(packed.words[i]);
    to[3 * i + 1] = static_cast<std::uint8_t>(packed.words[i] >> 8);
    to[3 * i + 2] = static_cast<std::uint8_t>(packed.words[i] >> 16);
  }
  return 3 * need;
}

}  // namespace kvmfr
