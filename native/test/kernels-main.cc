// Runs the kernels over many odd shapes and compares each variant with the reference, byte by byte.
// Made to be compiled with -fsanitize=address,undefined: every buffer is as large as it must be and
// no larger, so a kernel that reads or writes one byte too many is caught.
//
// Prints the number of comparisons and exits 0, or says what differed first and exits 1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../src/cadence.h"
#include "../src/i420.h"
#include "../src/pixels.h"

using kvmfr::PixelFormat;
using kvmfr::Variant;

namespace {

unsigned long comparisons = 0;

// xorshift: the same bytes in every run.
class Random {
 public:
  std::uint32_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  std::uint32_t Below(std::uint32_t limit) { return Next() % limit; }

 private:
  std::uint32_t state_ = 2463534242u;
};
Random random_bytes;

// Exactly `size` bytes on the heap, so that the sanitizer guards both ends.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : bytes_(static_cast<std::uint8_t*>(std::malloc(size))) {
    size_ = size;
    for (std::size_t i = 0; i < size; ++i) bytes_[i] = random_bytes.Next() & 0xff;
  }
  Buffer(const Buffer& other) : Buffer(other.size_) { std::memcpy(bytes_, other.bytes_, size_); }
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(bytes_); }

  std::uint8_t* at(std::size_t offset = 0) { return bytes_ + offset; }
  std::size_t size() const { return size_; }
  bool Equals(const Buffer& other) const {
    return size_ == other.size_ && std::memcmp(bytes_, other.bytes_, size_) == 0;
  }

 private:
  std::uint8_t* bytes_;
  std::size_t size_;
};

void Expect(bool truth, const char* what, std::size_t a, std::size_t b, std::size_t c) {
  ++comparisons;
  if (truth) return;
  std::printf("%s differs from the reference (%zu, %zu, %zu)\n", what, a, b, c);
  std::exit(1);
}

std::size_t Needed(std::size_t offset, std::size_t pitch, std::size_t row_bytes, std::size_t rows) {
  return rows == 0 ? offset : offset + (rows - 1) * pitch + row_bytes;
}

constexpr Variant kFast[] = {Variant::kPortable, Variant::kBest};

// The tone map of a format, in exactly as many words as it has.
kvmfr::ToneMap ToneMapOf(PixelFormat format) {
  static std::vector<std::uint32_t> words[kvmfr::kTransfers];
  if (!kvmfr::NeedsToneMap(format)) return {};
  const kvmfr::Transfer transfer = kvmfr::TransferOf(format);
  std::vector<std::uint32_t>& table = words[static_cast<std::size_t>(transfer)];
  if (table.empty()) {
    table.resize(kvmfr::kToneMapWords);
    table.shrink_to_fit();
    const double unit_nits[] = {10000, 203, 80};
    kvmfr::FillToneMap(table.data(), transfer, unit_nits[static_cast<std::size_t>(transfer)] / 203,
                       1000.0 / 203);
  }
  return kvmfr::ToneMapIn(table.data());
}

// Makes the latter part of each row repeat a pattern of up to two pixels, as a desktop does.
void Repeat(Buffer* from, std::size_t offset, std::size_t pitch, std::size_t pixel_bytes,
            std::size_t width, std::size_t rows) {
  for (std::size_t y = 0; y < rows; ++y) {
    std::uint8_t* row = from->at(offset + y * pitch);
    const std::size_t period = (1 + random_bytes.Below(2)) * pixel_bytes;
    const std::size_t start = random_bytes.Below(static_cast<std::uint32_t>(width) + 1);
    for (std::size_t i = start * pixel_bytes + period; i < width * pixel_bytes; ++i) {
      row[i] = row[i - period];
    }
  }
}

