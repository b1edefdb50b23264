#ifdef __linux__

#include "placement.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace kvmfr {
namespace {

constexpr std::size_t kMaxSamples = 64;
constexpr std::size_t kWordBits = 8 * sizeof(unsigned long);

}  // namespace

int NodesOfPages(const std::uint8_t* base, std::size_t bytes, std::size_t granule,
                 std::vector<int>* nodes) {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  if (mincore(const_cast<std::uint8_t*>(base), bytes, resident.data()) != 0) return errno;
  std::vector<const void*> there;
  for (std::size_t at = 0; at < bytes; at += granule) {
    if ((resident[at / page] & 1) != 0) there.push_back(base + at);
  }
  std::vector<const void*> samples(std::min(there.size(), kMaxSamples));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = there[i * there.size() / samples.size()];
    // Those are told of that this process has mapped: it has when it has read it.
    (void)*static_cast<const volatile std::uint8_t*>(samples[i]);
  }
  nodes->assign(samples.size(), 0);
  if (samples.empty()) return 0;
  // Without nodes to go to, it only asks.
  const long result =
      syscall(SYS_move_pages, 0, samples.size(), samples.data(), nullptr, nodes->data(), 0);
  return result < 0 ? errno : 0;
}

int NodeOfThread() {
  unsigned node = 0;
  return syscall(SYS_getcpu, nullptr, &node, nullptr) == 0 ? static_cast<int>(node) : -errno;
}

int PinThread(int thread, const std::vector<std::uint32_t>& processors) {
  const std::uint32_t last = *std::max_element(processors.begin(), processors.end());
  std::vector<unsigned long> words(last / kWordBits + 1);
  for (const std::uint32_t processor : processors) {
    words[processor / kWordBits] |= 1UL << (processor % kWordBits);
  }
  const std::size_t size = words.size() * sizeof(unsigned long);
  return syscall(SYS_sched_setaffinity, thread, size, words.data()) == 0 ? 0 : errno;
}

}  // namespace kvmfr

#endif  // __linux__
