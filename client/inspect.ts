import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DoorbellSummary,
  type Placement,
  placementOf,
  type RegionKind,
} from '../native/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import {
  CURSOR_FLAGS,
  type CursorKind,
  readCursorPosition,
  readCursorShape,
} from '../protocol/kvmfr/cursor.ts';
import { checkFrame, newFrameHeader } from '../protocol/kvmfr/frame.ts';
import { QUEUE_IDS } from '../protocol/kvmfr/index.ts';
import { type AssumedWire, findLgmpHeaders, type LgmpCandidate } from '../protocol/lgmp/detect.ts';
import { loadU32 } from '../protocol/memory/word.ts';
import type { PixelFormat } from '../protocol/pixel.ts';
import { HeartbeatWatch } from './detect.ts';
import { type OpenRegion, reachRegion } from './open.ts';
import { type RecoverySummary, RecoveryWatch } from './recovery.ts';
import { peekQueue, type QueueInfo, readQueues } from './ring.ts';
import { Session, type SessionInfo, unsupportedLgmp } from './session.ts';

/** The newest frame in the ring, as its header tells. */
export interface FrameSummary {
  readonly serial: number;
  readonly format: PixelFormat;
  readonly formatVersion: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly dataHeightPx: number;
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly pitchBytes: number;
  readonly rotation: number;
  readonly damageRects: number;
  readonly truncated: boolean;
  readonly flags: number;
  /** Where the pixels start in the region, and how many bytes of them are valid. */
  readonly dataAt: number;
  readonly dataBytes: number;
  readonly writtenBytes: number;
}

/** The newest cursor messages in the ring. */
export interface CursorSummary {
  readonly visible: boolean;
  readonly x: number | undefined;
  readonly y: number | undefined;
  readonly shape:
    | {
        readonly kind: CursorKind;
        readonly widthPx: number;
        readonly heightPx: number;
        readonly hotspotX: number;
        readonly hotspotY: number;
      }
    | undefined;
}

/** What a look at a region found. */
export interface Inspection {
  readonly path: string;
  readonly kind: RegionKind;
  readonly sizeBytes: number;
  /** Size of the pages of its memory. */
  readonly pageBytes: number;
  /** Where its memory is, as seen from here. */
  readonly placement: Placement;
  /** Where there is one. */
  readonly doorbell: DoorbellSummary | undefined;
  /** Headers of every LGMP generation that lie in the region, dead ones too. */
  readonly headers: readonly { readonly lgmpVersion: number; readonly offsetBytes: number }[];
  /** Whether a publisher's heartbeat moved while we looked. */
  readonly alive: boolean;
  /** Why there is no session to tell of, or why it cannot be read. */
  readonly problem: KvmfrError | undefined;
  readonly session: SessionInfo | undefined;
  readonly queues: readonly QueueInfo[];
  readonly frame: FrameSummary | undefined;
  readonly cursor: CursorSummary | undefined;
  /** Only development versions of Looking Glass keep one. */
  readonly recovery: RecoverySummary | undefined;
}

/** Longest look for a heartbeat: publishers move it every 10 ms, newer ones every 250 ms. */
const LOOK_MS = 1200;
const STEP_MS = 20;

/**
 * Looks at a region and writes nothing to it: the mapping is read-only and no queue is subscribed.
 *
 * @throws what opening throws: ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_NOT_A_REGION,
 *   ERR_KVMFR_SIZE; ERR_KVMFR_REGION_LOST when its memory went away meanwhile; and what the signal was
 *   aborted with
 */
export async function inspectRegion(
  path: string,
  options: { readonly signal?: AbortSignal; readonly assume?: AssumedWire | undefined } = {},
): Promise<Inspection> {
  const open = await reachRegion(path, { access: 'read-only', signal: options.signal });
  try {
    const recovery = new RecoveryWatch(open.region);
    const { candidate, alive } = await lookForLife(open, recovery, options);
    const found = describe(
      open.mapping.path,
      { ...open, assume: options.assume },
      candidate,
      alive,
    );
    const inspection = { ...found, recovery: recovery.summary(performance.now()) };
    // What was read may be zeros in the place of what is gone.
    if (open.mapping.lost) throw open.mapping.lossError();
    return inspection;
  } finally {
    open.mapping.close();
  }
}