void Convert(PixelFormat format, std::size_t width, std::size_t rows, std::size_t offset,
             std::size_t padding) {
  const std::size_t from_bytes = width * kvmfr::SourcePixelBytes(format);
  const std::size_t from_pitch = from_bytes + padding;
  const std::size_t to_pitch = width * 4 + padding * 3;
  const kvmfr::ToneMap map = ToneMapOf(format);
  Buffer from(Needed(offset, from_pitch, from_bytes, rows));
  Repeat(&from, offset, from_pitch, kvmfr::SourcePixelBytes(format), width, rows);
  Buffer expected(Needed(offset, to_pitch, width * 4, rows));
  const Buffer before(expected);
  kvmfr::ConvertRows(Variant::kReference, format, {expected.at(offset), to_pitch},
                     {from.at(offset), from_pitch}, width, rows, map);
  for (const Variant variant : kFast) {
    Buffer to(before);
    kvmfr::ConvertRows(variant, format, {to.at(offset), to_pitch}, {from.at(offset), from_pitch},
                       width, rows, map);
    Expect(to.Equals(expected), "ConvertRows", width, rows, offset);
  }
}

struct Screen {
  std::uint32_t width, height, tile;
  std::size_t padding, offset;
};

kvmfr::TiledPicture Over(const Screen& screen, Buffer* pixels, std::vector<std::uint32_t>* serials,
                         std::size_t pitch) {
  return {{pixels->at(), pitch}, screen.width, screen.height, screen.tile, serials->data()};
}

void Update(PixelFormat format, const Screen& screen, kvmfr::PixelRect rect) {
  const kvmfr::ToneMap map = ToneMapOf(format);
  const std::size_t pixel_bytes = kvmfr::SourcePixelBytes(format);
  const std::size_t from_pitch = screen.width * pixel_bytes + screen.padding;
  const std::size_t pitch = std::size_t{screen.width} * 4 + screen.padding;
  Buffer from(Needed(screen.offset, from_pitch, (rect.x + rect.width) * pixel_bytes,
                     std::size_t{rect.y} + rect.height));
  Buffer expected(Needed(0, pitch, std::size_t{screen.width} * 4, screen.height));
  Repeat(&from, screen.offset + rect.y * from_pitch + rect.x * pixel_bytes, from_pitch, pixel_bytes,
         rect.width, rect.height);
  // A picture that equals the frame but for a few bytes, as most damage is.
  kvmfr::ConvertRows(
      Variant::kReference, format,
      {expected.at() + rect.y * pitch + std::size_t{rect.x} * 4, pitch},
      {from.at(screen.offset) + rect.y * from_pitch + rect.x * pixel_bytes, from_pitch}, rect.width,
      rect.height, map);
  for (std::uint32_t flips = random_bytes.Below(4); flips > 0; --flips) {
    expected.at()[random_bytes.Below(static_cast<std::uint32_t>(expected.size()))] ^= 1;
  }
  const Buffer before(expected);

  const std::uint32_t columns = (screen.width + screen.tile - 1) / screen.tile;
  const std::uint32_t lines = (screen.height + screen.tile - 1) / screen.tile;
  std::vector<std::uint32_t> expected_serials(std::size_t{columns} * lines, 1);
  expected_serials.shrink_to_fit();
  const std::uint32_t expected_count =
      kvmfr::UpdateTiles(Variant::kReference, Over(screen, &expected, &expected_serials, pitch), 7,
                         format, {from.at(screen.offset), from_pitch}, rect, map);
  for (const Variant variant : kFast) {
    Buffer to(before);
    std::vector<std::uint32_t> serials(expected_serials.size(), 1);
    const std::uint32_t count =
        kvmfr::UpdateTiles(variant, Over(screen, &to, &serials, pitch), 7, format,
                           {from.at(screen.offset), from_pitch}, rect, map);
    Expect(to.Equals(expected), "UpdateTiles", rect.x, rect.y, rect.width);
    Expect(serials == expected_serials, "serials of UpdateTiles", rect.x, rect.y, rect.width);
    Expect(count == expected_count, "count of UpdateTiles", rect.x, rect.y, rect.width);
  }
}

