#ifdef __linux__

#include "mapping.h"

#include <cerrno>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop-timer.h"
#include "placement.h"

namespace kvmfr {

struct Mapping::Wakeup {
  explicit Wakeup(const std::uint8_t* base) : waiter(base) {}

  Waiter waiter;
  // The way into JavaScript from the waiter's thread; or, when the loop of this thread looks, its
  // timer and the function to call.
  napi_threadsafe_function function = nullptr;
  LoopTimer* timer = nullptr;
  std::unique_ptr<Napi::AsyncContext> async;
  Napi::FunctionReference finished;
  Mapping* owner = nullptr;  // nullptr once the mapping is closed or gone
  std::vector<FinishedWait> taken;

  // Sets the timer for the next look.
  void SetTimer() {
    const Nanos at = waiter.NextRing();
    if (at == Waiter::kNever) {
      timer->Unset();
    } else {
      timer->Set(at);
    }
  }
};

Napi::Function Mapping::Define(Napi::Env env) {
  return DefineClass(env, "NativeMapping",
                     {
                         InstanceAccessor<&Mapping::Failure>("failure"),
                         InstanceAccessor<&Mapping::Path>("path"),
                         InstanceAccessor<&Mapping::ByteLength>("byteLength"),
                         InstanceAccessor<&Mapping::IsDevice>("isDevice"),
                         InstanceAccessor<&Mapping::Inode>("inode"),
                         InstanceAccessor<&Mapping::Device>("device"),
                         InstanceAccessor<&Mapping::Lost>("lost"),
                         InstanceAccessor<&Mapping::Granule>("pageBytes"),
                         InstanceMethod<&Mapping::BytesNow>("bytesNow"),
                         InstanceMethod<&Mapping::PageNodes>("pageNodes"),
                         InstanceMethod<&Mapping::Rung>("rung"),
                         InstanceMethod<&Mapping::Buffer>("buffer"),
                         InstanceMethod<&Mapping::Look>("look"),
                         InstanceMethod<&Mapping::StartWaiter>("startWaiter"),
                         InstanceMethod<&Mapping::Wait>("wait"),
                         InstanceMethod<&Mapping::CancelWait>("cancelWait"),
                         InstanceMethod<&Mapping::KeepAlive>("keepAlive"),
                         InstanceMethod<&Mapping::Close>("close"),
                     });
}

Mapping::Mapping(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (info[0].IsNumber()) {
    const double bytes = info[0].As<Napi::Number>().DoubleValue();
    const bool fits = bytes > 0 && bytes <= 0xffffffffu;
    region_ = Region::Create(fits ? static_cast<std::uint64_t>(bytes) : 0, &failure_);
    return;
  }
  if (!info[0].IsString() || !info[1].IsBoolean() || !info[2].IsBoolean()) {
    failure_ = {OpenFailure::Step::kOpen, "open", EINVAL, 0, 0};
    return;
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  if (info[3].IsNumber() && info[4].IsNumber() && info[5].IsNumber()) {
    const double offset = info[4].As<Napi::Number>().DoubleValue();
    const double bytes = info[5].As<Napi::Number>().DoubleValue();
    // Written so that NaN fails.
    if (!(offset >= 0 && offset < 9.0e15 && bytes >= 0 && bytes < 9.0e15)) {
      failure_ = {OpenFailure::Step::kOpen, "mmap", EINVAL, 0, 0};
      return;
    }
    region_ = Region::Adopt(path, info[3].As<Napi::Number>().Int32Value(),
                            info[1].As<Napi::Boolean>().Value(), static_cast<std::uint64_t>(offset),
                            static_cast<std::uint64_t>(bytes), &failure_);
    return;
  }
  const Region::Seals seals =
      info[2].As<Napi::Boolean>().Value() ? Region::Seals::kFixedSize : Region::Seals::kAny;
  region_ = Region::Open(path, info[1].As<Napi::Boolean>().Value(), seals, &failure_);
}

Mapping::~Mapping() { StopWaiter(); }

Napi::Value Mapping::Failure(const Napi::CallbackInfo& info) {
  static constexpr const char* kSteps[] = {"none", "open", "inspect", "kind",
                                           "size", "map",  "seals",   "path"};
  const Napi::Env env = info.Env();
  if (failure_.step == OpenFailure::Step::kNone) return env.Undefined();
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("step", kSteps[static_cast<int>(failure_.step)]);
  failure.Set("syscall", failure_.syscall);
  failure.Set("errorNumber", failure_.error);
  failure.Set("mode", failure_.mode);
  failure.Set("byteLength", static_cast<double>(failure_.bytes));
  return failure;
}

Napi::Value Mapping::Path(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), region_ == nullptr ? std::string() : region_->path());
}

