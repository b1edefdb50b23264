#include "i420.h"

// Every 64-bit ARM processor has it.
#if defined(__ARM_NEON) || defined(__ARM_NEON__)

#include <arm_neon.h>

namespace kvmfr {
namespace {

constexpr std::size_t kAtOnce = 16;  // pixels of a row

// Y - 126 of eight pixels.
inline int8x8_t YBytes(uint8x8_t b, uint8x8_t g, uint8x8_t r) {
  uint16x8_t sums = vmull_u8(b, vdup_n_u8(15));
  sums = vmlal_u8(sums, g, vdup_n_u8(148));
  sums = vmlal_u8(sums, r, vdup_n_u8(44));
  // 126 less, and the rest of 539384, in multiples of 136.
  const int16x8_t centred = vreinterpretq_s16_u16(vsubq_u16(sums, vdupq_n_u16(26513)));
  return vmovn_s16(vqrdmulhq_n_s16(centred, 136));
}

inline void StoreY(std::uint8_t* to, const uint8x16x4_t& pixels) {
  const int8x16_t less126 = vcombine_s8(
      YBytes(vget_low_u8(pixels.val[0]), vget_low_u8(pixels.val[1]), vget_low_u8(pixels.val[2])),
      YBytes(vget_high_u8(pixels.val[0]), vget_high_u8(pixels.val[1]),
             vget_high_u8(pixels.val[2])));
  vst1q_u8(to, vaddq_u8(vreinterpretq_u8_s8(less126), vdupq_n_u8(126)));
}

// Sums of a component in eight blocks.
inline int16x8_t Sums(uint8x16_t top, uint8x16_t bottom) {
  return vreinterpretq_s16_u16(vpadalq_u8(vpaddlq_u8(top), bottom));
}

// U or V of eight blocks.
inline uint8x8_t Chroma(int16x8_t b, int16x8_t g, int16x8_t r, int fb, int fg, int fr) {
  int32x4_t low = vmull_n_s16(vget_low_s16(b), static_cast<int16_t>(fb));
  low = vmlal_n_s16(low, vget_low_s16(g), static_cast<int16_t>(fg));
  low = vmlal_n_s16(low, vget_low_s16(r), static_cast<int16_t>(fr));
  int32x4_t high = vmull_n_s16(vget_high_s16(b), static_cast<int16_t>(fb));
  high = vmlal_n_s16(high, vget_high_s16(g), static_cast<int16_t>(fg));
  high = vmlal_n_s16(high, vget_high_s16(r), static_cast<int16_t>(fr));
  const int16x8_t less128 =
      vcombine_s16(vmovn_s32(vrshrq_n_s32(low, 17)), vmovn_s32(vrshrq_n_s32(high, 17)));
  return vadd_u8(vreinterpret_u8_s8(vmovn_s16(less128)), vdup_n_u8(128));
}

inline void Vectors(const I420RowPair& to, const std::uint8_t* top, const std::uint8_t* bottom,
                    std::size_t x) {
  const uint8x16x4_t a = vld4q_u8(top + 4 * x);
  const uint8x16x4_t c = vld4q_u8(bottom + 4 * x);
  StoreY(to.y_top + x, a);
  StoreY(to.y_bottom + x, c);
  const int16x8_t b = Sums(a.val[0], c.val[0]);
  const int16x8_t g = Sums(a.val[1], c.val[1]);
  const int16x8_t r = Sums(a.val[2], c.val[2]);
  vst1_u8(to.u + x / 2, Chroma(b, g, r, 14392, -11094, -3298));
  vst1_u8(to.v + x / 2, Chroma(b, g, r, -1320, -13072, 14392));
}

void RowPair(const I420RowPair& to, const std::uint8_t* top, const std::uint8_t* bottom,
             std::size_t width) {
  std::size_t x = 0;
  for (; x + kAtOnce <= width; x += kAtOnce) Vectors(to, top, bottom, x);
  if (x == width) return;
  if (x > 0 && width - x > 1) {
    // The last whole blocks, some of them once more.
    Vectors(to, top, bottom, (width & ~std::size_t{1}) - kAtOnce);
    x = width & ~std::size_t{1};
    if (x == width) return;
  }
  const I420RowPair rest = {to.y_top + x, to.y_bottom + x, to.u + x / 2, to.v + x / 2};
  kPortableI420RowPair(rest, top + 4 * x, bottom + 4 * x, width - x);
}

}  // namespace

ConvertI420RowPair BestI420RowPair() { return RowPair; }

}  // namespace kvmfr

#endif
