#include "cadence.h"

#include <algorithm>

namespace kvmfr {
namespace {

// A stream that has not changed for this long is idle, and its last interval says nothing.
constexpr Nanos kIdleAfter = 150 * kMilli;
constexpr Nanos kLongestPeriod = 150 * kMilli;
// The densest looks. Denser ones would mostly pay for the timer.
constexpr Nanos kFineLook = 50 * kMicro;
// Between looks at a steady stream, far from where its change is expected.
constexpr Nanos kFarLook = 6 * kMilli;
constexpr Nanos kNarrowest = 150 * kMicro;

Nanos Distance(Nanos a, Nanos b) { return a < b ? b - a : a - b; }

}  // namespace

LookBudget LookBudget::Of(Nanos cost) {
  return {std::clamp(cost * 150, 1 * kMilli, 8 * kMilli),
          std::clamp(cost * 50, 250 * kMicro, 1 * kMilli)};
}

Nanos SoonLook(Nanos waited, const LookBudget& budget) {
  return std::clamp(waited / 4, kFineLook, budget.irregular);
}

void Cadence::Observe(Nanos after, Nanos by) {
  const Nanos middle = after + (by - after) / 2;
  const bool first = !seen_;
  seen_ = true;
  if (first || middle <= last_ || middle - last_ > kIdleAfter) {
    // What was learnt before a pause is kept: streams resume at their old rate.
    last_ = middle;
    expected_ = middle + period_;
    return;
  }
  if (period_ == 0) {
    Learn(middle - last_, 0);
    last_ = middle;
    expected_ = middle + period_;
    return;
  }
  const Nanos periods = std::max<Nanos>(1, (middle - last_ + period_ / 2) / period_);
  const Nanos expected = expected_ + (periods - 1) * period_;
  // Looks that lie far apart, as when the machine was busy, do not contradict what was expected
  // between them.
  const Nanos change = std::clamp(expected, after, by);
  const Nanos interval = change - last_;
  const Nanos miss = Distance(change, expected);
  // A change that was passed over makes one interval of two; its rhythm is still the old one. When
  // that goes on and on, it is not.
  const bool multiple = periods > 1 && miss < period_ / 4;
  multiples_ = multiple ? multiples_ + 1 : 0;
  const bool on_grid = multiple && multiples_ < kRemembered / 2;
  // Half way between the grid the past suggests and the newest change: single late changes do
  // not move a steady grid much, a new phase is taken over within a few changes.
  const Nanos grid = miss < period_ / 8 ? (expected + change) / 2 : change;
  Learn(on_grid ? interval / periods : interval, miss);
  last_ = change;
  expected_ = grid + period_;
}

void Cadence::Learn(Nanos interval, Nanos miss) {
  intervals_[at_] = interval;
  misses_[at_] = miss;
  at_ = (at_ + 1) % kRemembered;
  if (count_ < kRemembered) ++count_;
  if (count_ < kNeeded) return;

  std::array<Nanos, kRemembered> sorted = intervals_;
  std::sort(sorted.begin(), sorted.begin() + count_);
  period_ = std::min(sorted[count_ / 2], kLongestPeriod);

  // The second largest of the last misses: one outlier in sixteen is not worth a wider window.
  sorted = misses_;
  std::sort(sorted.begin(), sorted.begin() + count_);
  const Nanos usual = sorted[count_ - 2];
  half_window_ =
      std::clamp(usual + usual / 4 + kFineLook, kNarrowest, std::max(kNarrowest, period_ / 2));
}

Nanos Cadence::NextLook(Nanos now, const LookBudget& budget) const {
  if (!seen_ || now - last_ > kIdleAfter) return now + budget.idle;
  // What changes too fast to be foretold within the budget is treated as if it had no rhythm.
  if (period_ < 2 * budget.irregular) return now + budget.irregular;

  // The expected change that is nearest to now: when one did not come, the next is due a period on.
  Nanos expected = expected_;
  if (now > expected) expected += (now - expected + period_ / 2) / period_ * period_;

  // Half of what a period may cost is spent in the window, the rest on the way there.
  const Nanos looks = std::max<Nanos>(1, period_ / budget.irregular / 2);
  const Nanos fine = std::clamp(2 * half_window_ / looks, kFineLook, budget.irregular);
  const Nanos away = Distance(now, expected) - half_window_;
  if (away <= 0) return now + fine;
  // Towards the window in strides of three quarters of what is left; behind it, where late changes
  // are, thinning out more slowly.
  const Nanos stride = now < expected ? away - away / 4 : fine + away / 3;
  const bool steady = half_window_ < period_ / 4;
  return now + std::clamp(stride, fine, steady ? std::max(fine, kFarLook) : budget.irregular);
}

}  // namespace kvmfr