Napi::Value Mapping::ByteLength(const Napi::CallbackInfo& info) {
  const std::size_t bytes = region_ == nullptr ? 0 : region_->bytes();
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Value Mapping::IsDevice(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), region_ != nullptr && region_->is_device());
}

Napi::Value Mapping::Inode(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), region_ == nullptr ? 0 : region_->inode());
}

Napi::Value Mapping::Device(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), region_ == nullptr ? 0 : region_->device());
}

Napi::Value Mapping::Buffer(const Napi::CallbackInfo& info) {
  return buffer_.Of(info.Env(), region_);
}

Napi::Value Mapping::Lost(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), region_ != nullptr && region_->lost());
}

// What the open file has now; undefined when that cannot be told.
Napi::Value Mapping::BytesNow(const Napi::CallbackInfo& info) {
  std::uint64_t bytes = 0;
  if (region_ == nullptr || !region_->BytesNow(&bytes)) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

// 0 same, 1 replaced, 2 resized, 3 gone, 4 lost; a negative errno when the path cannot be looked at.
Napi::Value Mapping::Look(const Napi::CallbackInfo& info) {
  int error = EBADF;
  Region::Presence presence = Region::Presence::kUnknown;
  if (region_ != nullptr) presence = region_->Look(&error);
  const int result = presence == Region::Presence::kUnknown ? -error : static_cast<int>(presence);
  return Napi::Number::New(info.Env(), result);
}

Napi::Value Mapping::Granule(const Napi::CallbackInfo& info) {
  const std::size_t bytes = region_ == nullptr ? 0 : region_->granule();
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

// The nodes of some pages, each a negative errno where it has none; undefined when the system does
// not tell.
Napi::Value Mapping::PageNodes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<int> nodes;
  if (region_ == nullptr || region_->base() == nullptr ||
      NodesOfPages(region_->base(), region_->bytes(), region_->granule(), &nodes) != 0) {
    return env.Undefined();
  }
  Napi::Array list = Napi::Array::New(env, nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) list.Set(static_cast<std::uint32_t>(i), nodes[i]);
  return list;
}

// A doorbell was rung: looks, and tells what has finished.
void Mapping::Rung(const Napi::CallbackInfo& info) {
  if (wakeup_ == nullptr) return;
  Wakeup* wakeup = wakeup_;
  if (!wakeup->waiter.Rung()) return;
  std::vector<FinishedWait> taken = std::move(wakeup->taken);
  taken.clear();
  wakeup->waiter.Take(&taken);
  Tell(info.Env(), wakeup->finished.Value(), taken);
  // It may have been closed by what it has told.
  if (wakeup_ != wakeup) return;
  wakeup->taken = std::move(taken);
  if (wakeup->timer != nullptr) wakeup->SetTimer();
}

// startWaiter(callback(id, outcome, beforeMs), inLoop): 0, or the errno of pthread_create or
// timerfd_create. `inLoop`: this thread looks, from its event loop.
Napi::Value Mapping::StartWaiter(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (region_ == nullptr || wakeup_ != nullptr || !info[0].IsFunction() || !info[1].IsBoolean()) {
    return Napi::Number::New(env, EINVAL);
  }
  auto* wakeup = new Wakeup(region_->base());
  wakeup->finished = Napi::Persistent(info[0].As<Napi::Function>());
  int error = 0;
  if (info[1].As<Napi::Boolean>().Value()) {
    wakeup->async = std::make_unique<Napi::AsyncContext>(env, "kvmfr.wait");
    wakeup->timer = LoopTimer::Create(env, Ring, EndLoop, wakeup, &error);
    if (wakeup->timer == nullptr) {
      delete wakeup;
      return Napi::Number::New(env, error);
    }
    AskForShortSlices();
    wakeup->owner = this;
    wakeup_ = wakeup;
    return Napi::Number::New(env, 0);
  }
  const napi_status status =
      napi_create_threadsafe_function(env, info[0], nullptr, Napi::String::New(env, "kvmfr.wait"),
                                      0, 1, wakeup, EndWakeup, wakeup, CallBack, &wakeup->function);
  if (status != napi_ok) {
    delete wakeup;
    return Napi::Number::New(env, EINVAL);
  }
  wakeup->owner = this;
  wakeup_ = wakeup;
  napi_unref_threadsafe_function(env, wakeup->function);
  error = wakeup->waiter.Start(Wake, wakeup);
  if (error != 0) StopWaiter();
  return Napi::Number::New(env, error);
}

// wait(id, words, wordCount, timeoutMs, cadence, soon): a WaitOutcome, or undefined when an
// argument does not fit. `words` holds pairs of offset and value; bit 0 of the offset says
// `reaches`.
Napi::Value Mapping::Wait(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (region_ == nullptr || wakeup_ == nullptr || !info[0].IsNumber() || !info[1].IsTypedArray() ||
      !info[2].IsNumber() || !info[3].IsNumber() || !info[4].IsBoolean() || !info[5].IsBoolean()) {
    return env.Undefined();
  }
  const Napi::TypedArray array = info[1].As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint32_array) return env.Undefined();
  const Napi::Uint32Array pairs = array.As<Napi::Uint32Array>();
  const std::uint32_t count = info[2].As<Napi::Number>().Uint32Value();
  if (count == 0 || count > kMaxWatchedWords || pairs.ElementLength() < 2 * std::size_t{count}) {
    return env.Undefined();
  }

  kvmfr::Wait wait;
  wait.id = info[0].As<Napi::Number>().Uint32Value();
  wait.word_count = count;
  wait.cadence = info[4].As<Napi::Boolean>().Value();
  wait.soon = info[5].As<Napi::Boolean>().Value();
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool reaches = pairs[2 * i] % 2 != 0;
    const std::uint32_t offset = pairs[2 * i] - reaches;
    if (offset % 4 != 0 || std::uint64_t{offset} + 4 > region_->bytes()) return env.Undefined();
    wait.words[i] = {offset, pairs[2 * i + 1], reaches};
  }
  const double timeout_ms = info[3].As<Napi::Number>().DoubleValue();
  if (std::isnan(timeout_ms)) return env.Undefined();
  // A hundred years; also keeps Infinity out of the conversion.
  const double capped_ms = std::fmin(timeout_ms, 3.2e12);
  const Nanos timeout = static_cast<Nanos>(std::fmax(capped_ms, 0) * kMilli);
  const WaitOutcome outcome = wakeup_->waiter.Add(wait, timeout);
  if (wakeup_->timer != nullptr && outcome == WaitOutcome::kPending) wakeup_->SetTimer();
  return Napi::Number::New(env, static_cast<std::uint32_t>(outcome));
}

