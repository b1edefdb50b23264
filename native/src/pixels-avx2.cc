#include "pixels-rows.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <immintrin.h>

// The rest of the module is compiled for any x86-64; these functions run only where they can.
#define KVMFR_AVX2 __attribute__((target("avx2")))
#define KVMFR_AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline

namespace kvmfr {
namespace {

constexpr std::size_t kLanes = 8;  // pixels in a vector

KVMFR_AVX2_INLINE __m256i Load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

KVMFR_AVX2_INLINE void Store(std::uint8_t* at, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}

KVMFR_AVX2_INLINE __m256i Opaque(__m256i pixels) {
  return _mm256_or_si256(pixels, _mm256_set1_epi32(static_cast<int>(0xff000000u)));
}

KVMFR_AVX2_INLINE __m256i SwapRedBlue(__m256i pixels) {
  return _mm256_shuffle_epi8(
      pixels, _mm256_setr_epi8(2, 1, 0, 3, 6, 5, 4, 7, 10, 9, 8, 11, 14, 13, 12, 15, 2, 1, 0, 3, 6,
                               5, 4, 7, 10, 9, 8, 11, 14, 13, 12, 15));
}

// Eight triples from exactly 24 bytes: the upper half is loaded four bytes early, so that nothing
// after the last pixel of a buffer is touched.
KVMFR_AVX2_INLINE __m256i LoadTriples(const std::uint8_t* at, __m256i order) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 8));
  return _mm256_shuffle_epi8(_mm256_set_m128i(high, low), order);
}

// Eight source pixels as picture pixels.
template <PixelFormat format>
KVMFR_AVX2_INLINE __m256i Pixels(const std::uint8_t* at) {
  switch (format) {
    case PixelFormat::kBgra:
      return Opaque(Load(at));
    case PixelFormat::kRgba:
      return Opaque(SwapRedBlue(Load(at)));
    case PixelFormat::kBgr32:
      return Opaque(
          LoadTriples(at, _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 4,
                                           5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1)));
    default:
      return Opaque(
          LoadTriples(at, _mm256_setr_epi8(2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1, 6,
                                           5, 4, -1, 9, 8, 7, -1, 12, 11, 10, -1, 15, 14, 13, -1)));
  }
}

template <PixelFormat format>
KVMFR_AVX2 void Convert(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  constexpr std::size_t kBytes = SourcePixelBytes(format);
  std::size_t x = 0;
  for (; x + kLanes <= width; x += kLanes) Store(to + 4 * x, Pixels<format>(from + kBytes * x));
  kPortableRows.convert[static_cast<std::size_t>(format)](to + 4 * x, from + kBytes * x, width - x);
}

template <PixelFormat format>
KVMFR_AVX2 bool Update(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  constexpr std::size_t kBytes = SourcePixelBytes(format);
  bool changed = false;
  std::size_t x = 0;
  // The source is read once: what is compared is what is stored, whatever the guest writes.
  for (; x + 4 * kLanes <= width; x += 4 * kLanes) {
    const std::uint8_t* source = from + kBytes * x;
    std::uint8_t* target = to + 4 * x;
    const __m256i p0 = Pixels<format>(source);
    const __m256i p1 = Pixels<format>(source + kBytes * kLanes);
    const __m256i p2 = Pixels<format>(source + kBytes * kLanes * 2);
    const __m256i p3 = Pixels<format>(source + kBytes * kLanes * 3);
    const __m256i d0 = _mm256_xor_si256(p0, Load(target));
    const __m256i d1 = _mm256_xor_si256(p1, Load(target + 32));
    const __m256i d2 = _mm256_xor_si256(p2, Load(target + 64));
    const __m256i d3 = _mm256_xor_si256(p3, Load(target + 96));
    const __m256i any = _mm256_or_si256(_mm256_or_si256(d0, d1), _mm256_or_si256(d2, d3));
    if (_mm256_testz_si256(any, any)) continue;
    Store(target, p0);
    Store(target + 32, p1);
    Store(target + 64, p2);
    Store(target + 96, p3);
    changed = true;
  }
  for (; x + kLanes <= width; x += kLanes) {
    const __m256i pixels = Pixels<format>(from + kBytes * x);
    const __m256i difference = _mm256_xor_si256(pixels, Load(to + 4 * x));
    if (_mm256_testz_si256(difference, difference)) continue;
    Store(to + 4 * x, pixels);
    changed = true;
  }
  if (x == width) return changed;
  return kPortableRows.update[static_cast<std::size_t>(format)](to + 4 * x, from + kBytes * x,
                                                                width - x) ||
         changed;
}

KVMFR_AVX2 void Pack4(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  std::size_t x = 0;
  for (; x + kLanes <= width; x += kLanes)
    Store(to + 4 * x, Opaque(SwapRedBlue(Load(from + 4 * x))));
  kPortableRows.pack4(to + 4 * x, from + 4 * x, width - x);
}

KVMFR_AVX2 void Pack3(std::uint8_t* to, const std::uint8_t* from, std::size_t width) {
  const __m256i triples = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,
                                           2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
  std::size_t x = 0;
  for (; x + kLanes <= width; x += kLanes) {
    const __m256i packed =
        _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(Load(from + 4 * x), triples), together);
    // 24 bytes, not 32: the next tile may be of somebody else.
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * x), _mm256_castsi256_si128(packed));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 3 * x + 16),
                     _mm256_extracti128_si256(packed, 1));
  }
  kPortableRows.pack3(to + 3 * x, from + 4 * x, width - x);
}

const RowKernels kAvx2Rows = {
    {Convert<PixelFormat::kBgra>, Convert<PixelFormat::kRgba>, Convert<PixelFormat::kBgr32>,
     Convert<PixelFormat::kRgb24>},
    {Update<PixelFormat::kBgra>, Update<PixelFormat::kRgba>, Update<PixelFormat::kBgr32>,
     Update<PixelFormat::kRgb24>},
    Pack4,
    Pack3,
};

}  // namespace

const RowKernels* BestRowKernels() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? &kAvx2Rows : &kPortableRows;
}

}  // namespace kvmfr

#else

namespace kvmfr {

const RowKernels* BestRowKernels() { return &kPortableRows; }

}  // namespace kvmfr

#endif
