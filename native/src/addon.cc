// The export table.
#include <napi.h>

#ifdef __linux__
#include "mapping.h"
#endif

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
#ifdef __linux__
  exports.Set("Mapping", kvmfr::Mapping::Define(env));
  exports.Set("allocateBlocks", Napi::Function::New<kvmfr::AllocateBlocksOf>(env));
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(kvmfr, Init)
