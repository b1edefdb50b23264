#ifdef __linux__

#include "guard.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace kvmfr {

// A place in the table of what is guarded. Fixed, and without locks: the handler reads it in the
// middle of anything, in any thread.
//
// A place is only given to another mapping after Unguard(), which waits for handlers that are at
// work in it. So a handler that has announced itself (`healing`) and still finds a base has numbers
// that belong together, and addresses that are not anybody else's yet. A thread that faults in a
// mapping keeps it from being unmapped by the rule of Unguard(), so it finds its place.
struct GuardedRange {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> base{0};  // 0 = not guarded
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::size_t> granule{0};
  std::atomic<bool> lost{false};
  std::atomic<int> healing{0};
};

namespace {

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

constexpr std::size_t kMaxRanges = 1024;
GuardedRange ranges[kMaxRanges];
// Places from here on were never used.
std::atomic<std::size_t> used_ranges{0};

// What handled SIGBUS before us. A node is never changed nor freed: a handler may be reading it.
struct Previous {
  struct sigaction action;
  const Previous* older;
};
std::atomic<const Previous*> previous{nullptr};
pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

// Threads that are passing a signal on to one of several handlers. One that was installed after us
// leads back to us when it passes on in its turn; then it is the turn of the one before it.
struct Passing {
  std::atomic<pid_t> thread{0};
  int depth = 0;  // that thread's own
};
constexpr std::size_t kMaxPassing = 64;
Passing passing[kMaxPassing];

#ifdef SYS_mmap2
constexpr long kMap = SYS_mmap2;  // where the other has its arguments in memory, or is not there
#else
constexpr long kMap = SYS_mmap;
#endif

// Zeros of our own in the place of whatever is mapped there. The system call itself: what wraps it
// in some programs is not made for a signal handler.
bool MapZeros(std::uintptr_t from, std::uintptr_t to) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return syscall(kMap, from, to - from, PROT_READ | PROT_WRITE, kFlags, -1, 0) != -1;
}

// From the fault to the end: what a file loses, it loses from its end. What comes before stays
// shared with the other side, so that a lock that is held there can be given back. And however much
// was lost is lost in few faults.
bool Heal(GuardedRange& range, std::uintptr_t fault) {
  const std::uintptr_t base = range.base.load();
  const std::size_t granule = range.granule.load();
  // A mapping of huge pages ends with a whole one.
  const std::uintptr_t end = base + (range.bytes.load() + granule - 1) / granule * granule;
  if (base == 0 || fault < base || fault >= end) return false;
  // Before there are zeros that somebody could read.
  range.lost.store(true);
  const std::uintptr_t page = base + (fault - base) / granule * granule;
  // All of it needs no further entry in the table of mappings; a page needs the least memory.
  return MapZeros(page, end) || MapZeros(base, end) || MapZeros(page, page + granule);
}

bool HealAny(std::uintptr_t fault) {
  const std::size_t count = used_ranges.load();
  for (std::size_t i = 0; i < count; ++i) {
    GuardedRange& range = ranges[i];
    if (range.base.load() == 0) continue;
    range.healing.fetch_add(1);
    const bool healed = Heal(range, fault);
    range.healing.fetch_sub(1);
    if (healed) return true;
  }
  return false;
}

// Ends the process as the signal would have without us.
void Die(int signal, const siginfo_t* info) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  // A fault happens again when we return; what somebody has sent does not.
  if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

