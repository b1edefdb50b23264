import {
  type Bye,
  decodeBye,
  decodeClipboardData,
  decodeClipboardState,
  decodeCursor,
  decodeCursorShape,
  decodeHello,
  decodeInputState,
  decodePong,
  decodeState,
  decodeStats,
  type Envelope,
  encodeInputWish,
  encodeNeedKey,
  encodePing,
  encodeView,
  type Hello,
  type InputState,
  type PongMessage,
  readEnvelope,
  type VideoStream,
  WIRE_TYPES,
} from '../../../protocol/wire/index.ts';
import { ClipboardLine } from './clipboard-line.ts';
import { Connection, type Link } from './connection.ts';
import { plainBytes } from './decode/bytes.ts';
import { describeFault } from './fault.ts';
import { Greeting } from './greeting.ts';
import { InputOutbox } from './input-outbox.ts';
import type { Command, EncodingChoice, Report } from './messages.ts';
import { PictureLine, type PictureLineOptions } from './picture-line.ts';
import type { Platform } from './platform.ts';
import { Receipts } from './receipts.ts';
import { RefreshMeter } from './refresh.ts';
import { RelayClock } from './relay-clock.ts';
import { Listening } from './sound/listening.ts';
import { Standing } from './standing.ts';
import { StatsCounter } from './stats.ts';

/** What an engine works with. */
export interface EngineOptions extends Pick<PictureLineOptions, 'picture' | 'newCanvas' | 'track'> {
  readonly platform: Platform;
  readonly visible: boolean;
  /** Takes what the engine tells; `transfer` names buffers that it gives away with it. */
  readonly report: (report: Report, transfer: readonly ArrayBuffer[]) => void;
}

const STATS_EVERY_MS = 1000;
/** Close code for a relay that breaks the rules; from the range for applications. */
const CLOSE_WIRE = 4002;
const CLOSE_NORMAL = 1000;

