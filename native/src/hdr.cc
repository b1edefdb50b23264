#include "hdr.h"

#include <algorithm>
#include <cmath>

#include "hdr-light.h"

namespace kvmfr {
namespace {

// ---- Tables ----

// The EOTF of PQ (SMPTE ST 2084): 0..1 to 0..1, where 1 is 10 000 nits.
double PqLight(double value) {
  const double m1 = 2610.0 / 16384;
  const double m2 = 2523.0 / 4096 * 128;
  const double c1 = 3424.0 / 4096;
  const double c2 = 2413.0 / 4096 * 32;
  const double c3 = 2392.0 / 4096 * 32;
  const double power = std::pow(value, 1 / m2);
  return std::pow(std::max(power - c1, 0.0) / (c2 - c3 * power), 1 / m1);
}

// IEC 61966-2-1, for 0..1.
std::uint32_t SrgbCode(double light) {
  const double value =
      light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
  return static_cast<std::uint32_t>(255 * value + 0.5);
}

std::uint32_t CurveWord(Transfer transfer, double gain, std::uint32_t code) {
  const double value = static_cast<double>(code) / (kCodes - 1);
  switch (transfer) {
    case Transfer::kPq:
      return BitsOf(static_cast<float>(gain * PqLight(value)));
    case Transfer::kLinear:
      return SrgbCode(std::min(gain * value, 1.0));
    default:
      return 0;
  }
}

// ---- Reference ----

struct Pixel {
  std::uint8_t b, g, r, x;
};

std::uint8_t Encode(float light) { return static_cast<std::uint8_t>(CodeOf(light)); }

Pixel Shown(Light light, const ToneMap& map) {
  const float intensity = Intensity(light);
  if (intensity > 1) light = RollOff(light, intensity, map.peak);
  return {Encode(light.b), Encode(light.g), Encode(light.r), 255};
}

struct Codes {
  std::uint32_t r, g, b;
};

Codes CodesAt(const std::uint8_t* at) {
  const std::uint32_t word = at[0] | at[1] << 8 | at[2] << 16 | std::uint32_t{at[3]} << 24;
  return {word & 1023, (word >> 10) & 1023, (word >> 20) & 1023};
}

Pixel SdrPixel(const std::uint8_t* at, const ToneMap&) {
  const Codes in = CodesAt(at);
  const auto shown = [](std::uint32_t code) {
    return static_cast<std::uint8_t>((code * 255 + 511) / 1023);
  };
  return {shown(in.b), shown(in.g), shown(in.r), 255};
}

Pixel PqPixel(const std::uint8_t* at, const ToneMap& map) {
  const Codes in = CodesAt(at);
  const Light light = {FloatOf(map.curve[in.r]), FloatOf(map.curve[in.g]),
                       FloatOf(map.curve[in.b])};
  return Shown(ToBt709(light), map);
}

Pixel LinearPixel(const std::uint8_t* at, const ToneMap& map) {
  const Codes in = CodesAt(at);
  const auto shown = [&](std::uint32_t code) { return static_cast<std::uint8_t>(map.curve[code]); };
  return {shown(in.b), shown(in.g), shown(in.r), 255};
}

Pixel ScrgbPixel(const std::uint8_t* at, const ToneMap& map) {
  const auto light = [&](int component) {
    const std::uint8_t* half = at + 2 * component;
    return map.gain * HalfLight(static_cast<std::uint16_t>(half[0] | half[1] << 8));
  };
  return Shown({light(0), light(1), light(2)}, map);
}

using PixelOf = Pixel (*)(const std::uint8_t* at, const ToneMap& map);

template <PixelOf pixel_of, std::size_t kBytes>
bool Update(std::uint8_t* to, const std::uint8_t* from, std::size_t width, const ToneMap& map) {
  bool changed = false;
  for (std::size_t x = 0; x < width; ++x) {
    const Pixel pixel = pixel_of(from + kBytes * x, map);
    std::uint8_t* at = to + 4 * x;
    if (at[0] == pixel.b && at[1] == pixel.g && at[2] == pixel.r && at[3] == pixel.x) continue;
    at[0] = pixel.b;
    at[1] = pixel.g;
    at[2] = pixel.r;
    at[3] = pixel.x;
    changed = true;
  }
  return changed;
}

template <PixelOf pixel_of, std::size_t kBytes>
void Convert(std::uint8_t* to, const std::uint8_t* from, std::size_t width, const ToneMap& map) {
  for (std::size_t x = 0; x < width; ++x) {
    const Pixel pixel = pixel_of(from + kBytes * x, map);
    to[4 * x] = pixel.b;
    to[4 * x + 1] = pixel.g;
    to[4 * x + 2] = pixel.r;
    to[4 * x + 3] = pixel.x;
  }
}

}  // namespace

void FillToneMap(std::uint32_t* words, Transfer transfer, double gain, double peak) {
  words[0] = static_cast<std::uint32_t>(transfer);
  words[1] = BitsOf(static_cast<float>(gain));
  words[2] = BitsOf(static_cast<float>(peak));
  words[3] = 0;
  for (std::uint32_t code = 0; code < kCodes; ++code) {
    words[kCurveAt + code] = CurveWord(transfer, gain, code);
  }
}

ToneMap ToneMapIn(const std::uint32_t* words) {
  return {static_cast<Transfer>(words[0]), FloatOf(words[1]), FloatOf(words[2]), words + kCurveAt};
}

const HdrRowKernels kReferenceHdrRows = {
    {Convert<SdrPixel, 4>, Convert<PqPixel, 4>, Convert<LinearPixel, 4>, Convert<ScrgbPixel, 8>},
    {Update<SdrPixel, 4>, Update<PqPixel, 4>, Update<LinearPixel, 4>, Update<ScrgbPixel, 8>},
};

}  // namespace kvmfr
