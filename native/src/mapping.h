// The JavaScript face of a region: its ArrayBuffer, its waits, and their common end.
#ifndef KVMFR_MAPPING_H_
#define KVMFR_MAPPING_H_

#include <napi.h>

#include <memory>
#include <vector>

#include "page-buffer.h"
#include "region.h"
#include "wait.h"

namespace kvmfr {

// Opened by its constructor (path, readOnly, sealed), made of an open file by (name, readOnly, false,
// fd, offset, byteLength or 0), or created by (byteLength); `failure` says why when that did not work.
class Mapping : public Napi::ObjectWrap<Mapping> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit Mapping(const Napi::CallbackInfo& info);
  ~Mapping() override;

 private:
  // What the waiter's thread and its way into JavaScript share. Owned by the thread-safe function,
  // which outlives this object when the environment is still closing it.
  struct Wakeup;

  Napi::Value Failure(const Napi::CallbackInfo& info);
  Napi::Value Path(const Napi::CallbackInfo& info);
  Napi::Value ByteLength(const Napi::CallbackInfo& info);
  Napi::Value IsDevice(const Napi::CallbackInfo& info);
  Napi::Value Inode(const Napi::CallbackInfo& info);
  Napi::Value Device(const Napi::CallbackInfo& info);
  Napi::Value Buffer(const Napi::CallbackInfo& info);
  Napi::Value Lost(const Napi::CallbackInfo& info);
  Napi::Value BytesNow(const Napi::CallbackInfo& info);
  Napi::Value Look(const Napi::CallbackInfo& info);
  Napi::Value StartWaiter(const Napi::CallbackInfo& info);
  Napi::Value Granule(const Napi::CallbackInfo& info);
  Napi::Value PageNodes(const Napi::CallbackInfo& info);
  void Rung(const Napi::CallbackInfo& info);
  Napi::Value Wait(const Napi::CallbackInfo& info);
  void CancelWait(const Napi::CallbackInfo& info);
  void KeepAlive(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void StopWaiter();

  static bool Wake(void* wakeup);
  static void CallBack(napi_env env, napi_value callback, void* wakeup, void* data);
  static void EndWakeup(napi_env env, void* wakeup, void* hint);
  static void Ring(void* wakeup);
  static void EndLoop(void* wakeup);
  static void Tell(Napi::Env env, const Napi::Function& function,
                   const std::vector<FinishedWait>& finished);

  OpenFailure failure_;
  std::shared_ptr<Region> region_;
  PageBuffer<Region> buffer_;
  Wakeup* wakeup_ = nullptr;
};

// allocateBlocks(fd, byteLength): 0 or an errno.
Napi::Value AllocateBlocksOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr

#endif  // KVMFR_MAPPING_H_
