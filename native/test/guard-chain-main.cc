// Who is asked about a SIGBUS, in every order in which handlers can be installed: each case in a
// process of its own, which ends in its own way.
//
// Prints the number of cases and exits 0, or says what went wrong and exits 1.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include "../src/guard.h"

// The sanitizer would handle the faults of these processes, too.
extern "C" const char* __asan_default_options() {
  return "handle_sigbus=0:handle_segv=0:detect_leaks=0:disable_coredump=0";
}

namespace {

constexpr std::size_t kPage = 4096;
constexpr int kHandled = 42;

int asked = 0;
struct sigaction older;
sigjmp_buf back;

// A page of a file that has nothing any more.
volatile char* GonePage() {
  const int fd = memfd_create("gone", MFD_CLOEXEC);
  void* base = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || base == MAP_FAILED) std::_Exit(90);
  close(fd);
  return static_cast<volatile char*>(base);
}

void Install(void (*handler)(int, siginfo_t*, void*), struct sigaction* before) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, before);
}

void End(int, siginfo_t*, void*) { std::_Exit(kHandled); }
void EndPlain(int) { std::_Exit(kHandled); }
void Count(int, siginfo_t*, void*) { ++asked; }
void JumpBack(int, siginfo_t*, void*) { siglongjmp(back, 1); }

// Passes on to who was there before it, as a good neighbour does.
void PassToOlder(int signal, siginfo_t* info, void* context) {
  if (++asked > 8) std::_Exit(91);
  if ((older.sa_flags & SA_SIGINFO) != 0) {
    older.sa_sigaction(signal, info, context);
  } else {
    std::_Exit(92);
  }
}

void GuardOnePage(volatile char* page) {
  if (kvmfr::Guard(const_cast<const char*>(page), kPage, kPage) == nullptr) std::_Exit(93);
}

// What a guarded page gives.
void NeedZero(volatile char* page) {
  if (page[0] != 0) std::_Exit(94);
}

void AloneGuarded() {
  volatile char* page = GonePage();
  auto* range = kvmfr::Guard(const_cast<const char*>(page), kPage, kPage);
  if (kvmfr::IsLost(range)) std::_Exit(95);
  NeedZero(page);
  if (!kvmfr::IsLost(range)) std::_Exit(96);
  page[1] = 3;
  if (page[1] != 3) std::_Exit(97);
  kvmfr::Unguard(range);
  std::_Exit(kHandled);
}

void AloneForeign() {
  GuardOnePage(GonePage());
  GonePage()[0] = 1;
}

void AloneUnguarded() {
  volatile char* page = GonePage();
  kvmfr::Unguard(kvmfr::Guard(const_cast<const char*>(page), kPage, kPage));
  page[0] = 1;
}

void AloneSent() {
  GuardOnePage(GonePage());
  kill(getpid(), SIGBUS);
  std::_Exit(98);
}

void AfterHandler() {
  Install(End, nullptr);
  volatile char* page = GonePage();
  GuardOnePage(page);
  NeedZero(page);
  GonePage()[0] = 1;
}

void AfterPlainHandler() {
  signal(SIGBUS, EndPlain);
  volatile char* page = GonePage();
  GuardOnePage(page);
  NeedZero(page);
  GonePage()[0] = 1;
}

void AfterHandlerSent() {
  Install(End, nullptr);
  GuardOnePage(GonePage());
  raise(SIGBUS);
}

void AfterJumping() {
  Install(JumpBack, nullptr);
  volatile char* page = GonePage();
  GuardOnePage(page);
  for (volatile int i = 0; i < 200; i = i + 1) {
    if (sigsetjmp(back, 1) == 0) {
      GonePage()[0] = 1;
      std::_Exit(99);
    }
  }
  NeedZero(page);
  std::_Exit(kHandled);
}

void AfterIgnoringSent() {
  signal(SIGBUS, SIG_IGN);
  GuardOnePage(GonePage());
  raise(SIGBUS);
  std::_Exit(kHandled);
}

void AfterIgnoringForeign() {
  signal(SIGBUS, SIG_IGN);
  GuardOnePage(GonePage());
  GonePage()[0] = 1;
}

