import { type Layout, layout } from '../memory/layout.ts';
import { Region } from '../memory/region.ts';
import { addU32, compareExchangeU32, loadU32, loadU64, storeU64 } from '../memory/word.ts';
import { decodeText, guestString } from '../text.ts';
import { uuidText } from './session.ts';

/** Bytes at the very end of a region that a development publisher keeps out of LGMP. */
export const RECOVERY_REGION_BYTES: number = 65536;
/** The characters a recovery region begins with. */
export const RECOVERY_MAGIC: string = 'KVMFRRCV';
/** Between two changes of a live recovery region's heartbeat. Units: milliseconds. */
export const RECOVERY_HEARTBEAT_MS: number = 250;
/** A recovery region whose heartbeat has not moved for this long is dead. Units: milliseconds. */
export const RECOVERY_TIMEOUT_MS: number = 1000;

const ABI_VERSION = 1;
const REQUEST_SLOTS = 16;
const STATUS_TRIES = 4;

/** Fields of KVMFRRHeader. */
export const RECOVERY_HEADER_FIELDS = {
  magic: ['u8', 0, 8],
  abiVersion: ['u16', 8],
  structSize: ['u16', 10],
  capabilities: ['u32', 12],
  lgmpVersion: ['u32', 16],
  kvmfrVersion: ['u32', 20],
  session: ['u64', 24],
  uuid: ['u8', 32, 16],
  heartbeat: ['u32', 48],
  reserved: ['u8', 52, 8],
  ready: ['u32', 60],
} as const;

/** Fields of KVMFRRInfo. */
export const RECOVERY_INFO_FIELDS = {
  version: ['u8', 0, 48],
  reserved: ['u8', 48, 16],
} as const;

/** Fields of KVMFRRReqHead. */
export const RECOVERY_REQUEST_HEAD_FIELDS = {
  ticket: ['u32', 0],
  reserved: ['u8', 4, 60],
} as const;

/** Fields of KVMFRRRequest. */
export const RECOVERY_REQUEST_FIELDS = {
  serial: ['u32', 0],
  request: ['u32', 4],
  session: ['u64', 8],
  reserved: ['u8', 16, 48],
} as const;

/** Fields of KVMFRRStatus. */
export const RECOVERY_STATUS_FIELDS = {
  ackSerial: ['u32', 0],
  ackRequest: ['u32', 4],
  state: ['u32', 8],
  error: ['u32', 12],
  session: ['u64', 16],
  serial: ['u32', 24],
  reserved: ['u8', 28, 36],
} as const;

/** Fields of KVMFRR: a line of 64 bytes for each party. */
export const RECOVERY_FIELDS = {
  header: ['struct', 0, 64, 64],
  info: ['struct', 64, 64, 64],
  req: ['struct', 128, 64, 64],
  requests: ['struct', 192, 1024, 64],
  status: ['struct', 1216, 64, 64],
} as const;

/** KVMFRRHeader: 64 bytes. */
export const RecoveryHeader: Layout<typeof RECOVERY_HEADER_FIELDS> = layout(
  RECOVERY_HEADER_FIELDS,
  64,
);
/** KVMFRRInfo: 64 bytes. */
export const RecoveryInfo: Layout<typeof RECOVERY_INFO_FIELDS> = layout(RECOVERY_INFO_FIELDS, 64);
/** KVMFRRReqHead: 64 bytes. */
export const RecoveryRequestHead: Layout<typeof RECOVERY_REQUEST_HEAD_FIELDS> = layout(
  RECOVERY_REQUEST_HEAD_FIELDS,
  64,
);
/** KVMFRRRequest: 64 bytes. */
export const RecoveryRequest: Layout<typeof RECOVERY_REQUEST_FIELDS> = layout(
  RECOVERY_REQUEST_FIELDS,
  64,
);
/** KVMFRRStatus: 64 bytes. */
export const RecoveryStatus: Layout<typeof RECOVERY_STATUS_FIELDS> = layout(
  RECOVERY_STATUS_FIELDS,
  64,
);
/** KVMFRR: 1280 bytes. */
export const Recovery: Layout<typeof RECOVERY_FIELDS> = layout(RECOVERY_FIELDS, 1280);

/** What a publisher can be asked for: its own display, or a fallback that works without it. */
export const RECOVERY_REQUESTS = { normal: 1, recovery: 2 } as const;
/** The name of a request. */
export type RecoveryRequestName = keyof typeof RECOVERY_REQUESTS;

/** States of a guest's display, by their wire value. */
export const RECOVERY_STATES: readonly string[] = [
  'unknown',
  'normal',
  'switching',
  'active',
  'failed',
];
/** Reasons of a failed switch, by their wire value. */
export const RECOVERY_ERRORS: readonly string[] = [
  'none',
  'unsupported',
  'helper-unavailable',
  'topology-failed',
  'no-fallback-display',
  'busy',
  'capacity',
];