void Pack(const Screen& screen, std::size_t bytes_per_pixel) {
  const std::size_t pitch = std::size_t{screen.width} * 4 + screen.padding;
  Buffer pixels(Needed(0, pitch, std::size_t{screen.width} * 4, screen.height));
  std::vector<std::uint32_t> serials;
  const kvmfr::TiledPicture picture = Over(screen, &pixels, &serials, pitch);
  const std::uint32_t tile_count = picture.columns() * picture.lines();
  std::vector<std::uint32_t> tiles;
  for (std::uint32_t i = 0; i < tile_count; ++i) {
    if (random_bytes.Below(3) != 0) tiles.push_back(tile_count - 1 - i);
  }
  std::size_t bytes = 0;
  for (const std::uint32_t index : tiles) {
    const std::uint32_t x = index % picture.columns() * screen.tile;
    const std::uint32_t y = index / picture.columns() * screen.tile;
    bytes += std::size_t{std::min(screen.tile, screen.width - x)} *
             std::min(screen.tile, screen.height - y) * bytes_per_pixel;
  }
  Buffer expected(bytes);
  const Buffer before(expected);
  std::uint64_t written = 0;
  const bool all = kvmfr::PackTiles(Variant::kReference, expected.at(), bytes, picture,
                                    tiles.data(), tiles.size(), bytes_per_pixel, &written);
  Expect(all && written == bytes, "size of PackTiles", screen.width, screen.height, written);
  for (const Variant variant : kFast) {
    Buffer to(before);
    kvmfr::PackTiles(variant, to.at(), bytes, picture, tiles.data(), tiles.size(), bytes_per_pixel,
                     &written);
    Expect(to.Equals(expected), "PackTiles", screen.width, screen.height, bytes_per_pixel);
  }
  if (bytes == 0) return;
  const bool refused = !kvmfr::PackTiles(Variant::kBest, expected.at(), bytes - 1, picture,
                                         tiles.data(), tiles.size(), bytes_per_pixel, &written);
  Expect(refused && written < bytes, "PackTiles without room", bytes, written, 0);
  tiles.push_back(tile_count);
  const bool beyond = !kvmfr::PackTiles(Variant::kBest, expected.at(), bytes, picture, tiles.data(),
                                        tiles.size(), bytes_per_pixel, &written);
  Expect(beyond && written == bytes, "PackTiles of a tile beyond", tile_count, written, 0);
}

void Copy(std::size_t row_bytes, std::size_t rows, std::size_t from_padding,
          std::size_t to_padding) {
  Buffer from(Needed(0, row_bytes + from_padding, row_bytes, rows));
  Buffer to(Needed(0, row_bytes + to_padding, row_bytes, rows));
  Buffer expected(to);
  for (std::size_t y = 0; y < rows; ++y) {
    for (std::size_t x = 0; x < row_bytes; ++x) {
      *expected.at(y * (row_bytes + to_padding) + x) = *from.at(y * (row_bytes + from_padding) + x);
    }
  }
  kvmfr::CopyRows({to.at(), row_bytes + to_padding}, {from.at(), row_bytes + from_padding},
                  row_bytes, rows);
  Expect(to.Equals(expected), "CopyRows", row_bytes, rows, from_padding);
}

// Planes of exactly the bytes that they need.
struct Planes {
  Planes(std::size_t width, std::size_t height, std::size_t padding)
      : y_pitch(width + padding),
        u_pitch((width + 1) / 2 + padding % 3),
        v_pitch((width + 1) / 2 + padding),
        y(Needed(0, y_pitch, width, height)),
        u(Needed(0, u_pitch, (width + 1) / 2, (height + 1) / 2)),
        v(Needed(0, v_pitch, (width + 1) / 2, (height + 1) / 2)) {}

  kvmfr::I420Planes Over() { return {{y.at(), y_pitch}, {u.at(), u_pitch}, {v.at(), v_pitch}}; }
  bool Equals(const Planes& other) const {
    return y.Equals(other.y) && u.Equals(other.u) && v.Equals(other.v);
  }

  std::size_t y_pitch, u_pitch, v_pitch;
  Buffer y, u, v;
};

