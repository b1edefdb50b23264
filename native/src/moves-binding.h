// The search for moves as JavaScript calls it. As with the kernels, -1 is the answer to an argument
// that is not what the call takes, and to a range that leaves its buffer.
#ifndef KVMFR_MOVES_BINDING_H_
#define KVMFR_MOVES_BINDING_H_

#include <napi.h>

namespace kvmfr {

// findMove(picture, pitch, width, height, tile, serials, base, before, beforePitch, rest, found): 1
// when there is a move, else 0; found takes x, y, width, height, fromX, fromY, and how many tiles
// changed and how many have a bit in rest
Napi::Value FindMoveOf(const Napi::CallbackInfo& info);
// copyChangedTiles(picture, pitch, width, height, tile, serials, base, to, toPitch): tiles copied
Napi::Value CopyChangedTilesOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr

#endif  // KVMFR_MOVES_BINDING_H_
