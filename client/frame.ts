import { setImmediate as turn } from 'node:timers/promises';
import { KvmfrError } from '../protocol/error.ts';
import type { FrameGeometry, FrameTiming, HdrMetadata } from '../protocol/kvmfr/frame.ts';
import { type ToneMap, toneMapOf } from '../protocol/kvmfr/hdr.ts';
import { FRAME_TIMEOUT_MS, QUEUE_MAX_TIME_MS } from '../protocol/limits.ts';
import { loadU32 } from '../protocol/memory/word.ts';
import { type PixelFormat, rowBytes } from '../protocol/pixel.ts';
import type { Rect } from '../protocol/rect.ts';
import { monotonicMs } from './clock.ts';
import type { FrameDeadline } from './pace.ts';
import type { Queue } from './queue.ts';
import type { Session } from './session.ts';

/** Longest wait for all rows of a frame: below the time after which the publisher gives us up. */
const FRAME_TOTAL_MS = QUEUE_MAX_TIME_MS - FRAME_TIMEOUT_MS;
/** Waits after which the event loop gets its turn: a write pointer may go to and fro for ever. */
const WAITS_PER_TURN = 16;

/**
 * How a loan ended: `intact` (all of it could be trusted till then), `stalled` (rows were waited for
 * and never came), `partial` (given back before all rows had come), `lost` (the publisher took it
 * back, or is gone).
 */
export type LoanEnd = 'intact' | 'stalled' | 'partial' | 'lost';

/** What a frame needs from the stream that lends it. */
export interface FrameLoan {
  readonly session: Session;
  readonly queue: Queue;
  readonly geometry: FrameGeometry;
  readonly damage: readonly Rect[];
  readonly skipped: number;
  readonly pixels: Uint8Array;
  /** Ends every wait for rows. */
  readonly stopped: AbortSignal;
  /** Told once, when the frame is given back. */
  readonly released: (frame: Frame, end: LoanEnd, timing: FrameTiming | undefined) => void;
  /** The refresh that the publisher says it was made for. */
  readonly deadline?: FrameDeadline | undefined;
  /** See {@link Frame.beforeMs}. */
  readonly beforeMs?: number | undefined;
}

/**
 * One frame of the guest, borrowed from the region.
 *
 * Shape: {@link pixels} has dataHeightPx rows of pitchBytes; the picture is widthPx x heightPx.
 * Ownership: borrowed until {@link release} or the next turn of the loop that gave it. The guest
 * has two places for frames: who holds one longer than a frame's time slows the guest down, and who
 * holds one for a second loses it.
 */
export class Frame implements Disposable {
  /** Source: the frame header's fields of the same names, checked. */
  readonly format: PixelFormat;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Rows that are transported. Below them the picture is undefined: show black. */
  readonly dataHeightPx: number;
  /** Size of the guest's screen, the space of cursor positions. */
  readonly screenWidthPx: number;
  readonly screenHeightPx: number;
  readonly pitchBytes: number;
  /** Quarter turns clockwise that the guest's desktop is rotated by. */
  readonly rotation: 0 | 1 | 2 | 3;
  /** Number of the frame; wraps at 32 bits. */
  readonly serial: number;
  /** Changes when format or size do. */
  readonly formatVersion: number;
  /** What changed since the frame this loop gave before; none means all of it. */
  readonly damage: readonly Rect[];
  /** Frames the guest published since the one this loop gave before, and that were passed over. */
  readonly skipped: number;
  /** The region is too small: rows are missing at the bottom. */
  readonly truncated: boolean;
  /** Flag bits as the publisher sent them. */
  readonly flags: number;
  /**
   * When it was not published yet: the last look at which it was not there. Undefined when it was not
   * waited for.
   *
   * Units: milliseconds of the clock of `process.hrtime`, as {@link seenMs} and {@link arrivedMs}.
   */
  readonly beforeMs: number | undefined;
  /** When it was seen. */
  readonly seenMs: number = monotonicMs();
  #arrivedMs: number | undefined;
  readonly #loan: FrameLoan;
  #released = false;
  #stalled = false;

  constructor(loan: FrameLoan) {
    const { geometry } = loan;
    this.format = geometry.format;
    this.widthPx = geometry.widthPx;
    this.heightPx = geometry.heightPx;
    this.dataHeightPx = geometry.dataHeightPx;
    this.screenWidthPx = geometry.screenWidthPx;
    this.screenHeightPx = geometry.screenHeightPx;
    this.pitchBytes = geometry.pitchBytes;
    this.rotation = geometry.rotation;
    this.serial = geometry.serial;
    this.formatVersion = geometry.formatVersion;
    this.damage = loan.damage;
    this.skipped = loan.skipped;
    this.truncated = geometry.truncated;
    this.flags = geometry.flags;
    this.beforeMs = loan.beforeMs;
    this.#loan = loan;
  }

