#ifdef __linux__

#include "loop-timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace kvmfr {

LoopTimer::LoopTimer(napi_env env, int fd, Ring ring, Closed closed, void* context)
    : env_(env), fd_(fd), ring_(ring), closed_(closed), context_(context) {
  poll_.data = this;
}

LoopTimer* LoopTimer::Create(napi_env env, Ring ring, Closed closed, void* context, int* error) {
  uv_loop_t* loop = nullptr;
  *error = ENOTSUP;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  *error = errno;
  if (fd < 0) return nullptr;
  auto* timer = new LoopTimer(env, fd, ring, closed, context);
  *error = -uv_poll_init(loop, &timer->poll_, fd);
  if (*error != 0) {
    close(fd);
    delete timer;
    return nullptr;
  }
  uv_poll_start(&timer->poll_, UV_READABLE, OnReadable);
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer->poll_));
  // An environment must not end before its handles are closed.
  napi_add_async_cleanup_hook(env, OnCleanup, timer, &timer->hook_);
  return timer;
}

void LoopTimer::Set(Nanos at) {
  if (closing_) return;
  // Zero would unset it.
  const Nanos from = std::max<Nanos>(at, 1);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(from / 1000000000);
  when.it_value.tv_nsec = static_cast<long>(from % 1000000000);
  timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void LoopTimer::Unset() {
  if (closing_) return;
  const itimerspec never{};
  timerfd_settime(fd_, 0, &never, nullptr);
}

void LoopTimer::KeepAlive(bool on) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (closing_) return;
  if (on) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void LoopTimer::Close() {
  if (closing_) return;
  closing_ = true;
  uv_poll_stop(&poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
  // libuv has let go of it: nothing has to wait for a turn of the loop.
  close(fd_);
}

void LoopTimer::OnReadable(uv_poll_t* poll, int, int) {
  auto* timer = static_cast<LoopTimer*>(poll->data);
  std::uint64_t times;
  // Nothing to be read: it was set anew after it had rung.
  if (read(timer->fd_, &times, sizeof times) != sizeof times) return;
  timer->ring_(timer->context_);
}

void LoopTimer::OnClosed(uv_handle_t* handle) {
  auto* timer = static_cast<LoopTimer*>(handle->data);
  timer->closed_(timer->context_);
  napi_remove_async_cleanup_hook(timer->hook_);
  delete timer;
}

void LoopTimer::OnCleanup(napi_async_cleanup_hook_handle, void* timer) {
  static_cast<LoopTimer*>(timer)->Close();
}

}  // namespace kvmfr

#endif  // __linux__