void Mapping::CancelWait(const Napi::CallbackInfo& info) {
  if (wakeup_ == nullptr || !info[0].IsNumber()) return;
  wakeup_->waiter.Cancel(info[0].As<Napi::Number>().Uint32Value());
}

void Mapping::KeepAlive(const Napi::CallbackInfo& info) {
  if (wakeup_ == nullptr || !info[0].IsBoolean()) return;
  if (wakeup_->timer != nullptr) {
    wakeup_->timer->KeepAlive(info[0].As<Napi::Boolean>().Value());
  } else if (info[0].As<Napi::Boolean>().Value()) {
    napi_ref_threadsafe_function(info.Env(), wakeup_->function);
  } else {
    napi_unref_threadsafe_function(info.Env(), wakeup_->function);
  }
}

void Mapping::Close(const Napi::CallbackInfo&) {
  StopWaiter();
  buffer_.End(&region_);
}

void Mapping::StopWaiter() {
  if (wakeup_ == nullptr) return;
  Wakeup* wakeup = std::exchange(wakeup_, nullptr);
  wakeup->owner = nullptr;
  wakeup->waiter.Stop();
  if (wakeup->timer != nullptr) {
    // Ends in EndLoop, a turn of the event loop later.
    wakeup->timer->Close();
    return;
  }
  // Ends in EndWakeup, a turn of the event loop later.
  napi_release_threadsafe_function(wakeup->function, napi_tsfn_abort);
}

