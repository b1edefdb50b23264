// Changes that come in any rhythm, on a clock that runs on: the next look is later than now, and
// never so far away that a change is forgotten.
#include <algorithm>

#include "../src/cadence.h"
#include "input.h"

using kvmfr::Nanos;
using kvmfr_fuzz::Claim;
using kvmfr_fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  kvmfr::Cadence cadence;
  // From the first nanosecond of a machine to three hundred years of it.
  Nanos now = static_cast<Nanos>(input.Word()) << (input.Byte() % 31);
  while (!input.empty()) {
    const std::uint8_t what = input.Byte();
    const Nanos cost = static_cast<Nanos>(input.Word()) << (what & 7);
    const kvmfr::LookBudget budget = kvmfr::LookBudget::Of(cost);
    const Nanos next = cadence.NextLook(now, budget);
    Claim(next > now && next <= now + 8 * kvmfr::kMilli, "the next look is soon, and not now");
    const Nanos soon = kvmfr::SoonLook(cost, budget);
    Claim(soon > 0 && soon <= budget.irregular, "so is a look at what is expected");
    // Machines sleep, and looks come late.
    const Nanos late = static_cast<Nanos>(input.Word()) << (what >> 3 & 15);
    const Nanos after = now;
    now = next + (what >= 192 ? late : late % (20 * kvmfr::kMilli));
    if (what % 3 != 0) cadence.Observe(after, now);
    Claim(cadence.period() >= 0 && cadence.half_window() >= 0, "what was learnt is no nonsense");
  }
  return 0;
}
