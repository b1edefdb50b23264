// Drives the waiter from its owner's thread while another thread changes the words. Made to be
// compiled with -fsanitize=thread (or address).
//
// Prints the number of waits that ended and exits 0, or says what went wrong and exits 1.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../src/wait.h"

namespace {

constexpr std::uint32_t kWords = 64;
std::uint32_t words[kWords];
std::atomic<bool> writing{true};

// Stands for the thread-safe function: counts the calls that its owner has to answer.
struct Bell {
  std::atomic<int> rung{0};
  std::atomic<bool> closed{false};
};

bool Ring(void* context) {
  auto* bell = static_cast<Bell*>(context);
  if (bell->closed) return false;
  bell->rung++;
  return true;
}

void* Write(void*) {
  for (std::uint32_t i = 0; writing; ++i) {
    __atomic_fetch_add(&words[i % (kWords / 2)], 1, __ATOMIC_RELEASE);
    usleep(100);
  }
  return nullptr;
}

void Fail(const char* what) {
  std::printf("%s\n", what);
  std::exit(1);
}

// Takes until `wanted` waits have ended, and returns how many were changed.
int TakeAll(kvmfr::Waiter* waiter, Bell* bell, int wanted) {
  int changed = 0;
  std::vector<kvmfr::FinishedWait> finished;
  while (wanted > 0) {
    if (bell->rung.exchange(0) == 0) {
      usleep(50);
      continue;
    }
    finished.clear();
    waiter->Take(&finished);
    for (const auto& wait : finished) {
      --wanted;
      if (wait.outcome == kvmfr::WaitOutcome::kChanged) ++changed;
    }
  }
  return changed;
}

}  // namespace

int main() {
  pthread_t writer;
  pthread_create(&writer, nullptr, Write, nullptr);
  int ended = 0;
  for (int round = 0; round < 40; ++round) {
    Bell bell;
    kvmfr::Waiter waiter(reinterpret_cast<const std::uint8_t*>(words));
    if (waiter.Start(Ring, &bell) != 0) Fail("the thread did not start");
    int pending = 0;
    for (std::uint32_t id = 1; id <= 20; ++id) {
      kvmfr::Wait wait;
      wait.id = id;
      wait.word_count = 2;
      wait.cadence = id % 2 == 0;
      wait.soon = id % 3 == 0;
      const std::uint32_t moving = id % (kWords / 2);
      const std::uint32_t value = __atomic_load_n(&words[moving], __ATOMIC_ACQUIRE);
      wait.words[0] = {4 * moving, value, false};
      wait.words[1] = {4 * (kWords / 2 + id), 1, true};
      if (waiter.Add(wait, 1000 * kvmfr::kMilli) == kvmfr::WaitOutcome::kPending) ++pending;
    }
    // Two that nothing will end: one is cancelled, one is left to Stop().
    for (const std::uint32_t id : {100u, 101u}) {
      kvmfr::Wait wait;
      wait.id = id;
      wait.word_count = 1;
      wait.words[0] = {4 * (kWords - 1), 0, false};
      if (waiter.Add(wait, INT64_MAX) != kvmfr::WaitOutcome::kPending) Fail("nothing changed");
    }
    waiter.Cancel(100);
    if (TakeAll(&waiter, &bell, pending) != pending) Fail("a wait missed a change");
    ended += 20;

    kvmfr::Wait late;
    late.id = 200;
    late.word_count = 1;
    late.words[0] = {4 * (kWords - 1), 0, false};
    if (waiter.Add(late, kvmfr::kMilli) != kvmfr::WaitOutcome::kPending) Fail("it timed out early");
    if (TakeAll(&waiter, &bell, 1) != 0) Fail("a wait that nothing ended was not timed out");
    ++ended;
    bell.closed = round % 2 == 0;
    waiter.Stop();
    waiter.Stop();
  }
  writing = false;
  pthread_join(writer, nullptr);
  std::printf("%d waits\n", ended);
  return 0;
}
