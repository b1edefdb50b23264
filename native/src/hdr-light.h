// The arithmetic of one pixel of light, for the scalar variants. The vector variants do the same
// operations in the same order.
#ifndef KVMFR_HDR_LIGHT_H_
#define KVMFR_HDR_LIGHT_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "hdr.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

namespace kvmfr {

// Linear light in multiples of SDR white.
struct Light {
  float r, g, b;
};

inline float FloatOf(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t BitsOf(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Light is not negative, and such numbers compare as their bits do. So these are made of integer
// operations without a choice: a loop of them becomes vectors everywhere.
inline std::uint32_t BelowZero(std::uint32_t difference) {
  return difference & (0u - (difference >> 31));
}
inline float Max(float a, float b) { return FloatOf(BitsOf(a) - BelowZero(BitsOf(a) - BitsOf(b))); }
inline float Min(float a, float b) { return FloatOf(BitsOf(b) + BelowZero(BitsOf(a) - BitsOf(b))); }

// What is negative becomes 0.
inline float Clipped(float value) {
  const std::uint32_t bits = BitsOf(value);
  return FloatOf(bits & ((bits >> 31) - 1));
}

// ---- Decode ----

// (code * 255 + 511) / 1023 for every ten-bit code.
constexpr std::uint32_t SdrCode(std::uint32_t code) { return (code * 1021 + 2048) >> 12; }

constexpr bool SdrCodesAreExact() {
  for (std::uint32_t code = 0; code < kCodes; ++code) {
    if (SdrCode(code) != (code * 255 + 511) / 1023) return false;
  }
  return true;
}
static_assert(SdrCodesAreExact(), "the short form of the division");

// A half float of light: not below 0, not above the largest finite one, and 0 for what is none.
inline float HalfLight(std::uint16_t half) {
  if (half > 0x7c00) return 0;  // a sign, or not a number
  const std::uint32_t finite = half < 0x7bff ? half : 0x7bff;
  // The exponent of a float counts from 2^-127, that of a half from 2^-15. Also right below the
  // smallest exponent.
  return FloatOf(finite << 13) * 0x1p112f;
}

// BT.2020 to BT.709, clipped at 0.
constexpr float kToBt709[3][3] = {{1.660491f, -0.587641f, -0.072850f},
                                  {-0.124551f, 1.132900f, -0.008349f},
                                  {-0.018151f, -0.100579f, 1.118730f}};

inline Light ToBt709(Light in) {
  const auto& m = kToBt709;
  return {Clipped((m[0][0] * in.r + m[0][1] * in.g) + m[0][2] * in.b),
          Clipped((m[1][0] * in.r + m[1][1] * in.g) + m[1][2] * in.b),
          Clipped((m[2][0] * in.r + m[2][1] * in.g) + m[2][2] * in.b)};
}

// ---- Highlights ----

constexpr float kLuminance[3] = {0.2126f, 0.7152f, 0.0722f};

inline float Intensity(Light in) { return Max(Max(in.r, in.g), in.b); }

// For an intensity above 1. The quotient (m - 1) / (full - 1) with both sides times the luminance.
// Where SDR white is the peak it can divide by 0, and t is 1.
inline Light RollOff(Light in, float intensity, float peak) {
  const float luminance = (kLuminance[0] * in.r + kLuminance[1] * in.g) + kLuminance[2] * in.b;
  const float room = Max(Clipped(intensity - luminance), (peak - 1) * luminance);
  const float t = Min((intensity - 1) * luminance / room, 1);
  const float white = (t * t) * (3 - 2 * t);
  const float scale = (1 - white) / intensity;
  return {in.r * scale + white, in.g * scale + white, in.b * scale + white};
}

// ---- Encode ----

// The sRGB curve is a function of the float without its last 14 bits: steps of 1/512 of an octave,
// which makes it a table for who has no vectors. All that follows is at most 0.2 codes off, and
// 0.1 for the light of an SDR colour.
constexpr int kStepBits = 14;
constexpr std::uint32_t kWholeSteps = ~((1u << kStepBits) - 1);
constexpr std::uint32_t kBrightestBits = 0x3f7fffffu;  // just below 1
constexpr std::uint32_t kSteps =
    0x40000000u >> kStepBits;  // up to 2: a sum may be a little above 1

// From 2^-8 on it is 269.025 x^(5/12) - 14.025: a factor per octave times a polynomial of the
// mantissa, which takes the lower end of a step for its middle.
constexpr float kPower[4] = {123.7065210f, 186.2552113f, -47.35525029f, 6.550635102f};
constexpr float kPowerOffset = 14.025f;
// 2^(5/12 e) for the exponents e of -8 to -1, at the place that the last three bits of the biased
// exponent name. Below 2^-8 another octave's is taken, and what comes out is above the line.
constexpr float kOctave[8] = {0.1324329f, 0.1767767f, 0.2359686f, 0.3149803f,
                              0.4204482f, 0.5612310f, 0.7491535f, 0.0992126f};
// Below 2^-8, a line: the straight part of the curve and a little of the bent one.
constexpr float kLine = 3270.0f;

// The sRGB code of light from 0 on.
inline std::uint32_t CodeOf(float light) {
  const std::uint32_t bits = BitsOf(Min(light, FloatOf(kBrightestBits)));
  const float mantissa = FloatOf((bits & kWholeSteps & 0x007fffffu) | 0x3f800000u);
  const float power =
      ((kPower[3] * mantissa + kPower[2]) * mantissa + kPower[1]) * mantissa + kPower[0];
  const float curve = kOctave[(bits >> 23) & 7] * power - kPowerOffset;
  const float line = kLine * FloatOf(bits & kWholeSteps);
  return static_cast<std::uint32_t>(std::nearbyintf(Min(line, curve)));
}

}  // namespace kvmfr

#endif  // KVMFR_HDR_LIGHT_H_
