#ifdef __linux__

#include "fd-watch.h"

#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <memory>
#include <utility>

namespace kvmfr {

struct FdWatch::Poll {
  uv_poll_t handle{};
  napi_env env = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  std::unique_ptr<Napi::AsyncContext> async;
  Napi::FunctionReference callback;
  FdWatch* owner = nullptr;  // nullptr once it is closed
  int fd = -1;
  bool closing = false;

  void Close() {
    if (closing) return;
    closing = true;
    if (owner != nullptr) owner->poll_ = nullptr;
    owner = nullptr;
    uv_poll_stop(&handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), OnClosed);
    // libuv has let go of it: nothing has to wait for a turn of the loop.
    close(fd);
  }

  static void OnReadable(uv_poll_t* handle, int, int) {
    auto* poll = static_cast<Poll*>(handle->data);
    const Napi::HandleScope handles(poll->env);
    const Napi::CallbackScope scope(poll->env, *poll->async);
    napi_value undefined;
    if (napi_get_undefined(poll->env, &undefined) != napi_ok) return;
    // By the plain interface: a thread that is being terminated runs no JavaScript any more.
    napi_call_function(poll->env, undefined, poll->callback.Value(), 0, nullptr, nullptr);
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* poll = static_cast<Poll*>(handle->data);
    napi_remove_async_cleanup_hook(poll->hook);
    const Napi::HandleScope handles(poll->env);
    delete poll;
  }

  static void OnCleanup(napi_async_cleanup_hook_handle, void* poll) {
    static_cast<Poll*>(poll)->Close();
  }
};

Napi::Function FdWatch::Define(Napi::Env env) {
  return DefineClass(env, "NativeFdWatch",
                     {
                         InstanceAccessor<&FdWatch::ErrorNumber>("errorNumber"),
                         InstanceMethod<&FdWatch::KeepAlive>("keepAlive"),
                         InstanceMethod<&FdWatch::Close>("close"),
                     });
}

FdWatch::FdWatch(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  error_ = EINVAL;
  if (!info[0].IsNumber() || !info[1].IsFunction()) return;
  uv_loop_t* loop = nullptr;
  error_ = ENOTSUP;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return;
  auto poll = std::make_unique<Poll>();
  poll->fd = info[0].As<Napi::Number>().Int32Value();
  error_ = -uv_poll_init(loop, &poll->handle, poll->fd);
  if (error_ != 0) return;
  poll_ = poll.release();
  poll_->handle.data = poll_;
  poll_->env = env;
  poll_->owner = this;
  poll_->async = std::make_unique<Napi::AsyncContext>(env, "kvmfr.watch");
  poll_->callback = Napi::Persistent(info[1].As<Napi::Function>());
  uv_poll_start(&poll_->handle, UV_READABLE | UV_DISCONNECT, Poll::OnReadable);
  uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
  // An environment must not end before its handles are closed.
  napi_add_async_cleanup_hook(env, Poll::OnCleanup, poll_, &poll_->hook);
}

FdWatch::~FdWatch() {
  if (poll_ != nullptr) poll_->Close();
}

Napi::Value FdWatch::ErrorNumber(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), error_);
}

void FdWatch::KeepAlive(const Napi::CallbackInfo& info) {
  if (poll_ == nullptr || !info[0].IsBoolean()) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_->handle);
  if (info[0].As<Napi::Boolean>().Value()) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void FdWatch::Close(const Napi::CallbackInfo&) {
  if (poll_ != nullptr) poll_->Close();
}

}  // namespace kvmfr

#endif  // __linux__
