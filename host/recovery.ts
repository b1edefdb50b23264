import { randomBytes } from 'node:crypto';
import {
  compareExchangeU32,
  encodeText,
  KvmfrError,
  loadU32,
  loadU64,
  RECOVERY_HEARTBEAT_MS,
  RECOVERY_MAGIC,
  RECOVERY_REGION_BYTES,
  RECOVERY_REQUESTS,
  Recovery,
  RecoveryHeader,
  RecoveryInfo,
  RecoveryRequest,
  type RecoveryRequestName,
  RecoveryStatus,
  type Region,
  readRecovery,
  storeU32,
  storeU64,
} from '../protocol/index.ts';
import type { SessionFacts } from './session.ts';
import type { Wire } from './wire.ts';

const REQUEST_SLOTS = 16;
const ABI_VERSION = 1;
const CAN_SWITCH = 1;
const STATE = { normal: 1, switching: 2, active: 3, failed: 4 } as const;
const ERROR = { none: 0, unsupported: 1 } as const;

interface Request {
  readonly serial: number;
  readonly wire: number;
}

/**
 * The publisher's side of the recovery region: the last 64 KiB, outside of LGMP.
 *
 * It says which versions are spoken, has a heartbeat of its own, and takes requests for the normal or
 * the fallback display. What a request asks for is there at once: the publisher has no display of its
 * own that could fail. It says `switching` in one turn and the result in the next.
 */
export class RecoveryPublisher {
  /** Names this run; never 0. */
  readonly session: bigint;
  readonly #region: Region;
  readonly #wire: Wire;
  readonly #facts: SessionFacts;
  readonly #at: number;
  #heartbeat = 0;
  #beatAt: number;
  /** The newest request that was answered; none in this run yet. */
  #lastSerial: number | undefined;
  /** What the display is being switched to. */
  #switching: Request | undefined;

  /**
   * Sets the region up. Requests that are half written, and the counter of tickets, survive.
   *
   * @throws ERR_KVMFR_SIZE when the region's end is not on a line of 64 bytes
   */
  constructor(region: Region, wire: Wire, facts: SessionFacts, nowMs: number) {
    this.#region = region;
    this.#wire = wire;
    this.#facts = facts;
    this.#beatAt = nowMs;
    this.#at = region.byteLength - RECOVERY_REGION_BYTES;
    if (this.#at < 0 || this.#at % 64 !== 0)
      throw new KvmfrError(
        'ERR_KVMFR_SIZE',
        `a region with a recovery region must have a multiple of 64 bytes, but has ${region.byteLength}`,
      );
    this.session = this.#setUp();
  }

  #setUp(): bigint {
    const region = this.#region;
    const at = this.#at;
    const before = readRecovery(region);
    const retained = before === undefined ? 0 : this.#retainedRequest();
    storeU32(region, at + RecoveryHeader.ready.offsetBytes, 0);
    const session = newSession(before?.session ?? 0n);
    if (before === undefined) region.bytes.fill(0, at, at + Recovery.$sizeBytes);
    else {
      region.bytes.fill(0, at, at + Recovery.req.offsetBytes);
      this.#freeCompleteRequests();
    }
    this.#writeHeader(session);
    // A display that was asked for by the run before is switched to again.
    this.#switching = retained === 0 ? undefined : { serial: 0, wire: retained };
    if (retained === 0) this.#publish(session, { serial: 0, wire: 0 }, STATE.normal, ERROR.none);
    else this.#publish(session, { serial: 0, wire: retained }, STATE.switching, ERROR.none);
    storeU32(region, at + RecoveryHeader.ready.offsetBytes, 1);
    return session;
  }

