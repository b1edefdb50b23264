#include "region.h"

#ifdef __linux__

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

namespace kvmfr {
namespace {

// ioctl GETSIZE of the kvmfr kernel module, _IO('u', 0x44); the size is the return value.
constexpr unsigned long kGetSize = 0x7544;
constexpr std::uint64_t kPageBytes = 4096;
// Offsets in every LGMP version are 32 bit.
constexpr std::uint64_t kMaxBytes = 0xffffffffu;

int OpenRetrying(const char* path, int flags) {
  int fd;
  do {
    fd = open(path, flags);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Size of a kvmfr device. libc returns an int, so a device of 2 GiB and more comes back negative;
// only -1 is an error.
bool DeviceBytes(int fd, std::uint64_t* bytes) {
  const int result = ioctl(fd, kGetSize, 0);
  if (result == -1) return false;
  *bytes = static_cast<std::uint32_t>(result);
  return true;
}

bool FitsRegion(std::uint64_t bytes) {
  return bytes != 0 && bytes % kPageBytes == 0 && bytes <= kMaxBytes && bytes <= SIZE_MAX;
}

// Source: linux/magic.h.
constexpr auto kHugetlbfs = 0x958458f6;

// Size of the pages that a mapping of a file consists of.
std::size_t GranuleOf(int fd) {
  struct statfs found;
  if (fstatfs(fd, &found) == 0 && static_cast<std::uint32_t>(found.f_type) == kHugetlbfs) {
    return static_cast<std::size_t>(found.f_bsize);
  }
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// What keeps memory at its size.
constexpr int kFixedSize = F_SEAL_SHRINK | F_SEAL_GROW;

// Not yet in every libc: memory that is never run as a program.
constexpr unsigned kNoExec = 0x0008;

int CreateMemory() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = memfd_create("kvmfr", kFlags | kNoExec);
  return fd < 0 && errno == EINVAL ? memfd_create("kvmfr", kFlags) : fd;
}

// In steps: a signal undoes the step that it interrupts, and a profiler sends one per millisecond.
int AllocatePages(int fd, std::uint64_t bytes) {
  constexpr std::uint64_t kStep = 1 << 20;
  for (std::uint64_t at = 0; at < bytes; at += kStep) {
    const off_t count = static_cast<off_t>(bytes - at < kStep ? bytes - at : kStep);
    int error;
    do {
      error = posix_fallocate(fd, static_cast<off_t>(at), count);
    } while (error == EINTR);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

std::shared_ptr<Region> Region::Open(const std::string& path, bool read_only, Seals seals,
                                     OpenFailure* failure) {
  using Step = OpenFailure::Step;
  std::shared_ptr<Region> region(new Region());
  region->path_ = path;

  // O_NONBLOCK: opening a fifo or a terminal line must not wait for its other end.
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  region->fd_ = OpenRetrying(path.c_str(), flags);
  if (region->fd_ < 0) {
    *failure = {Step::kOpen, "open", errno, 0, 0};
    return nullptr;
  }

  struct stat found;
  std::uint64_t bytes = 0;
  if (!region->Inspect(&found, &bytes, failure)) return nullptr;

  if (seals == Seals::kFixedSize) {
    // A file of a disk has no seals at all: EINVAL.
    const int found_seals = fcntl(region->fd_, F_GET_SEALS);
    if (found_seals < 0 || (found_seals & kFixedSize) != kFixedSize) {
      *failure = {Step::kSeals, "", 0, found.st_mode, bytes};
      return nullptr;
    }
  }
  if (!region->Map(read_only, found, bytes, failure)) return nullptr;
  return region;
}

bool Region::Inspect(struct stat* found, std::uint64_t* bytes, OpenFailure* failure) {
  using Step = OpenFailure::Step;
  if (fstat(fd_, found) != 0) {
    *failure = {Step::kInspect, "fstat", errno, 0, 0};
    return false;
  }
  if (S_ISREG(found->st_mode)) {
    *bytes = static_cast<std::uint64_t>(found->st_size);
  } else if (S_ISCHR(found->st_mode)) {
    is_device_ = true;
    if (!DeviceBytes(fd_, bytes)) {
      *failure = {Step::kKind, "ioctl", errno, found->st_mode, 0};
      return false;
    }
  } else {
    *failure = {Step::kKind, "", 0, found->st_mode, 0};
    return false;
  }
  if (FitsRegion(*bytes)) return true;
  *failure = {Step::kSize, "", 0, found->st_mode, *bytes};
  return false;
}

std::shared_ptr<Region> Region::Adopt(const std::string& name, int fd, bool read_only,
                                      std::uint64_t offset, std::uint64_t bytes,
                                      OpenFailure* failure) {
  using Step = OpenFailure::Step;
  std::shared_ptr<Region> region(new Region());
  region->path_ = name;
  region->fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (region->fd_ < 0) {
    *failure = {Step::kOpen, "fcntl", errno, 0, 0};
    return nullptr;
  }
  struct stat found = {};
  region->is_part_ = bytes != 0;
  if (!region->is_part_ && !region->Inspect(&found, &bytes, failure)) return nullptr;
  if (!FitsRegion(bytes)) {
    *failure = {Step::kSize, "", 0, 0, bytes};
    return nullptr;
  }
  if (!region->Map(read_only, found, bytes, failure, offset)) return nullptr;
  return region;
}

std::shared_ptr<Region> Region::Create(std::uint64_t bytes, OpenFailure* failure) {
  using Step = OpenFailure::Step;
  std::shared_ptr<Region> region(new Region());
  if (!FitsRegion(bytes)) {
    *failure = {Step::kSize, "", 0, 0, bytes};
    return nullptr;
  }
  region->fd_ = CreateMemory();
  if (region->fd_ < 0) {
    *failure = {Step::kOpen, "memfd_create", errno, 0, bytes};
    return nullptr;
  }
  region->path_ = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(region->fd_);
  if (fchmod(region->fd_, 0600) != 0) {
    *failure = {Step::kOpen, "fchmod", errno, 0, bytes};
    return nullptr;
  }
  if (ftruncate(region->fd_, static_cast<off_t>(bytes)) != 0) {
    *failure = {Step::kOpen, "ftruncate", errno, 0, bytes};
    return nullptr;
  }
  const int error = AllocatePages(region->fd_, bytes);
  if (error != 0) {
    *failure = {Step::kOpen, "posix_fallocate", error, 0, bytes};
    return nullptr;
  }
  // SEAL, too: the other side could forbid new mappings else.
  if (fcntl(region->fd_, F_ADD_SEALS, kFixedSize | F_SEAL_SEAL) != 0) {
    *failure = {Step::kOpen, "fcntl", errno, 0, bytes};
    return nullptr;
  }
  struct stat made;
  if (fstat(region->fd_, &made) != 0) {
    *failure = {Step::kInspect, "fstat", errno, 0, bytes};
    return nullptr;
  }
  // A /proc that is absent, or that of another PID namespace.
  struct stat named;
  if (stat(region->path_.c_str(), &named) != 0) {
    *failure = {Step::kPath, "stat", errno, 0, bytes};
    return nullptr;
  }
  if (named.st_ino != made.st_ino || named.st_dev != made.st_dev) {
    *failure = {Step::kPath, "", 0, named.st_mode, bytes};
    return nullptr;
  }
  if (!region->Map(false, made, bytes, failure)) return nullptr;
  return region;
}

bool Region::Map(bool read_only, const struct stat& found, std::uint64_t bytes,
                 OpenFailure* failure, std::uint64_t offset) {
  // A reader without write access gets a private mapping: it sees every change of the file, and a
  // store to its ArrayBuffer, which JavaScript cannot be kept from, changes its own copy of the
  // page instead of killing the process.
  const int sharing = read_only ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
  void* base = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, sharing, fd_,
                    static_cast<off_t>(offset));
  if (base == MAP_FAILED) {
    *failure = {OpenFailure::Step::kMap, "mmap", errno, found.st_mode, bytes};
    return false;
  }
  granule_ = GranuleOf(fd_);
  guard_ = Guard(base, static_cast<std::size_t>(bytes), granule_);
  if (guard_ == nullptr) {
    munmap(base, (static_cast<std::size_t>(bytes) + granule_ - 1) / granule_ * granule_);
    *failure = {OpenFailure::Step::kMap, "mmap", ENOMEM, found.st_mode, bytes};
    return false;
  }
  base_ = static_cast<std::uint8_t*>(base);
  bytes_ = static_cast<std::size_t>(bytes);
  inode_ = found.st_ino;
  device_ = found.st_dev;
  return true;
}

Region::~Region() { Unmap(); }

bool Region::BytesNow(std::uint64_t* bytes) const {
  if (is_part_) return false;
  if (is_device_) return DeviceBytes(fd_, bytes);
  struct stat now;
  if (fstat(fd_, &now) != 0) return false;
  *bytes = static_cast<std::uint64_t>(now.st_size);
  return true;
}

Region::Presence Region::Look(int* error) const {
  KeepGuard();
  if (lost()) return Presence::kLost;
  struct stat now;
  if (stat(path_.c_str(), &now) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Presence::kGone;
    *error = errno;
    return Presence::kUnknown;
  }
  if (now.st_ino != inode_ || now.st_dev != device_) return Presence::kReplaced;
  std::uint64_t bytes = 0;
  if (is_device_) {
    if (!S_ISCHR(now.st_mode)) return Presence::kReplaced;
    return BytesNow(&bytes) && bytes == bytes_ ? Presence::kSame : Presence::kResized;
  }
  if (!BytesNow(&bytes)) {
    *error = errno;
    return Presence::kUnknown;
  }
  return bytes == bytes_ ? Presence::kSame : Presence::kResized;
}

void Region::Unmap() {
  if (guard_ != nullptr) Unguard(guard_);
  guard_ = nullptr;
  // A mapping of huge pages ends with a whole one, and is not unmapped by less.
  if (base_ != nullptr) munmap(base_, (bytes_ + granule_ - 1) / granule_ * granule_);
  base_ = nullptr;
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int AllocateBlocks(int fd, std::uint64_t bytes) {
  int error;
  do {
    error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error;
}

}  // namespace kvmfr

#endif  // __linux__
