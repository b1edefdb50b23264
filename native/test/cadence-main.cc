// Plays streams of changes to the cadence on a clock of its own, with timers that fire late as they
// do on a virtual machine, and prints for each stream, one line of JSON: looks per second, and the
// microseconds from a change to the look that finds it. Deterministic.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "../src/cadence.h"

using kvmfr::kMicro;
using kvmfr::kMilli;
using kvmfr::Nanos;

namespace {

constexpr Nanos kLookCost = 20 * kMicro;
constexpr Nanos kTimerLate = 20 * kMicro;
// From the look that finds a change until JavaScript waits again.
constexpr Nanos kTurn = 150 * kMicro;

class Random {
 public:
  // In (0, 1).
  double Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return (state_ + 0.5) / 4294967296.0;
  }
  Nanos Within(Nanos limit) { return static_cast<Nanos>(Next() * static_cast<double>(limit)); }
  // Waiting time of events that come at random, with this mean.
  Nanos Gap(Nanos mean) {
    return static_cast<Nanos>(-std::log(Next()) * static_cast<double>(mean));
  }

 private:
  std::uint32_t state_ = 2463534242u;
};
Random random_times;

// Changes on a grid, each up to `stray` to either side of it; some are left out.
std::vector<Nanos> Grid(Nanos period, int count, Nanos stray, double left_out) {
  std::vector<Nanos> changes;
  for (int i = 1; i <= count; ++i) {
    if (random_times.Next() < left_out) continue;
    changes.push_back(i * period - stray + random_times.Within(2 * stray));
  }
  return changes;
}

// `busy`: the share of looks that come late by a millisecond, because the processor was taken.
void Play(const std::string& name, const std::vector<Nanos>& changes, double busy = 0) {
  const kvmfr::LookBudget budget = kvmfr::LookBudget::Of(kLookCost);
  kvmfr::Cadence cadence;
  std::vector<Nanos> delays;
  Nanos now = 0;
  long looks = 0;
  std::size_t next = 0;
  while (next < changes.size()) {
    const Nanos before = now;
    now = cadence.NextLook(now, budget) + random_times.Within(kTimerLate);
    if (busy > 0 && random_times.Next() < busy) now += kMilli;
    ++looks;
    if (changes[next] > now) continue;
    delays.push_back((now - changes[next]) / kMicro);
    cadence.Observe(before, now);
    now += kTurn;
    while (next < changes.size() && changes[next] <= now) ++next;
  }
  std::sort(delays.begin(), delays.end());
  const double seconds = static_cast<double>(changes.back()) / 1e9;
  std::printf("{\"stream\":\"%s\",\"looksPerSecond\":%.0f,\"p50Us\":%lld,\"p99Us\":%lld}\n",
              name.c_str(), static_cast<double>(looks) / seconds,
              static_cast<long long>(delays[delays.size() / 2]),
              static_cast<long long>(delays[delays.size() * 99 / 100]));
}

// How often something that takes this long is looked at, and by which share of it it is seen late.
void PlaySoon(Nanos takes) {
  const kvmfr::LookBudget budget = kvmfr::LookBudget::Of(kLookCost);
  long looks = 0;
  Nanos now = 0;
  for (; now < takes; ++looks) now += kvmfr::SoonLook(now, budget);
  std::printf("{\"takesUs\":%lld,\"looks\":%ld,\"lateUs\":%lld}\n",
              static_cast<long long>(takes / kMicro), looks,
              static_cast<long long>((now - takes) / kMicro));
}

}  // namespace

int main() {
  const Nanos sixty = 1000 * kMilli / 60;
  Play("60 Hz, steady", Grid(sixty, 3000, 50 * kMicro, 0));
  Play("60 Hz, half a millisecond to either side", Grid(sixty, 3000, 500 * kMicro, 0));
  Play("60 Hz, every second frame left out", Grid(sixty, 3000, 50 * kMicro, 0.5));
  Play("144 Hz", Grid(1000 * kMilli / 144, 3000, 50 * kMicro, 0));
  Play("1000 Hz", Grid(kMilli, 10000, 50 * kMicro, 0));
  std::vector<Nanos> changing;
  Nanos time = 0;
  for (int i = 0; i < 3000; ++i) changing.push_back(time += i / 200 % 2 ? sixty / 2 : sixty);
  Play("60 Hz and 120 Hz in turn", changing);
  std::vector<Nanos> slower;
  time = 0;
  for (int i = 0; i < 3000; ++i) slower.push_back(time += i < 300 ? sixty / 4 : sixty);
  Play("60 Hz, after 240 Hz", slower);
  Play("60 Hz, one look in ten late", Grid(sixty, 3000, 50 * kMicro, 0), 0.1);
  std::vector<Nanos> irregular;
  time = 0;
  for (int i = 0; i < 3000; ++i) irregular.push_back(time += random_times.Gap(33 * kMilli));
  Play("at random, 30 a second", irregular);
  std::vector<Nanos> rare;
  time = 0;
  for (int i = 0; i < 100; ++i) rare.push_back(time += 1000 * kMilli + random_times.Within(kMilli));
  Play("one a second", rare);
  for (const Nanos takes : {100 * kMicro, kMilli, 5 * kMilli, 50 * kMilli}) PlaySoon(takes);
  return 0;
}