// How far Y, U and V of a pair of rows are from those of arithmetic without rounding.
void ExpectNearTruth(Planes& planes, Buffer& pixels, std::size_t width) {
  const auto part = [&](std::size_t row, std::size_t x, std::size_t i) {
    return double{1} * *pixels.at((row * width + x) * 4 + i);
  };
  for (std::size_t x = 0; x < width; ++x) {
    for (std::size_t row = 0; row < 2; ++row) {
      const double luma =
          0.0722 * part(row, x, 0) + 0.7152 * part(row, x, 1) + 0.2126 * part(row, x, 2);
      const double y = 16 + luma * 219 / 255;
      Expect(std::fabs(*planes.y.at(row * planes.y_pitch + x) - y) <= 0.5385, "Y", x, row, width);
    }
    if (x % 2 != 0) continue;
    const std::size_t right = std::min(x + 1, width - 1);
    double mean[3];
    for (std::size_t i = 0; i < 3; ++i) {
      mean[i] = (part(0, x, i) + part(0, right, i) + part(1, x, i) + part(1, right, i)) / 4;
    }
    const double luma = 0.0722 * mean[0] + 0.7152 * mean[1] + 0.2126 * mean[2];
    const double u = 128 + (mean[0] - luma) / 1.8556 * 224 / 255;
    const double v = 128 + (mean[2] - luma) / 1.5748 * 224 / 255;
    Expect(std::fabs(*planes.u.at(x / 2) - u) <= 0.505, "U", x, 0, width);
    Expect(std::fabs(*planes.v.at(x / 2) - v) <= 0.505, "V", x, 0, width);
  }
}

// Two rows of colours as blocks of one colour, which are all values of U and V that there are.
void I420Colours() {
  constexpr std::size_t kWidth = 512;
  Buffer pixels(kWidth * 2 * 4);
  for (std::size_t r = 0; r < 256; r += 17) {
    for (std::size_t g = 0; g < 256; g += 3) {
      for (std::size_t x = 0; x < 2 * kWidth; ++x) {
        *pixels.at(4 * x) = x % kWidth / 2 & 0xff;
        *pixels.at(4 * x + 1) = g & 0xff;
        *pixels.at(4 * x + 2) = r & 0xff;
      }
      Planes expected(kWidth, 2, 0);
      kvmfr::ConvertToI420(Variant::kReference, expected.Over(), {pixels.at(), kWidth * 4},
                           {0, 0, kWidth, 2});
      ExpectNearTruth(expected, pixels, kWidth);
      for (const Variant variant : kFast) {
        Planes to(kWidth, 2, 0);
        kvmfr::ConvertToI420(variant, to.Over(), {pixels.at(), kWidth * 4}, {0, 0, kWidth, 2});
        Expect(to.Equals(expected), "ConvertToI420 of colours", r, g, 0);
      }
    }
  }
}

// Begins at an even place and ends at one, or at the edge.
void EvenPart(std::uint32_t size, std::uint32_t* start, std::uint32_t* extent) {
  *start = random_bytes.Below(size) & ~1u;
  *extent = 1 + random_bytes.Below(size - *start);
  if (*extent % 2 != 0 && *start + *extent != size) ++*extent;
}

void I420Shape(std::uint32_t width, std::uint32_t height, std::size_t padding) {
  const std::size_t pitch = std::size_t{width} * 4 + padding;
  Buffer pixels(Needed(0, pitch, std::size_t{width} * 4, height));
  kvmfr::PixelRect rect{};
  EvenPart(width, &rect.x, &rect.width);
  EvenPart(height, &rect.y, &rect.height);
  Planes expected(width, height, padding);
  const Planes before(expected);
  kvmfr::ConvertToI420(Variant::kReference, expected.Over(), {pixels.at(), pitch}, rect);
  for (const Variant variant : kFast) {
    Planes to(before);
    kvmfr::ConvertToI420(variant, to.Over(), {pixels.at(), pitch}, rect);
    Expect(to.Equals(expected), "ConvertToI420", width, height, rect.x);
  }
  // Pixel by pixel, what was meant to stay has stayed.
  Planes was(before);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      const bool inside =
          x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
      const std::size_t at = y * expected.y_pitch + x;
      if (inside) continue;
      Expect(*expected.y.at(at) == *was.y.at(at), "Y outside of the rect", x, y, width);
    }
  }
}

