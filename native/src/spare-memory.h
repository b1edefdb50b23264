// Memory that the allocator keeps for later.
#pragma once

#include <napi.h>

namespace kvmfr {

// giveBackMemory(): a promise of 1 when anything was given back to the system, else 0.
Napi::Value GiveBackMemoryOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr
