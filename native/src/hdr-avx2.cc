#include "hdr.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>
#include <immintrin.h>

#include <cstring>

#include "hdr-light.h"

// The rest of the module is compiled for any x86-64; these functions run only where they can. No
// FMA: a product and a sum round twice, as in the other variants.
#define KVMFR_AVX2 __attribute__((target("avx2,f16c")))
#define KVMFR_AVX2_INLINE __attribute__((target("avx2,f16c"), always_inline)) static inline
#define KVMFR_AVX2_METHOD __attribute__((target("avx2,f16c"), always_inline)) inline

namespace kvmfr {
namespace {

constexpr std::size_t kLanes = 8;  // pixels in a vector

KVMFR_AVX2_INLINE __m256i Load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

KVMFR_AVX2_INLINE void Store(std::uint8_t* at, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}

KVMFR_AVX2_INLINE __m256i Bits(std::uint32_t word) {
  return _mm256_set1_epi32(static_cast<int>(word));
}

KVMFR_AVX2_INLINE __m256i Word(__m256i r, __m256i g, __m256i b) {
  return _mm256_or_si256(_mm256_or_si256(Bits(0xff000000u), _mm256_slli_epi32(r, 16)),
                         _mm256_or_si256(_mm256_slli_epi32(g, 8), b));
}

// Eight pixels of light.
struct Lights {
  __m256 r, g, b;
};

KVMFR_AVX2_INLINE __m256i Encode(__m256 light) {
  const __m256i bits =
      _mm256_castps_si256(_mm256_min_ps(light, _mm256_set1_ps(FloatOf(kBrightestBits))));
  const __m256 octave =
      _mm256_permutevar8x32_ps(_mm256_loadu_ps(kOctave), _mm256_srli_epi32(bits, 23));
  const __m256 mantissa = _mm256_castsi256_ps(
      _mm256_or_si256(_mm256_and_si256(bits, Bits(kWholeSteps & 0x007fffffu)), Bits(0x3f800000u)));
  __m256 power = _mm256_set1_ps(kPower[3]);
  for (int i = 2; i >= 0; --i) {
    power = _mm256_add_ps(_mm256_mul_ps(power, mantissa), _mm256_set1_ps(kPower[i]));
  }
  const __m256 curve = _mm256_sub_ps(_mm256_mul_ps(octave, power), _mm256_set1_ps(kPowerOffset));
  const __m256 step = _mm256_castsi256_ps(_mm256_and_si256(bits, Bits(kWholeSteps)));
  const __m256 line = _mm256_mul_ps(_mm256_set1_ps(kLine), step);
  return _mm256_cvtps_epi32(_mm256_min_ps(line, curve));
}

KVMFR_AVX2_INLINE __m256 Dot(const float (&row)[3], const Lights& in) {
  return _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(row[0]), in.r),
                                     _mm256_mul_ps(_mm256_set1_ps(row[1]), in.g)),
                       _mm256_mul_ps(_mm256_set1_ps(row[2]), in.b));
}

KVMFR_AVX2_INLINE Lights ToBt709(const Lights& in) {
  const __m256 zero = _mm256_setzero_ps();
  return {_mm256_max_ps(Dot(kToBt709[0], in), zero), _mm256_max_ps(Dot(kToBt709[1], in), zero),
          _mm256_max_ps(Dot(kToBt709[2], in), zero)};
}

// Lanes whose intensity is not above 1 hold anything.
KVMFR_AVX2_INLINE Lights RollOff(const Lights& in, __m256 intensity, float peak) {
  const __m256 one = _mm256_set1_ps(1);
  const __m256 luminance = Dot(kLuminance, in);
  const __m256 room = _mm256_max_ps(_mm256_sub_ps(intensity, luminance),
                                    _mm256_mul_ps(_mm256_set1_ps(peak - 1), luminance));
  const __m256 t = _mm256_min_ps(
      _mm256_div_ps(_mm256_mul_ps(_mm256_sub_ps(intensity, one), luminance), room), one);
  const __m256 white = _mm256_mul_ps(
      _mm256_mul_ps(t, t), _mm256_sub_ps(_mm256_set1_ps(3), _mm256_mul_ps(_mm256_set1_ps(2), t)));
  const __m256 scale = _mm256_div_ps(_mm256_sub_ps(one, white), intensity);
  return {_mm256_add_ps(_mm256_mul_ps(in.r, scale), white),
          _mm256_add_ps(_mm256_mul_ps(in.g, scale), white),
          _mm256_add_ps(_mm256_mul_ps(in.b, scale), white)};
}

KVMFR_AVX2_INLINE __m256i Show(Lights light, const ToneMap& map) {
  const __m256 intensity = _mm256_max_ps(_mm256_max_ps(light.r, light.g), light.b);
  const __m256 above = _mm256_cmp_ps(intensity, _mm256_set1_ps(1), _CMP_GT_OQ);
  if (_mm256_movemask_ps(above) != 0) {
    const Lights shown = RollOff(light, intensity, map.peak);
    light = {_mm256_blendv_ps(light.r, shown.r, above), _mm256_blendv_ps(light.g, shown.g, above),
             _mm256_blendv_ps(light.b, shown.b, above)};
  }
  return Word(Encode(light.r), Encode(light.g), Encode(light.b));
}