// Every tile with the new serial is I420 of the picture as it then is, and nothing else is touched.
void UpdateI420(PixelFormat format, const Screen& screen, kvmfr::PixelRect rect) {
  const kvmfr::ToneMap map = ToneMapOf(format);
  const std::size_t pixel_bytes = kvmfr::SourcePixelBytes(format);
  const std::size_t from_pitch = screen.width * pixel_bytes + screen.padding;
  const std::size_t pitch = std::size_t{screen.width} * 4 + screen.padding;
  Buffer from(Needed(screen.offset, from_pitch, (rect.x + rect.width) * pixel_bytes,
                     std::size_t{rect.y} + rect.height));
  Buffer before(Needed(0, pitch, std::size_t{screen.width} * 4, screen.height));
  if (random_bytes.Below(3) != 0) {
    kvmfr::ConvertRows(
        Variant::kReference, format,
        {before.at() + rect.y * pitch + std::size_t{rect.x} * 4, pitch},
        {from.at(screen.offset) + rect.y * from_pitch + rect.x * pixel_bytes, from_pitch},
        rect.width, rect.height, map);
    for (std::uint32_t flips = random_bytes.Below(4); flips > 0; --flips) {
      before.at()[random_bytes.Below(static_cast<std::uint32_t>(before.size()))] ^= 1;
    }
  }
  const Planes old(screen.width, screen.height, screen.padding);
  for (const Variant variant : {Variant::kReference, Variant::kPortable, Variant::kBest}) {
    Buffer plain(before);
    Buffer pixels(before);
    Planes planes(old);
    Planes expected(old);
    const std::uint32_t columns = (screen.width + screen.tile - 1) / screen.tile;
    const std::uint32_t lines = (screen.height + screen.tile - 1) / screen.tile;
    std::vector<std::uint32_t> plain_serials(std::size_t{columns} * lines, 1);
    std::vector<std::uint32_t> serials(plain_serials);
    const kvmfr::I420Planes over = planes.Over();
    const kvmfr::ConstRows frame = {from.at(screen.offset), from_pitch};
    const std::uint32_t expected_count = kvmfr::UpdateTiles(
        variant, Over(screen, &plain, &plain_serials, pitch), 7, format, frame, rect, map);
    const kvmfr::TiledPicture picture = Over(screen, &pixels, &serials, pitch);
    const std::uint32_t count =
        kvmfr::UpdateTiles(variant, picture, 7, format, frame, rect, map, &over);
    Expect(count == expected_count, "count of UpdateTiles to I420", rect.x, rect.y, rect.width);
    Expect(pixels.Equals(plain), "picture of UpdateTiles to I420", rect.x, rect.y, rect.width);
    Expect(serials == plain_serials, "serials of UpdateTiles to I420", rect.x, rect.y, rect.width);
    for (std::uint32_t i = 0; i < columns * lines; ++i) {
      if (serials[i] != 7) continue;
      const std::uint32_t x = i % columns * screen.tile;
      const std::uint32_t y = i / columns * screen.tile;
      kvmfr::ConvertToI420(Variant::kReference, expected.Over(), {pixels.at(), pitch},
                           {x, y, std::min(screen.tile, screen.width - x),
                            std::min(screen.tile, screen.height - y)});
    }
    Expect(planes.Equals(expected), "planes of UpdateTiles to I420", rect.x, rect.y, rect.width);
  }
}

