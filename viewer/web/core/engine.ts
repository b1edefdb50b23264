import { KvmfrError } from '../../../protocol/error.ts';
import {
  type Bye,
  decodeBye,
  decodeCursor,
  decodeCursorShape,
  decodeHello,
  decodeImage,
  decodePicture,
  decodePong,
  decodeState,
  decodeStats,
  decodeTiles,
  type Encoding,
  type Envelope,
  encodeAck,
  encodeView,
  encodeViewerHello,
  type Hello,
  type PictureMessage,
  readEnvelope,
  type SessionSummary,
  type State,
  UNKNOWN_US,
  WIRE_TYPES,
  WIRE_VERSION,
  wireError,
} from '../../../protocol/wire/index.ts';
import { Connection, type Link } from './connection.ts';
import { plainBytes } from './decode/bytes.ts';
import { decodeBitmap } from './decode/image.ts';
import { BufferPool } from './decode/pool.ts';
import { decodeTilePixels } from './decode/tiles.ts';
import { UpdateAssembler, type UpdateName } from './decode/updates.ts';
import type { Command, EncodingChoice, Report } from './messages.ts';
import type { Platform } from './platform.ts';
import { RefreshMeter } from './refresh.ts';
import { Presenter, type ReadyUpdate } from './render/presenter.ts';
import { type Part, Surface, type SurfaceCanvas } from './render/surface.ts';
import { StatsCounter } from './stats.ts';
import { sameStatus, type ViewStatus, viewStatus } from './status.ts';

/** What an engine works with. */
export interface EngineOptions {
  /** Ownership: the engine's. */
  readonly canvas: SurfaceCanvas;
  /** Makes a PNG file of what is on the canvas. */
  readonly encodePng: () => Promise<Blob>;
  readonly platform: Platform;
  readonly visible: boolean;
  /** Takes what the engine tells; `transfer` names buffers that it gives away with it. */
  readonly report: (report: Report, transfer: readonly ArrayBuffer[]) => void;
}

const STATS_EVERY_MS = 1000;
/** Close code for a relay that breaks the rules; from the range for applications. */
const CLOSE_WIRE = 4002;
const CLOSE_NORMAL = 1000;
const MAX_U32 = 0xffff_ffff;