async function lookForLife(
  open: OpenRegion,
  recovery: RecoveryWatch,
  options: { readonly signal?: AbortSignal; readonly assume?: AssumedWire | undefined },
): Promise<{ readonly candidate: LgmpCandidate | undefined; readonly alive: boolean }> {
  const { signal, assume } = options;
  const watch = new HeartbeatWatch(open.region, { assume });
  const endMs = performance.now() + LOOK_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (open.mapping.lost) throw open.mapping.lossError();
    const nowMs = performance.now();
    const sighting = watch.look(nowMs);
    const rescue = recovery.look(nowMs);
    // Its heartbeat is slow: it is waited for where there is one.
    const told = rescue === undefined || rescue.alive || nowMs >= endMs;
    if (sighting.kind === 'alive' && told) return { candidate: sighting.candidate, alive: true };
    if (nowMs >= endMs) {
      const candidates = sighting.kind === 'silent' ? sighting.candidates : [];
      const readable = candidates.find((found) => found.layout !== undefined);
      return { candidate: readable ?? candidates[0], alive: false };
    }
    try {
      await sleep(STEP_MS, undefined, signal === undefined ? {} : { signal });
    } catch {
      // Aborted: the next turn throws what it was aborted with.
    }
  }
}

function describe(
  path: string,
  open: OpenRegion & { readonly assume: AssumedWire | undefined },
  candidate: LgmpCandidate | undefined,
  alive: boolean,
): Omit<Inspection, 'recovery'> {
  const base = {
    path,
    kind: open.mapping.kind,
    sizeBytes: open.mapping.byteLength,
    pageBytes: open.mapping.pageBytes,
    placement: placementOf(open.mapping),
    doorbell: open.mapping.doorbell?.summary,
    headers: findLgmpHeaders(open.region).map((found) => ({
      lgmpVersion: found.version,
      offsetBytes: found.magicAt,
    })),
    alive,
  };
  const nothing = { session: undefined, queues: [], frame: undefined, cursor: undefined };
  if (candidate === undefined) return { ...base, ...nothing, problem: noHost(path) };
  if (candidate.layout === undefined)
    return { ...base, ...nothing, problem: unsupportedLgmp(candidate) };
  try {
    const place = { ...open, lgmp: candidate.layout };
    const session = Session.attach(place, performance.now());
    if (session === undefined) return { ...base, ...nothing, problem: noHost(path) };
    return {
      ...base,
      problem: alive ? undefined : noHost(path),
      session: session.info,
      queues: readQueues(session),
      frame: tolerant(() => newestFrame(session)),
      cursor: tolerant(() => newestCursor(session)),
    };
  } catch (error) {
    if (!KvmfrError.is(error)) throw error;
    return { ...base, ...nothing, problem: error };
  }
}

/** A look from outside may meet anything: what cannot be read is not shown. */
function tolerant<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (KvmfrError.is(error)) return undefined;
    throw error;
  }
}

function noHost(path: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_NO_HOST',
    `no Looking Glass host runs in ${path}: no heartbeat moved for ${LOOK_MS} ms`,
    { path, hint: 'Start the guest, and the Looking Glass host in it.' },
  );
}

function newestFrame(session: Session): FrameSummary | undefined {
  const [newest] = peekQueue(session, QUEUE_IDS.frame);
  if (newest === undefined || newest.bytes < session.frames.frameBytes) return undefined;
  const header = newFrameHeader();
  session.frames.read(session.region, newest.offset, header);
  const geometry = checkFrame(header, session.frames, {
    at: newest.offset,
    messageBytes: newest.bytes,
    regionBytes: session.region.byteLength,
  });
  return {
    serial: geometry.serial,
    format: geometry.format,
    formatVersion: geometry.formatVersion,
    widthPx: geometry.widthPx,
    heightPx: geometry.heightPx,
    dataHeightPx: geometry.dataHeightPx,
    screenWidthPx: geometry.screenWidthPx,
    screenHeightPx: geometry.screenHeightPx,
    pitchBytes: geometry.pitchBytes,
    rotation: geometry.rotation,
    damageRects: header.damageRectsCount,
    truncated: geometry.truncated,
    flags: geometry.flags,
    dataAt: geometry.dataAt,
    dataBytes: geometry.dataBytes,
    writtenBytes: loadU32(session.region, geometry.writePointerAt),
  };
}

function newestCursor(session: Session): CursorSummary | undefined {
  const messages = peekQueue(session, QUEUE_IDS.pointer).filter(
    ({ bytes }) => bytes >= session.cursors.cursorBytes,
  );
  const [newest] = messages;
  if (newest === undefined) return undefined;
  const moved = messages.find(({ udata }) => (udata & CURSOR_FLAGS.position) !== 0);
  const shaped = messages.find(({ udata }) => (udata & CURSOR_FLAGS.shape) !== 0);
  const position = moved && readCursorPosition(session.region, moved.offset);
  const shape =
    shaped &&
    tolerant(() =>
      readCursorShape(session.region, shaped.offset, shaped.bytes, session.cursors.cursorBytes),
    );
  return {
    visible: (newest.udata & CURSOR_FLAGS.visible) !== 0,
    x: position?.x,
    y: position?.y,
    shape: shape && {
      kind: shape.kind,
      widthPx: shape.widthPx,
      heightPx: shape.heightPx,
      hotspotX: shape.hotspotX,
      hotspotY: shape.hotspotY,
    },
  };
}
