import { performance } from 'node:perf_hooks';
import { FEATURES, INPUT_ABSOLUTE_MAX, type Rect } from '../../protocol/index.ts';
import type { HostInput } from '../input.ts';
import { defaultPitchBytes, type PublishedFormat, packPixels } from '../pack.ts';
import { regionMibOf } from '../plan.ts';
import type { Host } from '../publisher.ts';
import type { FrameSource, SourceOptions } from '../source.ts';
import { SourceRun } from '../source-run.ts';
import type { WireName } from '../wire.ts';
import { DrawTime } from './draw-time.ts';
import type { PatternContent } from './layout.ts';
import { PointerPath } from './pointer.ts';
import { makePointerShapes, type PointerShapeName } from './pointer-shapes.ts';
import { PatternScene } from './scene.ts';
import { Typist } from './typist.ts';

/** What drawing has cost so far. */
export interface PatternStats {
  /** Frames that were drawn and published. */
  readonly frames: number;
  /** Milliseconds spent drawing, packing and publishing them. */
  readonly busyMs: number;
}

/** More of a pattern than a source in general has. */
export interface PatternSourceOptions extends SourceOptions {
  /** The wall clock of the guest in its own time zone; this machine's when left out. */
  readonly wallClock?: (() => number) | undefined;
}

// With nobody looking, the desk stands still; a subscriber wakes it.
const IDLE_MS = 250;
// A client that moved the pointer keeps it for so long.
const HELD_POINTER_MS = 1500;
const MAX_SHAPE_SCALE = 3;
// One that has keyboard and pointer keeps it for longer: people rest.
const HELD_INPUT_MS = 60_000;
// More than fits the task bar.
const MAX_PASTE_BYTES = 2 ** 20;

/**
 * Publishes the {@link PatternScene}: frames with true damage while somebody looks, and the pointer
 * beside them. Moves the pointer when a client asks for it, and says so in a `Marker`.
 */
export class PatternSource implements FrameSource {
  readonly kind = 'pattern' as const;
  readonly features: number;
  readonly #fps: number;
  readonly #format: PublishedFormat;
  readonly #wire: WireName;
  readonly #content: PatternContent;
  readonly #seed: number;
  readonly #wallClock: () => number;
  readonly #shapes: ReturnType<typeof makePointerShapes>;
  #scene: PatternScene;
  #path: PointerPath;
  #packed: Uint8Array<ArrayBuffer> | undefined;
  #pitchBytes = 0;
  #fresh = true;
  #run: SourceRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #frame = -1;
  readonly #drawTime: DrawTime = new DrawTime();
  #paused = false;
  #pausedAt = 0;
  #shape: PointerShapeName | undefined;
  /** Where the pointer is kept; the answer to a wish is marked in the picture. */
  #held:
    | { readonly x: number; readonly y: number; readonly untilMs: number; readonly isWish: boolean }
    | undefined;
  readonly #typist: Typist = new Typist();
  #copied: Uint8Array = new Uint8Array(0);
  #edited: Promise<void> = Promise.resolve();
  #frames = 0;
  #busyMs = 0;

