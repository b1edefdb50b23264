import type { RawData, WebSocket } from 'ws';
import type { KvmfrErrorCode } from '../../protocol/error.ts';
import {
  type Bye,
  decodeAck,
  decodeNeedKey,
  decodePing,
  decodeView,
  decodeViewerHello,
  type Envelope,
  encodeBye,
  encodeHello,
  encodePong,
  exactBody,
  type Hello,
  readEnvelope,
  WIRE_TYPES,
  wireError,
} from '../../protocol/wire/index.ts';
import { CLOSE_CODES, viewerFault } from './departure.ts';
import { Feed } from './feed.ts';
import type { Attached, Hub, Notice } from './hub.ts';
import { Outlet } from './outlet.ts';
import { Pulse } from './pulse.ts';
import { type ReceiptBook, recordReceipt } from './receipts.ts';
import { agreedAbilities } from './taste.ts';
import type { Departure, ViewerInfo } from './viewer-info.ts';
import { type Desks, ViewerSeats } from './viewer-seats.ts';

/** What a viewer is made with. */
export interface ViewerSocketOptions extends Desks, ReceiptBook {
  readonly id: number;
  readonly socket: WebSocket;
  readonly address: string;
  /** Whether what it sends may act on the guest; others only look. */
  readonly mayAct: boolean;
  readonly hub: Hub;
  readonly hello: Hello;
  /** Updates that may be on the way without being acknowledged. */
  readonly credit: number;
  /** How long an update may stay unacknowledged before the viewer is dropped. */
  readonly ackTimeoutMs: number;
  readonly log: (line: string) => void;
  /** Called once, when the socket has closed. */
  readonly gone: (viewer: ViewerSocket, why: Departure) => void;
}

/** A viewer must say hello in this time. */
const HELLO_TIMEOUT_MS = 10_000;
/** How long a socket that is being closed may take for it. */
const CLOSE_TIMEOUT_MS = 2_000;
/** A viewer gets the whole picture again at most this often. */
const REFRESH_INTERVAL_MS = 1000;

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
  readonly #seats: ViewerSeats;
  readonly #pulse = new Pulse();
  #ready = false;
  #visible = false;
  #refreshHz: number | undefined;
  #departure: Departure | undefined;
  #refreshDue = false;
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #closingMs = 0;

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
    const { desk, clipboard, soundDesk, mayAct, address } = options;
    this.#seats = new ViewerSeats({
      desk,
      clipboard,
      soundDesk,
      mayAct,
      name: address,
      heardMs: () => this.#pulse.heardMs,
      isNear: () => this.#feed.lineState.near,
      ask: () => this.#socket.ping(),
      changed: () => this.#sendNoticesNow(),
      ready: () => this.pump(),
      send: (message, written) => this.#send(message, written),
    });
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('ping', (data) => this.#alive('pings', data));
    this.#socket.on('pong', (data) => this.#alive('pongs', data));
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
    this.#sendNoticesNow();
  }

  tick(nowMs: number): void {
    if (this.#pulse.tick(nowMs)) this.#feed.forgive(nowMs);
    if (this.#departure !== undefined) {
      if (nowMs - this.#closingMs > CLOSE_TIMEOUT_MS) this.terminate();
      return;
    }
    this.#feed.tick(nowMs);
    this.#seats.tick();
    const { oldestMs } = this.#feed;
    const waitedMs = oldestMs !== undefined && this.#visible ? nowMs - oldestMs : 0;
    if (!this.#ready && nowMs - this.#pulse.sinceMs > HELLO_TIMEOUT_MS)
      this.#drop('timeout', 'ERR_KVMFR_TIMEOUT', 'no hello came from this viewer');
    else if (waitedMs > this.#options.ackTimeoutMs)
      this.#drop('timeout', 'ERR_KVMFR_TIMEOUT', 'this viewer has stopped acknowledging updates');
    else if (this.#pulse.isDead(nowMs)) this.terminate();
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
    this.#seats.leave();
    this.#socket.close(CLOSE_CODES[why], bye.code);
    this.#hub.demandChanged();
  }

  /** Closes without a word: for a socket that does not take any. */
  terminate(): void {
    this.#departure ??= 'timeout';
    this.#socket.terminate();
  }

  #tickOpen(nowMs: number): void {
    if (this.#pulse.takePing(nowMs)) this.#socket.ping();
    if (this.#refreshDue) this.#refresh(nowMs);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#departure !== undefined) return;
    try {
      this.#pulse.heard('messages');
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
      default:
        if (!this.#seats.receive(envelope))
          throw wireError(`a viewer cannot send messages of type ${envelope.type}`);
    }
  }

  /** The socket's own pings are answered, unless what was sent before has not been read yet. */
  #alive(what: 'pings' | 'pongs', data: Uint8Array): void {
    if (this.#departure !== undefined) return;
    try {
      this.#pulse.heard(what);
      if (what === 'pings' && this.#outlet.hasRoom) this.#socket.pong(data);
    } catch (error) {
      this.#fail(error);
    }
  }

  #welcome(envelope: Envelope): void {
    if (this.#ready) throw wireError('a viewer says hello once');
    const hello = decodeViewerHello(envelope);
    const offered = this.#options.hello;
    const takes = agreedAbilities(offered, hello);
    if (takes === undefined) {
      const message = `this relay offers ${offered.encodings.join(', ')}, and this viewer takes none of it`;
      this.close({ code: 'ERR_KVMFR_UNSUPPORTED', message, retry: false }, 'wire');
      return;
    }
    this.#feed.accept(takes);
    const { codec, encodings, videoRegions } = takes;
    if (codec !== undefined && encodings.includes('video'))
      this.#hub.coding.warm(codec, videoRegions);
    this.#ready = true;
    this.#refreshHz = hello.refreshHz;
    this.#seats.sitDown();
    this.#setVisible(hello.visible);
    this.pump();
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
    if (!visible) this.#seats.rest();
    this.#feed.setVisible(visible);
    this.#hub.demandChanged();
  }

  #acknowledged(envelope: Envelope): void {
    const ack = decodeAck(envelope);
    const done = this.#feed.acknowledged(ack);
    if (done === undefined) return;
    const { id: viewer } = this.#options;
    recordReceipt(this.#options, { viewer, ack, done });
    if (done.news) this.#hub.pacing.presented(this, ack);
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

  #sendNoticesNow(): void {
    if (this.#ready && this.#outlet.hasRoom) this.#sendNotices();
  }

  #sendNotices(): void {
    this.#sendNotice('state');
    this.#seats.tell();
    if (!this.#visible) return;
    this.#enterEpoch();
    this.#sendNotice('shape');
    this.#sendNotice('cursor');
    this.#sendNotice('stats');
  }

  /** A piece of a clipboard, when nothing else waits: written, it asks for the next. */
  #sendContents(): void {
    const piece = this.#outlet.isQuiet ? this.#seats.nextContents() : undefined;
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

  /** Ends the connection for an error, and tells the viewer only what it may know. */
  #fail(error: unknown): void {
    const fault = viewerFault(error);
    if (fault !== undefined) {
      this.#drop(fault.why, fault.code, fault.message);
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
    this.#seats.leave();
    this.#hub.detach(this);
    this.#options.gone(this, this.#departure ?? 'left');
  }
}
