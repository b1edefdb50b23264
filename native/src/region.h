// The system calls of a region: open, look at it, map it, give it back. No JavaScript in here.
#ifndef KVMFR_REGION_H_
#define KVMFR_REGION_H_

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>

#include "guard.h"

namespace kvmfr {

// Why a region could not be opened. The words a person reads are made in TypeScript.
struct OpenFailure {
  enum class Step { kNone, kOpen, kInspect, kKind, kSize, kMap, kSeals, kPath };
  Step step = Step::kNone;
  const char* syscall = "";
  int error = 0;            // errno of the system call, or 0
  std::uint32_t mode = 0;   // st_mode of what was found, or 0
  std::uint64_t bytes = 0;  // size of what was found
};

// One mmap of one region, and the open file it came from.
class Region {
 public:
  enum class Presence { kSame, kReplaced, kResized, kGone, kLost, kUnknown };

  enum class Seals { kAny, kFixedSize };

  // With Seals::kFixedSize, only memory whose size nobody can change any more.
  static std::shared_ptr<Region> Open(const std::string& path, bool read_only, Seals seals,
                                      OpenFailure* failure);
  // Memory of zeros without a name, of a size that nobody can change, with every page allocated.
  // path() leads to it for as long as this region holds it.
  static std::shared_ptr<Region> Create(std::uint64_t bytes, OpenFailure* failure);
  // A part of something that is open already, of which it keeps a descriptor of its own. Without
  // `bytes` it is a file or a kvmfr device, and all of it is mapped.
  static std::shared_ptr<Region> Adopt(const std::string& name, int fd, bool read_only,
                                       std::uint64_t offset, std::uint64_t bytes,
                                       OpenFailure* failure);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  const std::string& path() const { return path_; }
  // nullptr after Unmap().
  std::uint8_t* base() const { return base_; }
  std::size_t bytes() const { return bytes_; }
  // Size of its pages.
  std::size_t granule() const { return granule_; }
  bool is_device() const { return is_device_; }
  std::uint64_t inode() const { return inode_; }
  std::uint64_t device() const { return device_; }

  // Whether memory went away under the mapping. What was read since may be zeros in its place.
  bool lost() const { return guard_ != nullptr && IsLost(guard_); }

  // Bytes that the open file or device has now; false when that cannot be told.
  bool BytesNow(std::uint64_t* bytes) const;

  // Compares what the path names now, and how large the open file is now, with what was mapped.
  // On kUnknown, *error holds the errno of stat().
  Presence Look(int* error) const;

  // Gives the pages and the descriptor back. Nobody may touch base() any more.
  void Unmap();

 private:
  Region() = default;

  // Maps the open file and takes what is told of it.
  bool Map(bool read_only, const struct stat& found, std::uint64_t bytes, OpenFailure* failure,
           std::uint64_t offset = 0);
  // What the open file is, and how large.
  bool Inspect(struct stat* found, std::uint64_t* bytes, OpenFailure* failure);

  std::string path_;
  int fd_ = -1;
  std::uint8_t* base_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t granule_ = 0;
  GuardedRange* guard_ = nullptr;
  bool is_device_ = false;
  bool is_part_ = false;  // of something that has no size of its own
  std::uint64_t inode_ = 0;
  std::uint64_t device_ = 0;
};

// Allocates every block of a file now, so that a full tmpfs is an error here and not a SIGBUS at
// the first write. Returns 0 or an errno.
int AllocateBlocks(int fd, std::uint64_t bytes);

}  // namespace kvmfr

#endif  // KVMFR_REGION_H_
