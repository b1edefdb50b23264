// Runs in the audio thread of a browser, which loads it as it is: it imports nothing but types.
import type { SoundPiece } from '../core/sound/piece.ts';

/** Frames in a second of what comes. */
const RATE_HZ = 48_000;
const FRAME_MS = 1000 / RATE_HZ;
/** How much should be left when a piece comes in time. Units: milliseconds, as all below. */
const FIRST_MARGIN_MS = 10;
const LEAST_MARGIN_MS = 4;
const MOST_MARGIN_MS = 180;
/** What should be left even when a piece comes as late as any of late. */
const SPARE_MS = 4;
/** How long it is looked at how unevenly pieces come and go, and how many such looks count. */
const LOOK_MS = 1000;
const LOOKS = 15;
/** As many come first: a page that begins is busy, and what it needs then it does not need later. */
const LOOKS_TO_SETTLE = 2;
/** How much more is wanted after it ran out. */
const STEP_UP_MS = 10;
/** After so long without that, this part of what is wanted beyond the need is wanted no more. */
const CALM_MS = 5000;
const STEP_DOWN = 0.2;
/** As much beyond the target is too late to be made up for by playing faster. */
const EXCESS_MS = 80;
/** The same for so long after it broke off: what was held up comes by and by, and is late. */
const MENDED_EXCESS_MS = 10;
const MENDING_MS = 200;
/** The longest gap that is filled with silence; a longer one is left out. */
const MOST_GAP_MS = 200;
/** The most that sound is played faster or slower: a sixth of a semitone. */
const MOST_DRIFT = 0.01;
/** Drift for each millisecond too much or too little. */
const DRIFT_PER_MS = 0.0005;
/** A difference that comes of pieces being pieces. */
const DEAD_MS = 2;
/** Weight of a new look at how much waits. */
const LEVEL_WEIGHT = 0.01;
/** Frames in which sound comes and goes where it begins and breaks off. */
const FADE_FRAMES = 64;

/** What a buffer tells of itself. */
export interface PlayerReport {
  /** When the guest played what is played now, by the relay's clock; undefined in silence. */
  readonly playedAtMs: number | undefined;
  /** How much waits. Units: milliseconds. */
  readonly bufferMs: number;
  /** How much should. Units: milliseconds. */
  readonly targetMs: number;
  /** Times that it ran out. */
  readonly underruns: number;
  /** Pieces that were too late, or too many. */
  readonly skipped: number;
  /** Pieces that did not come, for which there was silence. */
  readonly concealed: number;
}

/**
 * What of the guest's sound has come and is not played yet. It waits a little before it begins, so
 * that pieces may come unevenly: as long as they were seen to need, and a little longer after each
 * time that it ran out. What piles up slowly, because two clocks differ or less is needed, is played
 * a little faster; what piles up at once is left out.
 */
export class JitterBuffer {
  readonly #step: number;
  #pieces: SoundPiece[] = [];
  /** Where in the first piece the next frame is; between two of them when it plays faster or slower. */
  #at = 0;
  #waitingFrames = 0;
  #stream = -1;
  #next = 0;
  #playing = false;
  /** How long the first piece has waited for the beginning. */
  #waitedMs = 0;
  #pieceMs = 0;
  #marginMs = FIRST_MARGIN_MS;
  readonly #needs = new Needs();
  #settled = false;
  /** How long it still is that it broke off only just before. */
  #mendingMs = 0;
  #calmMs = 0;
  #levelMs = 0;
  #gain = 0;
  #left = 0;
  #right = 0;
  #underruns = 0;
  #skipped = 0;
  #concealed = 0;

  /** @param outputHz frames in a second of what is pulled */
  constructor(outputHz: number) {
    this.#step = RATE_HZ / outputHz;
  }

  /** What it is like now. */
  get report(): PlayerReport {
    const [first] = this.#pieces;
    return {
      playedAtMs:
        this.#playing && first !== undefined ? first.atMs + this.#at * FRAME_MS : undefined,
      bufferMs: this.#bufferMs,
      targetMs: this.#targetMs,
      underruns: this.#underruns,
      skipped: this.#skipped,
      concealed: this.#concealed,
    };
  }

