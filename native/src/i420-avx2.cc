#include "i420.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <immintrin.h>

// The rest of the module is compiled for any x86-64; these functions run only where they can.
#define KVMFR_AVX2 __attribute__((target("avx2")))
#define KVMFR_AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline

namespace kvmfr {
namespace {

constexpr std::size_t kAtOnce = 32;  // pixels of a row

KVMFR_AVX2_INLINE __m256i Load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// Four numbers, one for each byte or word of a pixel, over and over.
KVMFR_AVX2_INLINE __m256i PerByte(int b, int g, int r) {
  return _mm256_set1_epi32((r & 0xff) << 16 | (g & 0xff) << 8 | (b & 0xff));
}
KVMFR_AVX2_INLINE __m256i PerWord(int b, int g, int r) {
  return _mm256_set1_epi64x(static_cast<long long>(r & 0xffff) << 32 |
                            static_cast<long long>(g & 0xffff) << 16 | (b & 0xffff));
}

// Y - 126 of 16 pixels as words: of the first four, the ninth to twelfth, the fifth to eighth, and
// the last four.
KVMFR_AVX2_INLINE __m256i YWords(__m256i a, __m256i b) {
  // Pixels are less 128, so that the product of their bytes with unsigned factors stays in 16 bits.
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
  const __m256i factors = PerByte(15, 148, 44);
  const __m256i sums = _mm256_hadd_epi16(_mm256_maddubs_epi16(factors, _mm256_xor_si256(a, sign)),
                                         _mm256_maddubs_epi16(factors, _mm256_xor_si256(b, sign)));
  // 126 less, and the rest of 539384, in multiples of 136.
  return _mm256_mulhrs_epi16(_mm256_sub_epi16(sums, _mm256_set1_epi16(17)), _mm256_set1_epi16(136));
}

KVMFR_AVX2_INLINE void StoreY(std::uint8_t* to, __m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i bytes = _mm256_packs_epi16(YWords(a, b), YWords(c, d));
  const __m256i ordered =
      _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_add_epi8(ordered, _mm256_set1_epi8(126)));
}

// Sums of four blocks, as words B, G, R, and one that does not count.
KVMFR_AVX2_INLINE __m256i Sums(__m256i top, __m256i bottom) {
  const __m256i pairs = _mm256_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15, 0, 4,
                                         1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  const __m256i ones = _mm256_set1_epi8(1);
  return _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_shuffle_epi8(top, pairs), ones),
                          _mm256_maddubs_epi16(_mm256_shuffle_epi8(bottom, pairs), ones));
}

// U or V less 128 of eight blocks: of the first, second, fifth and sixth, and of the others.
KVMFR_AVX2_INLINE __m256i Chroma(__m256i a, __m256i b, __m256i factors) {
  const __m256i sums =
      _mm256_hadd_epi32(_mm256_madd_epi16(a, factors), _mm256_madd_epi16(b, factors));
  return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << 16)), 17);
}

KVMFR_AVX2_INLINE void StoreChroma(std::uint8_t* to, __m128i less128) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_xor_si128(less128, _mm_set1_epi8(static_cast<char>(0x80))));
}

KVMFR_AVX2_INLINE void Vectors(const I420RowPair& to, const std::uint8_t* top,
                               const std::uint8_t* bottom, std::size_t x) {
  const __m256i a0 = Load(top + 4 * x), a1 = Load(top + 4 * x + 32);
  const __m256i a2 = Load(top + 4 * x + 64), a3 = Load(top + 4 * x + 96);
  const __m256i b0 = Load(bottom + 4 * x), b1 = Load(bottom + 4 * x + 32);
  const __m256i b2 = Load(bottom + 4 * x + 64), b3 = Load(bottom + 4 * x + 96);
  StoreY(to.y_top + x, a0, a1, a2, a3);
  StoreY(to.y_bottom + x, b0, b1, b2, b3);

  const __m256i s0 = Sums(a0, b0), s1 = Sums(a1, b1), s2 = Sums(a2, b2), s3 = Sums(a3, b3);
  const __m256i u_factors = PerWord(14392, -11094, -3298);
  const __m256i v_factors = PerWord(-1320, -13072, 14392);
  const __m256i u = _mm256_packs_epi32(Chroma(s0, s1, u_factors), Chroma(s2, s3, u_factors));
  const __m256i v = _mm256_packs_epi32(Chroma(s0, s1, v_factors), Chroma(s2, s3, v_factors));
  // Pairs of neighbours in each half: U U of the first half, V V, and so in the second.
  const __m256i both = _mm256_packs_epi16(u, v);
  const __m128i low = _mm256_castsi256_si128(both);
  const __m128i high = _mm256_extracti128_si256(both, 1);
  StoreChroma(to.u + x / 2, _mm_unpacklo_epi16(low, high));
  StoreChroma(to.v + x / 2, _mm_unpackhi_epi16(low, high));
}

KVMFR_AVX2 void RowPair(const I420RowPair& to, const std::uint8_t* top, const std::uint8_t* bottom,
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

ConvertI420RowPair BestI420RowPair() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? RowPair : kPortableI420RowPair;
}

}  // namespace kvmfr

#elif !defined(__ARM_NEON) && !defined(__ARM_NEON__)

namespace kvmfr {

ConvertI420RowPair BestI420RowPair() { return kPortableI420RowPair; }

}  // namespace kvmfr

#endif
