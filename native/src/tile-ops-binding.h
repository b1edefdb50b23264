// The coder of tiles as JavaScript calls it. As with the kernels, -1 is the answer to an argument that
// is not what the call takes, and to a range that leaves its buffer.
#ifndef KVMFR_TILE_OPS_BINDING_H_
#define KVMFR_TILE_OPS_BINDING_H_

#include <napi.h>

namespace kvmfr {

// codeTiles(to, words, width, height, tile, tiles, count): bytes written
Napi::Value CodeTilesOf(const Napi::CallbackInfo& info);
// The same in another thread: a promise of the bytes, or -1. The three arrays are that thread's until
// it settles; whoever detaches one of them before then takes away memory that is in use.
Napi::Value CodeTilesInPoolOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr

#endif  // KVMFR_TILE_OPS_BINDING_H_
