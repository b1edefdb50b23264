import { StateBoard } from '../../client/reader/board.ts';
import { NewestStream } from '../../client/reader/newest.ts';
import type {
  GuestCursor,
  GuestCursorShape,
  GuestSource,
  StreamOptions,
} from '../../client/reader/source.ts';
import type { SpiceCursorShape, SpiceSession } from '../../client/spice/index.ts';
import type { ClientState } from '../../client/state.ts';
import { SpiceGuestFrame } from './spice-frame.ts';
import { spiceState } from './spice-state.ts';

/** How a source is made. */
export interface SpiceSourceOptions {
  /**
   * How long a screen may be gone before that is told: a guest that changes its mode has none for a
   * moment. Units: milliseconds.
   */
  readonly graceMs?: number;
  /** Nobody acts on the guest: so the server is asked for the way in which it tells of moves. */
  readonly onlyLooks?: boolean;
  /** Units: milliseconds of any clock that does not jump. */
  readonly nowMs?: () => number;
}

const GRACE_MS = 500;
/** A server that was taken, or refused us, is asked again for a person at most so often. */
const ASK_AGAIN_MS = 10_000;

/**
 * A guest's screen by its SPICE server: firmware, boot loader, text console, and adapters that QEMU
 * emulates or scans out.
 *
 * Nothing is copied while nobody iterates. A server that somebody else has taken, or that refuses the
 * password, is asked again when a person comes to look ({@link attend}), never by itself: two viewers
 * that did would throw each other out for ever.
 *
 * Ownership: the session stays its maker's, who closes it after this.
 */
export class SpiceSource implements GuestSource {
  readonly session: undefined;
  readonly #session: SpiceSession;
  readonly #graceMs: number;
  readonly #nowMs: () => number;
  readonly #board: StateBoard;
  readonly #closing = new AbortController();
  readonly #pointers = new Set<NewestStream<GuestCursor>>();
  #framesSeen = 0;
  #hadScreen = false;
  #missing: NodeJS.Timeout | undefined;
  /** The connection that was asked for moves. */
  #askedOf = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #shape: { readonly of: SpiceCursorShape; readonly shape: GuestCursorShape } | undefined;

  constructor(session: SpiceSession, options: SpiceSourceOptions = {}) {
    this.#session = session;
    this.#graceMs = options.graceMs ?? GRACE_MS;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#hadScreen = isShown(session);
    this.#board = new StateBoard(spiceState(session, this.#hadScreen));
    const { signal } = this.#closing;
    void eachOf(session.states({ signal }), () => this.#look());
    void eachOf(session.display.screens({ signal }), () => this.#look());
    if (options.onlyLooks === true)
      void eachOf(session.infos({ signal }), () => this.#askForMoves());
  }

  get state(): ClientState {
    return this.#board.state;
  }

  get stats(): GuestSource['stats'] {
    const { connections } = this.#session;
    return {
      sessions: connections,
      framesSeen: this.#framesSeen,
      framesSkipped: 0,
      framesGivenUp: 0,
    };
  }

  states(options: StreamOptions = {}): AsyncIterableIterator<ClientState> {
    return this.#board.states(options);
  }

  async *frames(options: StreamOptions = {}): AsyncGenerator<SpiceGuestFrame, undefined> {
    const closing = this.#closing.signal;
    const signal =
      options.signal === undefined ? closing : AbortSignal.any([closing, options.signal]);
    for await (const frame of this.#session.display.frames({ signal })) {
      this.#framesSeen++;
      yield new SpiceGuestFrame(frame);
    }
  }

  cursor(options: StreamOptions = {}): AsyncIterableIterator<GuestCursor> {
    const ended = new AbortController();
    const stream: NewestStream<GuestCursor> = new NewestStream(undefined, () => {
      ended.abort();
      this.#pointers.delete(stream);
      return undefined;
    });
    const end = (): void => stream.end();
    const { signal } = ended;
    this.#pointers.add(stream);
    options.signal?.addEventListener('abort', end, { once: true, signal });
    if (options.signal?.aborted === true || this.#closing.signal.aborted) {
      stream.end();
      return stream;
    }
    const { cursor, inputs } = this.#session;
    const put = (): void => stream.put(this.#pointer());
    void eachOf(cursor.states({ signal }), put);
    void eachOf(inputs.places({ signal }), put);
    void eachOf(this.#session.infos({ signal }), put);
    return stream;
  }

  attend(): void {
    const { name } = this.#session.state;
    if (name !== 'taken' && name !== 'denied') return;
    const nowMs = this.#nowMs();
    if (nowMs - this.#askedMs < ASK_AGAIN_MS) return;
    this.#askedMs = nowMs;
    this.#session.reconnect();
  }

  close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#missing);
    for (const stream of [...this.#pointers]) stream.end();
    this.#board.close();
    return Promise.resolve();
  }

  #look(): void {
    if (this.#closing.signal.aborted) return;
    const { display, state } = this.#session;
    const isThere = display.screen !== undefined;
    this.#hadScreen ||= isShown(this.#session);
    if (isThere || state.name !== 'connected') this.#show();
    else this.#missing ??= setTimeout(() => this.#show(), this.#graceMs);
  }

  #show(): void {
    clearTimeout(this.#missing);
    this.#missing = undefined;
    this.#board.show(spiceState(this.#session, this.#hadScreen));
  }

  /** Once for each connection: a server that stays as it is would be asked for ever. */
  #askForMoves(): void {
    const { info, connections } = this.#session;
    if (info?.mouseMode !== 'client' || this.#askedOf === connections) return;
    this.#askedOf = connections;
    this.#session.requestMouseMode('server');
  }

  #pointer(): GuestCursor {
    const { cursor, inputs, info } = this.#session;
    const { visible, shape } = cursor.state;
    // Of moves that come from here the server tells nothing, and of no others either then.
    const isOurs = info?.mouseMode === 'client';
    const place = isOurs ? inputs.place : cursor.state;
    if (shape === undefined || place === undefined)
      return { visible: false, x: 0, y: 0, shape: undefined };
    const { x, y } = place;
    return { visible, x: x - shape.hotX, y: y - shape.hotY, shape: this.#shapeOf(shape) };
  }

  #shapeOf(of: SpiceCursorShape): GuestCursorShape {
    if (this.#shape?.of === of) return this.#shape.shape;
    const { widthPx, heightPx, hotX, hotY, rgba } = of;
    const shape = { widthPx, heightPx, hotspotX: hotX, hotspotY: hotY, rgba };
    this.#shape = { of, shape };
    return shape;
  }
}

/** What a server draws while it still lets its channels in is not a screen that one had and lost. */
function isShown({ state, display }: SpiceSession): boolean {
  return state.name === 'connected' && display.screen !== undefined;
}

async function eachOf<T>(stream: AsyncIterable<T>, run: () => void): Promise<void> {
  for await (const _ of stream) run();
}
