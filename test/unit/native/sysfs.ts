import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REGION_BYTES } from './scratch.ts';

/** A device of a made-up sysfs. */
export interface FakeDevice {
  readonly address: string;
  /** As sysfs writes them, for example `0x1af4 0x1110`; those of IVSHMEM when left out. */
  readonly ids?: string;
  /** 0 for a BAR that is not there. */
  readonly barBytes?: number;
  /** The resource files that are there. */
  readonly resources?: readonly string[];
  readonly driver?: string;
  /** Number of the IOMMU group; none when left out. */
  readonly group?: number;
}

/** Makes a sysfs with these devices, with plain files for the memory; returns its root. */
export function fakeSysfs(root: string, devices: readonly FakeDevice[]): string {
  mkdirSync(join(root, 'bus/pci/devices'), { recursive: true });
  for (const device of devices) addDevice(root, device);
  return root;
}

function addDevice(root: string, device: FakeDevice): void {
  const { ids = '0x1af4 0x1110', barBytes = REGION_BYTES } = device;
  const folder = join(root, 'bus/pci/devices', device.address);
  mkdirSync(folder);
  const [vendor, id] = ids.split(' ');
  writeFileSync(join(folder, 'vendor'), `${vendor}\n`);
  writeFileSync(join(folder, 'device'), `${id}\n`);
  writeFileSync(join(folder, 'enable'), '0\n');
  const none = '0x0000000000000000 0x0000000000000000 0x0000000000000000';
  const end = (0xfe00_0000 + barBytes - 1).toString(16);
  const bar = `0x00000000fe000000 0x${end.padStart(16, '0')} 0x000000000014220c`;
  const bars = [none, none, barBytes === 0 ? none : bar, none];
  writeFileSync(join(folder, 'resource'), `${bars.join('\n')}\n`);
  for (const name of device.resources ?? ['resource2_wc', 'resource2']) {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), barBytes);
  }
  if (device.driver !== undefined) {
    const driver = join(root, 'bus/pci/drivers', device.driver);
    mkdirSync(driver, { recursive: true });
    symlinkSync(driver, join(folder, 'driver'));
  }
  if (device.group !== undefined) {
    const group = join(root, 'kernel/iommu_groups', String(device.group));
    mkdirSync(join(group, 'devices'), { recursive: true });
    symlinkSync(folder, join(group, 'devices', device.address));
    symlinkSync(group, join(folder, 'iommu_group'));
  }
}