  /** @throws ERR_KVMFR_ARGUMENT for a size or rate that cannot be drawn */
  constructor(options: PatternSourceOptions = {}) {
    this.#fps = options.fps ?? 60;
    this.#format = options.format ?? 'BGRA';
    this.#wire = options.wire ?? 'B7';
    this.features =
      FEATURES.setCursorPos | (this.#wire === 'dev12' ? FEATURES.input | FEATURES.clipboard : 0);
    this.#content = options.content ?? 'demo';
    this.#seed = options.seed ?? 1;
    this.#wallClock = options.wallClock ?? localClock;
    this.#scene = this.#makeScene(options.widthPx ?? 1920, options.heightPx ?? 1080);
    this.#path = new PointerPath(this.#scene.layout, this.#seed);
    const scale = Math.min(MAX_SHAPE_SCALE, Math.max(1, Math.round(this.#scene.layout.scale)));
    this.#shapes = makePointerShapes(scale);
  }

  get regionMib(): number {
    return regionMibOf(this.#wire, this.#scene.heightPx, this.#pitchBytes);
  }

  get stats(): PatternStats {
    return { frames: this.#frames, busyMs: this.#busyMs };
  }

  async run(host: Host): Promise<void> {
    const run = new SourceRun(host, () => void this.close());
    this.#run = run;
    this.#startedAt = performance.now();
    run.hear('subscriber', this.#wake);
    run.hear('session', this.#wake);
    run.hear('pace', this.#wake);
    run.hear('client-message', this.#onMessage);
    run.hear('input', this.#onInput);
    this.#tick(true);
    await run.ended;
  }

  /** Changes the guest's resolution. */
  resize(widthPx: number, heightPx: number): void {
    this.#scene = this.#makeScene(widthPx, heightPx);
    this.#scene.note(this.#typist.text);
    this.#path = new PointerPath(this.#scene.layout, this.#seed);
    this.#wake();
  }

  /** Stops publishing; the host lives on. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#pausedAt = performance.now();
    clearTimeout(this.#timer);
  }

  /** Goes on where {@link pause} stopped. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#startedAt += performance.now() - this.#pausedAt;
    this.#wake();
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#run?.end();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #host(): Host | undefined {
    return this.#run?.host;
  }

  readonly #wake = (): void => {
    if (this.#host === undefined || this.#paused) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(true), 0);
  };

  readonly #onMessage = (message: { type: string; x?: number; y?: number }): void => {
    if (message.type !== 'set-cursor-pos') return;
    this.#hold(message.x ?? 0, message.y ?? 0, true);
  };

  readonly #onInput = (input: HostInput): void => {
    const { widthPx, heightPx } = this.#scene;
    switch (input.kind) {
      case 'claim':
        return;
      case 'reset':
      case 'release':
        this.#typist.letGo();
        break;
      case 'absolute':
        this.#typist.hear(input);
        this.#hold(part(input.x, widthPx), part(input.y, heightPx), false);
        break;
      case 'relative': {
        this.#typist.hear(input);
        const { x, y } = this.#held ?? this.#tip(Math.max(0, this.#frame));
        this.#hold(x + input.deltaX, y + input.deltaY, false);
        break;
      }
      default:
        this.#edit(this.#typist.hear(input));
    }
    this.#scene.note(this.#typist.text);
  };

  /** Copies what was typed, or types what a client has, or what was copied here: one after the other. */
  #edit(wish: 'copy' | 'paste' | undefined): void {
    if (wish === undefined) return;
    const edit = wish === 'copy' ? () => this.#copy() : () => this.#paste();
    this.#edited = this.#edited.then(edit).catch(() => undefined);
  }

  #copy(): void {
    this.#copied = new TextEncoder().encode(this.#typist.typed);
    this.#host?.setClipboard(new Map([['text', this.#copied]]));
  }

  async #paste(): Promise<void> {
    const text = await this.#host?.readClipboard('text', MAX_PASTE_BYTES);
    this.#typist.paste(new TextDecoder().decode(text ?? this.#copied));
    this.#scene.note(this.#typist.text);
  }

  #hold(x: number, y: number, isWish: boolean): void {
    const { widthPx, heightPx } = this.#scene;
    const inside = (value: number, end: number): number => Math.min(end - 1, Math.max(0, value));
    const untilMs = performance.now() + (isWish ? HELD_POINTER_MS : HELD_INPUT_MS);
    this.#held = { x: inside(x, widthPx), y: inside(y, heightPx), untilMs, isWish };
  }

  #tip(frame: number): { readonly x: number; readonly y: number } {
    return this.#path.at({ frame, fps: this.#fps, clockMs: 0 });
  }

  #tick(always: boolean): void {
    const host = this.#host;
    if (host === undefined || this.#paused) return;
    try {
      const watched = host.watchers > 0 || host.cursorWatchers > 0;
      if (always || (watched && !this.#drawTime.leavesOut(host.pace?.dueInMs ?? 0)))
        this.#publish(host, performance.now());
      const delayMs = watched ? this.#untilNextFrame(host) : IDLE_MS;
      this.#timer = setTimeout(() => this.#tick(false), delayMs);
    } catch (error) {
      this.#run?.fail(error);
      void this.close();
    }
  }

  #untilNextFrame(host: Host): number {
    const { pace } = host;
    if (pace !== undefined) return this.#drawTime.untilNextMs(pace.dueInMs);
    const nextAt = this.#startedAt + ((Math.floor(this.#frame) + 1) * 1000) / this.#fps;
    return Math.max(0, nextAt - performance.now());
  }

  #publish(host: Host, nowMs: number): void {
    const moment = Math.max(0, ((nowMs - this.#startedAt) * this.#fps) / 1000);
    // Paced, it is drawn as it is at the moment, which lies between two frames of its own rate.
    const { pace } = host;
    const frame = pace === undefined ? Math.floor(moment) : moment;
    const periodMs = pace === undefined ? 1000 / this.#fps : pace.periodNs / 1e6;
    if (this.#held !== undefined && nowMs > this.#held.untilMs) this.#held = undefined;
    this.#movePointer(host, frame);
    // Woken within the same frame: there is nothing new to show, unless nothing was shown yet.
    if (frame === this.#frame && !this.#fresh) return;
    this.#frame = frame;
    this.#scene.mark(this.#held?.isWish === true ? this.#held : undefined);
    const damage = this.#scene.draw(frame, this.#wallClock());
    const { widthPx, heightPx, pixels } = this.#scene;
    const picture = this.#packed ?? pixels;
    if (this.#packed !== undefined) this.#pack(this.#packed, damage);
    this.#drawTime.drew(performance.now() - nowMs, periodMs);
    const published = host.publish({
      pixels: picture,
      format: this.#format,
      widthPx,
      heightPx,
      pitchBytes: this.#pitchBytes,
      damage: this.#fresh ? undefined : damage,
    });
    this.#fresh &&= !published;
    if (published) this.#frames++;
    this.#busyMs += performance.now() - nowMs;
  }

  #pack(target: Uint8Array, damage: readonly Rect[]): void {
    const { pixels, widthPx } = this.#scene;
    for (const rect of damage)
      packPixels({
        source: pixels,
        sourcePitchBytes: widthPx * 4,
        target,
        targetPitchBytes: this.#pitchBytes,
        format: this.#format,
        ...rect,
      });
  }

  #movePointer(host: Host, frame: number): void {
    if (this.#content === 'game') {
      if (this.#shape !== undefined) host.setCursor({ visible: false });
      this.#shape = undefined;
      return;
    }
    const tip = this.#held ?? this.#tip(frame);
    const name = this.#path.shapeAt(tip);
    const shape = this.#shapes[name];
    host.setCursor({
      position: { x: tip.x - shape.hotspotX, y: tip.y - shape.hotspotY },
      visible: true,
      shape: name === this.#shape ? undefined : shape,
    });
    this.#shape = name;
  }

  #makeScene(widthPx: number, heightPx: number): PatternScene {
    const scene = new PatternScene({
      widthPx,
      heightPx,
      content: this.#content,
      fps: this.#fps,
      seed: this.#seed,
    });
    this.#fresh = true;
    this.#pitchBytes = defaultPitchBytes(this.#format, widthPx);
    this.#packed =
      this.#format === 'BGRA' ? undefined : new Uint8Array(this.#pitchBytes * heightPx);
    return scene;
  }
}

/** Which pixel of a side a place of an absolute pointer falls on. */
function part(place: number, pixels: number): number {
  return Math.floor((place * pixels) / (INPUT_ABSOLUTE_MAX + 1));
}

function localClock(): number {
  const now = new Date();
  return now.getTime() - now.getTimezoneOffset() * 60_000;
}
