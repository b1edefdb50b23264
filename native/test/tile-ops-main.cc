// Codes many odd tiles and reads the ops again, the slow and obvious way. Made to be compiled with
// -fsanitize=address,undefined: every buffer is as large as it must be and no larger, so a coder that
// reads or writes one byte too many is caught.
//
// Prints the number of comparisons and exits 0, or says what was wrong first and exits 1.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../src/tile-ops.h"

using kvmfr::PackedTiles;

namespace {

unsigned long comparisons = 0;

void Expect(bool truth, const char* what, std::size_t a, std::size_t b) {
  ++comparisons;
  if (truth) return;
  std::printf("%s (%zu, %zu)\n", what, a, b);
  std::exit(1);
}

// xorshift: the same numbers in every run.
std::uint32_t Next() {
  static std::uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}
std::uint32_t Below(std::uint32_t limit) { return Next() % limit; }

// Exactly so many elements on the heap, so that the sanitizer guards both ends.
template <typename Element>
std::vector<Element> Exactly(std::size_t size) {
  std::vector<Element> elements(size);
  elements.shrink_to_fit();
  return elements;
}

std::uint32_t Word(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return (red & 255) | (green & 255) << 8 | (blue & 255) << 16 | 0xff000000u;
}

// Reads the ops of one tile after the other.
class Reader {
 public:
  Reader(const std::uint8_t* at, const std::uint8_t* end) : at_(at), end_(end) {
    std::fill_n(colours_, 64, Word(0, 0, 0));
  }

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  std::vector<std::uint32_t> Tile(std::size_t width, std::size_t count) {
    std::vector<std::uint32_t> tile;
    while (tile.size() < count) {
      const std::uint32_t op = Byte();
      const std::uint32_t red = before_, green = before_ >> 8, blue = before_ >> 16;
      if (op < 0x40) {
        tile.push_back(colours_[op]);
      } else if (op < 0x80) {
        Put(&tile, Word(red + (op >> 4 & 3) - 2, green + (op >> 2 & 3) - 2, blue + (op & 3) - 2));
      } else if (op < 0xc0) {
        const std::uint32_t others = Byte(), step = (op & 63) - 32;
        Put(&tile, Word(red + step + (others >> 4) - 8, green + step,
                        blue + step + (others & 15) - 8));
      } else if (op < 0xe0) {
        const std::size_t run = op < 0xd8 ? op - 0xbf : 25 + (op - 0xd8) * 256 + Byte();
        tile.insert(tile.end(), run, before_);
      } else if (op < 0xfe) {
        Copy(&tile, op < 0xf6 ? op - 0xdf : 23 + (op - 0xf6) * 256 + Byte(), width);
      } else if (op == 0xfe) {
        const std::uint32_t r = Byte(), g = Byte(), b = Byte();
        Put(&tile, Word(r, g, b));
      } else {
        const std::uint32_t low = Byte(), high = Byte();
        const std::size_t copied = 3 + (high >> 4);
        Copy(&tile, copied == 18 ? 18 + Byte() : copied, 1 + low + (high & 15) * 256);
      }
      before_ = tile.back();
    }
    Expect(tile.size() == count, "an op leaves its tile", tile.size(), count);
    return tile;
  }

 private:
  std::uint32_t Byte() {
    Expect(at_ < end_, "the ops end too soon", 0, 0);
    return *at_++;
  }
  void Put(std::vector<std::uint32_t>* tile, std::uint32_t word) {
    colours_[((word & 255) * 3 + (word >> 8 & 255) * 5 + (word >> 16 & 255) * 7) % 64] = word;
    tile->push_back(word);
  }
  static void Copy(std::vector<std::uint32_t>* tile, std::size_t count, std::size_t distance) {
    Expect(distance <= tile->size(), "a copy from before the tile", distance, tile->size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t word = (*tile)[tile->size() - distance];
      tile->push_back(word);
    }
  }