  /**
   * The pixels, in the region: no copy.
   *
   * @throws ERR_KVMFR_RELEASED
   */
  get pixels(): Uint8Array {
    if (this.#released)
      throw new KvmfrError(
        'ERR_KVMFR_RELEASED',
        `frame ${this.serial} was used after its release: copy what is needed longer`,
      );
    return this.#loan.pixels;
  }

  /** Nits of SDR white; undefined where the publisher does not say. */
  get sdrWhiteLevel(): number | undefined {
    return this.#loan.geometry.sdrWhiteLevel || undefined;
  }

  /**
   * How this frame is shown on an SDR screen; undefined when it is SDR. {@link pixels} stay as the
   * guest wrote them.
   */
  get toneMap(): ToneMap | undefined {
    const { format, flags, sdrWhiteLevel, hdr } = this.#loan.geometry;
    return toneMapOf({ format, flags, sdrWhiteLevel, metadata: hdr });
  }

  /** What the guest says of the display its HDR picture was made for. */
  get hdr(): HdrMetadata | undefined {
    return this.#loan.geometry.hdr;
  }

  /**
   * How long the publisher took for this frame, by its own measure; undefined until it says so, which
   * is after the last row, and in versions that do not measure.
   *
   * Units: nanoseconds. Source: the timing fields of KVMFRFrame, KVMFR 34.
   */
  get timing(): FrameTiming | undefined {
    const { session, geometry } = this.#loan;
    if (this.#released || session.region.detached) return undefined;
    return session.frames.readTiming?.(session.region, geometry.at, geometry.serial);
  }

  /**
   * The refresh that this frame was made for and came in time for; undefined until the publisher
   * says so, which is after the last row, and for frames that are not made for our schedule. Take it
   * before the release, and tell `Client.presented` when the frame was shown.
   */
  get deadline(): FrameDeadline | undefined {
    const { deadline } = this.#loan;
    return deadline !== undefined && this.timing?.phaseValid === true ? deadline : undefined;
  }

  /** Rows that are valid so far. */
  get complete(): number {
    const rows = this.#validRows();
    if (rows === this.dataHeightPx) this.#arrivedMs ??= monotonicMs();
    return rows;
  }

  /** When its last row was first seen to be there, by whoever looked; undefined until then. */
  get arrivedMs(): number | undefined {
    return this.#arrivedMs;
  }

  get released(): boolean {
    return this.#released;
  }

  /** Whether the frame is still lent to us: what was read until now was of this frame. */
  get intact(): boolean {
    return !this.#released && this.#loan.queue.lent;
  }

  /**
   * Waits until this many rows are valid.
   *
   * @returns false when the guest stopped writing, for {@link FRAME_TIMEOUT_MS}, or took the frame
   *   back, or went away
   */
  async whenRows(rows: number): Promise<boolean> {
    const { geometry, session, stopped } = this.#loan;
    const need = wholeBytes(geometry, Math.min(rows, geometry.dataHeightPx));
    const at = geometry.writePointerAt;
    let endMs = 0;
    for (let waits = 1; this.intact; waits++) {
      const bytes = loadU32(session.region, at);
      if (bytes >= need) {
        this.#stalled = false;
        if (rows >= geometry.dataHeightPx) this.#arrivedMs ??= monotonicMs();
        return true;
      }
      const nowMs = performance.now();
      if (endMs === 0) endMs = nowMs + FRAME_TOTAL_MS;
      const timeoutMs = Math.max(0, Math.min(FRAME_TIMEOUT_MS, endMs - nowMs));
      const word = { offsetBytes: at, value: need, reaches: true };
      const outcome = await session.mapping.wait([word], {
        timeoutMs,
        soon: true,
        signal: stopped,
      });
      if (outcome === 'cancelled' || outcome === 'closed' || !this.intact) return false;
      if (outcome === 'timed-out' && (timeoutMs === 0 || loadU32(session.region, at) <= bytes)) {
        this.#stalled = true;
        return false;
      }
      if (waits % WAITS_PER_TURN === 0) await turn();
    }
    return false;
  }

  /** Gives the frame back to the guest. A second call does nothing. */
  release(): void {
    if (this.#released) return;
    const whole = this.#validRows() === this.dataHeightPx;
    // The publisher may take the place for another frame once this one is given back.
    const { timing } = this;
    this.#released = true;
    const finished = this.#loan.queue.done() === 'ok';
    this.#loan.released(this, this.#endOf(whole, finished), timing);
  }

  #validRows(): number {
    const { geometry, session } = this.#loan;
    if (this.#released || session.region.detached) return 0;
    const bytes = loadU32(session.region, geometry.writePointerAt);
    if (bytes >= wholeBytes(geometry, geometry.dataHeightPx)) return geometry.dataHeightPx;
    return Math.min(geometry.dataHeightPx, Math.floor(bytes / geometry.pitchBytes));
  }

  #endOf(whole: boolean, finished: boolean): LoanEnd {
    if (whole && finished) return 'intact';
    if (this.#stalled && this.#loan.session.holds()) return 'stalled';
    return finished ? 'partial' : 'lost';
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Captured -> published, by the publisher. It copies the rows after that, so copying is not in it.
 *
 * Units: milliseconds.
 */
export function producerSpanMs(timing: FrameTiming): number {
  const { captureNs, postProcessNs, readyNs, holdNs } = timing;
  return (captureNs + postProcessNs + readyNs + holdNs) / 1e6;
}

/** Write pointer at which this many rows are there; the padding behind the last is not needed. */
function wholeBytes(geometry: FrameGeometry, rows: number): number {
  if (rows <= 0) return 0;
  return (rows - 1) * geometry.pitchBytes + rowBytes(geometry.format, geometry.widthPx);
}
