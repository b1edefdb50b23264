// The one ArrayBuffer over pages that were mapped.
#ifndef KVMFR_PAGE_BUFFER_H_
#define KVMFR_PAGE_BUFFER_H_

#include <napi.h>

#include <memory>

namespace kvmfr {

// `Pages` has base(), bytes() and Unmap().
template <typename Pages>
class PageBuffer {
 public:
  // One ArrayBuffer per mapping: a second one at the same address would make V8 abort. Undefined
  // when the engine allows none.
  Napi::Value Of(Napi::Env env, const std::shared_ptr<Pages>& pages) {
    if (pages == nullptr) return env.Undefined();
    if (!buffer_.IsEmpty()) return buffer_.Value();
    // The buffer owns a share: memory stays mapped while only the buffer is left.
    auto* share = new std::shared_ptr<Pages>(pages);
    napi_value value = nullptr;
    const napi_status status = napi_create_external_arraybuffer(
        env, pages->base(), pages->bytes(),
        [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Pages>*>(hint); },
        share, &value);
    if (status != napi_ok) {
      if (status == napi_no_external_buffers_allowed) delete share;
      return env.Undefined();
    }
    Napi::ArrayBuffer buffer(env, value);
    buffer_ = Napi::Persistent(buffer);
    return buffer;
  }

  // Takes the pages out of the buffer and gives them back.
  void End(std::shared_ptr<Pages>* pages) {
    if (*pages == nullptr) return;
    bool reachable = false;
    if (!buffer_.IsEmpty()) {
      Napi::ArrayBuffer buffer = buffer_.Value();
      // A buffer that somebody transferred has given its memory to another one, which we cannot
      // find: then the pages go with the last buffer instead of now.
      reachable = buffer.IsDetached() || napi_detach_arraybuffer(buffer.Env(), buffer) != napi_ok;
      buffer_.Reset();
    }
    if (!reachable) (*pages)->Unmap();
    pages->reset();
  }

 private:
  Napi::Reference<Napi::ArrayBuffer> buffer_;
};

}  // namespace kvmfr

#endif  // KVMFR_PAGE_BUFFER_H_
