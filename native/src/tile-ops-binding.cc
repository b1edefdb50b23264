#include "tile-ops-binding.h"

#include "arguments.h"
#include "tile-ops.h"

namespace kvmfr {
namespace {

struct Job {
  Span<std::uint8_t> to;
  PackedTiles packed{};

  std::int64_t Run() const { return CodeTiles(packed, to.at, to.length); }
};

// Returns false when an argument is refused.
bool Take(const Napi::CallbackInfo& info, Job* job) {
  Arguments arguments(info);
  job->to = arguments.Bytes();
  const auto words = arguments.Words();
  job->packed.words = words.at;
  job->packed.length = words.length;
  job->packed.width = arguments.Word();
  job->packed.height = arguments.Word();
  job->packed.tile = arguments.Word();
  const auto tiles = arguments.Words();
  job->packed.tiles = tiles.at;
  const auto count = arguments.Word();
  job->packed.count = count;
  return arguments.good() && job->packed.tile > 0 && count <= tiles.length;
}

class CodeTilesWork : public Napi::AsyncWorker {
 public:
  CodeTilesWork(const Napi::CallbackInfo& info, const Job& job)
      : Napi::AsyncWorker(info.Env()),
        job_(job),
        to_(Napi::Persistent(info[0].As<Napi::Object>())),
        words_(Napi::Persistent(info[1].As<Napi::Object>())),
        tiles_(Napi::Persistent(info[5].As<Napi::Object>())),
        done_(Napi::Promise::Deferred::New(info.Env())) {}

  Napi::Promise Promise() const { return done_.Promise(); }

 protected:
  void Execute() override { bytes_ = job_.Run(); }
  void OnOK() override { done_.Resolve(Napi::Number::New(Env(), static_cast<double>(bytes_))); }
  void OnError(const Napi::Error& error) override { done_.Reject(error.Value()); }

 private:
  const Job job_;
  // They keep the memory where it is.
  const Napi::ObjectReference to_;
  const Napi::ObjectReference words_;
  const Napi::ObjectReference tiles_;
  const Napi::Promise::Deferred done_;
  std::int64_t bytes_ = -1;
};

}  // namespace

Napi::Value CodeTilesOf(const Napi::CallbackInfo& info) {
  Job job;
  const std::int64_t bytes = Take(info, &job) ? job.Run() : -1;
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Value CodeTilesInPoolOf(const Napi::CallbackInfo& info) {
  Job job;
  if (!Take(info, &job)) return Napi::Number::New(info.Env(), -1);
  // Deletes itself when its promise has settled.
  auto* work = new CodeTilesWork(info, job);
  const Napi::Promise promise = work->Promise();
  work->Queue();
  return promise;
}

}  // namespace kvmfr