// Eight source pixels. What is shown was read once: the guest may be writing the memory that it
// comes from. Alpha does not count when pixels are compared.

struct TenBits {
  static constexpr std::size_t kBytes = 4;
  std::uint64_t a, b, c, d;  // two pixels each

  // Whether all are as the first two.
  KVMFR_AVX2_METHOD bool Repeat() const { return Colour((a ^ b) | (a ^ c) | (a ^ d)) == 0; }
  // Whether they look like others, of which all are as the first two.
  KVMFR_AVX2_METHOD bool Like(const TenBits& other) const {
    return Colour((a ^ other.a) | (b ^ other.a) | (c ^ other.a) | (d ^ other.a)) == 0;
  }
  // The entries that one component of the pixels names. Single loads are quicker than a gather.
  template <int kShift>
  KVMFR_AVX2_METHOD __m256i Entries(const std::uint32_t* curve) const {
    constexpr int kNext = 32 + kShift;
    return _mm256_setr_epi32(Entry(curve, a >> kShift), Entry(curve, a >> kNext),
                             Entry(curve, b >> kShift), Entry(curve, b >> kNext),
                             Entry(curve, c >> kShift), Entry(curve, c >> kNext),
                             Entry(curve, d >> kShift), Entry(curve, d >> kNext));
  }

 protected:
  KVMFR_AVX2_METHOD explicit TenBits(const std::uint8_t* at)
      : a(Pair(at)), b(Pair(at + 8)), c(Pair(at + 16)), d(Pair(at + 24)) {}

 private:
  KVMFR_AVX2_METHOD static std::uint64_t Pair(const std::uint8_t* at) {
    std::uint64_t pair;
    std::memcpy(&pair, at, sizeof pair);
    return pair;
  }
  KVMFR_AVX2_METHOD static std::uint64_t Colour(std::uint64_t pair) {
    return pair & 0x3fffffff3fffffff;
  }
  KVMFR_AVX2_METHOD static int Entry(const std::uint32_t* curve, std::uint64_t code) {
    return static_cast<int>(curve[code & (kCodes - 1)]);
  }
};

struct PqPixels : TenBits {
  KVMFR_AVX2_METHOD explicit PqPixels(const std::uint8_t* at) : TenBits(at) {}
  KVMFR_AVX2_METHOD __m256i Shown(const ToneMap& map) const {
    const Lights light = {_mm256_castsi256_ps(Entries<0>(map.curve)),
                          _mm256_castsi256_ps(Entries<10>(map.curve)),
                          _mm256_castsi256_ps(Entries<20>(map.curve))};
    return Show(ToBt709(light), map);
  }
};

struct LinearPixels : TenBits {
  KVMFR_AVX2_METHOD explicit LinearPixels(const std::uint8_t* at) : TenBits(at) {}
  KVMFR_AVX2_METHOD __m256i Shown(const ToneMap& map) const {
    const __m256i code = Bits(255);
    return Word(_mm256_and_si256(Entries<0>(map.curve), code),
                _mm256_and_si256(Entries<10>(map.curve), code),
                _mm256_and_si256(Entries<20>(map.curve), code));
  }
};

struct SdrPixels {
  static constexpr std::size_t kBytes = 4;
  __m256i words;

  KVMFR_AVX2_METHOD explicit SdrPixels(const std::uint8_t* at) : words(Load(at)) {}
  // Not looked at: converting is as quick as comparing.
  KVMFR_AVX2_METHOD bool Repeat() const { return false; }
  KVMFR_AVX2_METHOD bool Like(const SdrPixels&) const { return false; }
  KVMFR_AVX2_METHOD __m256i Shown(const ToneMap&) const {
    return Word(Codes(words), Codes(_mm256_srli_epi32(words, 10)),
                Codes(_mm256_srli_epi32(words, 20)));
  }

 private:
  KVMFR_AVX2_METHOD static __m256i Codes(__m256i in) {
    const __m256i codes = _mm256_and_si256(in, Bits(1023));
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_madd_epi16(codes, Bits(1021)), Bits(2048)),
                             12);
  }
};

struct ScrgbPixels {
  static constexpr std::size_t kBytes = 8;
  __m256i low, high;

