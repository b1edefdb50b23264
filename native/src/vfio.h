// The calls of VFIO that map a BAR and take a device's interrupts. No JavaScript in here.
#ifndef KVMFR_VFIO_H_
#define KVMFR_VFIO_H_

#include <cstdint>
#include <string>

namespace kvmfr {

// Each returns what it names, or a negative errno.

// The version of the interface, which is 0.
int VfioApiVersion(int container);
// Whether the kernel can translate by type 1 (version 2, or 1).
int VfioHasType1(int container);
// 1 when every device of the group is VFIO's or nobody's, 0 when not.
int VfioGroupViable(int group);
// The group joins the container, which translates by type 1 from then on.
int VfioJoin(int group, int container);
// The descriptor of a device of the group.
int VfioDevice(int group, const std::string& address);
// Makes the device of a /dev/vfio/devices/vfioN usable, by an open /dev/iommu.
int VfioBind(int device, int iommu);

struct VfioRegion {
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
  bool mappable = false;
};
int VfioRegionInfo(int device, std::uint32_t index, VfioRegion* region);

// How many MSI-X vectors a device has.
int VfioVectors(int device);
// Each vector rings its eventfd; with a count of 0 none does.
int VfioSetVectors(int device, const int* events, std::uint32_t count);

}  // namespace kvmfr

#endif  // KVMFR_VFIO_H_
