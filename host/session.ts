import { randomInt } from 'node:crypto';
import {
  encodeSession,
  FEATURES,
  LGMP_MAGIC,
  loadU32,
  type OsRecord,
  type Region,
  storeU32,
  storeU64,
  type VmRecord,
} from '../protocol/index.ts';
import { planRegion, type QueuePlan, type RegionPlan } from './plan.ts';
import { HostQueue } from './queue.ts';
import type { Wire } from './wire.ts';

/** What a session tells of itself. */
export interface SessionFacts {
  readonly hostVersion: string;
  readonly features: number;
  readonly vm: VmRecord | undefined;
  readonly os: OsRecord | undefined;
}

/** The queues of a session; those of owners, input and clipboard since KVMFR 34. */
export type QueueName =
  | 'frame'
  | 'frame-owner-0'
  | 'frame-owner-1'
  | 'pointer'
  | 'input'
  | 'clipboard';

/** A queue and what it is for. */
export interface NamedQueue {
  readonly name: QueueName;
  readonly queue: HostQueue;
}

const OWNER_NAMES = ['frame-owner-0', 'frame-owner-1'] as const;

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
  readonly wire: Wire;
  readonly frameQueue: HostQueue;
  /** Queues of the client that paces the publisher; none before KVMFR 34. */
  readonly ownerQueues: readonly HostQueue[];
  readonly pointerQueue: HostQueue;
  /** Tells clients of the guest's input; undefined for a publisher that takes none. */
  readonly inputQueue: HostQueue | undefined;
  /** Tells clients of the guest's clipboard; undefined for a publisher that shares none. */
  readonly clipboardQueue: HostQueue | undefined;
  /** All of them, in the order of the queue table. */
  readonly queues: readonly NamedQueue[];
  readonly #region: Region;
  #beatAt: number;

  /**
   * Starts a session in a region, of which the last `keptBytes` are not LGMP's. `posted` is called after each
   * message that somebody waits for.
   *
   * @throws ERR_KVMFR_SIZE when the region is too small; nothing is written then
   */
  constructor(
    region: Region,
    wire: Wire,
    facts: SessionFacts,
    nowMs: number,
    keptBytes = 0,
    posted: () => void = () => {},
  ) {
    const udata = encodeSession({ kvmfrVersion: wire.frame.kvmfrVersion, ...facts });
    this.plan = planRegion(region.byteLength - keptBytes, udata.byteLength, wire, {
      input: (facts.features & FEATURES.input) !== 0,
      clipboard: (facts.features & FEATURES.clipboard) !== 0,
    });
    this.#region = region;
    this.wire = wire;
    this.#beatAt = nowMs;
    const { header, version } = wire.lgmp;
    const framesAt = this.plan.frames[0]?.at ?? 0;
    const before = loadU32(region, header.sessionID);
    storeU32(region, header.magic, 0);
    storeU32(region, header.sessionID, 0);
    region.bytes.fill(0, 0, Math.min(HEADER_AREA_BYTES, framesAt));
    storeU32(region, header.version, version);
    storeU64(region, header.timestamp, BigInt(nowMs));
    if (header.nextClientID !== undefined) storeU32(region, header.nextClientID, 0);
    storeU32(region, header.udataSize, udata.byteLength);
    region.bytes.set(udata, header.udata);
    const create = (plan: QueuePlan): HostQueue => new HostQueue(region, wire.lgmp, plan, posted);
    this.frameQueue = create(this.plan.frameQueue);
    this.ownerQueues = this.plan.ownerQueues.map(create);
    this.pointerQueue = create(this.plan.pointerQueue);
    const { input, clipboard } = this.plan;
    this.inputQueue = input === undefined ? undefined : create(input.queue);
    this.clipboardQueue = clipboard === undefined ? undefined : create(clipboard.queue);
    this.queues = [
      { name: 'frame', queue: this.frameQueue },
      ...OWNER_NAMES.flatMap((name, lane) => {
        const queue = this.ownerQueues[lane];
        return queue === undefined ? [] : [{ name, queue }];
      }),
      { name: 'pointer', queue: this.pointerQueue },
      ...(this.inputQueue === undefined
        ? []
        : [{ name: 'input', queue: this.inputQueue } as const]),
      ...(this.clipboardQueue === undefined
        ? []
        : [{ name: 'clipboard', queue: this.clipboardQueue } as const]),
    ];
    storeU32(region, header.numQueues, this.queues.length);
    this.id = newSessionId(before);
    storeU32(region, header.sessionID, this.id);
    storeU32(region, header.magic, LGMP_MAGIC);
  }

  /** Whether the header still names this session. It does not when the memory was wiped. */
  intact(): boolean {
    const { header, version } = this.wire.lgmp;
    return (
      loadU32(this.#region, header.magic) === LGMP_MAGIC &&
      loadU32(this.#region, header.version) === version &&
      loadU32(this.#region, header.sessionID) === this.id
    );
  }

  /** Writes the heartbeat, when it is as old as it may be in this version. */
  beat(nowMs: number): void {
    if (nowMs - this.#beatAt < this.wire.heartbeatMs && nowMs >= this.#beatAt) return;
    this.#beatAt = nowMs;
    storeU64(this.#region, this.wire.lgmp.header.timestamp, BigInt(nowMs));
  }

  /** Does what has to be done for a queue again and again; who is given up is so on all of them. */
  process(queue: HostQueue, nowMs: number): void {
    queue.process(nowMs);
    for (const clientId of queue.takeInvalidated())
      for (const other of this.queues) other.queue.invalidate(clientId, nowMs);
  }
}

// The word at 8 is the magic in LGMP 9: an id must not look like one.
function newSessionId(before: number): number {
  for (;;) {
    const id = randomInt(1, 0x1_0000_0000);
    if (id !== before && id !== LGMP_MAGIC) return id;
  }
}