bool Mapping::Wake(void* wakeup) {
  return napi_call_threadsafe_function(static_cast<Wakeup*>(wakeup)->function, nullptr,
                                       napi_tsfn_nonblocking) == napi_ok;
}

// Without an env the function is being torn down and nobody is left to be told.
void Mapping::CallBack(napi_env raw_env, napi_value callback, void* context, void*) {
  if (raw_env == nullptr || callback == nullptr) return;
  const Napi::Env env(raw_env);
  const Napi::Function function(env, callback);
  auto* wakeup = static_cast<Wakeup*>(context);
  // A local: the callback may wait, close, or end up here again.
  std::vector<FinishedWait> taken = std::move(wakeup->taken);
  taken.clear();
  wakeup->waiter.Take(&taken);
  Tell(env, function, taken);
  wakeup->taken = std::move(taken);
}

void Mapping::Tell(Napi::Env env, const Napi::Function& function,
                   const std::vector<FinishedWait>& finished) {
  // By the plain interface: a thread that is being terminated runs no JavaScript any more, which is
  // a status here and would be an error that cannot be thrown, the end of the process, there.
  napi_value undefined;
  if (napi_get_undefined(env, &undefined) != napi_ok) return;
  for (const FinishedWait& wait : finished) {
    const double told[] = {static_cast<double>(wait.id), static_cast<double>(wait.outcome),
                           wait.before == kUnknown ? std::nan("")
                                                   : static_cast<double>(wait.before) / kMilli};
    napi_value arguments[3];
    for (std::size_t i = 0; i < 3; ++i) {
      if (napi_create_double(env, told[i], &arguments[i]) != napi_ok) return;
    }
    if (napi_call_function(env, undefined, function, 3, arguments, nullptr) != napi_ok) return;
  }
}

// The timer of the loop has rung: looks, and tells what has finished in one call into JavaScript, so
// that what follows from all of it runs before the next look is set.
void Mapping::Ring(void* context) {
  auto* wakeup = static_cast<Wakeup*>(context);
  wakeup->waiter.Ring();
  std::vector<FinishedWait> taken = std::move(wakeup->taken);
  taken.clear();
  wakeup->waiter.Take(&taken);
  if (!taken.empty()) {
    const Napi::Env env = wakeup->async->Env();
    const Napi::HandleScope handles(env);
    const Napi::CallbackScope scope(env, *wakeup->async);
    Tell(env, wakeup->finished.Value(), taken);
  }
  wakeup->taken = std::move(taken);
  if (wakeup->owner != nullptr) wakeup->SetTimer();
}

// The last that happens to the timer of the loop: after close(), after the mapping was garbage
// collected, or while the environment ends.
void Mapping::EndLoop(void* context) {
  auto* wakeup = static_cast<Wakeup*>(context);
  if (wakeup->owner != nullptr) wakeup->owner->wakeup_ = nullptr;
  delete wakeup;
}

// The last that happens to the thread-safe function: after close(), after the mapping was garbage
// collected, or while the environment (a worker, the process) ends with waits pending.
void Mapping::EndWakeup(napi_env, void* data, void*) {
  auto* wakeup = static_cast<Wakeup*>(data);
  if (wakeup->owner != nullptr) wakeup->owner->wakeup_ = nullptr;
  delete wakeup;
}

Napi::Value AllocateBlocksOf(const Napi::CallbackInfo& info) {
  int error = EINVAL;
  if (info[0].IsNumber() && info[1].IsNumber()) {
    const double bytes = info[1].As<Napi::Number>().DoubleValue();
    if (bytes > 0 && bytes <= 0xffffffffu) {
      error = AllocateBlocks(info[0].As<Napi::Number>().Int32Value(),
                             static_cast<std::uint64_t>(bytes));
    }
  }
  return Napi::Number::New(info.Env(), error);
}

}  // namespace kvmfr

#endif  // __linux__
