// The export table.
#include <napi.h>

#include "moves-binding.h"
#include "pixels-binding.h"
#include "spare-memory.h"
#include "tile-ops-binding.h"
#ifdef __linux__
#include "doorbell-binding.h"
#include "mapping.h"
#include "screen-memory.h"
#endif

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
#ifdef __linux__
  exports.Set("Mapping", kvmfr::Mapping::Define(env));
  kvmfr::ExportDoorbell(env, exports);
  exports.Set("allocateBlocks", Napi::Function::New<kvmfr::AllocateBlocksOf>(env));
  exports.Set("ScreenMemory", kvmfr::ScreenMemory::Define(env));
  exports.Set("frameBufferFacts", Napi::Function::New<kvmfr::FrameBufferFactsOf>(env));
#endif
  exports.Set("copyRows", Napi::Function::New<kvmfr::CopyRowsOf>(env));
  exports.Set("convertRows", Napi::Function::New<kvmfr::ConvertRowsOf>(env));
  exports.Set("updateTiles", Napi::Function::New<kvmfr::UpdateTilesOf>(env));
  exports.Set("convertToI420", Napi::Function::New<kvmfr::ConvertToI420Of>(env));
  exports.Set("fillToneMap", Napi::Function::New<kvmfr::FillToneMapOf>(env));
  exports.Set("packTiles", Napi::Function::New<kvmfr::PackTilesOf>(env));
  exports.Set("codeTiles", Napi::Function::New<kvmfr::CodeTilesOf>(env));
  exports.Set("codeTilesInPool", Napi::Function::New<kvmfr::CodeTilesInPoolOf>(env));
  exports.Set("findMove", Napi::Function::New<kvmfr::FindMoveOf>(env));
  exports.Set("copyChangedTiles", Napi::Function::New<kvmfr::CopyChangedTilesOf>(env));
  exports.Set("giveBackMemory", Napi::Function::New<kvmfr::GiveBackMemoryOf>(env));
  exports.Set("kernelVariant", Napi::Function::New<kvmfr::KernelVariantOf>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(kvmfr, Init)
