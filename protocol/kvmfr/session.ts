import { KvmfrError } from '../error.ts';
import { MAX_RECORDS } from '../limits.ts';
import { type Layout, layout } from '../memory/layout.ts';
import { Region } from '../memory/region.ts';
import { decodeText, guestString } from '../text.ts';

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
export const FEATURES = { setCursorPos: 1 } as const;

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

function uuidText(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
