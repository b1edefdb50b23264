// Two states of a picture: whatever move is found, every pixel of a tile that it is said to explain
// is explained by it.
#include <vector>

#include "../src/moves.h"
#include "input.h"

using kvmfr_fuzz::Buffer;
using kvmfr_fuzz::Claim;
using kvmfr_fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint32_t sides[] = {2, 4, 8, 16, 64};
  const std::uint32_t tile = sides[input.Byte() % 5];
  const std::uint32_t width = 1 + input.Below(160), height = 1 + input.Below(160);
  const std::size_t pitch = std::size_t{width} * 4;
  const std::size_t other_pitch = pitch + 4 * (input.Byte() % 3);
  Buffer before(kvmfr_fuzz::Needed(other_pitch, pitch, height));
  input.Fill(before.at(), before.size());
  // Rows that are unlike each other, or not.
  const std::uint32_t alike = 1 + input.Below(64);
  for (std::uint32_t y = 0; y < height; ++y) {
    *before.at(y * other_pitch) = static_cast<std::uint8_t>(y / alike);
  }
  Buffer now(pitch * height);
  const auto pixel = [&](Buffer& buffer, std::size_t of, std::uint32_t x, std::uint32_t y) {
    std::uint32_t word;
    std::memcpy(&word, buffer.at(y * of + x * 4), 4);
    return word;
  };
  const std::uint32_t by = input.Below(height), left = input.Below(width);
  const std::uint32_t top = input.Below(height), right = left + input.Below(width - left + 1);
  const bool up = input.Byte() % 2 == 0;
  for (std::uint32_t y = 0; y < height; ++y) {
    const std::uint32_t from = up ? y + by : y - by;
    for (std::uint32_t x = 0; x < width; ++x) {
      const bool moves = x >= left && x < right && y >= top && from < height;
      const std::uint32_t word = pixel(before, other_pitch, x, moves ? from : y);
      std::memcpy(now.at(y * pitch + x * 4), &word, 4);
    }
  }
  for (std::uint32_t i = input.Byte() % 8; i > 0; --i) *now.at(input.Word() % now.size()) ^= 1;

  std::vector<std::uint32_t> serials;
  const std::uint32_t columns = (width + tile - 1) / tile, lines = (height + tile - 1) / tile;
  for (std::uint32_t i = 0; i < columns * lines; ++i) {
    bool changed = input.Byte() % 16 == 0;
    for (std::uint32_t y = i / columns * tile; y < height && y < (i / columns + 1) * tile; ++y) {
      for (std::uint32_t x = i % columns * tile; x < width && x < (i % columns + 1) * tile; ++x) {
        changed = changed || pixel(now, pitch, x, y) != pixel(before, other_pitch, x, y);
      }
    }
    serials.push_back(changed ? 9 : 5);
  }
  serials.shrink_to_fit();
  const kvmfr::TiledPicture picture = {{now.at(), pitch}, width, height, tile, serials.data()};
  std::vector<std::uint32_t> rest((columns * lines + 31) / 32, 0xa5a5a5a5u);
  rest.shrink_to_fit();
  kvmfr::FoundMove found{};
  const kvmfr::ConstRows earlier = {before.at(), other_pitch};
  if (kvmfr::FindMove(picture, earlier, 5, rest.data(), &found)) {
    const auto& [to, from_x, from_y] = found.move;
    Claim(to.width > 0 && to.height > 0, "a move has pixels");
    Claim(to.x + to.width <= width && to.y + to.height <= height, "it goes into the picture");
    Claim(from_x + to.width <= width && from_y + to.height <= height, "it comes from the picture");
    std::uint32_t left_over = 0;
    for (std::uint32_t i = 0; i < columns * lines; ++i) {
      if ((rest[i / 32] >> i % 32 & 1) != 0) {
        ++left_over;
        continue;
      }
      for (std::uint32_t y = i / columns * tile; y < height && y < (i / columns + 1) * tile; ++y) {
        for (std::uint32_t x = i % columns * tile; x < width && x < (i % columns + 1) * tile; ++x) {
          const bool moved =
              x >= to.x && x < to.x + to.width && y >= to.y && y < to.y + to.height;
          const std::uint32_t expected =
              moved ? pixel(before, other_pitch, from_x + x - to.x, from_y + y - to.y)
                    : pixel(before, other_pitch, x, y);
          Claim(pixel(now, pitch, x, y) == expected, "a tile without a bit is what the move makes");
        }
      }
    }
    Claim(left_over == found.rest, "the tiles that are left are counted");
  }
  // The copy of what has changed makes the two states one.
  kvmfr::CopyChangedTiles({before.at(), other_pitch}, picture, 5);
  for (std::uint32_t y = 0; y < height; ++y) {
    Claim(std::memcmp(before.at(y * other_pitch), now.at(y * pitch), pitch) == 0, "a copy is equal");
  }
  return 0;
}