  #writeHeader(session: bigint): void {
    const region = this.#region;
    const at = this.#at;
    region.bytes.set(encodeText(RECOVERY_MAGIC), at);
    RecoveryHeader.abiVersion.write(region, at, ABI_VERSION);
    RecoveryHeader.structSize.write(region, at, Recovery.$sizeBytes);
    RecoveryHeader.capabilities.write(region, at, CAN_SWITCH);
    RecoveryHeader.lgmpVersion.write(region, at, this.#wire.lgmp.version);
    RecoveryHeader.kvmfrVersion.write(region, at, this.#wire.frame.kvmfrVersion);
    storeU64(region, at + RecoveryHeader.session.offsetBytes, session);
    region.bytes.set(uuidBytes(this.#facts.vm?.uuid), at + RecoveryHeader.uuid.offsetBytes);
    const version = encodeText(this.#facts.hostVersion);
    const room = RecoveryInfo.version.sizeBytes - 1;
    region.bytes.set(version.subarray(0, room), at + Recovery.info.offsetBytes);
    storeU32(region, at + RecoveryHeader.heartbeat.offsetBytes, this.#heartbeat);
  }

  #retainedRequest(): number {
    const request = RecoveryStatus.ackRequest(this.#region, this.#at + Recovery.status.offsetBytes);
    return isRequest(request) ? request : 0;
  }

  /**
   * Moves the heartbeat and answers requests. Never waits.
   *
   * @returns what a client has asked for, once per request that is taken
   */
  serve(nowMs: number): RecoveryRequestName | undefined {
    this.#repair();
    if (nowMs - this.#beatAt >= RECOVERY_HEARTBEAT_MS || nowMs < this.#beatAt) {
      this.#beatAt = nowMs;
      this.#heartbeat = (this.#heartbeat + 1) >>> 0;
      storeU32(this.#region, this.#at + RecoveryHeader.heartbeat.offsetBytes, this.#heartbeat);
    }
    if (this.#switching !== undefined) {
      const request = this.#switching;
      this.#switching = undefined;
      const state = request.wire === RECOVERY_REQUESTS.recovery ? STATE.active : STATE.normal;
      this.#publish(this.session, request, state, ERROR.none);
      this.#freeServed();
      return undefined;
    }
    return this.#take();
  }

  #take(): RecoveryRequestName | undefined {
    let newest: Request | undefined;
    for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
      const found = this.#published(slot);
      if (found === undefined || !this.#isNew(found)) continue;
      if (newest === undefined || (found.serial - newest.serial) >> 0 > 0) newest = found;
    }
    if (newest === undefined) {
      this.#freeServed();
      return undefined;
    }
    this.#lastSerial = newest.serial;
    if (!isRequest(newest.wire)) {
      this.#publish(this.session, { ...newest, wire: 0 }, STATE.failed, ERROR.unsupported);
      this.#freeServed();
      return undefined;
    }
    this.#publish(this.session, newest, STATE.switching, ERROR.none);
    this.#switching = newest;
    return newest.wire === RECOVERY_REQUESTS.recovery ? 'recovery' : 'normal';
  }

  #isNew({ serial }: Request): boolean {
    return this.#lastSerial === undefined || (serial - this.#lastSerial) >> 0 > 0;
  }

  // A request for this run that is complete.
  #published(slot: number): Request | undefined {
    const region = this.#region;
    const at = this.#slotAt(slot);
    const serial = loadU32(region, at);
    if (serial === 0 || serial % 2 === 1) return undefined;
    const wire = loadU32(region, at + RecoveryRequest.request.offsetBytes);
    const session = loadU64(region, at + RecoveryRequest.session.offsetBytes);
    return session === this.session && loadU32(region, at) === serial
      ? { serial, wire }
      : undefined;
  }

  // What was answered, and what was meant for another run.
  #freeServed(): void {
    for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
      const at = this.#slotAt(slot);
      const serial = loadU32(this.#region, at);
      if (serial === 0 || serial % 2 === 1) continue;
      const found = this.#published(slot);
      if (found !== undefined && this.#isNew(found)) continue;
      compareExchangeU32(this.#region, at, { expected: serial, value: 0 });
    }
  }

  #freeCompleteRequests(): void {
    for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
      const at = this.#slotAt(slot);
      const serial = loadU32(this.#region, at);
      if (serial !== 0 && serial % 2 === 0)
        compareExchangeU32(this.#region, at, { expected: serial, value: 0 });
    }
  }

  // Anybody can write here: a header that is not ours any more is written again.
  #repair(): void {
    const region = this.#region;
    const view = readRecovery(region);
    if (view?.session === this.session && view.heartbeat === this.#heartbeat) return;
    const at = this.#at;
    storeU32(region, at + RecoveryHeader.ready.offsetBytes, 0);
    this.#writeHeader(this.session);
    storeU32(region, at + RecoveryHeader.ready.offsetBytes, 1);
  }

  #publish(session: bigint, request: Request, state: number, error: number): void {
    const region = this.#region;
    const at = this.#at + Recovery.status.offsetBytes;
    const serialAt = at + RecoveryStatus.serial.offsetBytes;
    const writing = ((loadU32(region, serialAt) + 1) | 1) >>> 0;
    storeU32(region, serialAt, writing);
    RecoveryStatus.ackSerial.write(region, at, request.serial);
    RecoveryStatus.ackRequest.write(region, at, request.wire);
    RecoveryStatus.state.write(region, at, state);
    RecoveryStatus.error.write(region, at, error);
    storeU64(region, at + RecoveryStatus.session.offsetBytes, session);
    // 0 would say that nothing was ever written.
    storeU32(region, serialAt, (writing + 1) >>> 0 || 2);
  }

  #slotAt(slot: number): number {
    return this.#at + Recovery.requests.offsetBytes + slot * RecoveryRequest.$sizeBytes;
  }
}

function isRequest(value: number): boolean {
  return value === RECOVERY_REQUESTS.normal || value === RECOVERY_REQUESTS.recovery;
}

function newSession(before: bigint): bigint {
  for (;;) {
    const session = randomBytes(8).readBigUInt64LE();
    if (session !== 0n && session !== before) return session;
  }
}

function uuidBytes(uuid: string | undefined): Uint8Array {
  return uuid === undefined ? new Uint8Array(16) : Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
