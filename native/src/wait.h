// The waiter of a mapping: one thread that looks at words of the region until they change.
#ifndef KVMFR_WAIT_H_
#define KVMFR_WAIT_H_

#include <pthread.h>

#include <array>
#include <cstdint>
#include <vector>

#include "cadence.h"

namespace kvmfr {

// Asks for short slices of the processor for the calling thread, where Linux grants them.
void AskForShortSlices();

constexpr std::size_t kMaxWatchedWords = 32;

enum class WaitOutcome : std::uint32_t { kPending = 0, kChanged = 1, kTimedOut = 2 };

struct WatchedWord {
  std::uint32_t offset;
  std::uint32_t value;
  bool reaches;  // fires when the word is at least the value, instead of when it differs
};

// One wait: ends when any word fires, or when the deadline has passed.
struct Wait {
  std::uint32_t id = 0;
  std::uint32_t word_count = 0;
  bool cadence = false;  // its words follow a rhythm that is worth learning
  bool soon = false;     // it is expected to end within milliseconds
  Nanos started = 0;
  Nanos deadline = 0;
  std::array<WatchedWord, kMaxWatchedWords> words{};
};

constexpr Nanos kUnknown = -1;

struct FinishedWait {
  std::uint32_t id;
  WaitOutcome outcome;
  Nanos before;  // the last look at which no word had changed; kUnknown when there was hardly one
};

// Looks from a thread of its own (Start), or whenever a timer of its owner rings (NextRing, Ring).
//
// The thread is parked on a condition variable while no wait is pending. Otherwise it sleeps until
// the next look that some pending wait asks for. Waits that follow each other at the rhythm of a
// stream find it asleep until the right moment already: neither side pays for a wake-up then. The
// public methods are for the thread that made it.
class Waiter {
 public:
  // `wake` is called from the waiter's thread, once per batch of finished waits; it returns false
  // when nobody will take them any more.
  using Wake = bool (*)(void* context);

  explicit Waiter(const std::uint8_t* base);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Starts the thread. Returns 0 or an errno.
  int Start(Wake wake, void* context);
  bool started() const { return started_; }

  // Looks once, at once; a wait that is still pending after that is handed to the thread. Its times
  // are set here.
  WaitOutcome Add(Wait wait, Nanos timeout);
  // Forgets a wait; nothing is reported for it afterwards, unless it was taken already.
  void Cancel(std::uint32_t id);
  // Moves the finished waits into an empty vector.
  void Take(std::vector<FinishedWait>* finished);
  // Ends the thread and joins it. The region is not touched after this returns.
  void Stop();

  // Without a thread, the owner looks itself, whenever a timer of its own rings.
  static constexpr Nanos kNever = INT64_MAX;
  // When the timer is to ring next, of CLOCK_MONOTONIC; kNever while nobody waits.
  Nanos NextRing();
  // The timer has rung: looks. What has finished can be taken then.
  void Ring();

  // Somebody has rung a doorbell: looks, and returns whether something has finished. Whose changes are
  // announced in this way need not be looked for often: only lest one is missed.
  bool Rung();

 private:
  struct Stream {
    std::uint32_t offset = 0;
    std::uint64_t used = 0;  // 0 = free
    Cadence cadence;
  };
  static constexpr std::size_t kMaxStreams = 16;

  static void* Run(void* self);
  void Loop();
  // Moves what has changed or expired from pending_ to finished_. Returns whether anything has.
  bool Look(Nanos now);
  Nanos NextLook(const Wait& wait, Nanos now);
  bool IsAnnounced() const;
  void MeasureCost();
  void MeasureQuietCost();
  void Sleep(Nanos now);
  Stream& StreamOf(std::uint32_t offset);
  bool Fires(const WatchedWord& word) const;

  const std::uint8_t* const base_;
  Wake wake_ = nullptr;
  void* context_ = nullptr;
  bool started_ = false;
  pthread_t thread_{};

  pthread_mutex_t mutex_;
  pthread_cond_t condition_;
  // Below: guarded by mutex_.
  bool stopping_ = false;
  bool woken_ = false;  // a wake is on its way and takes what finishes meanwhile
  std::vector<Wait> pending_;
  std::vector<FinishedWait> finished_;
  std::array<Stream, kMaxStreams> streams_{};
  std::uint64_t uses_ = 0;
  Nanos last_look_ = 0;
  Nanos asleep_until_ = 0;
  Nanos linger_until_ = 0;  // no wait is pending, but the next of its stream is expected by then
  LookBudget budget_;
  int announced_ = 0;    // rings in a row that came with a change
  int unannounced_ = 0;  // changes in a row that came without
  Nanos changed_ = 0;    // the last time that a look found one
  // The thread's own.
  int looks_ = 0;
  Nanos cost_;
  Nanos cpu_ = 0;
  Nanos lateness_ = 0;
  // Without a thread.
  Nanos set_ = 0;       // for when the timer was set; 0 when it is not
  bool quiet_ = false;  // nothing but looks has happened since the last one
};

}  // namespace kvmfr

#endif  // KVMFR_WAIT_H_
