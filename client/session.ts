import type { Mapping } from '../native/index.ts';
import { hex, KvmfrError, outOfRange } from '../protocol/error.ts';
import type { CursorLayout } from '../protocol/kvmfr/cursor.ts';
import type { FrameLayout } from '../protocol/kvmfr/frame.ts';
import { CURSOR_LAYOUTS, FRAME_LAYOUTS } from '../protocol/kvmfr/index.ts';
import { type OsRecord, parseSession, type VmRecord } from '../protocol/kvmfr/session.ts';
import {
  type AssumedWire,
  LGMP_MAGIC,
  type LgmpCandidate,
  neighbourPairs,
  releaseName,
} from '../protocol/lgmp/detect.ts';
import type { LgmpLayout } from '../protocol/lgmp/layout.ts';
import { HEARTBEAT_TIMEOUT_MS, MAX_UDATA_BYTES } from '../protocol/limits.ts';
import type { Region } from '../protocol/memory/region.ts';
import { loadU32, loadU64 } from '../protocol/memory/word.ts';
import { queueOwner } from './detect.ts';

/** What a publisher told of itself. All strings come from the guest, made safe to show. */
export interface SessionInfo {
  /** The session id, as the publisher chose it. */
  readonly id: number;
  readonly lgmpVersion: number;
  readonly kvmfrVersion: number;
  /** `B6`, `B7`, or the two versions when no release speaks the pair. */
  readonly release: string;
  readonly hostVersion: string;
  /** Feature bits of the publisher. */
  readonly features: number;
  readonly vm: VmRecord | undefined;
  readonly os: OsRecord | undefined;
}

/**
 * What a session needs of a mapping: waiting for a word of the region to change, whether the memory is
 * still there, and the doorbell where there is one.
 */
export type RegionWaiter = Pick<Mapping, 'wait' | 'lost'> & Partial<Pick<Mapping, 'doorbell'>>;

/** How a session is doing. */
export type Pulse = 'alive' | 'stale' | 'ended';

/**
 * One life of a publisher, as a client sees it: its versions, its heartbeat, its end.
 *
 * Ownership: looks at a mapping that belongs to somebody else; of no use once that closed.
 */
export class Session {
  readonly mapping: RegionWaiter;
  readonly region: Region;
  readonly lgmp: LgmpLayout;
  readonly frames: FrameLayout;
  readonly cursors: CursorLayout;
  readonly info: SessionInfo;
  /** First byte behind the session blob: rings and payloads lie there. */
  readonly payloadFloor: number;
  /** Whether the newest frame that was read is HDR: so is then what the guest's display is sent. */
  hdr = false;
  #heartbeat: bigint;
  #heartbeatMs: number;
  #lookedMs: number;
  #ended = false;
  #queueCount = 0;

  private constructor(parts: {
    readonly mapping: RegionWaiter;
    readonly region: Region;
    readonly lgmp: LgmpLayout;
    readonly frames: FrameLayout;
    readonly cursors: CursorLayout;
    readonly info: SessionInfo;
    readonly udataBytes: number;
    readonly nowMs: number;
  }) {
    this.mapping = parts.mapping;
    this.region = parts.region;
    this.lgmp = parts.lgmp;
    this.frames = parts.frames;
    this.cursors = parts.cursors;
    this.info = parts.info;
    this.payloadFloor = parts.lgmp.header.udata + parts.udataBytes;
    this.#heartbeat = loadU64(parts.region, parts.lgmp.header.timestamp);
    this.#heartbeatMs = parts.nowMs;
    this.#lookedMs = parts.nowMs;
  }

  /**
   * Attaches to a publisher whose heartbeat was seen to move.
   *
   * @returns undefined when the header changed while it was read: look again
   * @throws ERR_KVMFR_KVMFR_VERSION, ERR_KVMFR_MAGIC, ERR_KVMFR_BOUNDS
   */
  static attach(
    place: {
      readonly mapping: RegionWaiter;
      readonly region: Region;
      readonly lgmp: LgmpLayout;
      readonly assume?: AssumedWire | undefined;
    },
    nowMs: number,
  ): Session | undefined {
    const { region, lgmp } = place;
    const { header } = lgmp;
    const id = loadU32(region, header.sessionID);
    const udataBytes = loadU32(region, header.udataSize);
    if (udataBytes > MAX_UDATA_BYTES || udataBytes > region.byteLength - header.udata)
      throw new KvmfrError(
        'ERR_KVMFR_BOUNDS',
        `udataSize at ${hex(header.udataSize)} may be ${MAX_UDATA_BYTES}, but is ${udataBytes}`,
      );
    const blob = parseSession(region.copyOut(header.udata, udataBytes));
    if (
      loadU32(region, header.magic) !== LGMP_MAGIC ||
      loadU32(region, header.version) !== lgmp.version ||
      loadU32(region, header.sessionID) !== id ||
      loadU32(region, header.udataSize) !== udataBytes
    )
      return undefined;
    const { rules, release } = rulesOf(lgmp.version, blob.kvmfrVersion, place.assume);
    const frames = FRAME_LAYOUTS.get(rules);
    const cursors = CURSOR_LAYOUTS.get(rules);
    if (frames === undefined || cursors === undefined || release === undefined)
      throw unsupportedPair(lgmp.version, blob.kvmfrVersion, blob.hostVersion);
    const info: SessionInfo = {
      id,
      lgmpVersion: lgmp.version,
      kvmfrVersion: blob.kvmfrVersion,
      release,
      hostVersion: blob.hostVersion,
      features: blob.features,
      vm: blob.vm,
      os: blob.os,
    };
    return new Session({ ...place, frames, cursors, info, udataBytes, nowMs });
  }

