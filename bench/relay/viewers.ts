// Viewers for the relay bench: take what they are sent, acknowledge it at once, decode nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { type RawData, WebSocket } from 'ws';
import {
  encodeAck,
  encodeViewerHello,
  readEnvelope,
  UPDATE_LAST,
  WIRE_SUBPROTOCOL,
  WIRE_TYPES,
  WIRE_VERSION,
} from '../../protocol/index.ts';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';

const [url = ''] = process.argv.slice(2);

/** One viewer that is as fast as the line. */
class BenchViewer {
  readonly #socket: WebSocket;
  readonly #opened: Promise<void>;
  bytes = 0;
  updates = 0;
  #closed = false;

  constructor() {
    this.#socket = new WebSocket(url, WIRE_SUBPROTOCOL, { perMessageDeflate: false });
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.once('open', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('message', (data) => this.#receive(data));
    this.#socket.on('close', () => {
      this.#closed = true;
    });
  }

  /** Says hello, and waits for the first picture. */
  async begin(): Promise<void> {
    await this.#opened;
    const hello = {
      wire: WIRE_VERSION,
      encodings: ['lossless', 'video'],
      codecs: ['h264'],
      tileCodings: ['ops'],
      visible: true,
    } as const;
    this.#socket.send(encodeViewerHello(hello));
    while (this.updates === 0 && !this.#closed) await sleep(10);
    if (this.#closed) throw new Error('the relay has closed the connection of a viewer');
  }

  /** Whether the relay still serves it. */
  get served(): boolean {
    return !this.#closed;
  }

  /** Reads nothing more. */
  stall(): void {
    this.#socket.pause();
  }

  /** Leaves. */
  end(): void {
    this.#socket.terminate();
  }

  #receive(data: RawData): void {
    if (!(data instanceof Uint8Array)) throw new Error('a message must be one piece');
    this.bytes += data.byteLength;
    const { type, flags, body } = readEnvelope(data);
    if (type !== WIRE_TYPES.tiles && type !== WIRE_TYPES.image && type !== WIRE_TYPES.video) return;
    if ((flags & UPDATE_LAST) === 0) return;
    this.updates++;
    const epoch = body.getUint32(0, true);
    const serial = body.getUint32(4, true);
    this.#socket.send(
      encodeAck({ epoch, serial, networkUs: 0, boundUs: 0, decodeUs: 0, presentUs: 0 }),
    );
  }
}

let viewers: BenchViewer[] = [];

serve({
  async attach(report) {
    const count = numberOf(report, 'count');
    while (viewers.length < count) {
      const viewer = new BenchViewer();
      viewers.push(viewer);
      await viewer.begin();
    }
    return {};
  },
  count() {
    const first = viewers[0];
    return {
      bytes: viewers.reduce((sum, viewer) => sum + viewer.bytes, 0),
      updates: viewers.reduce((sum, viewer) => sum + viewer.updates, 0),
      firstUpdates: first?.updates ?? 0,
      served: viewers.filter((viewer) => viewer.served).length,
    };
  },
  stallLast() {
    viewers.at(-1)?.stall();
    return {};
  },
  leaveAllButOne() {
    for (const viewer of viewers.splice(1)) viewer.end();
    return {};
  },
  leave() {
    for (const viewer of viewers) viewer.end();
    viewers = [];
    return {};
  },
});
