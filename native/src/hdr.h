// Rows of pixels with more than 8 bits: ten-bit RGB and half floats, SDR and HDR, become picture
// pixels. The formula and its sources are in protocol/kvmfr/hdr.ts; what is done here is the same
// in single precision, to within one code.
//
// All variants agree to the bit: the same operations in the same order on the same numbers. So they
// are compiled without contraction of a product and a sum into one operation.
#ifndef KVMFR_HDR_H_
#define KVMFR_HDR_H_

#include <cstddef>
#include <cstdint>

namespace kvmfr {

enum class Transfer : std::uint32_t {
  kPq = 0,      // codes of the PQ curve in BT.2020
  kLinear = 1,  // codes of linear light, SDR white at 1023
  kScrgb = 2,   // half floats of linear light, 1.0 = 80 nits
};
constexpr std::uint32_t kTransfers = 3;

// A tone map as JavaScript keeps it: words that are made once and then only read. A word too much
// or too large in it gives wrong colours and nothing worse.
//   0 transfer   1 gain (float)   2 peak (float)   3 unused
//   4 ... 1027   per ten-bit code: pq: its light as a float; linear: its sRGB code; scrgb: unused
constexpr std::size_t kCodes = 1024;
constexpr std::size_t kCurveAt = 4;
constexpr std::size_t kToneMapWords = kCurveAt + kCodes;

// Gain and peak as multiples of SDR white.
void FillToneMap(std::uint32_t* words, Transfer transfer, double gain, double peak);

struct ToneMap {
  Transfer transfer;
  float gain;
  float peak;
  const std::uint32_t* curve;
};
ToneMap ToneMapIn(const std::uint32_t* words);

// The formats, in the order of PixelFormat from kRgba10 on: ten-bit SDR, pq, linear, scrgb. SDR
// needs no tone map.
constexpr std::size_t kHdrFormats = 4;
using ConvertHdrRow = void (*)(std::uint8_t* to, const std::uint8_t* from, std::size_t width,
                               const ToneMap& map);
// The same, but only what differs is written. Returns whether anything differed.
using UpdateHdrRow = bool (*)(std::uint8_t* to, const std::uint8_t* from, std::size_t width,
                              const ToneMap& map);
struct HdrRowKernels {
  ConvertHdrRow convert[kHdrFormats];
  UpdateHdrRow update[kHdrFormats];
};

extern const HdrRowKernels kReferenceHdrRows;
extern const HdrRowKernels kPortableHdrRows;

// The fastest that this processor can run.
const HdrRowKernels* BestHdrRowKernels();

}  // namespace kvmfr

#endif  // KVMFR_HDR_H_
