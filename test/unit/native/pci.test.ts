import {
  chmodSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openMapping } from '../../../native/index.ts';
import { askChild, REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';
import { type FakeDevice, fakeSysfs } from './sysfs.ts';

const folder = scratchFolder();
const NET = { address: '0000:00:01.0', ids: '0x8086 0x100e' };
const IVSHMEM = { address: '0000:00:02.0' };

let made = 0;
function sysfs(...devices: FakeDevice[]): string {
  made += 1;
  return fakeSysfs(join(folder, `sys${made}`), devices);
}

function fileOf(root: string, name: string, address: string = IVSHMEM.address): string {
  return join(root, 'bus/pci/devices', address, name);
}

describe('a region by the address of its PCI device', () => {
  test('is the memory of BAR 2, write-combining where the device offers it', () => {
    const root = sysfs(NET, IVSHMEM);
    using mapping = openMapping('pci:0000:00:02.0', { sysfs: root });
    expect([mapping.kind, mapping.path]).toEqual(['pci', 'pci:0000:00:02.0']);
    expect(mapping.byteLength).toBe(REGION_BYTES);
    new Uint32Array(mapping.buffer)[5] = 0x1234_5678;
    expect(readFileSync(fileOf(root, 'resource2_wc')).readUInt32LE(20)).toBe(0x1234_5678);
    expect(readFileSync(fileOf(root, 'resource2')).readUInt32LE(20)).toBe(0);
    expect(mapping.stillThere()).toBe('same');
  });

  test('is that of plain resource2 where there is no other', () => {
    const root = sysfs({ ...IVSHMEM, resources: ['resource2'] });
    using mapping = openMapping('pci:0000:00:02.0', { sysfs: root });
    new Uint32Array(mapping.buffer)[0] = 7;
    expect(readFileSync(fileOf(root, 'resource2')).readUInt32LE(0)).toBe(7);
  });

  test('is found without an address where there is one, and by an address without domain', () => {
    const root = sysfs(NET, IVSHMEM);
    for (const name of ['pci:', 'pci:00:02.0']) {
      using mapping = openMapping(name, { sysfs: root });
      expect(mapping.path).toBe('pci:0000:00:02.0');
    }
  });

  test('enables a device that is not enabled, and leaves others alone', () => {
    const root = sysfs(IVSHMEM);
    openMapping('pci:', { sysfs: root }).close();
    expect(readFileSync(fileOf(root, 'enable'), 'latin1')).toBe('1');
    writeFileSync(fileOf(root, 'enable'), '3\n');
    openMapping('pci:', { sysfs: root }).close();
    expect(readFileSync(fileOf(root, 'enable'), 'latin1')).toBe('3\n');
  });

  test('is gone when the device is', () => {
    const root = sysfs(IVSHMEM);
    using mapping = openMapping('pci:', { sysfs: root });
    rmSync(fileOf(root, ''), { recursive: true });
    expect(mapping.stillThere()).toBe('gone');
  });

  test('reads zeros and is lost when its memory goes away', () => {
    const root = sysfs(IVSHMEM);
    using mapping = openMapping('pci:', { sysfs: root });
    const words = new Uint32Array(mapping.buffer);
    words[1024] = 9;
    truncateSync(fileOf(root, 'resource2_wc'), 4096);
    expect([words[1024], mapping.lost, mapping.lossError().code]).toEqual([
      ...[0, true, 'ERR_KVMFR_REGION_LOST'],
    ]);
  });
});

describe('a PCI device that is no region', () => {
  test('none at all: says what QEMU has to be told', () => {
    const error = thrownBy(() => openMapping('pci:', { sysfs: sysfs(NET) }));
    expect(error.code).toBe('ERR_KVMFR_ABSENT');
    expect(error.message).toBe(
      'expected an IVSHMEM device (1af4:1110) on the PCI bus, found none among 1 devices',
    );
    expect(error.hint).toContain('-device ivshmem-plain');
  });

  test('several: all are named, with their sizes', () => {
    const second = { address: '0000:00:05.0', barBytes: 2 ** 20 };
    const error = thrownBy(() => openMapping('pci:', { sysfs: sysfs(IVSHMEM, NET, second) }));
    expect(error.code).toBe('ERR_KVMFR_ARGUMENT');
    expect(error.message).toBe(
      'expected one IVSHMEM device, found 2: pci:0000:00:02.0 (0.0625 MiB), pci:0000:00:05.0 (1 MiB)',
    );
    expect(error.hint).toBe('name one of them, for example pci:0000:00:02.0');
  });

  test('another address: names the device that was meant', () => {
    const error = thrownBy(() => openMapping('pci:00:09.0', { sysfs: sysfs(IVSHMEM) }));
    expect(error).toMatchObject({ code: 'ERR_KVMFR_ABSENT', path: 'pci:0000:00:09.0' });
    expect(error.hint).toContain('pci:0000:00:02.0');
  });

  test('another device: names what it is', () => {
    const error = thrownBy(() => openMapping('pci:00:01.0', { sysfs: sysfs(NET, IVSHMEM) }));
    expect(error.code).toBe('ERR_KVMFR_NOT_A_REGION');
    expect(error.message).toBe(
      'expected an IVSHMEM device (1af4:1110) at pci:0000:00:01.0, but found 8086:100e',
    );
  });

  test('no memory behind it', () => {
    for (const device of [
      { ...IVSHMEM, barBytes: 0 },
      { ...IVSHMEM, resources: [] },
    ])
      expect(thrownBy(() => openMapping('pci:', { sysfs: sysfs(device) }))).toMatchObject({
        code: 'ERR_KVMFR_SIZE',
        message: 'expected the shared memory of pci:0000:00:02.0 in its BAR 2, but that is empty',
      });
  });

  test('no PCI bus', () => {
    const root = join(folder, 'nothing');
    expect(thrownBy(() => openMapping('pci:', { sysfs: root }))).toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      hint: 'mount sysfs, and give the machine a PCI bus',
    });
  });

  test('a name that is no address', () => {
    for (const name of ['pci:2', 'pci:0000:00:02', 'pci:../../etc', 'vfio:00:02.8', 'pci:\n'])
      expect(thrownBy(() => openMapping(name))).toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
  });

  test('no permission: the remedy is a udev rule', async () => {
    const root = sysfs(IVSHMEM);
    for (const name of ['resource2', 'resource2_wc', 'enable'])
      chmodSync(fileOf(root, name), 0o400);
    for (const enabled of ['0', '1']) {
      chmodSync(folder, 0o755);
      chmodSync(fileOf(root, 'enable'), 0o644);
      writeFileSync(fileOf(root, 'enable'), enabled);
      const found = await askChild('denied-pci.mjs', [root]);
      expect(found).toMatchObject({ code: 'ERR_KVMFR_DENIED', path: 'pci:0000:00:02.0' });
      expect(found).toHaveProperty('hint', expect.stringContaining('ATTR{device}=="0x1110"'));
    }
  });

  test('leaves no file open and no memory mapped, opened or refused', () => {
    const root = sysfs(IVSHMEM, NET);
    const open = openMapping('pci:', { sysfs: root });
    expect(traces(root)).toBe(2);
    open.close();
    for (let i = 0; i < 20; i++) {
      openMapping('pci:', { sysfs: root }).close();
      thrownBy(() => openMapping('pci:00:01.0', { sysfs: root }));
    }
    expect(traces(root)).toBe(0);
  });
});

/** How many mappings and open files of this process lie below a folder. */
function traces(root: string): number {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const files = readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
  return [...maps, ...files].filter((line) => line.includes(root)).length;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