  const std::uint8_t* at_;
  const std::uint8_t* const end_;
  std::uint32_t colours_[64];
  std::uint32_t before_ = Word(0, 0, 0);
};

// Fills pixels as a desktop, a photograph or neither does.
void Draw(std::vector<std::uint32_t>* words) {
  const std::uint32_t kind = Below(5);
  const std::uint32_t few[] = {Next() | 0xff000000u, Next() | 0xff000000u, Word(0, 0, 0),
                               Word(255, 255, 255)};
  std::uint32_t word = few[0];
  for (std::size_t i = 0; i < words->size(); ++i) {
    switch (kind) {
      case 0:
        word = Next();
        break;
      case 1:
        if (Below(9) == 0) word = few[Below(4)];
        break;
      case 2:
        word = Word(word + Below(4), (word >> 8) + Below(20), (word >> 16) + Below(4));
        break;
      case 3:
        // Something from before again.
        word = i > 40 && Below(4) != 0 ? (*words)[i - 1 - i / 7 % 37] : few[Below(4)];
        break;
      default:
        if (Below(3000) == 0) word = few[Below(4)];
    }
    (*words)[i] = word | 0xff000000u;
  }
}

void RoundTrip(std::uint32_t width, std::uint32_t height, std::uint32_t tile) {
  const std::uint32_t columns = (width + tile - 1) / tile;
  const std::uint32_t lines = (height + tile - 1) / tile;
  std::vector<std::uint32_t> tiles;
  std::vector<std::uint32_t> widths, counts;
  std::size_t pixels = 0;
  for (std::uint32_t i = 0; i < columns * lines; ++i) {
    if (Below(3) == 0) continue;
    tiles.push_back(i);
    widths.push_back(std::min(tile, width - i % columns * tile));
    counts.push_back(widths.back() * std::min(tile, height - i / columns * tile));
    pixels += counts.back();
  }
  tiles.shrink_to_fit();
  auto words = Exactly<std::uint32_t>(pixels);
  auto to = Exactly<std::uint8_t>(3 * pixels);
  Draw(&words);
  const PackedTiles packed = {words.data(), words.size(),  width,       height,
                              tile,         tiles.data(), tiles.size()};
  const std::int64_t bytes = kvmfr::CodeTiles(packed, to.data(), to.size());
  Expect(bytes >= 0 && static_cast<std::size_t>(bytes) <= to.size(), "size", pixels, tile);
  if (static_cast<std::size_t>(bytes) == to.size()) {
    for (std::size_t i = 0; i < pixels; ++i) {
      Expect(Word(to[3 * i], to[3 * i + 1], to[3 * i + 2]) == words[i], "a pixel", i, pixels);
    }
  } else {
    Reader reader(to.data(), to.data() + bytes);
    const std::uint32_t* expected = words.data();
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const std::vector<std::uint32_t> read = reader.Tile(widths[i], counts[i]);
      Expect(std::equal(read.begin(), read.end(), expected), "a tile", i, tiles.size());
      expected += counts[i];
    }
    Expect(reader.left() == 0, "bytes follow", reader.left(), tile);
  }
  if (pixels == 0) return;
  Expect(kvmfr::CodeTiles(packed, to.data(), to.size() - 1) == -1, "too little room", pixels, 0);
  PackedTiles shorter = packed;
  shorter.length = pixels - 1;
  Expect(kvmfr::CodeTiles(shorter, to.data(), to.size()) == -1, "too few pixels", pixels, 0);
  tiles.back() = columns * lines + Below(3);
  Expect(kvmfr::CodeTiles(packed, to.data(), to.size()) == -1, "a tile too many", pixels, 0);
}

}  // namespace

int main() {
  const std::uint32_t tiles[] = {1, 7, 16, 64, 200};
  for (std::uint32_t i = 0; i < 3000; ++i) {
    RoundTrip(1 + Below(150), 1 + Below(140), tiles[Below(5)]);
  }
  // Long runs, and distances that leave what an op can say.
  for (std::uint32_t i = 0; i < 20; ++i) RoundTrip(300, 300, 300);
  std::printf("%lu comparisons\n", comparisons);
  return 0;
}
