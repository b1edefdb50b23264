import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { KvmfrError } from '../protocol/error.ts';
import type { OpenFailure } from './addon.ts';
import { errnoOf, openError, systemError } from './failure.ts';
import { addon } from './load.ts';
import { Mapping, type MappingOptions, unsupported } from './mapping.ts';

/** Source: QEMU's ivshmem, docs/specs/ivshmem-spec. */
const VENDOR = '0x1af4';
const DEVICE = '0x1110';
/** The one with the memory. */
const BAR = 2;
/** More functions than a machine has. */
const MAX_DEVICES = 65_536;

/** Where the devices of a machine are looked for. */
export interface PciOptions {
  /** Root of sysfs; `/sys` when left out. */
  readonly sysfs?: string;
}

/** An IVSHMEM device, as sysfs shows it. */
export interface IvshmemDevice {
  /** For example `0000:00:02.0`. */
  readonly address: string;
  /** Size of its shared memory; 0 when it has none. Units: bytes. */
  readonly byteLength: number;
}

/** The folder of a PCI device in sysfs. */
export function pciFolder(address: string, options: PciOptions = {}): string {
  return join(busFolder(options), address);
}

/**
 * The IVSHMEM devices of this machine, by address.
 *
 * @throws ERR_KVMFR_ABSENT when sysfs shows no PCI bus, ERR_KVMFR_SYSCALL
 */
export function ivshmemDevices(options: PciOptions = {}): readonly IvshmemDevice[] {
  return addresses(options)
    .filter((address) => isIvshmem(pciFolder(address, options)))
    .map((address) => ({ address, byteLength: barBytes(pciFolder(address, options)) }));
}

/**
 * The address of the IVSHMEM device that is meant: the one named, or the only one there is.
 *
 * @param kind how the region was named, for the words of errors
 * @throws ERR_KVMFR_ABSENT, ERR_KVMFR_NOT_A_REGION (another device), ERR_KVMFR_ARGUMENT (several)
 */
export function ivshmemAddress(
  kind: 'pci' | 'vfio',
  address: string | undefined,
  options: PciOptions = {},
): string {
  if (address !== undefined) {
    checkDevice(kind, address, options);
    return address;
  }
  const devices = ivshmemDevices(options);
  const [first, second] = devices;
  if (first === undefined)
    throw new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected an IVSHMEM device (1af4:1110) on the PCI bus, found none among ${addresses(options).length} devices`,
      { path: `${kind}:`, hint: `${kind}: is for inside of the guest: ${GIVE_IT_ONE}` },
    );
  if (second !== undefined)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `expected one IVSHMEM device, found ${devices.length}: ${listed(kind, devices)}`,
      { path: `${kind}:`, hint: `name one of them, for example ${kind}:${first.address}` },
    );
  return first.address;
}

/**
 * Maps the shared memory of an IVSHMEM device through sysfs: inside of a guest, without a driver.
 *
 * The device is enabled when it is not yet, and stays so: others may use it by then.
 *
 * @throws ERR_KVMFR_ABSENT, ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_ARGUMENT, ERR_KVMFR_SIZE,
 *   ERR_KVMFR_DENIED, ERR_KVMFR_BUSY, ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE
 */
export function openPci(
  address: string | undefined,
  options: PciOptions & MappingOptions = {},
): Mapping {
  const { access = 'read-write', looks = 'thread' } = options;
  const found = ivshmemAddress('pci', address, options);
  const path = `pci:${found}`;
  const folder = pciFolder(found, options);
  const NativeMapping = addon().Mapping;
  if (NativeMapping === undefined) throw unsupported();
  if (barBytes(folder) === 0) throw noMemory(path);
  enable(path, folder);
  // Write-combining where the device offers it: else each word written is a transfer of its own.
  const [resource = ''] = [`resource${BAR}_wc`, `resource${BAR}`]
    .map((name) => join(folder, name))
    .filter((file) => existsSync(file));
  if (resource === '') throw noMemory(path);
  const native = new NativeMapping(resource, access === 'read-only', false);
  if (native.failure !== undefined) throw resourceError(path, folder, resource, native.failure);
  return Mapping.own(native, { path, kind: 'pci', access, looks });
}

const GIVE_IT_ONE =
  'give the VM one, for example -device ivshmem-plain,memdev=... with -object memory-backend-file,share=on,...';

function busFolder({ sysfs = '/sys' }: PciOptions): string {
  return join(sysfs, 'bus/pci/devices');
}

function addresses(options: PciOptions): readonly string[] {
  const folder = busFolder(options);
  try {
    return readdirSync(folder).sort().slice(0, MAX_DEVICES);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw failed(folder, 'scandir', cause);
    throw new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected the PCI devices of this machine in ${folder}, found nothing`,
      { path: folder, cause, hint: 'mount sysfs, and give the machine a PCI bus' },
    );
  }
}