/** A recovery region's header, copied and checked. It says nothing about life: its heartbeat does. */
export interface RecoveryView {
  /** Where it starts in the region. */
  readonly at: number;
  readonly lgmpVersion: number;
  readonly kvmfrVersion: number;
  /** Names the publisher's run. */
  readonly session: bigint;
  readonly uuid: string | undefined;
  readonly hostVersion: string;
  readonly heartbeat: number;
  /** Whether the publisher can switch displays. */
  readonly canSwitch: boolean;
}

/** What a publisher says of its display. */
export interface RecoveryStatusView {
  readonly state: string;
  readonly error: string;
  readonly ackSerial: number;
  readonly session: bigint;
}

/**
 * Reads the recovery region at the end of a region.
 *
 * @returns undefined when there is none, or it is being set up
 */
export function readRecovery(region: Region): RecoveryView | undefined {
  const at = region.byteLength - RECOVERY_REGION_BYTES;
  if (at < 0 || at % 64 !== 0) return undefined;
  const readyAt = at + RecoveryHeader.ready.offsetBytes;
  if (loadU32(region, readyAt) !== 1) return undefined;
  const copy = Region.copyOf(region.copyOut(at, Recovery.info.offsetBytes + 64));
  if (loadU32(region, readyAt) !== 1) return undefined;
  const session = RecoveryHeader.session(copy, 0);
  if (
    decodeText(copy.bytes.subarray(0, 8)) !== RECOVERY_MAGIC ||
    RecoveryHeader.abiVersion(copy, 0) !== ABI_VERSION ||
    RecoveryHeader.structSize(copy, 0) < Recovery.$sizeBytes ||
    session === 0n
  )
    return undefined;
  const infoAt = Recovery.info.offsetBytes;
  return {
    at,
    lgmpVersion: RecoveryHeader.lgmpVersion(copy, 0),
    kvmfrVersion: RecoveryHeader.kvmfrVersion(copy, 0),
    session,
    uuid: uuidText(copy.bytes.subarray(32, 48)),
    hostVersion: guestString(copy.bytes.subarray(infoAt, infoAt + 48)),
    heartbeat: RecoveryHeader.heartbeat(copy, 0),
    canSwitch: (RecoveryHeader.capabilities(copy, 0) & 1) !== 0,
  };
}

/**
 * Reads what the publisher says of its display.
 *
 * @returns undefined while it is being changed, or when it was never written
 */
export function readRecoveryStatus(region: Region, at: number): RecoveryStatusView | undefined {
  const statusAt = at + Recovery.status.offsetBytes;
  const serialAt = statusAt + RecoveryStatus.serial.offsetBytes;
  for (let turn = 0; turn < STATUS_TRIES; turn++) {
    const serial = loadU32(region, serialAt);
    if (serial === 0 || serial % 2 === 1) continue;
    const copy = Region.copyOf(region.copyOut(statusAt, RecoveryStatus.$sizeBytes));
    if (loadU32(region, serialAt) !== serial) continue;
    return {
      state: RECOVERY_STATES[RecoveryStatus.state(copy, 0)] ?? 'unknown',
      error: RECOVERY_ERRORS[RecoveryStatus.error(copy, 0)] ?? 'unknown',
      ackSerial: RecoveryStatus.ackSerial(copy, 0),
      session: RecoveryStatus.session(copy, 0),
    };
  }
  return undefined;
}

/**
 * Asks the publisher for a display. Writes one of the sixteen request slots.
 *
 * @returns the ticket that its status will name; `busy` when no slot is free; `ended` when the
 *   publisher changed meanwhile
 */
export function requestRecovery(
  region: Region,
  view: RecoveryView,
  request: RecoveryRequestName,
): number | 'busy' | 'ended' {
  const ticketAt = view.at + Recovery.req.offsetBytes;
  let ticket = nextTicket(region, ticketAt);
  if (ticket === 0) ticket = nextTicket(region, ticketAt);
  const writing = (ticket | 1) >>> 0;
  for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
    const slotAt = view.at + Recovery.requests.offsetBytes + slot * RecoveryRequest.$sizeBytes;
    if (compareExchangeU32(region, slotAt, { expected: 0, value: writing }) !== 0) continue;
    RecoveryRequest.request.write(region, slotAt, RECOVERY_REQUESTS[request]);
    storeU64(region, slotAt + RecoveryRequest.session.offsetBytes, view.session);
    const sessionAt = view.at + RecoveryHeader.session.offsetBytes;
    if (loadU64(region, sessionAt) !== view.session) {
      compareExchangeU32(region, slotAt, { expected: writing, value: 0 });
      return 'ended';
    }
    compareExchangeU32(region, slotAt, { expected: writing, value: ticket });
    return ticket;
  }
  return 'busy';
}

// A hostile counter may be odd; published serials are even.
function nextTicket(region: Region, at: number): number {
  return ((addU32(region, at, 2) + 2) & ~1) >>> 0;
}
