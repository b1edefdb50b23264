import { randomInt } from 'node:crypto';
import {
  encodeSession,
  LGMP_MAGIC,
  loadU32,
  type OsRecord,
  type Region,
  storeU32,
  storeU64,
  type VmRecord,
} from '../protocol/index.ts';
import { planRegion, type RegionPlan } from './plan.ts';
import { HostQueue } from './queue.ts';
import type { Wire } from './wire.ts';

/** What a session tells of itself. */
export interface SessionFacts {
  readonly hostVersion: string;
  readonly features: number;
  readonly vm: VmRecord | undefined;
  readonly os: OsRecord | undefined;
}

// The headers of all LGMP generations lie below this: leftovers of another one must not be found.
const HEADER_AREA_BYTES = 16 * 1024;

/**
 * One life of a publisher in a region: its header, its queues and the division of its memory.
 *
 * While it is being written, magic and session id are 0; they are published last, the magic after
 * the id. Old contents do not matter.
 */
export class HostSession {
  readonly id: number;
  readonly plan: RegionPlan;
  readonly frameQueue: HostQueue;
  readonly pointerQueue: HostQueue;
  readonly #region: Region;
  readonly #wire: Wire;

  /**
   * Starts a session in a region.
   *
   * @throws ERR_KVMFR_SIZE when the region is too small; nothing is written then
   */
  constructor(region: Region, wire: Wire, facts: SessionFacts, nowMs: number) {
    const udata = encodeSession({ kvmfrVersion: wire.frame.kvmfrVersion, ...facts });
    this.plan = planRegion(region.byteLength, udata.byteLength, wire);
    this.#region = region;
    this.#wire = wire;
    const { header, version } = wire.lgmp;
    const before = loadU32(region, header.sessionID);
    storeU32(region, header.magic, 0);
    storeU32(region, header.sessionID, 0);
    region.bytes.fill(0, 0, Math.min(HEADER_AREA_BYTES, this.plan.frames[0].at));
    storeU32(region, header.version, version);
    storeU64(region, header.timestamp, BigInt(nowMs));
    storeU32(region, header.udataSize, udata.byteLength);
    region.bytes.set(udata, header.udata);
    this.frameQueue = new HostQueue(region, wire.lgmp, this.plan.frameQueue);
    this.pointerQueue = new HostQueue(region, wire.lgmp, this.plan.pointerQueue);
    storeU32(region, header.numQueues, 2);
    this.id = newSessionId(before);
    storeU32(region, header.sessionID, this.id);
    storeU32(region, header.magic, LGMP_MAGIC);
  }

  /** Whether the header still names this session. It does not when the memory was wiped. */
  intact(): boolean {
    const { header, version } = this.#wire.lgmp;
    return (
      loadU32(this.#region, header.magic) === LGMP_MAGIC &&
      loadU32(this.#region, header.version) === version &&
      loadU32(this.#region, header.sessionID) === this.id
    );
  }

  /** Writes the heartbeat. */
  beat(nowMs: number): void {
    storeU64(this.#region, this.#wire.lgmp.header.timestamp, BigInt(nowMs));
  }
}

// The word at 8 is the magic in LGMP 9: an id must not look like one.
function newSessionId(before: number): number {
  for (;;) {
    const id = randomInt(1, 0x1_0000_0000);
    if (id !== before && id !== LGMP_MAGIC) return id;
  }
}
