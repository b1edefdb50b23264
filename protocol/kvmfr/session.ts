import { KvmfrError } from '../error.ts';
import { MAX_GUEST_STRING, MAX_RECORDS } from '../limits.ts';
import { type Layout, layout } from '../memory/layout.ts';
import { Region } from '../memory/region.ts';
import { decodeText, encodeText, guestString } from '../text.ts';

/** Fields of KVMFR, the head of the session blob; the same in 19, 20 and 34. */
export const KVMFR_FIELDS = {
  magic: ['u8', 0, 8],
  version: ['u32', 8],
  hostver: ['u8', 12, 32],
  features: ['u32', 44],
} as const;

/** Fields of KVMFRRecord, the head of each record. Records are packed. */
export const RECORD_FIELDS = {
  type: ['u8', 0],
  size: ['u32', 4],
  data: ['u8', 8, 'tail'],
} as const;

/** Fields of KVMFRRecord_VMInfo. */
export const VM_INFO_FIELDS = {
  uuid: ['u8', 0, 16],
  capture: ['u8', 16, 32],
  cpus: ['u8', 48],
  cores: ['u8', 49],
  sockets: ['u8', 50],
  model: ['u8', 51, 'tail'],
} as const;

/** Fields of KVMFRRecord_OSInfo. */
export const OS_INFO_FIELDS = {
  os: ['u8', 0],
  name: ['u8', 1, 'tail'],
} as const;

/** KVMFR: 48 bytes. */
export const Kvmfr: Layout<typeof KVMFR_FIELDS> = layout(KVMFR_FIELDS, 48);
/** KVMFRRecord: 8 bytes and its data. */
export const KvmfrRecord: Layout<typeof RECORD_FIELDS> = layout(RECORD_FIELDS, 8);
/** KVMFRRecord_VMInfo: 51 bytes and the name of the CPU model. */
export const VmInfo: Layout<typeof VM_INFO_FIELDS> = layout(VM_INFO_FIELDS, 51);
/** KVMFRRecord_OSInfo: 1 byte and the name of the system. */
export const OsInfo: Layout<typeof OS_INFO_FIELDS> = layout(OS_INFO_FIELDS, 1);

/** The characters every session blob begins with. */
export const KVMFR_MAGIC: string = 'KVMFR---';
/** Types of record. */
export const RECORD_TYPES = { vmInfo: 1, osInfo: 2 } as const;
/** Kinds of guest system, by their wire value. */
export const OS_KINDS: readonly string[] = ['linux', 'bsd', 'osx', 'windows', 'other'];
/** Feature bits of a publisher. */
export const FEATURES = {
  setCursorPos: 1,
  windowSize: 2,
  frameSchedule: 4,
  input: 8,
  clipboard: 16,
} as const;

/** What a publisher tells of its machine. Strings are safe to show, and come from the guest. */
export interface VmRecord {
  /** Lower case with dashes; undefined when the publisher does not know it. */
  readonly uuid: string | undefined;
  readonly capture: string;
  readonly cpus: number;
  readonly cores: number;
  readonly sockets: number;
  readonly model: string;
}

/** What a publisher tells of its operating system. */
export interface OsRecord {
  readonly kind: string;
  readonly name: string;
}

/** The session blob, taken apart. */
export interface SessionBlob {
  readonly kvmfrVersion: number;
  readonly hostVersion: string;
  readonly features: number;
  readonly vm: VmRecord | undefined;
  readonly os: OsRecord | undefined;
}

/**
 * Reads a session blob from a private copy of its bytes. Records that are cut, unknown or too short
 * are passed over: they are information, nothing depends on them.
 *
 * @throws ERR_KVMFR_MAGIC when it does not begin with `KVMFR---`
 */
export function parseSession(bytes: Uint8Array): SessionBlob {
  const blob = Region.copyOf(bytes);
  const magic = decodeText(bytes.subarray(0, 8));
  if (blob.byteLength < Kvmfr.$sizeBytes || magic !== KVMFR_MAGIC)
    throw new KvmfrError(
      'ERR_KVMFR_MAGIC',
      `the session blob must begin with ${KVMFR_MAGIC} and have 48 bytes or more, but begins with ${JSON.stringify(guestString(bytes.subarray(0, 8)))} and has ${blob.byteLength}`,
    );
  let vm: VmRecord | undefined;
  let os: OsRecord | undefined;
  let at = Kvmfr.$sizeBytes;
  for (let i = 0; i < MAX_RECORDS && blob.byteLength - at >= KvmfrRecord.$sizeBytes; i++) {
    const type = KvmfrRecord.type(blob, at);
    const size = KvmfrRecord.size(blob, at);
    at += KvmfrRecord.$sizeBytes;
    if (size > blob.byteLength - at) break;
    const data = bytes.subarray(at, at + size);
    if (type === RECORD_TYPES.vmInfo && size >= VmInfo.$sizeBytes) vm = readVm(data);
    if (type === RECORD_TYPES.osInfo && size >= OsInfo.$sizeBytes) os = readOs(data);
    at += size;
  }
  return {
    kvmfrVersion: Kvmfr.version(blob, 0),
    hostVersion: guestString(bytes.subarray(12, 44)),
    features: Kvmfr.features(blob, 0),
    vm,
    os,
  };
}