// Somebody who installs theirs after us and passes on what is not theirs.
void BeforeNeighbour() {
  volatile char* page = GonePage();
  GuardOnePage(page);
  Install(PassToOlder, &older);
  NeedZero(page);
  if (asked != 1) std::_Exit(100);
  std::_Exit(kHandled);
}

// The same when we have stepped in front of them: they lead back to us, and nobody asks for ever.
void AroundNeighbour() {
  Install(End, nullptr);
  volatile char* page = GonePage();
  GuardOnePage(page);
  Install(PassToOlder, &older);
  kvmfr::KeepGuard();
  NeedZero(page);
  if (asked != 0) std::_Exit(101);
  GonePage()[0] = 1;
}

void AroundNeighbourToNobody() {
  GuardOnePage(GonePage());
  Install(PassToOlder, &older);
  kvmfr::KeepGuard();
  GonePage()[0] = 1;
}

// Somebody who passes nothing on: Node itself, for process.on('SIGBUS').
void BeforeSelfish() {
  volatile char* page = GonePage();
  GuardOnePage(page);
  Install(Count, nullptr);
  kvmfr::KeepGuard();
  NeedZero(page);
  if (asked != 0) std::_Exit(102);
  raise(SIGBUS);
  if (asked != 1) std::_Exit(103);
  // And takes theirs away again.
  signal(SIGBUS, SIG_DFL);
  kvmfr::KeepGuard();
  volatile char* other = GonePage();
  GuardOnePage(other);
  NeedZero(other);
  GonePage()[0] = 1;
}

// Who steps in front of us once more has us behind them: they are left there.
void WithRival() {
  GuardOnePage(GonePage());
  for (int i = 0; i < 2; ++i) {
    Install(PassToOlder, &older);
    kvmfr::KeepGuard();
  }
  struct sigaction now;
  sigaction(SIGBUS, nullptr, &now);
  if (now.sa_sigaction != PassToOlder) std::_Exit(104);
  volatile char* page = GonePage();
  GuardOnePage(page);
  NeedZero(page);
  std::_Exit(kHandled);
}

void ManyRanges() {
  volatile char* page = GonePage();
  kvmfr::GuardedRange* last = nullptr;
  int count = 0;
  for (; count < 100'000; ++count) {
    auto* range = kvmfr::Guard(const_cast<const char*>(page), kPage, kPage);
    if (range == nullptr) break;
    last = range;
  }
  if (count < 500 || count >= 100'000) std::_Exit(105);
  kvmfr::Unguard(last);
  if (kvmfr::Guard(const_cast<const char*>(page), kPage, kPage) == nullptr) std::_Exit(106);
  NeedZero(page);
  std::_Exit(kHandled);
}

struct Case {
  const char* name;
  void (*run)();
  bool dies;  // of SIGBUS; else it ends as handled
};

constexpr Case kCases[] = {
    {"a guarded page becomes zeros", AloneGuarded, false},
    {"a foreign fault kills", AloneForeign, true},
    {"a page that is not guarded any more kills", AloneUnguarded, true},
    {"a signal that is sent kills", AloneSent, true},
    {"a foreign fault is for the handler before us", AfterHandler, false},
    {"also for one without information", AfterPlainHandler, false},
    {"as is a signal that is sent", AfterHandlerSent, false},
    {"a handler before us may jump out, any number of times", AfterJumping, false},
    {"a signal that is sent is ignored as before", AfterIgnoringSent, false},
    {"a fault cannot be ignored", AfterIgnoringForeign, true},
    {"a handler after us passes on", BeforeNeighbour, false},
    {"we step in front of it, and it leads back to us", AroundNeighbour, false},
    {"and then to nobody", AroundNeighbourToNobody, true},
    {"a handler after us that passes nothing on", BeforeSelfish, true},
    {"a rival is left in front", WithRival, false},
    {"the table is full, and has room again", ManyRanges, false},
};

}  // namespace

int main() {
  int count = 0;
  for (const Case& one : kCases) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      one.run();
      std::_Exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
    const bool handled = WIFEXITED(status) && WEXITSTATUS(status) == kHandled;
    if (one.dies ? !died : !handled) {
      std::printf("%s: status %x\n", one.name, static_cast<unsigned>(status));
      return 1;
    }
    ++count;
  }
  std::printf("%d cases\n", count);
  return 0;
}
