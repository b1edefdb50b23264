#ifdef __linux__

#include "screen-memory.h"

#include <cerrno>

#include "arguments.h"

namespace kvmfr {
namespace {

// More than two pictures of the largest size there is.
constexpr std::uint64_t kMaxScreenBytes = std::uint64_t{1} << 32;

}  // namespace

Napi::Function ScreenMemory::Define(Napi::Env env) {
  return DefineClass(env, "NativeScreenMemory",
                     {
                         InstanceAccessor<&ScreenMemory::ErrorNumber>("errorNumber"),
                         InstanceAccessor<&ScreenMemory::Segment>("segment"),
                         InstanceAccessor<&ScreenMemory::Lost>("lost"),
                         InstanceMethod<&ScreenMemory::Buffer>("buffer"),
                         InstanceMethod<&ScreenMemory::Close>("close"),
                     });
}

ScreenMemory::ScreenMemory(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Arguments arguments(info);
  const std::uint64_t first = arguments.Whole(kMaxScreenBytes);
  const bool of_device = !arguments.Absent();
  const std::uint64_t bytes = of_device ? arguments.Whole(kMaxScreenBytes) : first;
  if (!arguments.good() || bytes == 0 || bytes > SIZE_MAX || (of_device && first > INT32_MAX)) {
    error_ = EINVAL;
    return;
  }
  const auto size = static_cast<std::size_t>(bytes);
  pages_ = of_device ? ScreenPages::MapDevice(static_cast<int>(first), size, &error_)
                     : ScreenPages::CreateSegment(size, &error_);
}

Napi::Value ScreenMemory::ErrorNumber(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), error_);
}

Napi::Value ScreenMemory::Segment(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), pages_ == nullptr ? -1 : pages_->segment());
}

Napi::Value ScreenMemory::Lost(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), pages_ != nullptr && pages_->lost());
}

// One ArrayBuffer per mapping: a second one at the same address would make V8 abort.
Napi::Value ScreenMemory::Buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (pages_ == nullptr) return env.Undefined();
  if (!buffer_.IsEmpty()) return buffer_.Value();
  // The buffer owns a share: memory stays mapped while only the buffer is left.
  auto* share = new std::shared_ptr<ScreenPages>(pages_);
  napi_value value = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, pages_->base(), pages_->bytes(),
      [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<ScreenPages>*>(hint); },
      share, &value);
  if (status != napi_ok) {
    if (status == napi_no_external_buffers_allowed) delete share;
    return env.Undefined();
  }
  Napi::ArrayBuffer buffer(env, value);
  buffer_ = Napi::Persistent(buffer);
  return buffer;
}

void ScreenMemory::Close(const Napi::CallbackInfo&) {
  if (pages_ == nullptr) return;
  bool reachable = false;
  if (!buffer_.IsEmpty()) {
    Napi::ArrayBuffer buffer = buffer_.Value();
    // One that somebody transferred: the pages go with the last buffer instead of now.
    reachable = buffer.IsDetached() || napi_detach_arraybuffer(buffer.Env(), buffer) != napi_ok;
    buffer_.Reset();
  }
  if (!reachable) pages_->Unmap();
  pages_.reset();
}

Napi::Value FrameBufferFactsOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::uint64_t fd = arguments.Whole(INT32_MAX);
  const Span<std::uint32_t> facts = arguments.Words();
  const bool good = arguments.good() && facts.length >= kFrameBufferFacts;
  const int error = good ? FrameBufferFacts(static_cast<int>(fd), facts.at) : EINVAL;
  return Napi::Number::New(info.Env(), error);
}

}  // namespace kvmfr

#endif  // __linux__
