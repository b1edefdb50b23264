// Writes into a live region as fast as it can, as a guest does that wants a reader to fall over:
// flips bits, storms write pointers, takes and steals locks, throws subscribers out, changes session
// ids, swaps sizes for hostile ones and back in a tight loop, stops the heart.
//
//   racer PATH SEED COUNT < AREAS
//
// AREAS: a line `GROUP AT BYTES` for each place, then a line `go`. It does COUNT mutations (0: until
// its standard input ends), in bursts. After a burst it puts back what is still as it wrote it, and
// pauses. What it does is decided by its seed and the areas alone, one decision after the other, so
// the same seed does the same things in the same order; when they happen, the machine decides.
//
// Prints {"mutations", "decisions", "hash"}: words written, what was decided, and a hash of that.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Area {
  std::uint64_t at, bytes;
};

enum Group { kAny, kSizes, kLock, kSubs, kSession, kBeat, kPointer, kGroups };
const char* const kNames[kGroups] = {"any", "sizes", "lock", "subs", "session", "beat", "pointer"};

struct Change {
  volatile std::uint32_t* word;
  std::uint32_t before, wrote;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {}
  std::uint32_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545f4914f6cdd1du) >> 32);
  }
  std::uint32_t Below(std::uint32_t limit) { return Next() % limit; }

 private:
  std::uint64_t state_;
};

constexpr std::uint32_t kEdges[] = {0,          1,          2,          3,          64,
                                    4095,       4096,       0x7fff,     0x8000,     0x10000,
                                    0xffffff,   0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc,
                                    0xffffffff};
constexpr std::uint32_t kEdgeCount = sizeof(kEdges) / sizeof(kEdges[0]);

class Racer {
 public:
  Racer(std::uint8_t* base, std::uint64_t size, std::uint64_t seed)
      : base_(base), size_(size), random_(seed) {}

  void Add(Group group, Area area) { areas_[group].push_back(area); }

  std::uint64_t mutations() const { return mutations_; }
  std::uint64_t decisions() const { return decisions_; }
  std::uint64_t hash() const { return hash_; }

  void Burst() {
    for (std::uint32_t i = 1 + random_.Below(6); i > 0; --i) Mutate();
    const std::uint32_t linger = random_.Below(400);
    Pause(linger * 1000);
    PutBack();
    // Long enough, now and then, for frames to come through.
    Pause(random_.Below(8) == 0 ? 20000000 : random_.Below(2000) * 1000);
  }

  void PutBack() {
    while (!changes_.empty()) {
      const Change& change = changes_.back();
      // What somebody else has written meanwhile is theirs.
      if (*change.word == change.wrote) *change.word = change.before;
      changes_.pop_back();
    }
  }

 private:
  static void Pause(std::uint64_t ns) {
    timespec left = {0, static_cast<long>(ns)};
    nanosleep(&left, nullptr);
  }

  void Decided(std::uint64_t kind, std::uint64_t at, std::uint64_t value) {
    ++decisions_;
    for (std::uint64_t part : {kind, at, value}) {
      hash_ = (hash_ ^ part) * 0x100000001b3u;
      hash_ ^= hash_ >> 29;
    }
  }

  volatile std::uint32_t* Word(std::uint64_t at) {
    return reinterpret_cast<volatile std::uint32_t*>(base_ + (at & ~std::uint64_t{3}));
  }

  // A word of an area of a group that has some.
  std::uint64_t Place(Group group) {
    const std::vector<Area>& list = areas_[group];
    const Area& area = list[random_.Below(static_cast<std::uint32_t>(list.size()))];
    const std::uint64_t at = area.at + random_.Below(static_cast<std::uint32_t>(area.bytes));
    return at + 4 <= size_ ? at : size_ - 4;
  }

  std::uint32_t Hostile() {
    return random_.Below(3) == 0 ? random_.Next() : kEdges[random_.Below(kEdgeCount)];
  }

  void Store(std::uint64_t at, std::uint32_t value) {
    volatile std::uint32_t* word = Word(at);
    changes_.push_back({word, *word, value});
    *word = value;
    ++mutations_;
  }

  // Two values in turn, with nothing between, ending with what was there.
  void Toggle(std::uint64_t at, std::uint32_t value, std::uint32_t turns) {
    volatile std::uint32_t* word = Word(at);
    const std::uint32_t before = *word;
    for (std::uint32_t i = 0; i < turns; ++i) {
      *word = value;
      *word = before;
    }
    mutations_ += 2 * std::uint64_t{turns};
  }

