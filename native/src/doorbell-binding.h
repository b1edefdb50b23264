// The JavaScript face of channels, VFIO and placement.
#ifndef KVMFR_DOORBELL_BINDING_H_
#define KVMFR_DOORBELL_BINDING_H_

#include <napi.h>

namespace kvmfr {

// Adds the functions, and the class FdWatch.
void ExportDoorbell(Napi::Env env, Napi::Object exports);

}  // namespace kvmfr

#endif  // KVMFR_DOORBELL_BINDING_H_
