import { randomInt } from 'node:crypto';
import type { RawInputStatus } from '../protocol/kvmfr/input.ts';
import {
  encodeInputRecord,
  type InputBody,
  type InputReport,
} from '../protocol/kvmfr/input-record.ts';
import type { StreamEnd } from '../protocol/lgmp/stream-end.ts';

/** Silence after which the owner says that it is still there. Units: milliseconds. */
export const INPUT_KEEPALIVE_MS: number = 200;
/** Silence after which an owner that holds nothing gives the input back. Units: milliseconds. */
export const INPUT_IDLE_MS: number = 400;
/** Reports that wait for the guest. */
export const MAX_INPUT_PENDING: number = 128;
/** Of them, reports that only move the pointer. */
export const MAX_INPUT_MOTION: number = 64;
/** Between two looks while the guest's stream is full, or somebody else has the input. */
const RETRY_MS = 1;

/** Whose the guest's input is. */
export type InputOwner = 'nobody' | 'us' | 'other';

interface Claim {
  readonly generation: number;
  sequence: number;
  /** Whether a status has said that it is ours. */
  isConfirmed: boolean;
  readonly sinceMs: number;
}

interface Pending {
  readonly report: InputReport;
  /** It moves the pointer and does nothing else. */
  readonly isMotion: boolean;
}

/** What the sender has counted. */
export interface InputSenderCounters {
  /** Reports that went to the guest. */
  sent: number;
  /** Reports that were put together with one before them. */
  merged: number;
  /** Reports that the guest never got. */
  dropped: number;
  /** Claims that were made. */
  claims: number;
}

/**
 * Sends reports to a guest as one of its clients: claims the input when there is something to send,
 * keeps it while something is held, gives it back when not, and never has more than a bounded number
 * of reports waiting. Time comes in as an argument.
 */
export class InputSender {
  readonly counters: InputSenderCounters = { sent: 0, merged: 0, dropped: 0, claims: 0 };
  #status: RawInputStatus | undefined;
  #stream: StreamEnd | undefined;
  #claim: Claim | undefined;
  #lastGeneration = 0;
  #pending: Pending[] = [];
  #motions = 0;
  #keyboard: Extract<InputReport, { kind: 'keyboard' }> = NO_KEYS;
  #pointer: Exclude<InputReport, { kind: 'keyboard' }> | undefined;
  #inputMs = Number.NEGATIVE_INFINITY;
  #sentMs = Number.NEGATIVE_INFINITY;

  /** Whose the input is, by the newest status. */
  get owner(): InputOwner {
    const status = this.#status;
    if (status === undefined || status.ownerClientId === 0) return 'nobody';
    return status.ownerClientId === this.#stream?.clientId ? 'us' : 'other';
  }

