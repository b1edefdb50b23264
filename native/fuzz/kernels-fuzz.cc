// Any frame, any damage, any picture: every variant of the kernels gives what the reference gives,
// and reads and writes nothing but its ranges.
#include <algorithm>
#include <vector>

#include "../src/i420.h"
#include "../src/pixels.h"
#include "input.h"

using kvmfr::PixelFormat;
using kvmfr::Variant;
using kvmfr_fuzz::Buffer;
using kvmfr_fuzz::Claim;
using kvmfr_fuzz::Input;
using kvmfr_fuzz::Needed;

namespace {

constexpr Variant kFast[] = {Variant::kPortable, Variant::kBest};

struct Planes {
  Planes(std::size_t width, std::size_t height, std::size_t padding)
      : pitch(width + padding),
        half((width + 1) / 2 + padding),
        y(Needed(pitch, width, height)),
        u(Needed(half, (width + 1) / 2, (height + 1) / 2)),
        v(u) {}
  kvmfr::I420Planes Over() { return {{y.at(), pitch}, {u.at(), half}, {v.at(), half}}; }
  bool operator==(const Planes& other) const { return y == other.y && u == other.u && v == other.v; }

  std::size_t pitch, half;
  Buffer y, u, v;
};

// What came of a variant.
struct Outcome {
  Buffer pixels;
  std::vector<std::uint32_t> serials;
  std::uint32_t count;
  Planes planes;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto format = static_cast<PixelFormat>(input.Byte() % kvmfr::kAllPixelFormats);
  const std::uint32_t width = 1 + input.Below(100), height = 1 + input.Below(60);
  const std::uint32_t tiles[] = {2, 8, 16, 64, 100};
  const std::uint32_t tile = tiles[input.Byte() % 5];
  const std::size_t padding = input.Byte() % 13, offset = input.Byte() % 5;
  const std::uint32_t x = input.Below(width), y = input.Below(height);
  const kvmfr::PixelRect rect = {x, y, input.Below(width - x + 1), input.Below(height - y + 1)};

  // Gain and peak of any size that the caller lets through.
  std::vector<std::uint32_t> words;
  kvmfr::ToneMap map{};
  if (kvmfr::NeedsToneMap(format)) {
    words.resize(kvmfr::kToneMapWords);
    words.shrink_to_fit();
    const double gain = (1 + input.Word() % 1000000) / 1000.0;
    const double peak = 1 + input.Word() % 100000 / 100.0;
    kvmfr::FillToneMap(words.data(), kvmfr::TransferOf(format), gain, peak);
    map = kvmfr::ToneMapIn(words.data());
  }

  const std::size_t pixel_bytes = kvmfr::SourcePixelBytes(format);
  const std::size_t from_pitch = width * pixel_bytes + padding;
  Buffer from(offset + Needed(from_pitch, width * pixel_bytes, height));
  input.Fill(from.at(), from.size());
  const kvmfr::ConstRows frame = {from.at(offset), from_pitch};
  const std::size_t pitch = std::size_t{width} * 4 + padding;
  Buffer before(Needed(pitch, std::size_t{width} * 4, height));
  input.Fill(before.at(), before.size());
  // Mostly as it is already, as damage is.
  if (input.Byte() % 3 != 0) {
    kvmfr::ConvertRows(Variant::kReference, format, {before.at(), pitch}, frame, width, height, map);
    const std::size_t flip = input.Word() % before.size();
    *before.at(flip) ^= 1;
  }

  const auto run = [&](Variant variant) {
    const std::uint32_t columns = (width + tile - 1) / tile, lines = (height + tile - 1) / tile;
    Outcome outcome = {before, std::vector<std::uint32_t>(std::size_t{columns} * lines, 1), 0,
                       Planes(width, height, padding)};
    outcome.serials.shrink_to_fit();
    const kvmfr::TiledPicture picture = {
        {outcome.pixels.at(), pitch}, width, height, tile, outcome.serials.data()};
    const kvmfr::I420Planes planes = outcome.planes.Over();
    outcome.count = kvmfr::UpdateTiles(variant, picture, 7, format, frame, rect, map,
                                       tile % 2 == 0 ? &planes : nullptr);
    return outcome;
  };
  Outcome expected = run(Variant::kReference);
  for (const Variant variant : kFast) {
    Outcome outcome = run(variant);
    Claim(outcome.pixels == expected.pixels, "the picture is that of the reference");
    Claim(outcome.serials == expected.serials, "its serials as well");
    Claim(outcome.count == expected.count, "and their number");
    Claim(outcome.planes == expected.planes, "and the planes");
  }

  // The tiles that changed, and any others, packed into no more than there is.
  const kvmfr::TiledPicture picture = {
      {expected.pixels.at(), pitch}, width, height, tile, expected.serials.data()};
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < expected.serials.size(); ++i) {
    if (expected.serials[i] == 7) indices.push_back(i);
  }
  if (input.Byte() % 4 == 0) indices.push_back(input.Word());
  indices.shrink_to_fit();
  const std::size_t bytes_per_pixel = 3 + input.Byte() % 2;
  const std::size_t room = input.Word() % (std::size_t{width} * height * 4 + 1);
  Buffer packed(room);
  std::uint64_t written = 0;
  const bool all = kvmfr::PackTiles(Variant::kReference, packed.at(), room, picture, indices.data(),
                                    indices.size(), bytes_per_pixel, &written);
  Claim(written <= room, "no more is packed than there is room for");
  for (const Variant variant : kFast) {
    Buffer other(room);
    std::uint64_t other_written = 0;
    const bool other_all = kvmfr::PackTiles(variant, other.at(), room, picture, indices.data(),
                                            indices.size(), bytes_per_pixel, &other_written);
    Claim(other_all == all && other_written == written && other == packed, "packed the same");
  }
  return 0;
}
