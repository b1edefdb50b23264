// Keeps the process alive when memory goes away under a mapping: its file is cut, the file system
// has no room for a page that is touched for the first time, the memory itself fails. Linux says so
// by SIGBUS, in the middle of whatever reads or writes.
#ifndef KVMFR_GUARD_H_
#define KVMFR_GUARD_H_

#include <cstddef>
#include <cstdint>

namespace kvmfr {

struct GuardedRange;

// Guards a mapping from now on: a fault in it becomes zeros, from the page of the fault to its end,
// and it is lost then. `granule` is the size of its pages. Returns nullptr when as many as there is
// room for are guarded already.
GuardedRange* Guard(const void* base, std::size_t bytes, std::size_t granule);

// Whether a fault happened in it. Who has read zeros that stand for lost memory sees true.
bool IsLost(const GuardedRange* range);

// Ends it, before the memory is unmapped. No thread may touch the memory any more; the handlers of
// faults from before have ended when this returns.
void Unguard(GuardedRange* range);

// Makes the handler of SIGBUS ours again, in front of one that somebody else has installed since.
void KeepGuard();

}  // namespace kvmfr

#endif  // KVMFR_GUARD_H_
