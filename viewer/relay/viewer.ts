import { channel } from 'node:diagnostics_channel';
import type { RawData, WebSocket } from 'ws';
import { MAX_STAGE_US } from '../../client/stage-histograms.ts';
import { KvmfrError, type KvmfrErrorCode } from '../../protocol/error.ts';
import {
  actsOnGuest,
  type Bye,
  decodeAck,
  decodeClipboardData,
  decodeClipboardOffer,
  decodeClipboardRequest,
  decodeInput,
  decodeInputWish,
  decodeMicrophone,
  decodeMicrophoneWish,
  decodeNeedKey,
  decodePing,
  decodeSoundWish,
  decodeView,
  decodeViewerHello,
  type Envelope,
  encodeBye,
  encodeClipboardState,
  encodeHello,
  encodeInputState,
  encodePong,
  encodeSoundState,
  exactBody,
  type Hello,
  readEnvelope,
  WIRE_TYPES,
  wireError,
} from '../../protocol/wire/index.ts';
import type { ClipboardDesk, ClipboardSeat } from './clipboard-desk.ts';
import { Feed } from './feed.ts';
import { HeldWatch } from './held-watch.ts';
import type { Attached, Hub, Notice } from './hub.ts';
import type { InputDesk, Seat } from './input-desk.ts';
import type { Latency } from './latency.ts';
import { Outlet } from './outlet.ts';
import type { SoundDesk, SoundSeat } from './sound-desk.ts';
import type { Acknowledgement, Departure, ViewerInfo, ViewerTotals } from './viewer-info.ts';

/** What a viewer is made with. */
export interface ViewerSocketOptions {
  readonly id: number;
  readonly socket: WebSocket;
  readonly address: string;
  /** Whether what it sends may act on the guest; others only look. */
  readonly mayAct: boolean;
  /** Hands out the guest's keyboard and pointer; undefined when there are none. */
  readonly desk: InputDesk | undefined;
  /** Brings clipboards together; undefined when they stay apart. */
  readonly clipboard: ClipboardDesk | undefined;
  /** Brings the guest's sound; undefined when there is none. */
  readonly soundDesk: SoundDesk | undefined;
  readonly hub: Hub;
  readonly hello: Hello;
  /** Updates that may be on the way without being acknowledged. */
  readonly credit: number;
  /** How long an update may stay unacknowledged before the viewer is dropped. */
  readonly ackTimeoutMs: number;
  readonly totals: ViewerTotals;
  readonly latency: Latency;
  readonly log: (line: string) => void;
  /** Called once, when the socket has closed. */
  readonly gone: (viewer: ViewerSocket, why: Departure) => void;
}

/** Told of every {@link Acknowledgement} while somebody listens. */
const acknowledgements = channel('kvmfr:relay:acknowledged');

/** A viewer must say hello in this time. */
const HELLO_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 15_000;
/** A socket from which nothing has come for this long, not even a pong, is dead. */
const SILENCE_TIMEOUT_MS = 45_000;
/** Ticks come each second: after this long without one the relay itself stood still. */
const STOOD_STILL_MS = 5_000;
/** How long a socket that is being closed may take for it. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Several times what a mouse sends that reports 1000 times a second. */
const MAX_MESSAGES_PER_TICK = 4000;
/** A viewer gets the whole picture again at most this often. */
const REFRESH_INTERVAL_MS = 1000;
/** Source: RFC 6455, section 7.4.1. */
const CLOSE_CODES: { readonly [why in Departure]: number } = {
  left: 1000,
  wire: 1002,
  denied: 1008,
  timeout: 1008,
  error: 1011,
  closed: 1001,
};

/**
 * One browser attached: what it has, what it may still be sent, what it is to be told.
 *
 * Nothing is queued for it. Notices are flags, and what is sent is whatever is newest when there is
 * room; the picture is pulled from the hub against the serial that was sent last. So a viewer that
 * falls behind gets one merged update, and one that never reads holds one update and no more.
 */