function readVm(data: Uint8Array): VmRecord {
  const record = Region.copyOf(data);
  return {
    uuid: uuidText(data.subarray(0, 16)),
    capture: guestString(data.subarray(16, 48)),
    cpus: VmInfo.cpus(record, 0),
    cores: VmInfo.cores(record, 0),
    sockets: VmInfo.sockets(record, 0),
    model: guestString(data.subarray(VmInfo.model.offsetBytes)),
  };
}

function readOs(data: Uint8Array): OsRecord {
  const record = Region.copyOf(data);
  return {
    kind: OS_KINDS[OsInfo.os(record, 0)] ?? 'other',
    name: guestString(data.subarray(OsInfo.name.offsetBytes)),
  };
}

/** Sixteen bytes as a UUID in lower case; undefined when all are zero. */
export function uuidText(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Writes a session blob: the inverse of {@link parseSession}, records in the order VMInfo, OSInfo.
 *
 * Texts that do not fit their place are cut between characters; each keeps its NUL.
 *
 * @throws ERR_KVMFR_ARGUMENT for a uuid that is not 32 hexadecimal digits, or an unknown kind of system
 */
export function encodeSession(blob: SessionBlob): Uint8Array<ArrayBuffer> {
  const records: Uint8Array[] = [];
  if (blob.vm !== undefined) records.push(vmRecord(blob.vm));
  if (blob.os !== undefined) records.push(osRecord(blob.os));
  const bytes = records.reduce(
    (sum, data) => sum + KvmfrRecord.$sizeBytes + data.byteLength,
    Kvmfr.$sizeBytes,
  );
  const out = new Region(new ArrayBuffer(bytes));
  out.bytes.set(encodeText(KVMFR_MAGIC), Kvmfr.magic.offsetBytes);
  Kvmfr.version.write(out, 0, blob.kvmfrVersion);
  out.bytes.set(cString(blob.hostVersion, Kvmfr.hostver.sizeBytes), Kvmfr.hostver.offsetBytes);
  Kvmfr.features.write(out, 0, blob.features);
  let at = Kvmfr.$sizeBytes;
  for (const [index, data] of records.entries()) {
    const isVm = index === 0 && blob.vm !== undefined;
    KvmfrRecord.type.write(out, at, isVm ? RECORD_TYPES.vmInfo : RECORD_TYPES.osInfo);
    KvmfrRecord.size.write(out, at, data.byteLength);
    out.bytes.set(data, at + KvmfrRecord.$sizeBytes);
    at += KvmfrRecord.$sizeBytes + data.byteLength;
  }
  return out.bytes;
}

function vmRecord(vm: VmRecord): Uint8Array {
  const model = cString(vm.model, MAX_GUEST_STRING);
  const out = new Region(new ArrayBuffer(VmInfo.$sizeBytes + model.byteLength));
  if (vm.uuid !== undefined) {
    const digits = vm.uuid.replaceAll('-', '');
    if (!/^[0-9a-fA-F]{32}$/.test(digits))
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `a uuid must be 32 hexadecimal digits, but is ${JSON.stringify(vm.uuid)}`,
      );
    for (let i = 0; i < 16; i++)
      VmInfo.uuid.write(out, 0, Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16), i);
  }
  out.bytes.set(cString(vm.capture, VmInfo.capture.sizeBytes), VmInfo.capture.offsetBytes);
  // A byte each; larger machines wrap, as the real publishers do.
  VmInfo.cpus.write(out, 0, vm.cpus & 0xff);
  VmInfo.cores.write(out, 0, vm.cores & 0xff);
  VmInfo.sockets.write(out, 0, vm.sockets & 0xff);
  out.bytes.set(model, VmInfo.model.offsetBytes);
  return out.bytes;
}

function osRecord(os: OsRecord): Uint8Array {
  const kind = OS_KINDS.indexOf(os.kind);
  if (kind < 0)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a kind of system must be one of ${OS_KINDS.join(', ')}, but is ${JSON.stringify(os.kind)}`,
    );
  const name = cString(os.name, MAX_GUEST_STRING);
  const out = new Region(new ArrayBuffer(OsInfo.$sizeBytes + name.byteLength));
  OsInfo.os.write(out, 0, kind);
  out.bytes.set(name, OsInfo.name.offsetBytes);
  return out.bytes;
}

// At most `room` bytes with the NUL at the end.
function cString(text: string, room: number): Uint8Array {
  let bytes = encodeText(text);
  if (bytes.byteLength > room - 1) {
    let end = room - 1;
    while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    bytes = bytes.slice(0, end);
  }
  const out = new Uint8Array(bytes.byteLength + 1);
  out.set(bytes);
  return out;
}