  /** Whether this session is over: another one took its place, or its mapping closed. */
  get ended(): boolean {
    return this.#ended || this.region.detached;
  }

  /** Ends it from our side: every stream on it lets go. */
  end(): void {
    this.#ended = true;
  }

  /** Whether the region holds this session now, ended from our side or not. Cheap: three words. */
  present(): boolean {
    if (this.region.detached) return false;
    const { header } = this.lgmp;
    return (
      loadU32(this.region, header.sessionID) === this.info.id &&
      loadU32(this.region, header.magic) === LGMP_MAGIC &&
      loadU32(this.region, header.version) === this.lgmp.version
    );
  }

  /**
   * Whether what was read until now belongs to this session. One that ever did not is over, and so is
   * one whose memory went away: zeros may have been read in its place.
   */
  holds(): boolean {
    if (!this.#ended && (!this.present() || this.mapping.lost)) this.#ended = true;
    return !this.#ended;
  }

  /**
   * Whether the queues are still those of this session. LGMP 9 to 12 have their heartbeats and their
   * queues at the same places, but not their headers: a publisher of another one of them that starts
   * in place leaves our header whole. A session that lost its queues is over, and so is one whose blob
   * has another size than was read: where rings may be was taken from it.
   */
  holdsQueues(): boolean {
    if (!this.holds()) return false;
    const { timestamp, magic, udata, udataSize } = this.lgmp.header;
    const owner = queueOwner(this.region, timestamp);
    if (owner !== undefined && owner.magicAt !== magic) this.#ended = true;
    if (udata + loadU32(this.region, udataSize) !== this.payloadFloor) this.#ended = true;
    return !this.#ended;
  }

  /**
   * How many queues there are; grows while the publisher sets up.
   *
   * @throws ERR_KVMFR_BOUNDS when there are more than a session can have, ERR_KVMFR_CORRUPT when there
   *   are fewer than before
   */
  queueCount(): number {
    const { maxQueues, header } = this.lgmp;
    const count = loadU32(this.region, header.numQueues);
    const where = hex(header.numQueues);
    if (count > maxQueues) throw outOfRange('numQueues', count, { max: maxQueues, where });
    const before = this.#queueCount;
    // Told once: a number that was too high for a moment must not be held against the right one.
    this.#queueCount = count;
    if (count < before)
      throw new KvmfrError(
        'ERR_KVMFR_CORRUPT',
        `numQueues at ${where} must not shrink in a session, but went from ${before} to ${count}`,
      );
    return count;
  }

  /** Looks at the heartbeat: it is compared for change, and never taken for a clock. */
  pulse(nowMs: number): Pulse {
    if (!this.holdsQueues()) return 'ended';
    // Who has not looked for so long stood still, perhaps the guest as well: it gets its time anew.
    if (nowMs - this.#lookedMs > HEARTBEAT_TIMEOUT_MS) this.#heartbeatMs = nowMs;
    this.#lookedMs = nowMs;
    const heartbeat = loadU64(this.region, this.lgmp.header.timestamp);
    if (heartbeat !== this.#heartbeat) {
      // Session ids have few bits on some publishers; time running backwards gives a restart away.
      if (heartbeat < this.#heartbeat) {
        this.#ended = true;
        return 'ended';
      }
      this.#heartbeat = heartbeat;
      this.#heartbeatMs = nowMs;
      return 'alive';
    }
    return nowMs - this.#heartbeatMs > HEARTBEAT_TIMEOUT_MS ? 'stale' : 'alive';
  }
}

const INSTALL_HINT =
  'Install one of those in the guest (B7 is the newest release), or a newer kvmfr here.';

/** By the rules of which KVMFR version a session is read, and how its release is called. */
function rulesOf(
  lgmp: number,
  kvmfr: number,
  assume: AssumedWire | undefined,
): { readonly rules: number; readonly release: string | undefined } {
  const release = releaseName(lgmp, kvmfr);
  const isNewer = lgmp >= 12 && kvmfr >= 34;
  if (release !== undefined || assume !== 'dev12' || !isNewer) return { rules: kvmfr, release };
  return { rules: 34, release: `KVMFR ${kvmfr} on LGMP ${lgmp}, read as dev12` };
}

function unsupportedPair(lgmp: number, kvmfr: number, hostVersion: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_KVMFR_VERSION',
    `the guest runs Looking Glass host ${hostVersion || '(no name)'} with KVMFR ${kvmfr} on LGMP ${lgmp}, which this version of kvmfr does not read; nearest to it, it reads ${neighbourPairs(lgmp, kvmfr)}`,
    { hint: INSTALL_HINT },
  );
}

/** The error for a live publisher whose LGMP version we do not speak. */
export function unsupportedLgmp(candidate: LgmpCandidate): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_LGMP_VERSION',
    `the guest runs a Looking Glass host with LGMP ${candidate.version} (header at ${hex(candidate.magicAt)}), which this version of kvmfr does not read; nearest to it, it reads ${neighbourPairs(candidate.version, undefined)}`,
    { hint: INSTALL_HINT },
  );
}
