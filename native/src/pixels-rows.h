// One row of pixels: what the kernels of pixels.h are made of, in three variants.
#ifndef KVMFR_PIXELS_ROWS_H_
#define KVMFR_PIXELS_ROWS_H_

#include "pixels.h"

namespace kvmfr {

// Source pixels become picture pixels.
using ConvertRow = void (*)(std::uint8_t* to, const std::uint8_t* from, std::size_t width);
// The same, but only what differs is written. Returns whether anything differed.
using UpdateRow = bool (*)(std::uint8_t* to, const std::uint8_t* from, std::size_t width);
// Picture pixels become R, G, B, 255 or R, G, B.
using PackRow = void (*)(std::uint8_t* to, const std::uint8_t* from, std::size_t width);

struct RowKernels {
  ConvertRow convert[kPixelFormats];
  UpdateRow update[kPixelFormats];
  PackRow pack4;
  PackRow pack3;
};

extern const RowKernels kReferenceRows;
extern const RowKernels kPortableRows;

// The fastest that this processor can run.
const RowKernels* BestRowKernels();

const RowKernels& RowKernelsOf(Variant variant);
const HdrRowKernels& HdrRowKernelsOf(Variant variant);

}  // namespace kvmfr

#endif  // KVMFR_PIXELS_ROWS_H_