// Every ten-bit code and every half float in each component beside two others.
void EveryValue(PixelFormat format) {
  const std::size_t values = format == PixelFormat::kRgba16f ? 65536 : 1024;
  const std::size_t pixel_bytes = kvmfr::SourcePixelBytes(format);
  const kvmfr::ToneMap map = ToneMapOf(format);
  for (std::size_t component = 0; component < 3; ++component) {
    Buffer from(values * pixel_bytes);
    for (std::size_t value = 0; value < values; ++value) {
      std::uint8_t* at = from.at(value * pixel_bytes);
      if (pixel_bytes == 8) {
        const auto half = static_cast<std::uint16_t>(value);
        std::memcpy(at + 2 * component, &half, sizeof half);
      } else {
        std::uint32_t word;
        std::memcpy(&word, at, sizeof word);
        word &= ~(1023u << (10 * component));
        word |= static_cast<std::uint32_t>(value) << (10 * component);
        std::memcpy(at, &word, sizeof word);
      }
    }
    Buffer expected(values * 4);
    kvmfr::ConvertRows(Variant::kReference, format, {expected.at(), 0}, {from.at(), 0}, values, 1,
                       map);
    for (const Variant variant : kFast) {
      Buffer to(values * 4);
      kvmfr::ConvertRows(variant, format, {to.at(), 0}, {from.at(), 0}, values, 1, map);
      Expect(to.Equals(expected), "ConvertRows of every value", component, values, pixel_bytes);
    }
  }
}

// Whatever the order of changes, the next look is later than now and not for ever away.
void Looks() {
  kvmfr::Cadence cadence;
  kvmfr::Nanos now = 0;
  for (int i = 0; i < 20000; ++i) {
    const kvmfr::LookBudget budget = kvmfr::LookBudget::Of(random_bytes.Below(100000));
    const kvmfr::Nanos next = cadence.NextLook(now, budget);
    Expect(next > now && next <= now + 8 * kvmfr::kMilli, "NextLook", i, now, next);
    const kvmfr::Nanos after = now;
    now = next + random_bytes.Below(i % 7 == 0 ? 700000000 : 20000000);
    if (random_bytes.Below(4) == 0) cadence.Observe(after, now);
  }
}

}  // namespace

int main() {
  for (std::uint32_t f = 0; f < kvmfr::kAllPixelFormats; ++f) {
    const PixelFormat format = static_cast<PixelFormat>(f);
    for (std::size_t width = 0; width <= 130; ++width) {
      for (std::size_t offset = 0; offset < 4; ++offset)
        Convert(format, width, 3, offset, width % 9);
    }
    for (std::uint32_t i = 0; i < 1500; ++i) {
      const std::uint32_t tiles[] = {1, 7, 16, 64, 100};
      const Screen screen = {1 + random_bytes.Below(150), 1 + random_bytes.Below(140),
                             tiles[random_bytes.Below(5)], random_bytes.Below(13),
                             random_bytes.Below(5)};
      const std::uint32_t x = random_bytes.Below(screen.width);
      const std::uint32_t y = random_bytes.Below(screen.height);
      Update(format, screen,
             {x, y, 1 + random_bytes.Below(screen.width - x),
              1 + random_bytes.Below(screen.height - y)});
      Pack(screen, 3 + i % 2);
      if (i % 10 != 0) continue;
      const std::uint32_t even_tiles[] = {2, 16, 64};
      const Screen even = {screen.width, screen.height, even_tiles[i / 10 % 3], screen.padding,
                           screen.offset};
      UpdateI420(format, even,
                 {x, y, 1 + random_bytes.Below(screen.width - x),
                  1 + random_bytes.Below(screen.height - y)});
    }
  }
  for (std::uint32_t f = kvmfr::kPixelFormats; f < kvmfr::kAllPixelFormats; ++f) {
    EveryValue(static_cast<PixelFormat>(f));
  }
  I420Colours();
  for (std::uint32_t width = 1; width <= 67; ++width) {
    for (std::uint32_t height = 1; height <= 67; height += 1 + width % 5) {
      I420Shape(width, height, (width + height) % 7);
    }
  }
  for (std::uint32_t i = 0; i < 40; ++i) I420Shape(90 + i, 2 + i % 3, i % 5);
  // More columns than are looked at in one go.
  UpdateI420(PixelFormat::kRgba, {1100, 5, 2, 4, 0}, {3, 1, 1090, 3});
  Update(PixelFormat::kBgra, {1100, 3, 1, 4, 0}, {3, 0, 1090, 3});
  for (std::size_t row = 0; row < 70; ++row) Copy(row, 1 + row % 5, row % 3, row % 4);
  Looks();
  std::printf("%lu comparisons, variant %s\n", comparisons, kvmfr::BestVariantName());
  return 0;
}
