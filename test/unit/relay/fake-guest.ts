import type { ClientState, FrameDeadline, SessionInfo } from '../../../client/index.ts';
import type {
  GuestCursor,
  GuestCursorShape,
  GuestFrame,
  GuestSource,
  StreamOptions,
} from '../../../viewer/relay/index.ts';

/** A stream of which only the newest value counts, as the client's are. */
class Newest<T> {
  #value: { readonly item: T } | undefined;
  #wake: (() => void) | undefined;
  #closed = false;
  /** Loops over this stream now. */
  readers = 0;

  put(item: T): void {
    this.#value = { item };
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async *read(signal: AbortSignal | undefined): AsyncGenerator<T, void> {
    this.readers++;
    const wake = (): void => this.#wake?.();
    signal?.addEventListener('abort', wake);
    try {
      while (!this.#closed && signal?.aborted !== true) {
        const value = this.#value;
        this.#value = undefined;
        if (value !== undefined) {
          yield value.item;
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.readers--;
    }
  }
}

/** The session of the fake guest. */
export const SESSION: SessionInfo = {
  id: 7,
  lgmpVersion: 6,
  kvmfrVersion: 20,
  release: 'B7',
  hostVersion: 'B7-test',
  features: 0,
  vm: { uuid: undefined, capture: 'pattern', cpus: 1, cores: 1, sockets: 1, model: 'test CPU' },
  os: { kind: 'linux', name: 'Test OS <b>"&' },
};

/** A guest that does what a test says, in place of a client on a region. */
export class FakeGuest implements GuestSource {
  state: ClientState = { name: 'showing', message: 'showing a test' };
  session: SessionInfo | undefined = SESSION;
  readonly stats = { sessions: 1, framesSeen: 0, framesSkipped: 0, framesGivenUp: 0 };
  closed = false;
  /** Periods that were asked for, one after the other. */
  readonly schedules: (number | undefined)[] = [];
  /** What was told of frames: their deadlines, and how long they were ready before they were shown. */
  readonly shown: (readonly [number, number])[] = [];
  /** How often frames were subscribed to. */
  subscriptions = 0;
  /** What a new subscriber is given, as a publisher posts its last frame again. */
  current: (() => GuestFrame) | undefined;
  readonly #frames = new Newest<GuestFrame>();
  readonly #cursors = new Newest<GuestCursor>();
  readonly #states = new Newest<ClientState>();

  /** Whether anybody reads frames now. */
  get watched(): boolean {
    return this.#frames.readers > 0;
  }

  /** Whether anybody reads the cursor now. */
  get pointed(): boolean {
    return this.#cursors.readers > 0;
  }

  publish(frame: GuestFrame): void {
    this.stats.framesSeen++;
    this.#frames.put(frame);
  }

  point(cursor: GuestCursor): void {
    this.#cursors.put(cursor);
  }

  tell(state: ClientState): void {
    this.state = state;
    this.#states.put(state);
  }

  async *states(options: StreamOptions = {}): AsyncGenerator<ClientState, void> {
    yield this.state;
    yield* this.#states.read(options.signal);
  }

  frames(options: StreamOptions = {}): AsyncGenerator<GuestFrame, void> {
    this.subscriptions++;
    const first = this.current?.();
    if (first !== undefined) this.publish(first);
    return this.#frames.read(options.signal);
  }

  cursor(options: StreamOptions = {}): AsyncGenerator<GuestCursor, void> {
    return this.#cursors.read(options.signal);
  }

  schedule(wish: { readonly periodNs: number } | undefined): void {
    this.schedules.push(wish?.periodNs);
  }

  presented(deadline: FrameDeadline, waitedNs: number): void {
    this.shown.push([deadline.deadlineSerial, waitedNs]);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#frames.close();
    this.#cursors.close();
    this.#states.close();
  }
}

/** A cursor shape of one colour. */
export function shapeOf(value: number, side: number): GuestCursorShape {
  const rgba = new Uint8Array(side * side * 4).fill(value);
  return { widthPx: side, heightPx: side, hotspotX: 1, hotspotY: 2, rgba };
}
