// A picture as a video encoder takes it: I420, BT.709, limited range.
//
// Each pixel has a Y, each block of two by two pixels one U and one V, which are those of the
// average colour of the block: chroma sits in the middle of it. Blocks begin at even places. A
// picture of odd width or height has blocks of one column or row at its edge, whose average is that
// of the pixels that are there.
//
//   Y = (5984 R + 20128 G + 2040 B + 539384) / 2^15, rounded down                       16 to 235
//   U = (-3298 R' - 11094 G' + 14392 B') / 2^17 + 128, rounded to nearest, halves up    16 to 240
//   V = (14392 R' - 13072 G' - 1320 B') / 2^17 + 128, likewise                          16 to 240
//
// where R', G', B' are sums of the four pixels of a block; in a block at the edge, what is there
// counts twice or four times. The factors of Y are 136 times 44, 148 and 15: so a sum of small
// products and one rounding multiplication give it in 16 bits. Against arithmetic without rounding,
// Y is at most 0.54 codes off, U and V 0.51. A grey has U = V = 128.
//
// All variants agree to the bit.
#ifndef KVMFR_I420_H_
#define KVMFR_I420_H_

#include "pixels.h"

namespace kvmfr {

// Planes of a whole picture. U and V have half its width and height, rounded up.
struct I420Planes {
  Rows y, u, v;
};

// Converts a rect of a picture. It lies within the picture and begins at even places; it ends at
// even places, too, or at the picture's edge.
void ConvertToI420(Variant variant, const I420Planes& to, ConstRows picture, PixelRect rect);

// Two rows of pixels, and where their Y, U and V go. At the lower edge of a picture of odd height
// both are the same row.
struct I420RowPair {
  std::uint8_t *y_top, *y_bottom, *u, *v;
};
using ConvertI420RowPair = void (*)(const I420RowPair& to, const std::uint8_t* top,
                                    const std::uint8_t* bottom, std::size_t width);

extern const ConvertI420RowPair kReferenceI420RowPair;
extern const ConvertI420RowPair kPortableI420RowPair;

// The fastest that this processor can run.
ConvertI420RowPair BestI420RowPair();

}  // namespace kvmfr

#endif  // KVMFR_I420_H_