function checkDevice(kind: string, address: string, options: PciOptions): void {
  const folder = pciFolder(address, options);
  if (isIvshmem(folder)) return;
  const path = `${kind}:${address}`;
  const devices = ivshmemDevices(options);
  const hint =
    devices.length === 0
      ? `there is no IVSHMEM device here: ${GIVE_IT_ONE}`
      : `there is ${listed(kind, devices)}`;
  if (!existsSync(folder))
    throw new KvmfrError('ERR_KVMFR_ABSENT', `expected a PCI device ${address}, found none`, {
      path,
      hint,
    });
  const ids = [textOf(folder, 'vendor'), textOf(folder, 'device')]
    .map((id) => id.replace(/^0x/, ''))
    .join(':');
  throw new KvmfrError(
    'ERR_KVMFR_NOT_A_REGION',
    `expected an IVSHMEM device (1af4:1110) at ${path}, but found ${ids}`,
    { path, hint },
  );
}

function isIvshmem(folder: string): boolean {
  return textOf(folder, 'vendor') === VENDOR && textOf(folder, 'device') === DEVICE;
}

/** A line of the file `resource` is start, end and flags of a BAR; all zeros when there is none. */
function barBytes(folder: string): number {
  const [start, end] = (textOf(folder, 'resource').split('\n')[BAR] ?? '').split(' ');
  try {
    const from = BigInt(start ?? '0');
    const to = BigInt(end ?? '0');
    return to > from ? Number(to - from + 1n) : 0;
  } catch {
    return 0;
  }
}

/** The driver that has a device; undefined when none has. */
export function driverOf(folder: string): string | undefined {
  try {
    return basename(readlinkSync(join(folder, 'driver')));
  } catch {
    return undefined;
  }
}

function enable(path: string, folder: string): void {
  if (textOf(folder, 'enable') !== '0') return;
  const file = join(folder, 'enable');
  try {
    writeFileSync(file, '1');
  } catch (cause) {
    const errno = errnoOf(cause);
    const details = { path, cause, syscall: 'write', ...(errno === undefined ? {} : { errno }) };
    if (errno === 'EACCES' || errno === 'EPERM')
      throw new KvmfrError(
        'ERR_KVMFR_DENIED',
        `expected to be allowed to enable ${path}, but the system refused it (${errno})`,
        { ...details, hint: UDEV_RULE },
      );
    if (errno === 'EBUSY') throw busy(path, folder, details);
    throw new KvmfrError(
      'ERR_KVMFR_SYSCALL',
      `${path} could not be enabled: ${errno ?? 'an error'}`,
      details,
    );
  }
}

const UDEV_RULE =
  'be root, or add a udev rule: ACTION=="add", SUBSYSTEM=="pci", ATTR{vendor}=="0x1af4", ATTR{device}=="0x1110", ' +
  'RUN+="/bin/sh -c \'cd /sys%p && echo 1 > enable && chgrp kvm resource2 resource2_wc && chmod 0660 resource2 resource2_wc\'", and join that group';

function resourceError(
  path: string,
  folder: string,
  resource: string,
  failure: OpenFailure,
): KvmfrError {
  const found = openError(resource, failure);
  const details = {
    path,
    cause: found,
    ...(found.syscall === undefined ? {} : { syscall: found.syscall }),
    ...(found.errno === undefined ? {} : { errno: found.errno }),
  };
  if (found.code === 'ERR_KVMFR_DENIED')
    return new KvmfrError('ERR_KVMFR_DENIED', found.message, { ...details, hint: UDEV_RULE });
  // A kernel that keeps memory of devices to their drivers says either.
  const taken = found.errno === 'EBUSY' || (found.errno === 'EINVAL' && failure.step === 'map');
  if (taken && driverOf(folder) !== undefined) return busy(path, folder, details);
  return new KvmfrError(found.code, found.message, {
    ...details,
    ...(found.hint === undefined || found.code === 'ERR_KVMFR_SIZE' ? {} : { hint: found.hint }),
  });
}

function busy(path: string, folder: string, details: object): KvmfrError {
  const driver = driverOf(folder);
  const address = basename(folder);
  return new KvmfrError(
    'ERR_KVMFR_BUSY',
    `expected ${path} to be free, but ${driver === undefined ? 'somebody' : `the driver ${driver}`} has it`,
    {
      ...details,
      hint:
        driver === 'kvmfr'
          ? 'open the device of that driver instead: /dev/kvmfr0'
          : driver === 'vfio-pci'
            ? `open it through that driver instead: vfio:${address}`
            : `take it from there: echo ${address} > /sys/bus/pci/devices/${address}/driver/unbind`,
    },
  );
}

function noMemory(path: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_SIZE',
    `expected the shared memory of ${path} in its BAR ${BAR}, but that is empty`,
    { path, hint: 'start the VM with memory behind its ivshmem device' },
  );
}

function listed(kind: string, devices: readonly IvshmemDevice[]): string {
  return devices
    .map(({ address, byteLength }) => `${kind}:${address} (${byteLength / 2 ** 20} MiB)`)
    .join(', ');
}

function textOf(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'latin1').trim();
  } catch {
    return '';
  }
}

function failed(path: string, syscall: string, cause: unknown): KvmfrError {
  const number = cause instanceof Error && 'errno' in cause ? Number(cause.errno) : 0;
  return systemError(path, syscall, -number);
}
