#ifdef __linux__

#include "vfio.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace kvmfr {
namespace {

// Source: struct vfio_device_bind_iommufd of Linux 6.6, which older headers do not have.
struct BindIommufd {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::int32_t iommufd;
  std::uint32_t device_id;
};
constexpr unsigned long kBindIommufd = _IO(VFIO_TYPE, VFIO_BASE + 18);

template <typename Argument>
int Call(int fd, unsigned long request, Argument argument) {
  const int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

}  // namespace

int VfioApiVersion(int container) { return Call(container, VFIO_GET_API_VERSION, nullptr); }

int VfioHasType1(int container) {
  const int second = Call(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU);
  return second > 0 ? second : Call(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU);
}

int VfioGroupViable(int group) {
  vfio_group_status status = {};
  status.argsz = sizeof status;
  const int result = Call(group, VFIO_GROUP_GET_STATUS, &status);
  if (result < 0) return result;
  return (status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0 ? 1 : 0;
}

int VfioJoin(int group, int container) {
  const int joined = Call(group, VFIO_GROUP_SET_CONTAINER, &container);
  if (joined < 0) return joined;
  const int second = Call(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
  return second >= 0 ? second : Call(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU);
}

int VfioDevice(int group, const std::string& address) {
  return Call(group, VFIO_GROUP_GET_DEVICE_FD, address.c_str());
}

int VfioBind(int device, int iommu) {
  BindIommufd bind = {};
  bind.argsz = sizeof bind;
  bind.iommufd = iommu;
  return Call(device, kBindIommufd, &bind);
}

int VfioRegionInfo(int device, std::uint32_t index, VfioRegion* region) {
  vfio_region_info info = {};
  info.argsz = sizeof info;
  info.index = index;
  const int result = Call(device, VFIO_DEVICE_GET_REGION_INFO, &info);
  if (result < 0) return result;
  constexpr std::uint32_t kNeeded =
      VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
  *region = {info.size, info.offset, (info.flags & kNeeded) == kNeeded};
  return 0;
}

int VfioVectors(int device) {
  vfio_irq_info info = {};
  info.argsz = sizeof info;
  info.index = VFIO_PCI_MSIX_IRQ_INDEX;
  const int result = Call(device, VFIO_DEVICE_GET_IRQ_INFO, &info);
  if (result < 0) return result;
  const bool rings = (info.flags & VFIO_IRQ_INFO_EVENTFD) != 0;
  return rings ? static_cast<int>(info.count) : 0;
}

int VfioSetVectors(int device, const int* events, std::uint32_t count) {
  std::vector<std::uint8_t> bytes(sizeof(vfio_irq_set) + count * sizeof(int));
  vfio_irq_set set = {};
  set.argsz = static_cast<std::uint32_t>(bytes.size());
  set.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
              (count > 0 ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
  set.index = VFIO_PCI_MSIX_IRQ_INDEX;
  set.count = count;
  std::memcpy(bytes.data(), &set, sizeof set);
  if (count > 0) std::memcpy(bytes.data() + sizeof set, events, count * sizeof(int));
  return Call(device, VFIO_DEVICE_SET_IRQS, bytes.data());
}

}  // namespace kvmfr

#endif  // __linux__
