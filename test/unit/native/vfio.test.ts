import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openMapping } from '../../../native/index.ts';
import type { KvmfrError } from '../../../protocol/error.ts';
import { scratchFolder, thrownBy } from './scratch.ts';
import { type FakeDevice, fakeSysfs } from './sysfs.ts';

const folder = scratchFolder();
const ADDRESS = '0000:00:02.0';
const OURS = { address: ADDRESS, group: 7, driver: 'vfio-pci' };

let made = 0;

/** What a machine with these devices, and these files in its /dev, refuses with. */
function refusal(devices: readonly FakeDevice[], files: readonly string[] = []): KvmfrError {
  made += 1;
  const sysfs = fakeSysfs(join(folder, `sys${made}`), devices);
  const dev = join(folder, `dev${made}`);
  mkdirSync(join(dev, 'vfio/devices'), { recursive: true });
  for (const file of files) writeFileSync(join(dev, file), '');
  const error = thrownBy(() => openMapping('vfio:', { sysfs, dev }));
  const open = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(dev));
  expect(open).toEqual([]);
  return error;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

describe('a device that VFIO does not give', () => {
  test('no device', () => {
    const error = refusal([]);
    expect(error.code).toBe('ERR_KVMFR_ABSENT');
    expect(error.hint).toContain('vfio: is for inside of the guest');
  });

  test('no IOMMU: says how a guest gets one, and the way without', () => {
    const error = refusal([{ address: ADDRESS }]);
    expect(error).toMatchObject({ code: 'ERR_KVMFR_ABSENT', path: `vfio:${ADDRESS}` });
    expect(error.message).toContain('no IOMMU is on');
    expect(error.hint).toContain('-device intel-iommu,intremap=on');
    expect(error.hint).toContain(`pci:${ADDRESS}`);
  });

  test('no driver: the two commands that a person runs, and nothing is bound by itself', () => {
    const error = refusal([{ address: ADDRESS, group: 7 }]);
    expect(error.code).toBe('ERR_KVMFR_ABSENT');
    expect(error.hint).toBe(
      'as root, with the module vfio-pci loaded: ' +
        `echo vfio-pci > /sys/bus/pci/devices/${ADDRESS}/driver_override && ` +
        `echo ${ADDRESS} > /sys/bus/pci/drivers_probe`,
    );
  });

  test('another driver: the three commands', () => {
    const error = refusal([{ ...OURS, driver: 'uio_pci' }]);
    expect(error.code).toBe('ERR_KVMFR_BUSY');
    expect(error.message).toContain('but uio_pci has the device');
    expect(error.hint).toContain(
      `&& echo ${ADDRESS} > /sys/bus/pci/devices/${ADDRESS}/driver/unbind &&`,
    );
  });

  test('no VFIO in the kernel: names its modules', () => {
    const error = refusal([OURS]);
    expect(error).toMatchObject({ code: 'ERR_KVMFR_ABSENT', errno: 'ENOENT' });
    expect(error.hint).toBe('load the modules vfio, vfio_iommu_type1 and vfio-pci');
  });

  test('files that are no VFIO, of the device by itself as well', () => {
    const sysfs = join(folder, 'odd');
    fakeSysfs(sysfs, [OURS]);
    mkdirSync(join(sysfs, 'bus/pci/devices', ADDRESS, 'vfio-dev/vfio0'), { recursive: true });
    const dev = join(folder, 'odd-dev');
    mkdirSync(join(dev, 'vfio/devices'), { recursive: true });
    for (const file of ['vfio/vfio', 'vfio/7', 'vfio/devices/vfio0', 'iommu'])
      writeFileSync(join(dev, file), '');
    const error = thrownBy(() => openMapping('vfio:', { sysfs, dev }));
    expect(error).toMatchObject({ code: 'ERR_KVMFR_SYSCALL', syscall: 'VFIO_GET_API_VERSION' });
    const open = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(dev));
    expect(open).toEqual([]);
  });
});