/**
 * All of a viewer but what needs the page: the connection, decoding and the canvas. Runs in a
 * worker, or where there is none beside the page's own code.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #connection: Connection;
  readonly #surface: Surface;
  readonly #presenter: Presenter;
  readonly #assembler: UpdateAssembler;
  readonly #stats: StatsCounter;
  /** Measures the display; undefined where the browser does not tell. */
  readonly #meter: RefreshMeter | undefined;
  readonly #pool: BufferPool = new BufferPool();

  #visible: boolean;
  #encoding: EncodingChoice = 'auto';
  #hello: Hello | undefined;
  #picture: PictureMessage | undefined;
  #state: State | undefined;
  #session: SessionSummary | undefined;
  #bye: Bye | undefined;
  #fault: { readonly code: string; readonly message: string } | undefined;
  #status: ViewStatus | undefined;
  #cancelStats: (() => void) | undefined;

  /** @throws ERR_KVMFR_UNSUPPORTED when the canvas cannot be drawn on */
  constructor(options: EngineOptions) {
    const { platform } = options;
    const { clock } = platform;
    this.#options = options;
    this.#visible = options.visible;
    this.#surface = new Surface(options.canvas);
    this.#stats = new StatsCounter(clock.now());
    this.#presenter = new Presenter({
      clock,
      requestFrame: platform.requestFrame,
      paint: (part) => this.#paint(part),
      presented: (updates, presentedMs) => this.#presented(updates, presentedMs),
      failed: (error) => this.#fail(error),
    });
    this.#presenter.setVisible(this.#visible);
    const { onRefresh } = platform;
    this.#meter =
      onRefresh === undefined
        ? undefined
        : new RefreshMeter({
            clock,
            onRefresh,
            told: (refreshHz) => this.#connection.send(encodeView({ refreshHz })),
          });
    this.#assembler = new UpdateAssembler({
      clock,
      ready: (update) => this.#presenter.submit(update),
      failed: (error) => this.#fail(error),
    });
    this.#connection = new Connection({
      openSocket: platform.openSocket,
      clock,
      random: platform.random,
      probe: platform.probe,
      opened: () => this.#greet(),
      message: (bytes) => this.#message(bytes),
      failed: (error) => this.#fail(error),
      linkChanged: (link) => this.#linkChanged(link),
    });
  }

  /** Does what the element asks. */
  handle(command: Command): void {
    switch (command.kind) {
      case 'connect':
        this.#forgetEnd();
        this.#connection.connect(command.url);
        break;
      case 'disconnect':
        this.#forgetEnd();
        this.#connection.disconnect();
        break;
      case 'hurry':
        this.#connection.hurry();
        break;
      case 'visible':
        this.#setVisible(command.visible);
        break;
      case 'encoding':
        this.#encoding = command.encoding;
        this.#askForEncoding();
        break;
      case 'pixels':
        this.#readPixels(command.ask);
        break;
      case 'snapshot':
        this.#snapshot(command.ask);
        break;
    }
  }

  #forgetEnd(): void {
    this.#bye = undefined;
    this.#fault = undefined;
  }

  #setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    this.#presenter.setVisible(visible);
    this.#connection.send(encodeView({ visible }));
    if (visible) this.#connection.hurry();
    this.#measure();
  }

  #measure(): void {
    if (this.#visible && this.#connection.link.name === 'open') this.#meter?.start();
    else this.#meter?.stop();
  }

  #greet(): void {
    const encodings: readonly Encoding[] = this.#options.platform.canInflate
      ? ['lossless', 'jpeg']
      : ['jpeg'];
    const refreshHz = this.#meter?.refreshHz;
    this.#connection.send(
      encodeViewerHello({
        wire: WIRE_VERSION,
        encodings,
        codecs: [],
        visible: this.#visible,
        ...(refreshHz === undefined ? {} : { refreshHz }),
      }),
    );
  }

  #linkChanged(link: Link): void {
    if (link.name === 'open') {
      this.#stats.reset(this.#options.platform.clock.now());
      this.#scheduleStats();
    } else {
      this.#cancelStats?.();
      this.#cancelStats = undefined;
      this.#assembler.clear();
      this.#presenter.flush();
      this.#hello = undefined;
      this.#picture = undefined;
      this.#state = undefined;
    }
    this.#measure();
    // What the relay said, or did wrong, is of no interest once it is gone.
    if (link.name === 'lost' && link.reason === 'unreachable') this.#forgetEnd();
    this.#updateStatus();
  }

  #updateStatus(): void {
    const { link } = this.#connection;
    // A connection that was made again changes nothing for a person until the relay has spoken.
    if (link.name === 'open' && this.#state === undefined && this.#status !== undefined) return;
    const status = viewStatus({
      link,
      state: this.#state,
      session: this.#session,
      bye: this.#bye,
      fault: this.#fault,
    });
    const before = this.#status;
    if (before !== undefined && sameStatus(before, status)) return;
    const sinceMs =
      before?.state === status.state ? before.sinceMs : this.#options.platform.wallMs();
    this.#status = { ...status, sinceMs };
    this.#report({ kind: 'status', status: this.#status });
  }

  #message(bytes: Uint8Array): void {
    this.#stats.received(bytes.byteLength);
    try {
      this.#dispatch(readEnvelope(bytes));
    } catch (error) {
      this.#fail(error);
    }
  }

  #dispatch(envelope: Envelope): void {
    switch (envelope.type) {
      case WIRE_TYPES.hello:
        this.#takeHello(decodeHello(envelope));
        break;
      case WIRE_TYPES.state:
        this.#takeState(decodeState(envelope));
        break;
      case WIRE_TYPES.picture:
        this.#takePicture(decodePicture(envelope));
        break;
      case WIRE_TYPES.tiles:
        this.#takeTiles(envelope);
        break;
      case WIRE_TYPES.image:
        this.#takeImage(envelope);
        break;
      case WIRE_TYPES.cursor:
        this.#report({ kind: 'cursor', cursor: decodeCursor(envelope) });
        break;
      case WIRE_TYPES.cursorShape:
        this.#takeCursorShape(envelope);
        break;
      case WIRE_TYPES.pong:
        this.#takePong(decodePong(envelope).viewerMs);
        break;
      case WIRE_TYPES.stats:
        this.#stats.relay(decodeStats(envelope));
        break;
      case WIRE_TYPES.bye:
        this.#takeBye(decodeBye(envelope));
        break;
      default:
        // A later relay may know more types; it must not depend on our understanding them.
        break;
    }
  }

  #takeHello(hello: Hello): void {
    this.#hello = hello;
    this.#report({ kind: 'hello', version: hello.version, encodings: hello.encodings });
    this.#report({ kind: 'cursor', cursor: { visible: false, x: 0, y: 0, shapeId: 0 } });
    if (this.#encoding !== 'auto') this.#askForEncoding();
  }

  // A relay may offer less than this viewer can; what is not offered must not be asked for.
  #askForEncoding(): void {
    const offered = this.#hello?.encodings;
    const encoding = this.#encoding;
    if (encoding === 'auto' ? offered !== undefined : offered?.includes(encoding))
      this.#connection.send(encodeView({ encoding }));
  }

  #takeState(state: State): void {
    this.#state = state;
    this.#session = state.session ?? this.#session;
    this.#forgetEnd();
    this.#updateStatus();
  }

  #takePicture(picture: PictureMessage): void {
    if (this.#hello === undefined) throw wireError('a picture message must come after the hello');
    this.#picture = picture;
    // The canvas changes with the first update, so that the former picture stays until then.
    this.#assembler.dropOpen();
    this.#assembler.add(Promise.resolve({ kind: 'size', picture }));
  }

  #takeTiles(envelope: Envelope): void {
    const { widthPx, heightPx } = this.#needPicture('tiles');
    const grid = { widthPx, heightPx, tilePx: this.#hello?.tilePx ?? 0 };
    const message = decodeTiles(envelope, grid);
    const part = async (): Promise<Part> => {
      const decoded = await decodeTilePixels(message, grid, this.#pool);
      return { kind: 'pixels', blocks: decoded.blocks, release: decoded.release };
    };
    this.#takePart(message, part);
  }

  #takeImage(envelope: Envelope): void {
    const message = decodeImage(envelope, this.#needPicture('image'));
    const part = async (): Promise<Part> => ({
      kind: 'bitmap',
      rect: message.rect,
      bitmap: await decodeBitmap(message, this.#options.platform.makeBitmap),
    });
    this.#takePart(message, part);
  }

  #needPicture(what: string): PictureMessage {
    if (this.#picture === undefined)
      throw wireError(`a message of ${what} must come after a picture message`);
    return this.#picture;
  }

  #takePart(message: UpdateName & { readonly last: boolean }, part: () => Promise<Part>): void {
    const { epoch, serial } = message;
    if (epoch === this.#picture?.epoch) {
      this.#assembler.add(part());
      if (message.last) this.#assembler.finish({ epoch, serial });
    } else if (message.last) {
      // For a picture that is no more: nothing to draw, but the relay wants its credit back.
      this.#connection.send(
        encodeAck({
          epoch,
          serial,
          networkUs: UNKNOWN_US,
          boundUs: UNKNOWN_US,
          decodeUs: 0,
          presentUs: 0,
        }),
      );
    }
  }

  #takeCursorShape(envelope: Envelope): void {
    const { rgba, ...shape } = decodeCursorShape(envelope);
    const own = new Uint8ClampedArray(plainBytes(rgba));
    this.#options.report({ kind: 'cursorShape', shape: { ...shape, rgba: own } }, [own.buffer]);
  }

  #takePong(viewerMs: number): void {
    const ms = this.#options.platform.clock.now() - viewerMs;
    if (ms >= 0) this.#stats.roundTrip(ms);
  }

  #takeBye(bye: Bye): void {
    this.#bye = bye;
    this.#fault = undefined;
    const close = { code: CLOSE_NORMAL, reason: '' };
    if (!bye.retry) this.#connection.disconnect();
    else this.#connection.retry(bye.code === 'ERR_KVMFR_BUSY' ? 'later' : 'soon', close);
  }

  #paint(part: Part): void {
    this.#surface.paint(part);
    if (part.kind === 'size') this.#report({ kind: 'picture', picture: part.picture });
  }

  #presented(updates: readonly ReadyUpdate[], presentedMs: number): void {
    this.#stats.frame();
    for (const { epoch, serial, receivedMs, decodedMs } of updates) {
      const decodeMs = decodedMs - receivedMs;
      const presentMs = presentedMs - decodedMs;
      this.#stats.update(decodeMs, presentMs);
      this.#connection.send(
        encodeAck({
          epoch,
          serial,
          networkUs: UNKNOWN_US,
          boundUs: UNKNOWN_US,
          decodeUs: microseconds(decodeMs),
          presentUs: microseconds(presentMs),
        }),
      );
      this.#report({ kind: 'presented', epoch, serial });
    }
  }

  #fail(error: unknown): void {
    const { code, message } = describe(error);
    this.#report({ kind: 'error', code, message });
    this.#bye = undefined;
    this.#fault = { code, message };
    this.#connection.retry('later', { code: CLOSE_WIRE, reason: code });
  }

  #scheduleStats(): void {
    const { clock } = this.#options.platform;
    this.#cancelStats?.();
    this.#cancelStats = clock.after(STATS_EVERY_MS, () => {
      this.#report({ kind: 'stats', stats: this.#stats.sample(clock.now()) });
      this.#scheduleStats();
    });
  }

  #readPixels(ask: number): void {
    try {
      this.#presenter.flush();
      const pixels = this.#surface.read();
      this.#options.report({ kind: 'pixels', ask, ...pixels }, [pixels.rgba.buffer]);
    } catch (error) {
      this.#report({ kind: 'refused', ask, ...describe(error) });
    }
  }

  #snapshot(ask: number): void {
    this.#presenter.flush();
    this.#options.encodePng().then(
      (png) => this.#report({ kind: 'snapshot', ask, png }),
      (error: unknown) => this.#report({ kind: 'refused', ask, ...describe(error) }),
    );
  }

  #report(report: Report): void {
    this.#options.report(report, []);
  }
}

function microseconds(ms: number): number {
  return Math.min(MAX_U32, Math.max(0, Math.round(ms * 1000)));
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (KvmfrError.is(error)) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'ERR_KVMFR_IMAGE', message };
}
