// When to look at a word again: learns the period of its changes. Pure arithmetic on times.
#ifndef KVMFR_CADENCE_H_
#define KVMFR_CADENCE_H_

#include <array>
#include <cstdint>

namespace kvmfr {

// Nanoseconds of CLOCK_MONOTONIC, or between two readings of it.
using Nanos = std::int64_t;

constexpr Nanos kMicro = 1000;
constexpr Nanos kMilli = 1000 * kMicro;

// How often a machine can afford to look. A timer that wakes a thread costs 3 us of processor time
// on one machine and 30 us on another (virtual ones above all), so the intervals follow from the
// measured cost of a look and stay below a fixed share of a core.
struct LookBudget {
  static LookBudget Of(Nanos cost);

  Nanos idle;       // between looks when nobody can foretell the change: 0.7 % of a core
  Nanos irregular;  // the average while changes come: 2 % of a core
};

// How long until the next look at something that is about to happen and that was waited for so long
// already: it is seen late by a quarter of the time it took, at a dozen looks per millisecond-long
// wait.
Nanos SoonLook(Nanos waited, const LookBudget& budget);

// The changes of one word. Looks are dense around the moment at which the next change is expected,
// and thin out the further away it is.
class Cadence {
 public:
  // A change happened in (after, by]: it was not there at the look at `after`, and there at `by`.
  void Observe(Nanos after, Nanos by);

  // Time of the next look, later than now.
  Nanos NextLook(Nanos now, const LookBudget& budget) const;

  Nanos period() const { return period_; }
  Nanos half_window() const { return half_window_; }

 private:
  static constexpr int kRemembered = 16;
  static constexpr int kNeeded = 3;

  void Learn(Nanos interval, Nanos miss);

  std::array<Nanos, kRemembered> intervals_{};
  std::array<Nanos, kRemembered> misses_{};
  int count_ = 0;
  int at_ = 0;
  int multiples_ = 0;  // intervals in a row that were several periods
  bool seen_ = false;
  Nanos last_ = 0;         // the newest change
  Nanos expected_ = 0;     // the change after it
  Nanos period_ = 0;       // 0 until learnt
  Nanos half_window_ = 0;  // how far changes stray from where they are expected
};

}  // namespace kvmfr

#endif  // KVMFR_CADENCE_H_
