import { FrameBuffer, type FrameBufferMode } from '../../native/index.ts';
import { KvmfrError } from '../../protocol/index.ts';
import { defaultPitchBytes } from '../pack.ts';
import { regionMibOf } from '../plan.ts';
import type { Host } from '../publisher.ts';
import type { FrameSource, SourceOptions } from '../source.ts';
import { SourceRun } from '../source-run.ts';
import type { WireName } from '../wire.ts';
import { type VisibleScreen, visibleScreen } from './mode.ts';
import { ComparedPicture } from './picture.ts';
import { Rhythm } from './rhythm.ts';

/** Memory of a device, mapped. */
export interface DeviceMemory {
  readonly buffer: ArrayBuffer;
  /** Whether memory went away under it. */
  readonly lost: boolean;
  close(): void;
}

/** What a frame buffer does for its source: a device of Linux, or whatever acts as one. */
export interface FrameBufferDevice {
  readonly path: string;
  /** The mode it has now; the same object while nothing has changed. @throws when it is gone */
  mode(): FrameBufferMode;
  map(byteLength: number): DeviceMemory;
  close(): void;
}

/** More of a frame buffer than a source in general has. */
export interface FbdevSourceOptions extends SourceOptions {
  /** What opens the device; {@link FrameBuffer.open} when left out. */
  readonly openDevice?: ((path: string) => FrameBufferDevice) | undefined;
}

/** A device that is open, in the mode that it has. */
interface Opened {
  readonly device: FrameBufferDevice;
  readonly mode: FrameBufferMode;
  readonly screen: VisibleScreen;
  readonly memory: DeviceMemory;
  readonly bytes: Uint8Array;
  readonly picture: ComparedPicture;
}

const RETRY_MS = 1000;

/**
 * Publishes what a frame buffer shows: the console, or whatever draws there. It does not say what
 * changes, so it is compared with what was published, while somebody looks.
 *
 * A device that goes away, or turns to a mode that is not taken, is told by the host's `error` event
 * and looked for once a second; the last picture stays.
 */
export class FbdevSource implements FrameSource {
  readonly kind = 'fbdev' as const;
  readonly features: number = 0;
  readonly path: string;
  readonly #open: (path: string) => FrameBufferDevice;
  readonly #wire: WireName;
  readonly #rhythm: Rhythm;
  #opened: Opened | undefined;
  #run: SourceRun | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The picture as a whole is new to the host. */
  #isFresh = true;
  /** The host has refused what it was given last: every place for frames was taken. */
  #isOwed = false;
  /** What was said of the device last, so that it is said once. */
  #complaint: string | undefined;

  /**
   * @throws what opening the device throws, ERR_KVMFR_FORMAT, ERR_KVMFR_BOUNDS
   */
  constructor(path: string, options: FbdevSourceOptions = {}) {
    this.path = path;
    this.#open = options.openDevice ?? ((name) => FrameBuffer.open(name));
    this.#wire = options.wire ?? 'B7';
    this.#rhythm = new Rhythm(options.fps ?? 60);
    this.#opened = this.#openNow();
  }

  get regionMib(): number {
    const { widthPx = 1920, heightPx = 1080 } = this.#opened?.screen ?? {};
    return regionMibOf(this.#wire, heightPx, defaultPitchBytes('BGRA', widthPx));
  }

  async run(host: Host): Promise<void> {
    const run = new SourceRun(host, () => void this.close());
    this.#run = run;
    run.hear('subscriber', this.#wake);
    run.hear('session', this.#begin);
    run.hear('pace', this.#wake);
    this.#look();
    await run.ended;
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#run?.end();
    this.#drop();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #host(): Host | undefined {
    return this.#run?.host;
  }

  readonly #begin = (): void => {
    this.#isFresh = true;
    this.#wake();
  };

  readonly #wake = (): void => {
    if (this.#host === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), 0);
  };

  // With nobody there no timer runs: a subscriber wakes us.
  #look(): void {
    const host = this.#host;
    if (host === undefined || host.watchers === 0) return;
    try {
      const opened = this.#current(host);
      if (opened !== undefined) this.#publish(host, opened);
      const mayRest = !this.#isOwed && !this.#isFresh;
      const delayMs = opened === undefined ? RETRY_MS : this.#rhythm.untilNextMs(host, mayRest);
      if (!host.closed) this.#timer = setTimeout(() => this.#look(), delayMs);
    } catch (error) {
      this.#run?.fail(error);
      void this.close();
    }
  }

  #publish(host: Host, { screen, memory, bytes, picture }: Opened): void {
    this.#rhythm.begin();
    const { offsetBytes, pitchBytes, format } = screen;
    const damage = picture.update({ bytes, offsetBytes, pitchBytes, format });
    this.#rhythm.end(damage.length > 0);
    if (memory.lost) {
      this.#drop();
      this.#complain(host, new KvmfrError('ERR_KVMFR_ABSENT', `${this.path} went away`));
      return;
    }
    if (damage.length === 0 && !this.#isOwed && !this.#isFresh) return;
    const { pixels, widthPx, heightPx } = picture;
    const isPublished = host.publish({
      pixels,
      format: 'BGRA',
      widthPx,
      heightPx,
      damage: this.#isFresh ? undefined : damage,
    });
    this.#isOwed = !isPublished;
    this.#isFresh &&= !isPublished;
  }

  /** The device in the mode that it has now; undefined while there is none that can be shown. */
  #current(host: Host): Opened | undefined {
    try {
      const opened = this.#opened ?? this.#openNow();
      this.#opened = opened;
      if (opened.device.mode() !== opened.mode) {
        this.#drop();
        this.#opened = this.#openNow(opened.picture);
      }
      this.#complaint = undefined;
      return this.#opened;
    } catch (error) {
      this.#drop();
      this.#complain(host, error);
      return undefined;
    }
  }

  /** A picture of the same size is gone on with: the screen was moved within its memory. */
  #openNow(before?: ComparedPicture): Opened {
    const device = this.#open(this.path);
    try {
      const mode = device.mode();
      const screen = visibleScreen(mode, this.path);
      const memory = device.map(screen.usedBytes);
      const { widthPx, heightPx } = screen;
      const isSame = before?.widthPx === widthPx && before.heightPx === heightPx;
      this.#isFresh ||= !isSame;
      const picture = isSame ? before : new ComparedPicture(widthPx, heightPx);
      return { device, mode, screen, memory, bytes: new Uint8Array(memory.buffer), picture };
    } catch (error) {
      device.close();
      throw error;
    }
  }

  #drop(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.memory.close();
    opened?.device.close();
  }

  #complain(host: Host, error: unknown): void {
    if (!KvmfrError.is(error)) throw error;
    if (error.message === this.#complaint) return;
    this.#complaint = error.message;
    if (host.listenerCount('error') > 0) host.emit('error', error);
  }
}
