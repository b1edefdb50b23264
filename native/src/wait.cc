#ifdef __linux__

#include "wait.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kvmfr {
namespace {

// The default slack of 50 us is as long as the finest interval between looks.
constexpr unsigned long kTimerSlackNs = 1000;
// Shortest slice that Linux grants. A look takes less.
constexpr std::uint64_t kSliceNs = 100'000;
constexpr std::size_t kStackBytes = 256 * 1024;

constexpr Nanos kForever = INT64_MAX;
constexpr Nanos kLikelyCost = 10 * kMicro;
constexpr int kLooksPerMeasurement = 64;
constexpr int kLooksPerQuietMeasurement = 16;
constexpr Nanos kShortestSleep = 10 * kMicro;
constexpr Nanos kLatest = 100 * kMicro;

// From so many rings in a row on that came with a change, changes are expected to be announced, until
// so many came without a ring.
constexpr int kTrusted = 4;
constexpr int kMistrusted = 3;
// A look may see the change before the ring for it is heard.
constexpr Nanos kSoonRung = 5 * kMilli;
constexpr Nanos kSafetyLook = 50 * kMilli;

// Source: struct sched_attr in linux/sched/types.h, its first version. The C library has no name
// for it before 2.41.
struct SchedulingAttributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;
  std::uint64_t deadline;
  std::uint64_t period;
};

