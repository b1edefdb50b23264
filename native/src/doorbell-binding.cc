#ifdef __linux__

#include "doorbell-binding.h"

#include <cerrno>
#include <cmath>
#include <vector>

#include "channel.h"
#include "fd-watch.h"
#include "placement.h"
#include "vfio.h"

namespace kvmfr {
namespace {

// More than a device or a machine has.
constexpr std::size_t kMaxVectors = 64;
constexpr std::size_t kMaxProcessors = 65536;

using Info = const Napi::CallbackInfo&;

Napi::Value Number(Info info, double number) { return Napi::Number::New(info.Env(), number); }

int Fd(Info info, std::size_t at) {
  return info[at].IsNumber() ? info[at].As<Napi::Number>().Int32Value() : -1;
}

std::string Text(Info info, std::size_t at) {
  return info[at].IsString() ? info[at].As<Napi::String>().Utf8Value() : std::string();
}

bool Bytes(Info info, std::size_t at, std::uint8_t** bytes, std::size_t* count) {
  if (!info[at].IsTypedArray()) return false;
  const auto array = info[at].As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint8_array) return false;
  auto own = array.As<Napi::Uint8Array>();
  *bytes = own.Data();
  *count = own.ElementLength();
  return *bytes != nullptr;
}

// Whole numbers of a plain array; empty when it is anything else.
template <typename Whole>
std::vector<Whole> List(Info info, std::size_t at, std::size_t max) {
  if (!info[at].IsArray()) return {};
  const auto array = info[at].As<Napi::Array>();
  std::vector<Whole> list;
  if (array.Length() > max) return list;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value value = array.Get(i);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number < 2147483648.0)) return {};
    list.push_back(static_cast<Whole>(number));
  }
  return list;
}

// listenAt(path, backlog)
Napi::Value Listen(Info info) { return Number(info, ListenAt(Text(info, 0), Fd(info, 1))); }
Napi::Value Accept(Info info) { return Number(info, AcceptFrom(Fd(info, 0))); }
Napi::Value Connect(Info info) { return Number(info, ConnectTo(Text(info, 0))); }

// sendTo(socket, bytes, passedFd)
Napi::Value Send(Info info) {
  std::uint8_t* bytes = nullptr;
  std::size_t count = 0;
  if (!Bytes(info, 1, &bytes, &count)) return Number(info, -EINVAL);
  return Number(info, SendTo(Fd(info, 0), bytes, count, Fd(info, 2)));
}

// receiveFrom(socket, bytes, passed): count, and the descriptors are put into the array.
Napi::Value Receive(Info info) {
  std::uint8_t* bytes = nullptr;
  std::size_t count = 0;
  if (!Bytes(info, 1, &bytes, &count) || !info[2].IsArray()) return Number(info, -EINVAL);
  int passed[kMaxPassed];
  std::size_t passed_count = 0;
  const int received = ReceiveFrom(Fd(info, 0), bytes, count, passed, &passed_count);
  auto list = info[2].As<Napi::Array>();
  for (std::size_t i = 0; i < passed_count; ++i) {
    list.Set(static_cast<std::uint32_t>(i), passed[i]);
  }
  return Number(info, received);
}

Napi::Value NewEvent(Info info) { return Number(info, CreateEvent()); }
Napi::Value Take(Info info) { return Number(info, TakeEvent(Fd(info, 0))); }
Napi::Value Ring(Info info) { return Number(info, RingEvent(Fd(info, 0))); }
Napi::Value Drain(Info info) { return Number(info, DrainEvent(Fd(info, 0))); }

Napi::Value NewMemory(Info info) {
  const double bytes = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(bytes > 0 && bytes <= 0xffffffffu)) return Number(info, -EINVAL);
  return Number(info, CreateSealedMemory(static_cast<std::uint64_t>(bytes)));
}

Napi::Value ApiVersion(Info info) { return Number(info, VfioApiVersion(Fd(info, 0))); }
Napi::Value HasType1(Info info) { return Number(info, VfioHasType1(Fd(info, 0))); }
Napi::Value GroupViable(Info info) { return Number(info, VfioGroupViable(Fd(info, 0))); }
Napi::Value Join(Info info) { return Number(info, VfioJoin(Fd(info, 0), Fd(info, 1))); }
Napi::Value Device(Info info) { return Number(info, VfioDevice(Fd(info, 0), Text(info, 1))); }
Napi::Value Bind(Info info) { return Number(info, VfioBind(Fd(info, 0), Fd(info, 1))); }
Napi::Value Vectors(Info info) { return Number(info, VfioVectors(Fd(info, 0))); }

// vfioRegionInfo(device, index): {byteLength, offset, mappable}, or a negative errno
Napi::Value RegionInfo(Info info) {
  VfioRegion region;
  const int result = VfioRegionInfo(Fd(info, 0), static_cast<std::uint32_t>(Fd(info, 1)), &region);
  if (result < 0) return Number(info, result);
  Napi::Object found = Napi::Object::New(info.Env());
  found.Set("byteLength", static_cast<double>(region.bytes));
  found.Set("offset", static_cast<double>(region.offset));
  found.Set("mappable", region.mappable);
  return found;
}

// vfioSetVectors(device, eventFds)
Napi::Value SetVectors(Info info) {
  const std::vector<int> events = List<int>(info, 1, kMaxVectors);
  return Number(info, VfioSetVectors(Fd(info, 0), events.data(),
                                     static_cast<std::uint32_t>(events.size())));
}

Napi::Value Node(Info info) { return Number(info, NodeOfThread()); }

// pinThread(thread, processors): 0 or an errno
Napi::Value Pin(Info info) {
  const std::vector<std::uint32_t> processors = List<std::uint32_t>(info, 1, kMaxProcessors);
  if (processors.empty()) return Number(info, EINVAL);
  for (const std::uint32_t processor : processors) {
    if (processor >= kMaxProcessors) return Number(info, EINVAL);
  }
  return Number(info, PinThread(Fd(info, 0), processors));
}

template <Napi::Value (*function)(Info)>
void Add(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(env, name));
}

}  // namespace

void ExportDoorbell(Napi::Env env, Napi::Object exports) {
  exports.Set("FdWatch", FdWatch::Define(env));
  Add<Listen>(env, exports, "listenAt");
  Add<Accept>(env, exports, "acceptFrom");
  Add<Connect>(env, exports, "connectTo");
  Add<Send>(env, exports, "sendTo");
  Add<Receive>(env, exports, "receiveFrom");
  Add<NewEvent>(env, exports, "createEvent");
  Add<Take>(env, exports, "takeEvent");
  Add<Ring>(env, exports, "ringEvent");
  Add<Drain>(env, exports, "drainEvent");
  Add<NewMemory>(env, exports, "createSealedMemory");
  Add<ApiVersion>(env, exports, "vfioApiVersion");
  Add<HasType1>(env, exports, "vfioHasType1");
  Add<GroupViable>(env, exports, "vfioGroupViable");
  Add<Join>(env, exports, "vfioJoin");
  Add<Device>(env, exports, "vfioDevice");
  Add<Bind>(env, exports, "vfioBind");
  Add<RegionInfo>(env, exports, "vfioRegionInfo");
  Add<Vectors>(env, exports, "vfioVectors");
  Add<SetVectors>(env, exports, "vfioSetVectors");
  Add<Node>(env, exports, "nodeOfThread");
  Add<Pin>(env, exports, "pinThread");
}

}  // namespace kvmfr

#endif  // __linux__
