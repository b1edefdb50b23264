// A block of pixels at a time, in steps of which each is either loads from a table or a loop that a
// compiler vectorises.
#include <array>
#include <cstring>

#include "hdr-light.h"
#include "hdr.h"

namespace kvmfr {
namespace {

constexpr std::size_t kBlock = 64;

struct Block {
  float r[kBlock], g[kBlock], b[kBlock];
};

using CodeTable = std::array<std::uint8_t, kSteps>;

const CodeTable& Codes() {
  static const CodeTable table = [] {
    CodeTable codes{};
    for (std::uint32_t i = 0; i < kSteps; ++i) {
      codes[i] = static_cast<std::uint8_t>(CodeOf(FloatOf(i << kStepBits)));
    }
    return codes;
  }();
  return table;
}

inline std::uint32_t LoadWord(const std::uint8_t* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

inline void StorePixel(std::uint8_t* at, std::uint32_t r, std::uint32_t g, std::uint32_t b) {
  const std::uint32_t word = 0xff000000u | r << 16 | g << 8 | b;
  std::memcpy(at, &word, sizeof word);
}

inline std::uint32_t StepOf(float light) { return (BitsOf(light) >> kStepBits) & (kSteps - 1); }

// Light of a block, of BT.2020 or BT.709, to pixels.
template <bool kBt2020>
inline void Show(Block* block, std::size_t count, const ToneMap& map, std::uint8_t* to) {
  float* const r = block->r;
  float* const g = block->g;
  float* const b = block->b;
  std::uint32_t steps[3][kBlock];
  std::uint32_t highlights = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Light light = {r[i], g[i], b[i]};
    if (kBt2020) light = ToBt709(light);
    highlights |= (light.r > 1) | (light.g > 1) | (light.b > 1);
    r[i] = light.r;
    g[i] = light.g;
    b[i] = light.b;
    steps[0][i] = StepOf(light.r);
    steps[1][i] = StepOf(light.g);
    steps[2][i] = StepOf(light.b);
  }
  if (highlights != 0) {
    // Of all pixels, and taken where it counts: no branch in the way of vectors.
    for (std::size_t i = 0; i < count; ++i) {
      const Light light = {r[i], g[i], b[i]};
      const float intensity = Intensity(light);
      const Light shown = RollOff(light, intensity, map.peak);
      const std::uint32_t below = 0u - ((BitsOf(intensity) - BitsOf(1) - 1) >> 31);
      steps[0][i] = (steps[0][i] & below) | (StepOf(shown.r) & ~below);
      steps[1][i] = (steps[1][i] & below) | (StepOf(shown.g) & ~below);
      steps[2][i] = (steps[2][i] & below) | (StepOf(shown.b) & ~below);
    }
  }
  const std::uint8_t* const codes = Codes().data();
  for (std::size_t i = 0; i < count; ++i) {
    StorePixel(to + 4 * i, codes[steps[0][i]], codes[steps[1][i]], codes[steps[2][i]]);
  }
}

// Each takes up to a block of pixels, and reads each of them once: the guest may be writing them.

void Sdr(const std::uint8_t* from, std::size_t count, const ToneMap&, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t word = LoadWord(from + 4 * i);
    StorePixel(to + 4 * i, SdrCode(word & 1023), SdrCode((word >> 10) & 1023),
               SdrCode((word >> 20) & 1023));
  }
}

// Calls each(i, r, g, b) with what the curve has for a pixel. Two pixels at a time: single loads,
// of which a compiler does not try to make vectors.
template <typename Each>
inline void EachEntry(const std::uint8_t* from, std::size_t count, const std::uint32_t* curve,
                      const Each& each) {
  const auto entry = [=](std::uint64_t code) { return curve[code & (kCodes - 1)]; };
  std::size_t i = 0;
  for (; i + 2 <= count; i += 2) {
    std::uint64_t pair;
    std::memcpy(&pair, from + 4 * i, sizeof pair);
    each(i, entry(pair), entry(pair >> 10), entry(pair >> 20));
    each(i + 1, entry(pair >> 32), entry(pair >> 42), entry(pair >> 52));
  }
  if (i == count) return;
  const std::uint32_t word = LoadWord(from + 4 * i);
  each(i, entry(word), entry(word >> 10), entry(word >> 20));
}

void Pq(const std::uint8_t* from, std::size_t count, const ToneMap& map, std::uint8_t* to) {
  Block block;
  EachEntry(from, count, map.curve,
            [&](std::size_t i, std::uint32_t r, std::uint32_t g, std::uint32_t b) {
              block.r[i] = FloatOf(r);
              block.g[i] = FloatOf(g);
              block.b[i] = FloatOf(b);
            });
  Show<true>(&block, count, map, to);
}

void Linear(const std::uint8_t* from, std::size_t count, const ToneMap& map, std::uint8_t* to) {
  EachEntry(from, count, map.curve,
            [&](std::size_t i, std::uint32_t r, std::uint32_t g, std::uint32_t b) {
              StorePixel(to + 4 * i, r & 255, g & 255, b & 255);
            });
}

void Scrgb(const std::uint8_t* from, std::size_t count, const ToneMap& map, std::uint8_t* to) {
  Block block;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t halves[4];
    std::memcpy(halves, from + 8 * i, sizeof halves);
    block.r[i] = map.gain * HalfLight(halves[0]);
    block.g[i] = map.gain * HalfLight(halves[1]);
    block.b[i] = map.gain * HalfLight(halves[2]);
  }
  Show<false>(&block, count, map, to);
}

using PixelsOf = void (*)(const std::uint8_t* from, std::size_t count, const ToneMap& map,
                          std::uint8_t* to);

template <PixelsOf pixels_of, std::size_t kBytes>
void Convert(std::uint8_t* to, const std::uint8_t* from, std::size_t width, const ToneMap& map) {
  for (std::size_t x = 0; x < width; x += kBlock) {
    const std::size_t count = width - x < kBlock ? width - x : kBlock;
    pixels_of(from + kBytes * x, count, map, to + 4 * x);
  }
}

template <PixelsOf pixels_of, std::size_t kBytes>
bool Update(std::uint8_t* to, const std::uint8_t* from, std::size_t width, const ToneMap& map) {
  std::uint8_t pixels[4 * kBlock];
  bool changed = false;
  for (std::size_t x = 0; x < width; x += kBlock) {
    const std::size_t count = width - x < kBlock ? width - x : kBlock;
    pixels_of(from + kBytes * x, count, map, pixels);
    if (std::memcmp(to + 4 * x, pixels, 4 * count) == 0) continue;
    std::memcpy(to + 4 * x, pixels, 4 * count);
    changed = true;
  }
  return changed;
}

}  // namespace

const HdrRowKernels kPortableHdrRows = {
    {Convert<Sdr, 4>, Convert<Pq, 4>, Convert<Linear, 4>, Convert<Scrgb, 8>},
    {Update<Sdr, 4>, Update<Pq, 4>, Update<Linear, 4>, Update<Scrgb, 8>},
};

}  // namespace kvmfr