  void Mutate() {
    constexpr Group kGroupOf[] = {kAny,  kAny,  kAny,     kAny,  kSizes,   kSizes,
                                  kSizes, kLock, kSubs, kSession, kBeat, kPointer};
    const std::uint32_t kind = random_.Below(12);
    if (areas_[kGroupOf[kind]].empty()) return;
    switch (kind) {
      case 0:
      case 1: {
        const std::uint64_t at = Place(kAny);
        const std::uint32_t bit = random_.Below(32);
        Decided(kind, at, bit);
        Store(at, *Word(at) ^ (1u << bit));
        break;
      }
      case 2: {
        const std::uint64_t at = Place(kAny);
        const std::uint32_t value = Hostile();
        Decided(kind, at, value);
        Store(at, value);
        break;
      }
      case 3: {
        // Noise over some words.
        const std::uint64_t at = Place(kAny);
        for (std::uint64_t i = 0; i < 10 && at + i * 4 + 4 <= size_; ++i) {
          const std::uint32_t value = random_.Next();
          Decided(kind, at + i * 4, value);
          Store(at + i * 4, value);
        }
        break;
      }
      case 4:
      case 5: {
        const std::uint64_t at = Place(kSizes);
        const std::uint32_t value = Hostile(), turns = 1000 + random_.Below(100000);
        Decided(kind, at, value);
        Toggle(at, value, turns);
        break;
      }
      case 6: {
        const std::uint64_t at = Place(kSizes);
        const std::uint32_t value = Hostile();
        Decided(kind, at, value);
        Store(at, value);
        break;
      }
      case 7: {
        // Held by somebody who is gone; or taken from who has it.
        const std::uint64_t at = Place(kLock);
        const std::uint32_t value = random_.Below(3) == 0 ? 0 : random_.Below(3) == 0 ? Hostile() : 1;
        Decided(kind, at, value);
        Store(at, value);
        break;
      }
      case 8: {
        const std::uint64_t at = Place(kSubs);
        const std::uint32_t value = random_.Below(2) == 0 ? 0 : Hostile();
        Decided(kind, at, value);
        if (random_.Below(2) == 0)
          Toggle(at, value, 1000 + random_.Below(20000));
        else
          Store(at, value);
        break;
      }
      case 9: {
        const std::uint64_t at = Place(kSession);
        const std::uint32_t value = Hostile();
        Decided(kind, at, value);
        if (random_.Below(2) == 0)
          Toggle(at, value, 1000 + random_.Below(20000));
        else
          Store(at, value);
        break;
      }
      case 10: {
        // The heart stands still, or runs back.
        const std::uint64_t at = Place(kBeat);
        const std::uint32_t value = random_.Below(2) == 0 ? *Word(at) : Hostile();
        const std::uint32_t turns = 1000 + random_.Below(200000);
        Decided(kind, at, turns);
        volatile std::uint32_t* word = Word(at);
        for (std::uint32_t i = 0; i < turns; ++i) *word = value;
        mutations_ += turns;
        break;
      }
      default: {
        const std::uint64_t at = Place(kPointer);
        const std::uint32_t first = Hostile(), turns = 1000 + random_.Below(50000);
        Decided(kind, at, first);
        volatile std::uint32_t* word = Word(at);
        const std::uint32_t before = *word;
        for (std::uint32_t i = 0; i < turns; ++i) *word = i % 2 == 0 ? first + i * 64 : kEdges[i / 2 % kEdgeCount];
        mutations_ += turns;
        changes_.push_back({word, before, *word});
      }
    }
  }

  std::uint8_t* const base_;
  const std::uint64_t size_;
  Random random_;
  std::vector<Area> areas_[kGroups];
  std::vector<Change> changes_;
  std::uint64_t mutations_ = 0, decisions_ = 0, hash_ = 0xcbf29ce484222325u;
};

bool InputHasEnded() {
  pollfd input = {0, POLLIN, 0};
  if (poll(&input, 1, 0) <= 0) return false;
  char byte;
  return read(0, &byte, 1) <= 0;
}

// A line of standard input, read byte by byte so that nothing of the end is taken.
bool ReadLine(std::string* line) {
  line->clear();
  char byte;
  while (read(0, &byte, 1) == 1) {
    if (byte == '\n') return true;
    line->push_back(byte);
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int file = open(argv[1], O_RDWR);
  struct stat facts;
  if (file < 0 || fstat(file, &facts) != 0) return 3;
  const std::uint64_t size = static_cast<std::uint64_t>(facts.st_size);
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (base == MAP_FAILED) return 3;
  Racer racer(static_cast<std::uint8_t*>(base), size, std::strtoull(argv[2], nullptr, 10));
  const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
  std::string line;
  std::size_t areas = 0;
  while (ReadLine(&line) && line != "go") {
    char name[16];
    Area area;
    if (std::sscanf(line.c_str(), "%15s %" SCNu64 " %" SCNu64, name, &area.at, &area.bytes) != 3 ||
        area.bytes == 0 || area.at + area.bytes > size) {
      return 2;
    }
    for (int group = 0; group < kGroups; ++group) {
      if (std::strcmp(name, kNames[group]) != 0) continue;
      racer.Add(static_cast<Group>(group), area);
      ++areas;
    }
  }
  if (areas == 0) return 2;
  while ((count == 0 || racer.mutations() < count) && !InputHasEnded()) racer.Burst();
  std::printf("{\"mutations\":%" PRIu64 ",\"decisions\":%" PRIu64 ",\"hash\":\"%016" PRIx64 "\"}\n",
              racer.mutations(), racer.decisions(), racer.hash());
  return 0;
}