void Call(const struct sigaction& action, int signal, siginfo_t* info, void* context) {
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &action.sa_mask, &before);
  if ((action.sa_flags & SA_SIGINFO) != 0) {
    action.sa_sigaction(signal, info, context);
  } else {
    action.sa_handler(signal);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool IsHandler(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 ||
         (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

void HandOver(const Previous* to, int signal, siginfo_t* info, void* context) {
  if (to != nullptr && IsHandler(to->action)) {
    Call(to->action, signal, info, context);
    return;
  }
  // A fault cannot be ignored.
  const bool ignored = to != nullptr && to->action.sa_handler == SIG_IGN && info->si_code <= 0;
  if (!ignored) Die(signal, info);
}

// The place of a thread, or a free one, which is its own then.
Passing* PlaceOf(pid_t thread) {
  for (Passing& place : passing) {
    if (place.thread.load() == thread) return &place;
  }
  for (Passing& place : passing) {
    pid_t nobody = 0;
    if (place.thread.compare_exchange_strong(nobody, thread)) return &place;
  }
  return nullptr;
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const Previous* to = previous.load();
  // Who was there before us knows nothing of us: it cannot lead back, and may jump out of here.
  if (to == nullptr || to->older == nullptr) return HandOver(to, signal, info, context);
  Passing* place = PlaceOf(static_cast<pid_t>(syscall(SYS_gettid)));
  if (place == nullptr) return Die(signal, info);
  for (int i = 0; i < place->depth && to != nullptr; ++i) to = to->older;
  place->depth++;
  HandOver(to, signal, info, context);
  if (--place->depth == 0) place->thread.store(0);
}

void Handle(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  // Codes above 0 are the kernel's. BUS_ADRALN is a bug, and BUS_MCEERR_AO tells of memory that
  // nobody has touched yet.
  const bool fault =
      info->si_code > 0 && info->si_code != BUS_ADRALN && info->si_code != BUS_MCEERR_AO;
  if (!fault || !HealAny(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    PassOn(signal, info, context);
  }
  errno = error;
}

bool IsOurs(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == Handle;
}

bool IsKnown(const struct sigaction& action) {
  for (const Previous* known = previous.load(); known != nullptr; known = known->older) {
    if (known->action.sa_sigaction == action.sa_sigaction) return true;
  }
  return false;
}

// After no handler there is nothing older to pass on to.
void Remember(const struct sigaction& action) {
  previous.store(new Previous{action, IsHandler(action) ? previous.load() : nullptr});
}

// With the lock.
void Install(const struct sigaction& found) {
  struct sigaction ours = {};
  ours.sa_sigaction = Handle;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&ours.sa_mask);
  // Before ours can be called.
  Remember(found);
  struct sigaction replaced;
  if (sigaction(SIGBUS, &ours, &replaced) != 0) return;
  const bool same = replaced.sa_sigaction == found.sa_sigaction;
  if (!same && !IsOurs(replaced)) Remember(replaced);
}

}  // namespace

GuardedRange* Guard(const void* base, std::size_t bytes, std::size_t granule) {
  KeepGuard();
  for (std::size_t i = 0; i < kMaxRanges; ++i) {
    GuardedRange& range = ranges[i];
    if (range.taken.exchange(true)) continue;
    range.bytes.store(bytes);
    range.granule.store(granule);
    range.lost.store(false);
    std::size_t count = used_ranges.load();
    while (count <= i && !used_ranges.compare_exchange_weak(count, i + 1)) {
    }
    range.base.store(reinterpret_cast<std::uintptr_t>(base));
    return &range;
  }
  return nullptr;
}

bool IsLost(const GuardedRange* range) { return range->lost.load(); }

void Unguard(GuardedRange* range) {
  range->base.store(0);
  // A handler does no more than a system call here.
  while (range->healing.load() != 0) sched_yield();
  range->taken.store(false);
}

void KeepGuard() {
  struct sigaction found;
  if (sigaction(SIGBUS, nullptr, &found) != 0 || IsOurs(found)) return;
  pthread_mutex_lock(&installing);
  // One that we have stepped in front of before has done the same to us: it knows the way back.
  if (sigaction(SIGBUS, nullptr, &found) == 0 && !IsOurs(found) &&
      !(IsHandler(found) && IsKnown(found))) {
    Install(found);
  }
  pthread_mutex_unlock(&installing);
}

}  // namespace kvmfr

#endif  // __linux__