  /** Takes a piece. */
  push(piece: SoundPiece): void {
    if (piece.stream === this.#stream) {
      const missing = piece.sequence - this.#next;
      if (missing < 0) {
        this.#skipped += 1;
        return;
      }
      if (missing > 0) this.#conceal(missing, piece);
    }
    this.#stream = piece.stream;
    this.#next = piece.sequence + 1;
    this.#append(piece);
    const excessMs = this.#mendingMs > 0 ? MENDED_EXCESS_MS : EXCESS_MS;
    if (this.#bufferMs > this.#targetMs + excessMs) this.#skip();
  }

  /** Writes what is to be played next. Shape: both of one length. */
  pull(left: Float32Array, right: Float32Array): void {
    const pulledMs = left.length * this.#step * FRAME_MS;
    if (!this.#playing) this.#begin(pulledMs);
    const beforeMs = this.#bufferMs;
    const step = this.#step * this.#speed();
    for (let index = 0; index < left.length; index++) {
      if (!this.#playing || !this.#read(step)) this.#fade();
      left[index] = this.#left;
      right[index] = this.#right;
    }
    if (this.#playing) this.#rest(pulledMs, beforeMs);
  }

  /** How much should wait when a piece has just come. */
  get #targetMs(): number {
    return this.#pieceMs + this.#marginMs;
  }

  get #firstMs(): number {
    return ((this.#pieces[0]?.left.length ?? 0) - this.#at) * FRAME_MS;
  }

  get #bufferMs(): number {
    return Math.max(0, (this.#waitingFrames - this.#at) * FRAME_MS);
  }

  #append(piece: SoundPiece): void {
    this.#pieceMs = piece.left.length * FRAME_MS;
    this.#pieces.push(piece);
    this.#waitingFrames += piece.left.length;
  }

  #conceal(missing: number, piece: SoundPiece): void {
    this.#concealed += missing;
    this.#needs.begin();
    const frames = piece.left.length;
    const pieceMs = frames * FRAME_MS;
    const filled = Math.min(missing, Math.floor(MOST_GAP_MS / pieceMs));
    const silence = new Float32Array(frames);
    for (let before = filled; before > 0; before--)
      this.#append({
        ...piece,
        atMs: piece.atMs - before * pieceMs,
        left: silence,
        right: silence,
      });
  }

  /** Leaves out the oldest, as long as enough is left. */
  #skip(): void {
    this.#needs.begin();
    while (this.#pieces.length > 1 && this.#bufferMs - this.#firstMs >= this.#targetMs) {
      this.#drop();
      this.#at = 0;
      this.#skipped += 1;
      this.#gain = 0;
    }
  }

  #drop(): void {
    this.#waitingFrames -= this.#pieces.shift()?.left.length ?? 0;
  }

  /** The time that passes counts as well: the first piece waits alone for as long as is wanted. */
  #begin(pulledMs: number): void {
    if (this.#pieces.length === 0) return;
    const isWhole = this.#pieces.at(-1)?.last === true;
    if (this.#bufferMs + this.#waitedMs < this.#targetMs && !isWhole) {
      this.#waitedMs += pulledMs;
      return;
    }
    // Where sound broke off it goes on with the newest: the rest is late. A beginning is heard whole.
    this.#mendingMs = this.#pieces[0]?.sequence === 0 ? 0 : MENDING_MS;
    if (this.#mendingMs > 0) this.#skip();
    this.#playing = true;
    this.#waitedMs = 0;
    this.#needs.begin();
    this.#levelMs = this.#goalMs;
    this.#gain = 0;
  }

  /** How much waits on the average when all is well: pieces come at once and go by and by. */
  get #goalMs(): number {
    return this.#pieceMs / 2 + this.#marginMs;
  }

  #speed(): number {
    if (!this.#playing) return 1;
    this.#levelMs += (this.#bufferMs - this.#levelMs) * LEVEL_WEIGHT;
    const excessMs = this.#levelMs - this.#goalMs;
    if (Math.abs(excessMs) < DEAD_MS) return 1;
    return 1 + Math.max(-MOST_DRIFT, Math.min(MOST_DRIFT, excessMs * DRIFT_PER_MS));
  }

  /** The next frame. The answer is whether there was one. */
  #read(step: number): boolean {
    let [first] = this.#pieces;
    while (first !== undefined && this.#at >= first.left.length) {
      this.#at -= first.left.length;
      const wasLast = first.last;
      this.#drop();
      [first] = this.#pieces;
      if (first === undefined) this.#runOut(wasLast);
    }
    if (first === undefined) return false;
    const index = Math.floor(this.#at);
    const part = this.#at - index;
    const isInside = index + 1 < first.left.length;
    const after = isInside ? first : (this.#pieces[1] ?? first);
    const next = isInside ? index + 1 : after === first ? index : 0;
    this.#gain = Math.min(1, this.#gain + 1 / FADE_FRAMES);
    this.#left = this.#gain * between(first.left, index, after.left, next, part);
    this.#right = this.#gain * between(first.right, index, after.right, next, part);
    this.#at += step;
    return true;
  }

  #runOut(isEnd: boolean): void {
    this.#playing = false;
    this.#at = 0;
    if (isEnd) return;
    this.#underruns += 1;
    this.#calmMs = 0;
    this.#marginMs = Math.min(MOST_MARGIN_MS, this.#marginMs + STEP_UP_MS);
  }

  /** What was played last goes away softly. */
  #fade(): void {
    this.#left *= 1 - 1 / FADE_FRAMES;
    this.#right *= 1 - 1 / FADE_FRAMES;
  }

  #rest(pulledMs: number, beforeMs: number): void {
    this.#mendingMs -= pulledMs;
    this.#needs.look(pulledMs, beforeMs, this.#bufferMs);
    const neededMs = this.#needs.dipMs + SPARE_MS - this.#pieceMs / 2;
    const leastMs = Math.min(MOST_MARGIN_MS, Math.max(LEAST_MARGIN_MS, neededMs));
    if (!this.#settled && this.#needs.looks >= LOOKS_TO_SETTLE) {
      this.#settled = true;
      this.#marginMs = Math.min(this.#marginMs, Math.max(FIRST_MARGIN_MS, leastMs));
    }
    this.#marginMs = Math.max(this.#marginMs, leastMs);
    this.#calmMs += pulledMs;
    if (this.#calmMs < CALM_MS) return;
    this.#calmMs = 0;
    this.#marginMs -= (this.#marginMs - leastMs) * STEP_DOWN;
  }
}

