// Any tiles of any picture: what the coder of tiles writes stays in its room and stands for exactly
// the pixels it was given.
#include <algorithm>
#include <vector>

#include "../src/tile-ops.h"
#include "input.h"

using kvmfr_fuzz::Buffer;
using kvmfr_fuzz::Claim;
using kvmfr_fuzz::Input;

namespace {

constexpr std::uint32_t kOpaque = 0xff000000u;

// Reads ops, the slow and obvious way, as docs/wire.md tells it.
class Reader {
 public:
  Reader(const std::uint8_t* at, const std::uint8_t* end) : at_(at), end_(end) {
    std::fill_n(colours_, 64, kOpaque);
  }
  bool done() const { return at_ == end_; }

  void Tile(std::size_t width, std::size_t count, const std::uint32_t* expected) {
    std::vector<std::uint32_t> tile;
    while (tile.size() < count) {
      const std::uint32_t op = Byte();
      if (op < 0x40) {
        tile.push_back(colours_[op]);
      } else if (op < 0x80) {
        Step(&tile, (op >> 4 & 3) - 2, (op >> 2 & 3) - 2, (op & 3) - 2);
      } else if (op < 0xc0) {
        const std::uint32_t others = Byte(), step = (op & 63) - 32;
        Step(&tile, step + (others >> 4) - 8, step, step + (others & 15) - 8);
      } else if (op < 0xe0) {
        tile.insert(tile.end(), op < 0xd8 ? op - 0xbf : 25 + (op - 0xd8) * 256 + Byte(), before_);
      } else if (op < 0xfe) {
        Copy(&tile, op < 0xf6 ? op - 0xdf : 23 + (op - 0xf6) * 256 + Byte(), width);
      } else if (op == 0xfe) {
        before_ = kOpaque;
        const std::uint32_t red = Byte(), green = Byte(), blue = Byte();
        Step(&tile, red, green, blue);
      } else {
        const std::uint32_t low = Byte(), high = Byte();
        const std::size_t copied = 3 + (high >> 4);
        Copy(&tile, copied == 18 ? 18 + Byte() : copied, 1 + low + (high & 15) * 256);
      }
      before_ = tile.back();
    }
    Claim(tile.size() == count, "no op leaves its tile");
    Claim(std::equal(tile.begin(), tile.end(), expected), "the pixels come back");
  }

 private:
  std::uint32_t Byte() {
    Claim(at_ < end_, "there are ops for all pixels");
    return *at_++;
  }
  void Step(std::vector<std::uint32_t>* tile, std::uint32_t red, std::uint32_t green,
            std::uint32_t blue) {
    red = (before_ + red) & 255;
    green = ((before_ >> 8) + green) & 255;
    blue = ((before_ >> 16) + blue) & 255;
    const std::uint32_t word = kOpaque | blue << 16 | green << 8 | red;
    colours_[(red * 3 + green * 5 + blue * 7) % 64] = word;
    tile->push_back(word);
  }
  static void Copy(std::vector<std::uint32_t>* tile, std::size_t count, std::size_t distance) {
    Claim(distance <= tile->size(), "a copy is from the tile itself");
    for (; count > 0; --count) {
      const std::uint32_t word = (*tile)[tile->size() - distance];
      tile->push_back(word);
    }
  }

  const std::uint8_t* at_;
  const std::uint8_t* const end_;
  std::uint32_t colours_[64];
  std::uint32_t before_ = kOpaque;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint32_t width = 1 + input.Below(130), height = 1 + input.Below(80);
  const std::uint32_t sides[] = {1, 7, 16, 64, 200};
  const std::uint32_t side = sides[input.Byte() % 5];
  const std::uint32_t columns = (width + side - 1) / side, lines = (height + side - 1) / side;
  const std::uint32_t chosen = input.Word() | 1;
  std::vector<std::uint32_t> tiles, widths, counts;
  std::size_t pixels = 0;
  for (std::uint32_t i = 0; i < columns * lines; ++i) {
    if ((chosen >> i % 32 & 1) == 0) continue;
    tiles.push_back(i);
    widths.push_back(std::min(side, width - i % columns * side));
    counts.push_back(widths.back() * std::min(side, height - i / columns * side));
    pixels += counts.back();
  }
  tiles.shrink_to_fit();
  // Colours of a small list, steps from the one before, or what was there before.
  std::vector<std::uint32_t> words(pixels);
  words.shrink_to_fit();
  const std::uint32_t few[] = {kOpaque, input.Word() | kOpaque, input.Word() | kOpaque,
                               input.Word() | kOpaque};
  std::uint32_t word = few[0];
  for (std::size_t i = 0; i < pixels;) {
    const std::uint8_t what = input.Byte(), run = input.Byte();
    for (std::size_t end = std::min(pixels, i + 1 + run * (what & 7)); i < end; ++i) {
      if (what < 64) {
        word = few[(what + i) % 4];
      } else if (what < 128) {
        word += (what & 3) | (what & 12) << 6 | (what & 48) << 12;
      } else if (what < 192) {
        word = i >= what ? words[i - what] : few[1];
      } else if (what < 224) {
        word = word * 2654435761u + what;
      }
      word |= kOpaque;
      words[i] = word;
    }
  }
  const kvmfr::PackedTiles packed = {words.data(), words.size(),  width,       height,
                                     side,         tiles.data(), tiles.size()};
  // Too little room is refused, and nothing is written behind it.
  const std::size_t room = input.Byte() % 4 == 0 ? input.Word() % (3 * pixels + 1) : 3 * pixels;
  Buffer to(room);
  const std::int64_t bytes = kvmfr::CodeTiles(packed, to.at(), room);
  if (room < 3 * pixels) {
    Claim(bytes == -1, "too little room is refused");
    return 0;
  }
  Claim(bytes >= 0 && static_cast<std::size_t>(bytes) <= room, "what is written has its room");
  if (static_cast<std::size_t>(bytes) == 3 * pixels) {
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::uint8_t* at = to.at(3 * i);
      Claim((kOpaque | at[2] << 16 | at[1] << 8 | at[0]) == words[i], "raw pixels are the pixels");
    }
    return 0;
  }
  Reader reader(to.at(), to.at() + bytes);
  const std::uint32_t* expected = words.data();
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    reader.Tile(widths[i], counts[i], expected);
    expected += counts[i];
  }
  Claim(reader.done(), "nothing follows the ops");
  return 0;
}
