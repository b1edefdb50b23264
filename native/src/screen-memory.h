// The JavaScript face of memory in which a screen is.
#ifndef KVMFR_SCREEN_MEMORY_H_
#define KVMFR_SCREEN_MEMORY_H_

#include <napi.h>

#include <memory>

#include "page-buffer.h"
#include "screen-pages.h"

namespace kvmfr {

// Made by (fd, byteLength) over a device, or by (byteLength) as a segment; `errorNumber` says why
// when that did not work.
class ScreenMemory : public Napi::ObjectWrap<ScreenMemory> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit ScreenMemory(const Napi::CallbackInfo& info);

 private:
  Napi::Value ErrorNumber(const Napi::CallbackInfo& info);
  Napi::Value Segment(const Napi::CallbackInfo& info);
  Napi::Value Lost(const Napi::CallbackInfo& info);
  Napi::Value Buffer(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  int error_ = 0;
  std::shared_ptr<ScreenPages> pages_;
  PageBuffer<ScreenPages> buffer_;
};

// frameBufferFacts(fd, words): 0 or an errno.
Napi::Value FrameBufferFactsOf(const Napi::CallbackInfo& info);

}  // namespace kvmfr

#endif  // KVMFR_SCREEN_MEMORY_H_