/** How far below the average what waits has gone lately: pieces are late, and pulled in bursts. */
class Needs {
  readonly #dipsMs = new Float64Array(LOOKS);
  /** Looks so far. */
  looks = 0;
  #passedMs = 0;
  #areaMs = 0;
  #lowMs = Number.POSITIVE_INFINITY;
  /** The deepest of the looks that count. */
  dipMs = 0;

  /** What was seen of the look that goes on is worth nothing: something else has changed the level. */
  begin(): void {
    this.#passedMs = 0;
    this.#areaMs = 0;
    this.#lowMs = Number.POSITIVE_INFINITY;
  }

  /** So much was pulled, and so much waited before and after. */
  look(pulledMs: number, beforeMs: number, afterMs: number): void {
    this.#passedMs += pulledMs;
    this.#areaMs += ((beforeMs + afterMs) / 2) * pulledMs;
    this.#lowMs = Math.min(this.#lowMs, afterMs);
    if (this.#passedMs < LOOK_MS) return;
    this.looks += 1;
    // Before it has settled only the newest look counts.
    const place = Math.max(0, this.looks - LOOKS_TO_SETTLE) % LOOKS;
    this.#dipsMs[place] = this.#areaMs / this.#passedMs - this.#lowMs;
    this.dipMs = Math.max(...this.#dipsMs);
    this.begin();
  }
}

function between(
  one: Float32Array,
  index: number,
  other: Float32Array,
  next: number,
  part: number,
): number {
  const here = one[index] ?? 0;
  return part === 0 ? here : here + ((other[next] ?? 0) - here) * part;
}

/** What the player tells the page. */
export interface PlayerHeard extends PlayerReport {
  /** When the frame that is played next is handed to the output, by its clock. Units: seconds. */
  readonly outputS: number;
}

/** What the page tells the player: where pieces come from, or that it is over. */
export type PlayerCommand = { readonly port: MessagePort } | { readonly stop: true };

/** Name of the player among the processors of an audio thread. */
export const PLAYER_NAME = 'kvmfr-player';

/** How often in a second the page is told. */
const REPORT_PARTS = 4;

// There are no types for the audio thread's own scope.
declare const sampleRate: number;
declare const currentFrame: number;
declare const registerProcessor: (name: string, processor: unknown) => void;
const Processor: new () => { readonly port: MessagePort } =
  Reflect.get(globalThis, 'AudioWorkletProcessor') ?? class {};

class PlayerProcessor extends Processor {
  readonly #buffer = new JitterBuffer(sampleRate);
  #pieces: MessagePort | undefined;
  #untilReport = 0;
  #stopped = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<PlayerCommand>) => {
      this.#pieces?.close();
      if ('stop' in data) {
        this.#stopped = true;
        return;
      }
      this.#pieces = data.port;
      data.port.onmessage = (event: MessageEvent<SoundPiece>) => this.#buffer.push(event.data);
    };
  }

  /** Called by the browser for each quantum. */
  process(_inputs: unknown, outputs: readonly (readonly Float32Array[])[]): boolean {
    const [left, right] = outputs[0] ?? [];
    if (left === undefined || right === undefined) return !this.#stopped;
    this.#buffer.pull(left, right);
    this.#untilReport -= left.length;
    if (this.#untilReport <= 0) {
      this.#untilReport = sampleRate / REPORT_PARTS;
      const outputS = (currentFrame + left.length) / sampleRate;
      this.port.postMessage({ ...this.#buffer.report, outputS } satisfies PlayerHeard);
    }
    return !this.#stopped;
  }
}

if (typeof registerProcessor === 'function') registerProcessor(PLAYER_NAME, PlayerProcessor);
