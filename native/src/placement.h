// Where memory and threads are, on machines whose processors have memory of their own.
#ifndef KVMFR_PLACEMENT_H_
#define KVMFR_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvmfr {

// The nodes of some of the pages of a mapping that are in memory, evenly spread; a negative errno for
// one of which that cannot be told. Brings no page into being. Returns 0 or an errno.
int NodesOfPages(const std::uint8_t* base, std::size_t bytes, std::size_t granule,
                 std::vector<int>* nodes);
// The node of the processor that the calling thread runs on, or a negative errno.
int NodeOfThread();
// Lets a thread (0: the caller) run on these processors only. Returns 0 or an errno.
int PinThread(int thread, const std::vector<std::uint32_t>& processors);

}  // namespace kvmfr

#endif  // KVMFR_PLACEMENT_H_
