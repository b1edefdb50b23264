import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { KvmfrError, type KvmfrErrorDetails } from '../protocol/error.ts';
import type { LinuxAddon, NativeFdWatch } from './addon.ts';
import type { Doorbell, DoorbellSummary } from './doorbell.ts';
import { errnoOf, errorName, openError } from './failure.ts';
import { addon, linuxAddon } from './load.ts';
import { Mapping, type MappingOptions, type RegionPresence, unsupported } from './mapping.ts';
import { driverOf, ivshmemAddress, type PciOptions, pciFolder } from './pci.ts';

/** Where VFIO is looked for. */
export interface VfioOptions extends PciOptions {
  /** Folder of device files; `/dev` when left out. */
  readonly dev?: string;
}

const DRIVER = 'vfio-pci';
const REGISTERS = 0;
const MEMORY = 2;
const CONFIG = 7;
/** Source: the PCI specification: the command register, memory and bus master in it. */
const COMMAND_AT = 4;
const MEMORY_AND_MASTER = 0x6;
/** Source: QEMU's docs/specs/ivshmem-spec, the registers in BAR 0. */
const OWN_ID_AT = 8;
const DOORBELL_AT = 12;
/** A guest is not told who else is there: these numbers are rung, which a server gives out first. */
const RUNG_IDS = 16;
const MAX_VECTORS = 8;

/**
 * Maps the shared memory of an IVSHMEM device through VFIO, inside of a guest: without being root, and
 * with a doorbell where the device has one. The device must be VFIO's already.
 *
 * @throws ERR_KVMFR_ABSENT (no device, no IOMMU, no driver), ERR_KVMFR_BUSY (another driver has it, or
 *   another program), ERR_KVMFR_DENIED, ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_ARGUMENT, ERR_KVMFR_SIZE,
 *   ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE
 */
export function openVfio(
  address: string | undefined,
  options: VfioOptions & MappingOptions = {},
): Mapping {
  const { access = 'read-write', looks = 'thread' } = options;
  const found = ivshmemAddress('vfio', address, options);
  const path = `vfio:${found}`;
  const folder = pciFolder(found, options);
  const NativeMapping = addon().Mapping;
  if (NativeMapping === undefined) throw unsupported();
  const group = groupOf(path, folder);
  needDriver(path, folder);
  const device = VfioDevice.open({ path, folder, group, dev: options.dev ?? '/dev' });
  try {
    const { offset, byteLength } = device.memory();
    // VFIO gives no private pages: who only reads has shared ones as well, and must not write.
    const native = new NativeMapping(path, false, false, device.fd, offset, byteLength);
    if (native.failure !== undefined) throw openError(path, native.failure);
    const presence = (): RegionPresence => (driverOf(folder) === DRIVER ? 'same' : 'gone');
    return Mapping.own(native, { path, access, looks, kind: 'vfio', doorbell: device, presence });
  } catch (error) {
    device.close();
    throw error;
  }
}

/** Number of the IOMMU group, as text. */
function groupOf(path: string, folder: string): string {
  try {
    return basename(readlinkSync(join(folder, 'iommu_group')));
  } catch (cause) {
    throw new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected an IOMMU group of ${path}, but there is none: no IOMMU is on`,
      {
        path,
        cause,
        hint: `give the VM one (-M q35,kernel-irqchip=split -device intel-iommu,intremap=on), boot its kernel with intel_iommu=on; or open pci:${basename(folder)}`,
      },
    );
  }
}

/** Gives the commands that make a device VFIO's, which only a person runs. */
function bindCommands(folder: string, bound: boolean): string {
  const address = basename(folder);
  const device = `/sys/bus/pci/devices/${address}`;
  return [
    `echo ${DRIVER} > ${device}/driver_override`,
    ...(bound ? [`echo ${address} > ${device}/driver/unbind`] : []),
    `echo ${address} > /sys/bus/pci/drivers_probe`,
  ].join(' && ');
}

function needDriver(path: string, folder: string): void {
  const driver = driverOf(folder);
  if (driver === DRIVER) return;
  const hint = `as root, with the module vfio-pci loaded: ${bindCommands(folder, driver !== undefined)}`;
  if (driver === undefined)
    throw new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected the driver ${DRIVER} at ${path}, but no driver has the device`,
      { path, hint },
    );
  throw new KvmfrError(
    'ERR_KVMFR_BUSY',
    `expected the driver ${DRIVER} at ${path}, but ${driver} has the device`,
    { path, hint },
  );
}

interface Place {
  readonly path: string;
  readonly folder: string;
  readonly group: string;
  readonly dev: string;
}