Nanos Read(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<Nanos>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

Nanos Now() { return Read(CLOCK_MONOTONIC); }

class Lock {
 public:
  explicit Lock(pthread_mutex_t* mutex) : mutex_(mutex) { pthread_mutex_lock(mutex_); }
  ~Lock() { pthread_mutex_unlock(mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t* const mutex_;
};

}  // namespace

// On a busy processor a thread that has slept waits for the slice of the one that runs: a
// millisecond and more behind a guest that copies its frame. Who asks for short slices goes first,
// and gets no larger share for it. Linux 6.12 and later; earlier ones take no notice.
void AskForShortSlices() {
  SchedulingAttributes attributes{};
  constexpr unsigned size = sizeof attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, size, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.size = size;
  attributes.runtime = kSliceNs;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

Waiter::Waiter(const std::uint8_t* base)
    : base_(base), budget_(LookBudget::Of(kLikelyCost)), cost_(kLikelyCost) {
  pthread_mutex_init(&mutex_, nullptr);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&condition_, &attributes);
  pthread_condattr_destroy(&attributes);
}

Waiter::~Waiter() {
  Stop();
  pthread_cond_destroy(&condition_);
  pthread_mutex_destroy(&mutex_);
}

int Waiter::Start(Wake wake, void* context) {
  wake_ = wake;
  context_ = context;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals are for the threads of the process that expect them; this one has all of them blocked
  // but those of its own faults, which would end the process before anybody could handle them.
  sigset_t all, before;
  sigfillset(&all);
  for (const int fault : {SIGBUS, SIGSEGV, SIGILL, SIGFPE}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, &attributes, &Waiter::Run, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  started_ = error == 0;
  return error;
}

WaitOutcome Waiter::Add(Wait wait, Nanos timeout) {
  // Before the words are read: a change that is not seen here comes later than this.
  const Nanos now = Now();
  for (std::uint32_t i = 0; i < wait.word_count; ++i) {
    if (Fires(wait.words[i])) return WaitOutcome::kChanged;
  }
  if (timeout <= 0) return WaitOutcome::kTimedOut;
  wait.started = now;
  wait.deadline = timeout > kForever - now ? kForever : now + timeout;
  bool too_late;
  {
    Lock lock(&mutex_);
    if (pending_.empty()) last_look_ = now;
    pending_.push_back(wait);
    quiet_ = false;
    too_late = NextLook(wait, now) < asleep_until_;
  }
  if (too_late) pthread_cond_signal(&condition_);
  return WaitOutcome::kPending;
}

void Waiter::Cancel(std::uint32_t id) {
  Lock lock(&mutex_);
  const auto is_it = [id](const auto& wait) { return wait.id == id; };
  pending_.erase(std::remove_if(pending_.begin(), pending_.end(), is_it), pending_.end());
  finished_.erase(std::remove_if(finished_.begin(), finished_.end(), is_it), finished_.end());
}

void Waiter::Take(std::vector<FinishedWait>* finished) {
  Lock lock(&mutex_);
  woken_ = false;
  finished->swap(finished_);
}

void Waiter::Stop() {
  if (!started_) return;
  {
    Lock lock(&mutex_);
    stopping_ = true;
    pthread_cond_signal(&condition_);
  }
  pthread_join(thread_, nullptr);
  started_ = false;
}

void* Waiter::Run(void* self) {
  pthread_setname_np(pthread_self(), "kvmfr-wait");
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  AskForShortSlices();
  static_cast<Waiter*>(self)->Loop();
  return nullptr;
}

void Waiter::Loop() {
  Lock lock(&mutex_);
  while (!stopping_) {
    const Nanos now = Now();
    const bool finished = Look(now);
    last_look_ = now;
    if (finished && !woken_) {
      woken_ = true;
      asleep_until_ = 0;
      // Without the lock: the thread that is woken asks for it at once.
      pthread_mutex_unlock(&mutex_);
      const bool taken = wake_(context_);
      pthread_mutex_lock(&mutex_);
      if (!taken) return;
      continue;
    }
    MeasureCost();
    asleep_until_ = pending_.empty() ? std::exchange(linger_until_, kForever) : kForever;
    for (const Wait& wait : pending_) {
      asleep_until_ = std::min(asleep_until_, NextLook(wait, now));
    }
    if (asleep_until_ == kForever) {
      pthread_cond_wait(&condition_, &mutex_);
      continue;
    }
    Sleep(now);
  }
}

// Until asleep_until_, or until somebody asks for an earlier look. Timers fire late, by tens of
// microseconds where the machine is virtual; they are set earlier by what was seen of that.
void Waiter::Sleep(Nanos now) {
  const Nanos set = std::max(asleep_until_ - lateness_, now + kShortestSleep);
  const timespec until = {static_cast<time_t>(set / 1000000000),
                          static_cast<long>(set % 1000000000)};
  if (pthread_cond_timedwait(&condition_, &mutex_, &until) != ETIMEDOUT) return;
  const Nanos late = std::clamp(Now() - set, Nanos{0}, kLatest);
  lateness_ += (late - lateness_) / 8;
}

Nanos Waiter::NextRing() {
  Lock lock(&mutex_);
  const Nanos now = Now();
  Nanos due = kNever;
  for (const Wait& wait : pending_) due = std::min(due, NextLook(wait, now));
  set_ = due == kNever ? 0 : std::max(due - lateness_, now + kShortestSleep);
  return due == kNever ? kNever : set_;
}

void Waiter::Ring() {
  Lock lock(&mutex_);
  MeasureQuietCost();
  const Nanos now = Now();
  if (set_ != 0) lateness_ += (std::clamp(now - set_, Nanos{0}, kLatest) - lateness_) / 8;
  quiet_ = !Look(now);
  last_look_ = now;
}

bool Waiter::Rung() {
  Lock lock(&mutex_);
  const Nanos now = Now();
  const bool finished = Look(now);
  last_look_ = now;
  quiet_ = false;
  // Rings that nothing has come with are not for us.
  if (now - changed_ <= kSoonRung) {
    announced_ = std::min(announced_ + 1, kTrusted);
    unannounced_ = 0;
  }
  return finished;
}

bool Waiter::IsAnnounced() const { return announced_ == kTrusted; }

bool Waiter::Look(Nanos now) {
  const std::size_t before = finished_.size();
  for (std::size_t i = 0; i < pending_.size();) {
    const Wait& wait = pending_[i];
    bool changed = false;
    for (std::uint32_t w = 0; w < wait.word_count; ++w) {
      if (!Fires(wait.words[w])) continue;
      changed = true;
      if (wait.cadence) StreamOf(wait.words[w].offset).cadence.Observe(last_look_, now);
    }
    if (!changed && wait.deadline > now) {
      ++i;
      continue;
    }
    // Who waits for what is on its way already is not told of it again.
    if (changed && !wait.soon) changed_ = now;
    Nanos before = changed ? std::max(last_look_, wait.started) : now;
    if (changed && IsAnnounced() && !wait.soon) before = kUnknown;
    finished_.push_back(
        {wait.id, changed ? WaitOutcome::kChanged : WaitOutcome::kTimedOut, before});
    linger_until_ = kForever;
    if (changed && wait.cadence) linger_until_ = NextLook(wait, now);
    std::swap(pending_[i], pending_.back());
    pending_.pop_back();
  }
  if (changed_ == now && ++unannounced_ >= kMistrusted) announced_ = 0;
  return finished_.size() != before;
}

// When this wait should be looked at again.
Nanos Waiter::NextLook(const Wait& wait, Nanos now) {
  Nanos next = std::min(wait.deadline, now + budget_.idle);
  if (IsAnnounced() && !wait.soon) return std::min(wait.deadline, now + kSafetyLook);
  if (wait.soon) next = std::min(next, now + SoonLook(now - wait.started, budget_));
  if (!wait.cadence) return next;
  for (std::uint32_t w = 0; w < wait.word_count; ++w) {
    next = std::min(next, StreamOf(wait.words[w].offset).cadence.NextLook(now, budget_));
  }
  return next;
}

// What a look costs this thread here, smoothed; the intervals between looks follow from it.
void Waiter::MeasureCost() {
  if (++looks_ < kLooksPerMeasurement) return;
  const Nanos cpu = Read(CLOCK_THREAD_CPUTIME_ID);
  if (cpu_ != 0) {
    cost_ += ((cpu - cpu_) / looks_ - cost_) / 4;
    budget_ = LookBudget::Of(cost_);
  }
  cpu_ = cpu;
  looks_ = 0;
}

// The same for a thread that does other things as well: only what it used from one look to the next
// counts, when nothing came in between.
void Waiter::MeasureQuietCost() {
  if (cpu_ != 0 && quiet_) {
    const Nanos used = std::min(Read(CLOCK_THREAD_CPUTIME_ID) - cpu_, kLikelyCost * 10);
    cost_ += (used - cost_) / 8;
    budget_ = LookBudget::Of(cost_);
  }
  cpu_ = 0;
  if (++looks_ % kLooksPerQuietMeasurement == 0) cpu_ = Read(CLOCK_THREAD_CPUTIME_ID);
}

// The stream of a word; the one that was used least recently makes room for a new one.
Waiter::Stream& Waiter::StreamOf(std::uint32_t offset) {
  Stream* oldest = &streams_[0];
  for (Stream& stream : streams_) {
    if (stream.used != 0 && stream.offset == offset) {
      stream.used = ++uses_;
      return stream;
    }
    if (stream.used < oldest->used) oldest = &stream;
  }
  *oldest = Stream{};
  oldest->offset = offset;
  oldest->used = ++uses_;
  return *oldest;
}

bool Waiter::Fires(const WatchedWord& word) const {
  const auto* address = reinterpret_cast<const std::uint32_t*>(base_ + word.offset);
  const std::uint32_t now = __atomic_load_n(address, __ATOMIC_ACQUIRE);
  return word.reaches ? now >= word.value : now != word.value;
}

}  // namespace kvmfr

#endif  // __linux__