  /** The stream that reports go by; undefined while there is none. */
  get stream(): StreamEnd | undefined {
    return this.#stream;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** There is another stream, or none any more: whatever was claimed by the one before is over. */
  setStream(stream: StreamEnd | undefined): void {
    if (stream === this.#stream) return;
    this.#stream = stream;
    this.#lose();
  }

  /** There is a newer status; undefined when the guest is gone. */
  setStatus(status: RawInputStatus | undefined): void {
    const before = this.#status;
    this.#status = status;
    const claim = this.#claim;
    if (status === undefined || !status.available || status.generation !== before?.generation) {
      this.#lose();
      return;
    }
    if (claim === undefined) return;
    if (this.owner === 'other') {
      // Somebody was faster: what we wanted is not to happen when they are done.
      this.#claim = undefined;
      this.#clear();
    } else if (status.ownerGeneration === claim.generation) claim.isConfirmed = true;
    // What was told before our claim was heard says nothing of it.
    else if (claim.isConfirmed) this.#lose();
  }

  /** The whole state of a keyboard or pointer, from now on. */
  report(report: InputReport, nowMs: number): void {
    const isMotion = this.#isMotion(report);
    if (report.kind === 'keyboard') this.#keyboard = report;
    else this.#pointer = report;
    this.#inputMs = nowMs;
    if (this.#stream === undefined || this.owner === 'other') {
      this.counters.dropped++;
      return;
    }
    if (isMotion && this.#merge(report)) return;
    if (isMotion && this.#motions >= MAX_INPUT_MOTION) this.#dropMotion();
    if (this.#pending.length >= MAX_INPUT_PENDING) {
      // The guest takes nothing: when it does, it gets what is so then.
      this.#clear();
      this.#pending = this.#fullState();
      return;
    }
    this.#push({ report, isMotion });
  }

  /** All keys and buttons go up, now and for what waits. */
  releaseAll(nowMs: number): void {
    const isHolding = this.#isHolding();
    this.#clear();
    const { keys, modifiers } = this.#keyboard;
    const buttons = this.#pointer?.buttons ?? 0;
    this.#keyboard = NO_KEYS;
    const pointer = this.#pointer;
    this.#pointer = pointer === undefined ? undefined : still({ ...pointer, buttons: 0 });
    if (this.#stream === undefined || this.owner === 'other') return;
    if (!isHolding && this.#claim === undefined) return;
    this.#inputMs = nowMs;
    if (keys.length > 0 || modifiers !== 0) this.#push({ report: NO_KEYS, isMotion: false });
    if (buttons !== 0 && this.#pointer !== undefined)
      this.#push({ report: this.#pointer, isMotion: false });
  }

  /** Sends what can be sent. Gives when it is to be called again, in milliseconds; undefined: never. */
  pump(nowMs: number): number | undefined {
    const stream = this.#stream;
    const status = this.#status;
    if (stream === undefined || status?.available !== true) return undefined;
    const claim = this.#claim;
    if (claim !== undefined && !claim.isConfirmed && nowMs - claim.sinceMs > status.leaseMs)
      this.#lose();
    if (this.#claim === undefined) {
      if (this.#pending.length === 0 || this.owner === 'other') return undefined;
      if (!this.#begin(nowMs)) return RETRY_MS;
    }
    while (this.#pending.length > 0) {
      const [next] = this.#pending;
      if (next === undefined || !this.#send(next.report, nowMs)) return RETRY_MS;
      this.#shift();
      this.counters.sent++;
    }
    return this.#rest(nowMs);
  }

  /** Gives the input back, as far as the stream takes it. Gives whether there was something to give. */
  letGo(nowMs: number): boolean {
    this.#clear();
    this.#keyboard = NO_KEYS;
    this.#pointer = undefined;
    if (this.#claim === undefined) return false;
    const sent = this.#send({ kind: 'release' }, nowMs);
    this.#claim = undefined;
    return sent;
  }

  /** Nothing is to be sent: says that we are there, or gives the input back. */
  #rest(nowMs: number): number | undefined {
    if (!this.#isHolding() && nowMs - this.#inputMs >= INPUT_IDLE_MS) {
      if (!this.#send({ kind: 'release' }, nowMs)) return RETRY_MS;
      this.#claim = undefined;
      return undefined;
    }
    if (nowMs - this.#sentMs >= INPUT_KEEPALIVE_MS && !this.#send({ kind: 'keepalive' }, nowMs))
      return RETRY_MS;
    const keepaliveMs = this.#sentMs + INPUT_KEEPALIVE_MS - nowMs;
    const idleMs = this.#isHolding() ? keepaliveMs : this.#inputMs + INPUT_IDLE_MS - nowMs;
    return Math.max(RETRY_MS, Math.min(keepaliveMs, idleMs));
  }

  #begin(nowMs: number): boolean {
    let generation = this.#lastGeneration;
    while (generation === this.#lastGeneration) generation = randomInt(1, 0x1_0000_0000);
    this.#claim = { generation, sequence: 0, isConfirmed: false, sinceMs: nowMs };
    if (!this.#send({ kind: 'claim' }, nowMs)) {
      this.#claim = undefined;
      return false;
    }
    this.#lastGeneration = generation;
    this.counters.claims++;
    return true;
  }

  #send(body: InputBody, nowMs: number): boolean {
    const claim = this.#claim;
    const stream = this.#stream;
    if (claim === undefined || stream === undefined) return false;
    const sequence = (claim.sequence + 1) >>> 0 || 1;
    const record = encodeInputRecord({ generation: claim.generation, sequence, body });
    const status = stream.write(record);
    if (status === 'full') return false;
    if (status !== 'ok') {
      // Whoever holds the stream is not us any more, or nobody can be believed.
      this.setStream(undefined);
      return false;
    }
    claim.sequence = sequence;
    this.#sentMs = nowMs;
    return true;
  }

  /** The claim is over, though nobody gave it back: what is held is claimed for anew. */
  #lose(): void {
    this.#claim = undefined;
    this.#clear();
    this.#pending = this.#isHolding() ? this.#fullState() : [];
  }

  #fullState(): Pending[] {
    const state: Pending[] = [{ report: this.#keyboard, isMotion: false }];
    if (this.#pointer !== undefined) state.push({ report: still(this.#pointer), isMotion: false });
    return state;
  }

  #isHolding(): boolean {
    const { keys, modifiers } = this.#keyboard;
    return keys.length > 0 || modifiers !== 0 || (this.#pointer?.buttons ?? 0) !== 0;
  }

  #isMotion(report: InputReport): boolean {
    if (report.kind === 'keyboard' || report.wheel !== 0) return false;
    return report.buttons === (this.#pointer?.buttons ?? 0);
  }

  /** Adds a motion to one of its kind that still waits, when nothing else came between. */
  #merge(report: InputReport): boolean {
    const last = this.#pending.at(-1);
    if (last?.isMotion !== true) return false;
    const sum = mergedMotion(last.report, report);
    if (sum === undefined) return false;
    this.#pending[this.#pending.length - 1] = { report: sum, isMotion: true };
    this.counters.merged++;
    return true;
  }

  #dropMotion(): void {
    const index = this.#pending.findIndex(({ isMotion }) => isMotion);
    if (index < 0) return;
    this.#pending.splice(index, 1);
    this.#motions--;
    this.counters.dropped++;
  }

  #push(pending: Pending): void {
    this.#pending.push(pending);
    if (pending.isMotion) this.#motions++;
  }

  #shift(): void {
    if (this.#pending.shift()?.isMotion === true) this.#motions--;
  }

  #clear(): void {
    this.counters.dropped += this.#pending.length;
    this.#pending = [];
    this.#motions = 0;
  }
}

const NO_KEYS: Extract<InputReport, { kind: 'keyboard' }> = {
  kind: 'keyboard',
  modifiers: 0,
  keys: [],
};
const MAX_SUM = 131068;

/** What is held and where, without what was done. */
function still(
  report: Exclude<InputReport, { kind: 'keyboard' }>,
): Exclude<InputReport, { kind: 'keyboard' }> {
  return report.kind === 'relative'
    ? { ...report, deltaX: 0, deltaY: 0, wheel: 0 }
    : { ...report, wheel: 0 };
}

/** Two motions as one; undefined when they cannot be. */
function mergedMotion(one: InputReport, other: InputReport): InputReport | undefined {
  if (one.kind === 'absolute' && other.kind === 'absolute')
    return one.buttons === other.buttons ? other : undefined;
  if (one.kind !== 'relative' || other.kind !== 'relative') return undefined;
  if (one.buttons !== other.buttons) return undefined;
  const deltaX = one.deltaX + other.deltaX;
  const deltaY = one.deltaY + other.deltaY;
  if (Math.abs(deltaX) > MAX_SUM || Math.abs(deltaY) > MAX_SUM) return undefined;
  return { ...other, deltaX, deltaY };
}
