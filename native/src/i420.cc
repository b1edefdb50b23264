#include "i420.h"

#include <algorithm>
#include <cstring>

namespace kvmfr {
namespace {

constexpr std::int32_t kY[3] = {2040, 20128, 5984};  // B, G, R
constexpr std::int32_t kYFactor = 136;               // of all three
constexpr std::int32_t kYOffset = 539384;
constexpr std::int32_t kU[3] = {14392, -11094, -3298};
constexpr std::int32_t kV[3] = {-1320, -13072, 14392};
constexpr std::int32_t kChromaOffset = (128 << 17) + (1 << 16);

// ---- Reference ----

std::uint8_t ReferenceY(const std::uint8_t* pixel) {
  const std::int32_t sum = kY[0] * pixel[0] + kY[1] * pixel[1] + kY[2] * pixel[2];
  return static_cast<std::uint8_t>((sum + kYOffset) >> 15);
}

void ReferenceRowPair(const I420RowPair& to, const std::uint8_t* top, const std::uint8_t* bottom,
                      std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    to.y_top[x] = ReferenceY(top + 4 * x);
    to.y_bottom[x] = ReferenceY(bottom + 4 * x);
  }
  for (std::size_t x = 0; x < width; x += 2) {
    const std::size_t right = std::min(x + 1, width - 1);
    std::int32_t u = kChromaOffset;
    std::int32_t v = kChromaOffset;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int32_t sum =
          top[4 * x + i] + top[4 * right + i] + bottom[4 * x + i] + bottom[4 * right + i];
      u += kU[i] * sum;
      v += kV[i] * sum;
    }
    to.u[x / 2] = static_cast<std::uint8_t>(u >> 17);
    to.v[x / 2] = static_cast<std::uint8_t>(v >> 17);
  }
}

// ---- Portable: blocks of components in 16 bits, and no branch in the inner loops ----

constexpr std::size_t kBlock = 64;  // pixels of a row

struct Components {
  std::int16_t b[kBlock], g[kBlock], r[kBlock];
};

void Split(Components* to, const std::uint8_t* from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    std::uint32_t word;
    std::memcpy(&word, from + 4 * x, sizeof word);
    to->b[x] = static_cast<std::int16_t>(word & 0xff);
    to->g[x] = static_cast<std::int16_t>(word >> 8 & 0xff);
    to->r[x] = static_cast<std::int16_t>(word >> 16 & 0xff);
  }
}

void PortableY(std::uint8_t* __restrict to, const Components& from, std::size_t width) {
  for (std::size_t x = 0; x < width; ++x) {
    const auto sum = static_cast<std::uint16_t>(
        kY[0] / kYFactor * from.b[x] + kY[1] / kYFactor * from.g[x] + kY[2] / kYFactor * from.r[x]);
    to[x] = static_cast<std::uint8_t>((sum * kYFactor + kYOffset) >> 15);
  }
}

void Sum(std::int16_t* __restrict to, const std::int16_t* __restrict top,
         const std::int16_t* __restrict bottom, std::size_t blocks) {
  for (std::size_t x = 0; x < blocks; ++x) {
    to[x] =
        static_cast<std::int16_t>(top[2 * x] + top[2 * x + 1] + bottom[2 * x] + bottom[2 * x + 1]);
  }
}

void PortableChroma(std::uint8_t* __restrict to, const Components& sums,
                    const std::int32_t (&factors)[3], std::size_t blocks) {
  for (std::size_t x = 0; x < blocks; ++x) {
    const std::int32_t sum =
        factors[0] * sums.b[x] + factors[1] * sums.g[x] + factors[2] * sums.r[x];
    to[x] = static_cast<std::uint8_t>((sum + kChromaOffset) >> 17);
  }
}

void PortableRowPair(const I420RowPair& to, const std::uint8_t* top, const std::uint8_t* bottom,
                     std::size_t width) {
  Components upper, lower, sums;
  const std::size_t whole = width & ~std::size_t{1};
  for (std::size_t x = 0; x < whole; x += kBlock) {
    const std::size_t count = std::min(kBlock, whole - x);
    const std::size_t blocks = count / 2;
    Split(&upper, top + 4 * x, count);
    Split(&lower, bottom + 4 * x, count);
    PortableY(to.y_top + x, upper, count);
    PortableY(to.y_bottom + x, lower, count);
    Sum(sums.b, upper.b, lower.b, blocks);
    Sum(sums.g, upper.g, lower.g, blocks);
    Sum(sums.r, upper.r, lower.r, blocks);
    PortableChroma(to.u + x / 2, sums, kU, blocks);
    PortableChroma(to.v + x / 2, sums, kV, blocks);
  }
  if (whole == width) return;
  const I420RowPair last = {to.y_top + whole, to.y_bottom + whole, to.u + whole / 2,
                            to.v + whole / 2};
  ReferenceRowPair(last, top + 4 * whole, bottom + 4 * whole, 1);
}

ConvertI420RowPair RowPairOf(Variant variant) {
  static const ConvertI420RowPair best = BestI420RowPair();
  switch (variant) {
    case Variant::kReference:
      return kReferenceI420RowPair;
    case Variant::kPortable:
      return kPortableI420RowPair;
    default:
      return best;
  }
}

}  // namespace

const ConvertI420RowPair kReferenceI420RowPair = ReferenceRowPair;
const ConvertI420RowPair kPortableI420RowPair = PortableRowPair;

void ConvertToI420(Variant variant, const I420Planes& to, ConstRows picture, PixelRect rect) {
  const ConvertI420RowPair convert = RowPairOf(variant);
  const std::size_t left = rect.x;
  for (std::size_t row = 0; row < rect.height; row += 2) {
    const std::size_t y = rect.y + row;
    const std::size_t below = row + 1 < rect.height ? y + 1 : y;
    convert({to.y.at + y * to.y.pitch + left, to.y.at + below * to.y.pitch + left,
             to.u.at + y / 2 * to.u.pitch + left / 2, to.v.at + y / 2 * to.v.pitch + left / 2},
            picture.at + y * picture.pitch + 4 * left,
            picture.at + below * picture.pitch + 4 * left, rect.width);
  }
}

}  // namespace kvmfr