/** An open device, and its doorbell. */
class VfioDevice implements Doorbell {
  readonly fd: number;
  readonly #path: string;
  readonly #addon: LinuxAddon = linuxAddon();
  /** Closed after the device. */
  readonly #also: readonly number[];
  readonly #listeners: (() => void)[] = [];
  readonly #watches: NativeFdWatch[] = [];
  readonly #word: Buffer = Buffer.alloc(4);
  /** Where its registers are; undefined where it has no doorbell. */
  #registersAt: number | undefined;
  #ownId: number | undefined;
  #heard = 0;
  #rung = 0;
  #problem: string | undefined;
  #closed = false;

  private constructor(path: string, fd: number, also: readonly number[]) {
    this.#path = path;
    this.fd = fd;
    this.#also = also;
    this.#startDoorbell();
  }

  static open(place: Place): VfioDevice {
    return VfioDevice.#byItself(place) ?? VfioDevice.#byGroup(place);
  }

  /** Its own device file, since Linux 6.6; undefined where there is none, or it cannot be had. */
  static #byItself({ path, folder, dev }: Place): VfioDevice | undefined {
    const [name] = namesIn(join(folder, 'vfio-dev'));
    const file = join(dev, 'vfio/devices', name ?? '');
    const translator = join(dev, 'iommu');
    if (name === undefined || !existsSync(file) || !existsSync(translator)) return undefined;
    const fds: number[] = [];
    try {
      fds.push(openFile(path, file), openFile(path, translator));
      const [device = -1, iommu = -1] = fds;
      if (linuxAddon().vfioBind(device, iommu) >= 0) return new VfioDevice(path, device, [iommu]);
    } catch {
      // Who may not use it may be allowed to use its group.
    }
    for (const fd of fds) closeSync(fd);
    return undefined;
  }

  static #byGroup({ path, folder, group, dev }: Place): VfioDevice {
    const calls = linuxAddon();
    const fds: number[] = [];
    try {
      const container = openFile(path, join(dev, 'vfio/vfio'));
      fds.push(container);
      if (calls.vfioApiVersion(container) !== 0)
        throw failed(path, 'VFIO_GET_API_VERSION', calls.vfioApiVersion(container));
      if (calls.vfioHasType1(container) <= 0)
        throw new KvmfrError(
          'ERR_KVMFR_ABSENT',
          `expected VFIO to translate for ${path}, but it cannot`,
          { path, hint: 'load the module vfio_iommu_type1' },
        );
      const groupFd = openFile(path, join(dev, 'vfio', group));
      fds.push(groupFd);
      const viable = calls.vfioGroupViable(groupFd);
      if (viable < 0) throw failed(path, 'VFIO_GROUP_GET_STATUS', viable);
      if (viable === 0) throw notViable(path, folder, group);
      const joined = calls.vfioJoin(groupFd, container);
      if (joined < 0) throw failed(path, 'VFIO_SET_IOMMU', joined);
      const device = calls.vfioDevice(groupFd, basename(folder));
      if (device < 0) throw failed(path, 'VFIO_GROUP_GET_DEVICE_FD', device);
      fds.push(device);
      return new VfioDevice(path, device, [groupFd, container]);
    } catch (error) {
      for (const fd of fds.reverse()) closeSync(fd);
      throw error;
    }
  }

  get summary(): DoorbellSummary {
    return {
      ownId: this.#ownId,
      peers: undefined,
      heard: this.#heard,
      rung: this.#rung,
      problem: this.#registersAt === undefined ? 'the device has none' : this.#problem,
    };
  }

  /** Where the shared memory is in the device. */
  memory(): { readonly offset: number; readonly byteLength: number } {
    const found = this.#addon.vfioRegionInfo(this.fd, MEMORY);
    if (typeof found === 'number') throw failed(this.#path, 'VFIO_DEVICE_GET_REGION_INFO', found);
    if (found.byteLength > 0 && found.mappable) return found;
    throw new KvmfrError(
      'ERR_KVMFR_SIZE',
      `expected the shared memory of ${this.#path} in its BAR ${MEMORY}, but that ${found.byteLength > 0 ? 'cannot be mapped' : 'is empty'}`,
      { path: this.#path },
    );
  }

  ring(): void {
    if (this.#closed || this.#registersAt === undefined) return;
    for (let id = 0; id < RUNG_IDS; id++) {
      if (id === this.#ownId) continue;
      this.#word.writeUInt32LE((id << 16) >>> 0);
      try {
        writeSync(this.fd, this.#word, 0, 4, this.#registersAt + DOORBELL_AT);
      } catch (error) {
        this.#problem = `it cannot be rung: ${errnoOf(error)}`;
        return;
      }
    }
    this.#rung += 1;
  }

  listen(rung: () => void): void {
    this.#listeners.push(rung);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#watches.length > 0) this.#addon.vfioSetVectors(this.fd, []);
    for (const watch of this.#watches.splice(0)) watch.close();
    for (const fd of [this.fd, ...this.#also]) closeSync(fd);
  }

  /** What goes wrong here leaves a region that is looked at. */
  #startDoorbell(): void {
    const vectors = Math.min(MAX_VECTORS, this.#addon.vfioVectors(this.fd));
    const registers = this.#addon.vfioRegionInfo(this.fd, REGISTERS);
    const config = this.#addon.vfioRegionInfo(this.fd, CONFIG);
    if (vectors <= 0 || typeof registers === 'number' || typeof config === 'number') return;
    this.#registersAt = registers.offset;
    try {
      const command = Buffer.alloc(2);
      readSync(this.fd, command, 0, 2, config.offset + COMMAND_AT);
      // Without it, interrupts are lost and nobody says so.
      command.writeUInt16LE(command.readUInt16LE() | MEMORY_AND_MASTER);
      writeSync(this.fd, command, 0, 2, config.offset + COMMAND_AT);
      readSync(this.fd, this.#word, 0, 4, registers.offset + OWN_ID_AT);
      this.#ownId = this.#word.readUInt32LE();
    } catch (error) {
      this.#problem = `its registers cannot be read: ${errnoOf(error)}`;
      return;
    }
    this.#hear(vectors);
  }

  #hear(vectors: number): void {
    const events = Array.from({ length: vectors }, () => this.#addon.createEvent());
    for (const event of events) {
      const watch = new this.#addon.FdWatch(event, () => {
        if (this.#addon.drainEvent(event) !== 1) return;
        this.#heard += 1;
        for (const rung of this.#listeners) rung();
      });
      if (watch.errorNumber === 0) this.#watches.push(watch);
      else if (event >= 0) closeSync(event);
    }
    const set = this.#watches.length === vectors ? this.#addon.vfioSetVectors(this.fd, events) : -1;
    if (set < 0) this.#problem = `its interrupts cannot be had: ${errorName(-set)}`;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function openFile(path: string, file: string): number {
  try {
    return openSync(file, 'r+');
  } catch (cause) {
    const errno = errnoOf(cause);
    const details: KvmfrErrorDetails = {
      ...{ path, cause, syscall: 'open' },
      ...(errno === undefined ? {} : { errno }),
    };
    if (errno === 'ENOENT')
      throw new KvmfrError('ERR_KVMFR_ABSENT', `expected ${file} for ${path}, found nothing`, {
        ...details,
        hint: 'load the modules vfio, vfio_iommu_type1 and vfio-pci',
      });
    if (errno === 'EACCES' || errno === 'EPERM')
      throw new KvmfrError(
        'ERR_KVMFR_DENIED',
        `expected to be allowed to open ${file} for ${path}, but the system refused it (${errno})`,
        {
          ...details,
          hint: 'add a udev rule, for example SUBSYSTEM=="vfio", GROUP="kvm", MODE="0660", and join that group',
        },
      );
    if (errno === 'EBUSY')
      throw new KvmfrError('ERR_KVMFR_BUSY', `${file} of ${path} is in use by another program`, {
        ...details,
        hint: 'one program at a time can have it: end the other, or open the pci: address in both',
      });
    throw new KvmfrError('ERR_KVMFR_SYSCALL', `open of ${file} failed: ${errno}`, details);
  }
}

function notViable(path: string, folder: string, group: string): KvmfrError {
  const own = basename(folder);
  const others = namesIn(join(folder, 'iommu_group/devices'))
    .filter((address) => address !== own)
    .map((address) => ({ address, driver: driverOf(join(folder, '..', address)) }))
    .filter(({ driver }) => driver !== undefined && driver !== DRIVER)
    .map(({ address, driver }) => `${address} (${driver})`);
  return new KvmfrError(
    'ERR_KVMFR_BUSY',
    `expected all of IOMMU group ${group} of ${path} to be VFIO's, but others have ${others.join(', ') || 'a part of it'}`,
    { path, hint: `unbind those, or put the device into a slot of its own; or open pci:${own}` },
  );
}

function failed(path: string, syscall: string, result: number): KvmfrError {
  const errno = result < 0 ? errorName(-result) : `version ${result}`;
  return new KvmfrError('ERR_KVMFR_SYSCALL', `${syscall} of ${path} failed: ${errno}`, {
    path,
    syscall,
    errno,
  });
}
