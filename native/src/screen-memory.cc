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

Napi::Value ScreenMemory::Buffer(const Napi::CallbackInfo& info) {
  return buffer_.Of(info.Env(), pages_);
}

void ScreenMemory::Close(const Napi::CallbackInfo&) { buffer_.End(&pages_); }

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