  KVMFR_AVX2_METHOD explicit ScrgbPixels(const std::uint8_t* at)
      : low(Load(at)), high(Load(at + 32)) {}
  // Whether the second four are as the first four.
  KVMFR_AVX2_METHOD bool Repeat() const { return Colour(_mm256_xor_si256(low, high)); }
  KVMFR_AVX2_METHOD bool Like(const ScrgbPixels& other) const {
    return Colour(
        _mm256_or_si256(_mm256_xor_si256(low, other.low), _mm256_xor_si256(high, other.low)));
  }
  KVMFR_AVX2_METHOD __m256i Shown(const ToneMap& map) const {
    // Two pixels of a half vector to R R, G G, B B, A A; then the four pairs of a component
    // beside each other.
    const __m256i order = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0,
                                           1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    const __m256i first = _mm256_shuffle_epi8(low, order);
    const __m256i second = _mm256_shuffle_epi8(high, order);
    const __m256i red_green = _mm256_unpacklo_epi32(first, second);
    const __m256i blue = _mm256_unpackhi_epi32(first, second);
    const __m128i a = _mm256_castsi256_si128(red_green);
    const __m128i b = _mm256_extracti128_si256(red_green, 1);
    const __m128i c = _mm256_castsi256_si128(blue);
    const __m128i d = _mm256_extracti128_si256(blue, 1);
    return Show({HalfLights(_mm_unpacklo_epi32(a, b), map.gain),
                 HalfLights(_mm_unpackhi_epi32(a, b), map.gain),
                 HalfLights(_mm_unpacklo_epi32(c, d), map.gain)},
                map);
  }

 private:
  // Whether there is no difference but of alpha.
  KVMFR_AVX2_METHOD static bool Colour(__m256i difference) {
    return _mm256_testz_si256(difference, _mm256_set1_epi64x(0x0000ffffffffffff)) != 0;
  }
  KVMFR_AVX2_METHOD static __m256 HalfLights(__m128i halves, float gain) {
    // Zero is the second operand: it is taken for what is no number.
    const __m256 light = _mm256_min_ps(_mm256_max_ps(_mm256_cvtph_ps(halves), _mm256_setzero_ps()),
                                       _mm256_set1_ps(65504));
    return _mm256_mul_ps(_mm256_set1_ps(gain), light);
  }
};

// Returns whether it wrote something else than was there, and true where nobody asks.
template <bool kCompare>
KVMFR_AVX2_INLINE bool Put(std::uint8_t* to, __m256i pixels) {
  if constexpr (kCompare) {
    const __m256i difference = _mm256_xor_si256(pixels, Load(to));
    if (_mm256_testz_si256(difference, difference) != 0) return false;
  }
  Store(to, pixels);
  return true;
}

// Most of a desktop is areas of one colour: eight pixels that look like the eight before them are
// shown like them, without the work. Two loops, so that a compiler keeps its constants in registers
// in each. A width that is a multiple of 8.
template <typename Pixels, bool kCompare>
KVMFR_AVX2_INLINE bool Vectors(std::uint8_t* to, const std::uint8_t* from, std::size_t width,
                               const ToneMap& map) {
  bool changed = false;
  std::size_t x = 0;
  while (x < width) {
    const Pixels in(from + Pixels::kBytes * x);
    const __m256i shown = in.Shown(map);
    changed |= Put<kCompare>(to + 4 * x, shown);
    x += kLanes;
    if (!in.Repeat()) continue;
    for (; x < width && Pixels(from + Pixels::kBytes * x).Like(in); x += kLanes) {
      changed |= Put<kCompare>(to + 4 * x, shown);
    }
  }
  return changed;
}

template <typename Pixels, std::size_t kFormat>
KVMFR_AVX2 void Convert(std::uint8_t* to, const std::uint8_t* from, std::size_t width,
                        const ToneMap& map) {
  const std::size_t most = width - width % kLanes;
  Vectors<Pixels, false>(to, from, most, map);
  if (most == width) return;
  kPortableHdrRows.convert[kFormat](to + 4 * most, from + Pixels::kBytes * most, width - most, map);
}

template <typename Pixels, std::size_t kFormat>
KVMFR_AVX2 bool Update(std::uint8_t* to, const std::uint8_t* from, std::size_t width,
                       const ToneMap& map) {
  const std::size_t most = width - width % kLanes;
  const bool changed = Vectors<Pixels, true>(to, from, most, map);
  if (most == width) return changed;
  return kPortableHdrRows.update[kFormat](to + 4 * most, from + Pixels::kBytes * most, width - most,
                                          map) ||
         changed;
}

const HdrRowKernels kAvx2HdrRows = {
    {Convert<SdrPixels, 0>, Convert<PqPixels, 1>, Convert<LinearPixels, 2>,
     Convert<ScrgbPixels, 3>},
    {Update<SdrPixels, 0>, Update<PqPixels, 1>, Update<LinearPixels, 2>, Update<ScrgbPixels, 3>},
};

}  // namespace

const HdrRowKernels* BestHdrRowKernels() {
  // Not every compiler knows the name of the second one.
  unsigned a, b, c = 0, d;
  const bool half_floats = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && half_floats ? &kAvx2HdrRows : &kPortableHdrRows;
}

}  // namespace kvmfr

#else

namespace kvmfr {

const HdrRowKernels* BestHdrRowKernels() { return &kPortableHdrRows; }

}  // namespace kvmfr

#endif
