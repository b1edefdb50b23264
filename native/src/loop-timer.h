// A precise timer in the event loop of a JavaScript thread: the loop itself counts in milliseconds.
#ifndef KVMFR_LOOP_TIMER_H_
#define KVMFR_LOOP_TIMER_H_

#include <node_api.h>
#include <uv.h>

#include "cadence.h"

namespace kvmfr {

// A timerfd that the loop of an environment waits for beside everything else. For the thread of that
// environment.
class LoopTimer {
 public:
  // Called in the thread of the environment, outside of JavaScript.
  using Ring = void (*)(void* context);
  // Called once, when the timer is closed and nothing is left of it: also while the environment ends.
  using Closed = void (*)(void* context);

  // nullptr when it cannot be made; *error holds the errno.
  static LoopTimer* Create(napi_env env, Ring ring, Closed closed, void* context, int* error);
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  // Rings once, at or after this time of CLOCK_MONOTONIC, in place of what was set before.
  void Set(Nanos at);
  // Does not ring any more until it is set again.
  void Unset();
  // Whether the loop goes on for it. It does not at first.
  void KeepAlive(bool on);
  // Does not ring any more. The timer deletes itself a turn of the loop later.
  void Close();

 private:
  LoopTimer(napi_env env, int fd, Ring ring, Closed closed, void* context);
  ~LoopTimer() = default;

  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* timer);

  napi_env const env_;
  int const fd_;
  Ring const ring_;
  Closed const closed_;
  void* const context_;
  uv_poll_t poll_{};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
};

}  // namespace kvmfr

#endif  // KVMFR_LOOP_TIMER_H_