/**
 * All of a viewer but what needs the page: the connection, decoding and the canvas. Runs in a
 * worker, or where there is none beside the page's own code.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #connection: Connection;
  readonly #picture: PictureLine;
  readonly #relayClock: RelayClock;
  readonly #receipts: Receipts;
  readonly #greeting: Greeting;
  readonly #standing: Standing;
  readonly #stats: StatsCounter;
  /** Measures the display; undefined where the browser does not tell. */
  readonly #meter: RefreshMeter | undefined;

  readonly #outbox: InputOutbox;
  readonly #clipboard: ClipboardLine;
  readonly #listening: Listening;

  /** Whether the relay has said that this viewer may act on the guest. */
  #mayAct = false;
  #visible: boolean;
  #encoding: EncodingChoice = 'auto';
  #hello: Hello | undefined;
  #cancelStats: (() => void) | undefined;

  /** @throws ERR_KVMFR_UNSUPPORTED when the canvas cannot be drawn on */
  constructor(options: EngineOptions) {
    const { platform } = options;
    const { clock } = platform;
    this.#options = options;
    this.#visible = options.visible;
    this.#stats = new StatsCounter(clock.now());
    const { picture, newCanvas, track, visible, report } = options;
    this.#picture = new PictureLine({
      ...{ picture, newCanvas, track, visible, report, platform },
      presented: (updates) => this.#receipts.presented(updates),
      void: (update) => this.#receipts.void(update),
      dropped: () => this.#stats.dropped(),
      needKey: (stream) => this.#connection.send(encodeNeedKey(stream)),
      gaveUp: (stream) => this.#giveUp(stream),
      failed: (error) => this.#fail(error),
    });
    const { onRefresh } = platform;
    this.#meter =
      onRefresh === undefined
        ? undefined
        : new RefreshMeter({
            clock,
            onRefresh,
            told: (refreshHz) => this.#connection.send(encodeView({ refreshHz })),
          });
    this.#relayClock = new RelayClock({
      clock,
      ping: (viewerMs) => this.#connection.send(encodePing(viewerMs)),
    });
    this.#receipts = new Receipts({
      relayClock: this.#relayClock,
      stats: this.#stats,
      originMs: platform.originMs,
      send: (message) => this.#connection.send(message),
      report: (report) => this.#report(report),
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
    this.#listening = new Listening({
      send: (message) => this.#connection.send(message),
      buffered: () => this.#connection.bufferedBytes,
      report: (state) => this.#report({ kind: 'sound', state }),
      originMs: platform.originMs,
      relayTime: () => this.#relayClock.now(),
      pictureMs: () => this.#stats.pictureMs,
    });
    this.#outbox = new InputOutbox({
      // A relay refuses hands that it has not asked for.
      send: (message) => {
        if (this.#mayAct) this.#connection.send(message);
      },
      buffered: () => this.#connection.bufferedBytes - this.#clipboard.pieceBytes,
      after: (ms, run) => clock.after(ms, run),
      nowMs: () => clock.now(),
      relayMs: (atMs) => {
        const relay = this.#relayClock.now();
        return relay === undefined ? undefined : atMs + relay.offsetMs;
      },
    });
    this.#clipboard = new ClipboardLine({
      send: (message) => this.#connection.send(message),
      buffered: () => this.#connection.bufferedBytes,
      after: (ms, run) => clock.after(ms, run),
      report: (report) => this.#report(report),
    });
    this.#standing = new Standing({
      link: () => this.#connection.link,
      wallMs: platform.wallMs,
      changed: (status) => this.#report({ kind: 'status', status }),
    });
    const { canInflate, codecs } = platform;
    this.#greeting = new Greeting({
      clock,
      canInflate,
      codecs,
      learnt: (known) => {
        this.#report({ kind: 'codecs', codecs: known });
        if (this.#connection.link.name === 'open') this.#greet();
      },
    });
  }

  /** Does what the element asks. */
  handle(command: Command): void {
    switch (command.kind) {
      case 'connect':
        this.#standing.forgetEnd();
        this.#connection.connect(command.url);
        break;
      case 'disconnect':
        this.#standing.forgetEnd();
        this.#connection.disconnect();
        break;
      case 'hurry':
        this.#connection.hurry();
        break;
      case 'visible':
        this.#setVisible(command.visible);
        break;
      case 'onScreen':
        this.#picture.onScreen(command.timestampUs, this.#here(command.atMs));
        break;
      case 'encoding':
        this.#encoding = command.encoding;
        this.#askForEncoding();
        break;
      case 'input':
        this.#outbox.add(command.events, this.#here(command.atMs));
        break;
      case 'inputWish':
        if (this.#mayAct) this.#connection.send(encodeInputWish(command.wish));
        break;
      case 'clipboardOffer':
        this.#clipboard.offer(command.offer, command.contents);
        break;
      case 'clipboardRead':
        this.#clipboard.read(command.ask, command.offer, command.contents);
        break;
      case 'sound':
        this.#listening.handle(command.command);
        break;
      case 'trace':
        this.#receipts.tracing = command.on;
        break;
      case 'pixels':
        this.#picture.readPixels(command.ask);
        break;
      case 'snapshot':
        this.#picture.snapshot(command.ask);
        break;
    }
  }

  /** A moment that the page tells, by this side's clock. */
  #here(pageMs: number): number {
    return pageMs - this.#options.platform.originMs;
  }

  #setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    this.#picture.setVisible(visible);
    this.#connection.send(encodeView({ visible }));
    if (visible) this.#connection.hurry();
    this.#measure();
  }

  #measure(): void {
    if (this.#visible && this.#connection.link.name === 'open') this.#meter?.start();
    else this.#meter?.stop();
  }

  // Called when the socket is open, and when it is known what to say: the later one says it.
  #greet(): void {
    const refreshHz = this.#meter?.refreshHz;
    const message = this.#greeting.message({ visible: this.#visible, refreshHz });
    if (message === undefined) return;
    this.#connection.send(message);
    this.#relayClock.start();
  }

  #linkChanged(link: Link): void {
    if (link.name === 'open') {
      this.#stats.reset(this.#options.platform.clock.now());
      this.#scheduleStats();
    } else {
      this.#cancelStats?.();
      this.#cancelStats = undefined;
      this.#relayClock.stop();
      this.#picture.lost();
      this.#hello = undefined;
      this.#takeInput(undefined);
      this.#clipboard.clear();
      this.#listening.lost();
      this.#standing.lost();
    }
    this.#measure();
    // What the relay said, or did wrong, is of no interest once it is gone.
    if (link.name === 'lost' && link.reason === 'unreachable') this.#standing.forgetEnd();
    this.#standing.update();
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
    if (this.#picture.take(envelope)) return;
    switch (envelope.type) {
      case WIRE_TYPES.hello:
        this.#takeHello(decodeHello(envelope));
        break;
      case WIRE_TYPES.state:
        this.#standing.said(decodeState(envelope));
        break;
      case WIRE_TYPES.cursor:
        this.#report({ kind: 'cursor', cursor: decodeCursor(envelope) });
        break;
      case WIRE_TYPES.cursorShape:
        this.#takeCursorShape(envelope);
        break;
      case WIRE_TYPES.inputState:
        this.#takeInput(decodeInputState(envelope));
        break;
      case WIRE_TYPES.clipboardState:
        this.#clipboard.take(decodeClipboardState(envelope));
        break;
      case WIRE_TYPES.clipboardData:
        this.#clipboard.takeData(decodeClipboardData(envelope));
        break;
      case WIRE_TYPES.soundState:
        this.#listening.takeState(envelope);
        break;
      case WIRE_TYPES.sound:
        this.#listening.takeSound(envelope);
        break;
      case WIRE_TYPES.pong:
        this.#takePong(decodePong(envelope));
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
    this.#picture.begin(hello.tilePx);
    const { version, encodings, codecs, viewOnly } = hello;
    this.#report({ kind: 'hello', version, encodings, codecs, viewOnly });
    this.#report({ kind: 'cursor', cursor: { visible: false, x: 0, y: 0, shapeId: 0 } });
    if (this.#encoding !== 'auto') this.#askForEncoding();
  }

  // A relay may offer less than this viewer can, and the other way round: what one of them has not
  // must not be asked for.
  #askForEncoding(): void {
    const hello = this.#hello;
    const encoding = this.#encoding;
    if (hello === undefined) return;
    if (encoding !== 'auto' && !hello.encodings.includes(encoding)) return;
    if (encoding === 'video' && !this.#greeting.hasOneOf(hello.codecs)) return;
    this.#connection.send(encodeView({ encoding }));
  }

  #giveUp({ codec, codecString }: VideoStream): void {
    const message = `this browser cannot decode ${codecString}, though it says so`;
    this.#report({ kind: 'error', code: 'ERR_KVMFR_UNSUPPORTED', message });
    this.#connection.retry('soon', { code: CLOSE_NORMAL, reason: '' });
    this.#greeting.drop(codec);
  }

  #takeCursorShape(envelope: Envelope): void {
    const { rgba, ...shape } = decodeCursorShape(envelope);
    const own = new Uint8ClampedArray(plainBytes(rgba));
    this.#options.report({ kind: 'cursorShape', shape: { ...shape, rgba: own } }, [own.buffer]);
  }

  #takePong(pong: PongMessage): void {
    const ms = this.#relayClock.take(pong);
    if (ms !== undefined) this.#stats.roundTrip(ms);
  }

  #takeInput(state: InputState | undefined): void {
    const had = this.#mayAct;
    this.#mayAct = state !== undefined;
    if (state === undefined) this.#outbox.clear();
    if (had || state !== undefined) this.#report({ kind: 'input', state });
  }

  #takeBye(bye: Bye): void {
    this.#standing.saidBye(bye);
    const close = { code: CLOSE_NORMAL, reason: '' };
    if (!bye.retry) this.#connection.disconnect();
    else this.#connection.retry(bye.code === 'ERR_KVMFR_BUSY' ? 'later' : 'soon', close);
  }

  #fail(error: unknown): void {
    const { code, message } = describeFault(error);
    this.#report({ kind: 'error', code, message });
    this.#standing.failed({ code, message });
    this.#connection.retry('later', { code: CLOSE_WIRE, reason: code });
  }

  #scheduleStats(): void {
    const { clock } = this.#options.platform;
    this.#cancelStats?.();
    this.#cancelStats = clock.after(STATS_EVERY_MS, () => {
      this.#report({
        kind: 'stats',
        stats: this.#stats.sample(clock.now(), this.#picture.video, this.#listening.stats),
      });
      this.#scheduleStats();
    });
  }

  #report(report: Report): void {
    this.#options.report(report, []);
  }
}
