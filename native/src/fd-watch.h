// Tells JavaScript when a file descriptor can be read: a socket, an eventfd.
#ifndef KVMFR_FD_WATCH_H_
#define KVMFR_FD_WATCH_H_

#include <napi.h>

namespace kvmfr {

// Made by (fd, callback); unless it failed, the descriptor is its own from then on, and is closed with
// it, also when the thread is ended by force. It keeps no event loop alive at first.
class FdWatch : public Napi::ObjectWrap<FdWatch> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit FdWatch(const Napi::CallbackInfo& info);
  ~FdWatch() override;

 private:
  // What the loop has of it; deletes itself a turn of the loop after it was closed.
  struct Poll;

  // 0, or the errno of why it does not watch.
  Napi::Value ErrorNumber(const Napi::CallbackInfo& info);
  void KeepAlive(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Poll* poll_ = nullptr;
  int error_ = 0;
};

}  // namespace kvmfr

#endif  // KVMFR_FD_WATCH_H_
