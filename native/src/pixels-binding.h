// The kernels as JavaScript calls them: positional arguments, every range checked.
#ifndef KVMFR_PIXELS_BINDING_H_
#define KVMFR_PIXELS_BINDING_H_

#include <napi.h>

namespace kvmfr {

// Each returns -1 when an argument is not what it takes or a range leaves its buffer; nothing
// outside of a buffer has been read or written then. Buffers are looked at anew at each call, so
// one that was detached since is an empty one.

// copyRows(to, toOffset, toPitch, from, fromOffset, fromPitch, rowBytes, rows): 0
Napi::Value CopyRowsOf(const Napi::CallbackInfo& info);
// convertRows(to, toOffset, toPitch, from, fromOffset, fromPitch, width, rows, format, variant,
//   toneMap): 0
Napi::Value ConvertRowsOf(const Napi::CallbackInfo& info);
// updateTiles(picture, pitch, width, height, tile, serials, serial, from, fromOffset, fromPitch,
//   format, x, y, w, h, variant, toneMap, PLANES): tiles changed
Napi::Value UpdateTilesOf(const Napi::CallbackInfo& info);
// convertToI420(picture, pitch, width, height, x, y, w, h, variant, PLANES): 0
// PLANES are three times bytes, offset, pitch: of Y, U and V; updateTiles takes undefined instead
Napi::Value ConvertToI420Of(const Napi::CallbackInfo& info);
// fillToneMap(words, transfer, gain, peak): 0
Napi::Value FillToneMapOf(const Napi::CallbackInfo& info);
// packTiles(to, toOffset, picture, pitch, width, height, tile, tiles, count, bytesPerPixel,
//   variant): bytes written
Napi::Value PackTilesOf(const Napi::CallbackInfo& info);
// kernelVariant(): the name of the variant in use
Napi::Value KernelVariantOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr

#endif  // KVMFR_PIXELS_BINDING_H_