export class ViewerSocket implements Attached {
  readonly #options: ViewerSocketOptions;
  readonly #socket: WebSocket;
  readonly #hub: Hub;
  readonly #outlet: Outlet;
  readonly #due: { [what in Notice]: boolean } = {
    state: true,
    shape: true,
    cursor: true,
    stats: false,
  };
  readonly #feed: Feed;
  /** Its place at the desk, if it may act and there is one. */
  #seat: Seat | undefined;
  #seatDue = false;
  #clipboard: ClipboardSeat | undefined;
  #clipboardDue = false;
  readonly #held: HeldWatch = new HeldWatch({
    holds: () => this.#seat?.holds === true,
    heardMs: () => this.#heardMs,
    ask: () => this.#socket.ping(),
    letGo: () => this.#seat?.rest(),
    nowMs: () => performance.now(),
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });
  #soundSeat: SoundSeat | undefined;
  #soundDue = false;
  #ready = false;
  #visible = false;
  #refreshHz: number | undefined;
  #departure: Departure | undefined;
  #refreshDue = false;
  #refreshedMs = Number.NEGATIVE_INFINITY;
  readonly #sinceMs: number = performance.now();
  #heardMs = this.#sinceMs;
  #pingedMs = this.#sinceMs;
  #tickedMs = this.#sinceMs;
  #closingMs = 0;
  #messages = 0;

  constructor(options: ViewerSocketOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#hub = options.hub;
    this.#outlet = new Outlet(options.socket, () => this.pump());
    this.#feed = new Feed({
      hub: options.hub,
      outlet: this.#outlet,
      credit: options.credit,
      totals: options.totals,
      send: (message) => this.#send(message),
      failed: (error) => this.#fail(error),
    });
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('ping', (data) => this.#pong(data));
    this.#socket.on('pong', () => this.#ponged());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.once('close', () => this.#closed());
    this.#send(encodeHello(options.hello));
  }

  get visible(): boolean {
    return this.#visible;
  }

  get refreshHz(): number | undefined {
    return this.#refreshHz;
  }

  /** Whether it has not said hello yet, and is not going already. */
  get silent(): boolean {
    return !this.#ready && this.#departure === undefined;
  }

  /** What is known of it now. */
  get info(): ViewerInfo {
    return {
      id: this.#options.id,
      address: this.#options.address,
      mayAct: this.#options.mayAct,
      encoding: this.#feed.way,
      visible: this.#visible,
      inFlight: this.#feed.inFlight,
      serial: this.#feed.serial,
      bytesSent: this.#outlet.bytesSent,
    };
  }

  pump(): void {
    if (!this.#ready || !this.#outlet.hasRoom) return;
    this.#sendNotices();
    this.#feed.pump();
    this.#sendContents();
  }

  notice(what: Notice): void {
    this.#due[what] = true;
    if (this.#ready && this.#outlet.hasRoom) this.#sendNotices();
  }

  tick(nowMs: number): void {
    this.#messages = 0;
    if (nowMs - this.#tickedMs > STOOD_STILL_MS) this.#forgive(nowMs);
    this.#tickedMs = nowMs;
    if (this.#departure !== undefined) {
      if (nowMs - this.#closingMs > CLOSE_TIMEOUT_MS) this.terminate();
      return;
    }
    this.#feed.tick(nowMs);
    this.#seat?.look();
    this.#clipboard?.tick();
    const { oldestMs } = this.#feed;
    const waitedMs = oldestMs !== undefined && this.#visible ? nowMs - oldestMs : 0;
    if (!this.#ready && nowMs - this.#sinceMs > HELLO_TIMEOUT_MS)
      this.#drop('timeout', 'ERR_KVMFR_TIMEOUT', 'no hello came from this viewer');
    else if (waitedMs > this.#options.ackTimeoutMs)
      this.#drop('timeout', 'ERR_KVMFR_TIMEOUT', 'this viewer has stopped acknowledging updates');
    else if (nowMs - this.#heardMs > SILENCE_TIMEOUT_MS) this.terminate();
    else this.#tickOpen(nowMs);
  }

  /** Says goodbye and closes. */
  close(bye: Bye, why: Departure): void {
    if (this.#departure !== undefined) return;
    this.#send(encodeBye(bye));
    this.#departure = why;
    this.#closingMs = performance.now();
    this.#visible = false;
    this.#ready = false;
    this.#feed.end();
    this.#leaveDesk();
    this.#socket.close(CLOSE_CODES[why], bye.code);
    this.#hub.demandChanged();
  }

  /** Closes without a word: for a socket that does not take any. */
  terminate(): void {
    this.#departure ??= 'timeout';
    this.#socket.terminate();
  }

  /** What it has said meanwhile lies in its socket, unread. */
  #forgive(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#feed.forgive(nowMs);
  }

  #tickOpen(nowMs: number): void {
    if (nowMs - this.#pingedMs >= PING_INTERVAL_MS) {
      this.#pingedMs = nowMs;
      this.#socket.ping();
    }
    if (this.#refreshDue) this.#refresh(nowMs);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#departure !== undefined) return;
    this.#heard();
    try {
      this.#messages++;
      if (this.#messages > MAX_MESSAGES_PER_TICK) throw wireError('too many messages in a second');
      if (!isBinary || !(data instanceof Uint8Array)) throw wireError('messages must be binary');
      this.#handle(readEnvelope(data));
    } catch (error) {
      this.#fail(error);
    }
  }

  #handle(envelope: Envelope): void {
    if (envelope.type === WIRE_TYPES.viewerHello) {
      this.#welcome(envelope);
      return;
    }
    if (!this.#ready) throw wireError("the first message must be the viewer's hello");
    switch (envelope.type) {
      case WIRE_TYPES.ack:
        this.#acknowledged(envelope);
        break;
      case WIRE_TYPES.view:
        this.#changeView(envelope);
        break;
      case WIRE_TYPES.ping:
        this.#answer(decodePing(envelope));
        break;
      case WIRE_TYPES.refresh:
        exactBody(envelope, 0, 'refresh');
        this.#refresh(performance.now());
        break;
      case WIRE_TYPES.needKey:
        this.#feed.needKey(decodeNeedKey(envelope));
        break;
      case WIRE_TYPES.input:
        this.#needSeat(envelope).receive(decodeInput(envelope));
        this.#held.look();
        break;
      case WIRE_TYPES.inputWish:
        this.#needSeat(envelope).wish(decodeInputWish(envelope));
        break;
      case WIRE_TYPES.clipboardOffer:
        this.#needClipboard(envelope).offer(decodeClipboardOffer(envelope));
        break;
      case WIRE_TYPES.clipboardRequest:
        this.#needClipboard(envelope).request(decodeClipboardRequest(envelope));
        break;
      case WIRE_TYPES.viewerClipboardData:
        this.#needClipboard(envelope).take(decodeClipboardData(envelope));
        break;
      case WIRE_TYPES.soundWish:
        this.#needSound(envelope).wish(decodeSoundWish(envelope));
        break;
      case WIRE_TYPES.microphoneWish:
        this.#needSeat(envelope);
        this.#needSound(envelope).microphoneWish(decodeMicrophoneWish(envelope));
        break;
      case WIRE_TYPES.microphone:
        this.#needSeat(envelope);
        this.#needSound(envelope).say(decodeMicrophone(envelope));
        break;
      default:
        if (actsOnGuest(envelope.type)) this.#needSeat(envelope);
        throw wireError(`a viewer cannot send messages of type ${envelope.type}`);
    }
  }

  /** Its place at the desk. @throws ERR_KVMFR_DENIED when it may only look */
  #needSeat({ type }: Envelope): Seat {
    if (!this.#options.mayAct)
      throw new KvmfrError('ERR_KVMFR_DENIED', 'this viewer may look, and do nothing else');
    if (this.#seat === undefined)
      throw wireError(`nothing takes messages of type ${type}: this guest has no input`);
    return this.#seat;
  }

  /** Its place at the desk of the clipboard. @throws ERR_KVMFR_DENIED, ERR_KVMFR_WIRE */
  #needClipboard(envelope: Envelope): ClipboardSeat {
    this.#needSeat(envelope);
    if (this.#clipboard === undefined)
      throw wireError(
        `nothing takes messages of type ${envelope.type}: clipboards stay apart here`,
      );
    return this.#clipboard;
  }

  #needSound({ type }: Envelope): SoundSeat {
    if (this.#soundSeat === undefined)
      throw wireError(`nothing takes messages of type ${type}: this guest has no sound`);
    return this.#soundSeat;
  }

  #leaveDesk(): void {
    this.#clipboard?.leave();
    this.#clipboard = undefined;
    this.#held.stop();
    this.#soundSeat?.leave();
    this.#soundSeat = undefined;
    this.#seat?.leave();
    this.#seat = undefined;
  }

  #ponged(): void {
    if (this.#departure !== undefined) return;
    this.#heard();
    this.#messages++;
    if (this.#messages > MAX_MESSAGES_PER_TICK) this.#fail(wireError('too many pongs in a second'));
  }

  /** Answers the socket's own ping, unless what was sent before has not been read yet. */
  #pong(data: Uint8Array): void {
    if (this.#departure !== undefined) return;
    this.#heard();
    this.#messages++;
    if (this.#messages > MAX_MESSAGES_PER_TICK) this.#fail(wireError('too many pings in a second'));
    else if (this.#outlet.hasRoom) this.#socket.pong(data);
  }

  #welcome(envelope: Envelope): void {
    if (this.#ready) throw wireError('a viewer says hello once');
    const hello = decodeViewerHello(envelope);
    const offered = this.#options.hello.encodings;
    const encodings = hello.encodings.filter((encoding) => offered.includes(encoding));
    const codec = hello.codecs.find((name) => this.#options.hello.codecs.includes(name));
    const usable = encodings.filter((encoding) => encoding !== 'video' || codec !== undefined);
    if (usable.length === 0) {
      const message = `this relay offers ${offered.join(', ')}, and this viewer takes none of it`;
      this.close({ code: 'ERR_KVMFR_UNSUPPORTED', message, retry: false }, 'wire');
      return;
    }
    const videoRegions = hello.videoRegions === true && usable.includes('lossless');
    this.#feed.accept({
      encodings: usable,
      codec,
      tileCoding: hello.tileCodings?.[0],
      videoRegions,
      moves: hello.moves === true,
    });
    if (codec !== undefined && usable.includes('video')) this.#hub.coding.warm(codec, videoRegions);
    this.#ready = true;
    this.#refreshHz = hello.refreshHz;
    this.#sitDown();
    this.#setVisible(hello.visible);
    this.pump();
  }

  #sitDown(): void {
    const { desk, soundDesk, mayAct, address } = this.#options;
    this.#soundDue = true;
    this.#soundSeat = soundDesk?.seat({
      mayAct,
      holdsInput: () => this.#seat?.hasInput === true,
      changed: () => {
        this.#soundDue = true;
        if (this.#ready && this.#outlet.hasRoom) this.#sendNotices();
      },
      send: (message, written) => this.#send(message, written),
    });
    if (desk === undefined || !mayAct) return;
    this.#seatDue = true;
    this.#seat = desk.seat({
      name: address,
      changed: () => {
        this.#seatDue = true;
        this.#soundSeat?.look();
        if (this.#ready && this.#outlet.hasRoom) this.#sendNotices();
      },
    });
    if (this.#options.clipboard === undefined) return;
    this.#clipboardDue = true;
    this.#clipboard = this.#options.clipboard.seat({
      input: this.#seat,
      changed: () => {
        this.#clipboardDue = true;
        if (this.#ready && this.#outlet.hasRoom) this.#sendNotices();
      },
      ready: () => this.pump(),
    });
  }

  #changeView(envelope: Envelope): void {
    const { visible, encoding, refreshHz } = decodeView(envelope);
    if (encoding !== undefined) {
      if (encoding !== 'auto' && !this.#options.hello.encodings.includes(encoding))
        throw wireError(`encoding ${encoding} was not offered`);
      this.#feed.wish(encoding);
    }
    if (visible !== undefined) this.#setVisible(visible);
    if (refreshHz !== undefined) {
      this.#refreshHz = refreshHz;
      this.#hub.demandChanged();
    }
    this.pump();
  }

  #setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    if (!visible) {
      this.#seat?.rest();
      this.#soundSeat?.rest();
    }
    this.#feed.setVisible(visible);
    this.#hub.demandChanged();
  }

  #acknowledged(envelope: Envelope): void {
    const ack = decodeAck(envelope);
    const done = this.#feed.acknowledged(ack);
    if (done === undefined) return;
    const { totals, latency } = this.#options;
    if (done.news) {
      latency.record(done.stages, ack);
      this.#hub.pacing.presented(this, ack);
    }
    if (acknowledgements.hasSubscribers) {
      const { epoch, serial } = ack;
      const message: Acknowledgement = { viewer: this.#options.id, epoch, serial };
      acknowledgements.publish(message);
    }
    totals.updatesAcked += done.count;
    totals.decodeUs += believed(ack.decodeUs);
    totals.presentUs += believed(ack.presentUs);
    this.pump();
  }

  #answer(viewerMs: number): void {
    // An answer that has to wait says nothing about the line: it is left out.
    if (!this.#outlet.hasRoom) return;
    this.#send(encodePong({ viewerMs, relayMs: performance.timeOrigin + performance.now() }));
  }

  #refresh(nowMs: number): void {
    this.#refreshDue = nowMs - this.#refreshedMs < REFRESH_INTERVAL_MS;
    if (this.#refreshDue) return;
    this.#refreshedMs = nowMs;
    this.#feed.forget();
    this.#due.shape = true;
    this.#due.cursor = true;
    this.pump();
  }

  #sendNotices(): void {
    this.#sendNotice('state');
    if (this.#seatDue && this.#seat !== undefined) {
      this.#seatDue = false;
      this.#send(encodeInputState(this.#seat.state));
    }
    if (this.#clipboardDue && this.#clipboard !== undefined) {
      this.#clipboardDue = false;
      this.#send(encodeClipboardState(this.#clipboard.state));
    }
    if (this.#soundDue && this.#soundSeat !== undefined) {
      this.#soundDue = false;
      this.#send(encodeSoundState(this.#soundSeat.state));
    }
    if (!this.#visible) return;
    this.#enterEpoch();
    this.#sendNotice('shape');
    this.#sendNotice('cursor');
    this.#sendNotice('stats');
  }

  /** A piece of a clipboard, when nothing else waits: written, it asks for the next. */
  #sendContents(): void {
    if (this.#clipboard === undefined || !this.#outlet.isQuiet) return;
    const piece = this.#clipboard.next();
    if (piece !== undefined) this.#send(piece);
  }

  #sendNotice(what: Notice): void {
    const message = this.#due[what] ? this.#hub.message(what) : undefined;
    if (message === undefined) return;
    this.#due[what] = false;
    this.#send(message);
  }

  /** Tells the geometry when it is another one, which makes void what is on the way. */
  #enterEpoch(): void {
    const { epoch } = this.#hub.picture;
    if (!this.#hub.presentable || this.#feed.epoch === epoch) return;
    const message = this.#hub.pictureMessage();
    if (message === undefined) return;
    this.#feed.enter(epoch);
    this.#send(message);
  }

  #send(message: Uint8Array, written?: () => void): void {
    this.#options.totals.bytesSent += message.byteLength;
    this.#outlet.send(message, written);
  }

  #heard(): void {
    this.#heardMs = performance.now();
  }

  /** Ends the connection for an error, and tells the viewer only what it may know. */
  #fail(error: unknown): void {
    if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_WIRE') {
      this.#drop('wire', error.code, error.message);
      return;
    }
    if (KvmfrError.is(error) && error.code === 'ERR_KVMFR_DENIED') {
      this.#drop('denied', error.code, error.message);
      return;
    }
    if (this.#departure !== undefined) return;
    this.#options.log(`viewer ${this.#options.id}: ${String(error)}`);
    if (this.#socket.readyState !== this.#socket.OPEN) {
      // The library has refused a frame or lost the connection, and closes by itself.
      this.#departure = 'error';
      return;
    }
    this.#drop('error', 'ERR_KVMFR_IMAGE', 'an update could not be made for this viewer');
  }

  #drop(why: Departure, code: KvmfrErrorCode, message: string): void {
    this.close({ code, message, retry: why !== 'wire' && why !== 'denied' }, why);
  }

  #closed(): void {
    this.#visible = false;
    this.#ready = false;
    this.#feed.end();
    this.#leaveDesk();
    this.#hub.detach(this);
    this.#options.gone(this, this.#departure ?? 'left');
  }
}

/** What a viewer tells of its own times, as far as it can be true. */
function believed(us: number): number {
  return us <= MAX_STAGE_US ? us : 0;
}
