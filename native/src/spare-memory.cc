#include "spare-memory.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace kvmfr {
namespace {

// In a thread of the pool: it walks through all that the allocator has, with its locks held one
// after the other.
class GiveBack : public Napi::AsyncWorker {
 public:
  explicit GiveBack(Napi::Env env)
      : AsyncWorker(env, "kvmfr.giveBackMemory"), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
#ifdef __GLIBC__
    given_ = malloc_trim(0);
#endif
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), given_)); }

 private:
  Napi::Promise::Deferred deferred_;
  int given_ = 0;
};

}  // namespace

Napi::Value GiveBackMemoryOf(const Napi::CallbackInfo& info) {
  // Deletes itself when its promise has settled.
  auto* work = new GiveBack(info.Env());
  const Napi::Promise promise = work->Promise();
  work->Queue();
  return promise;
}

}  // namespace kvmfr
