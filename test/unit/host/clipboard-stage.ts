import type { Host, HostClipboard } from '../../../host/index.ts';
import {
  type ClipboardBody,
  type ClipboardRecord,
  decodeClipboardRecord,
  encodeClipboardRecord,
  LGMP_V12,
  type RawClipboardStatus,
  type Region,
  readClipboardStatus,
  StreamEnd,
} from '../../../protocol/index.ts';
import { DevClient } from './dev-client.ts';
import { hostOnMemory } from './fixture.ts';

/** Place of the clipboard queue in the table of a host without input. */
const CLIPBOARD_QUEUE = 4;
const SLOT_BYTES = 64 + 256 * 1024;

/** A client of the clipboard queue, step by step. */
export class ClipboardPeer {
  readonly client: DevClient;
  readonly #region: Region;
  readonly #host: Host;
  readonly #slot: Uint8Array = new Uint8Array(SLOT_BYTES);
  /** The newest status it was sent. */
  status: RawClipboardStatus | undefined;
  /** What it was told by the queue, and forgets when asked. */
  readonly heard: ClipboardRecord[] = [];
  generation = 0x1000;
  toClient: StreamEnd | undefined;
  toHost: StreamEnd | undefined;

  constructor(region: Region, host: Host) {
    this.#region = region;
    this.#host = host;
    this.client = DevClient.subscribe(region, 12, { queue: CLIPBOARD_QUEUE });
  }

  /** Reads what came by the queue. */
  look(): RawClipboardStatus {
    for (let message = this.client.take(); message !== undefined; message = this.client.take()) {
      const isStatus = message.udata >> 32n === 1n;
      const bytes = this.#region.copyOut(message.offset, isStatus ? 128 : 64);
      if (isStatus)
        this.status = readClipboardStatus(bytes, { from: 0, to: this.#region.byteLength });
      else this.heard.push(decodeClipboardRecord(bytes, 'host'));
    }
    if (this.status === undefined) throw new Error('no status has come');
    return this.status;
  }

  /** What it was told since it was asked last. */
  told(): readonly ClipboardBody[] {
    this.look();
    return this.heard.splice(0).map(({ body }) => body);
  }

  say(body: ClipboardBody, generation: number = this.generation): void {
    this.raw(encodeClipboardRecord({ generation, body }));
  }

  raw(bytes: Uint8Array): void {
    if (this.client.send(bytes) === undefined) throw new Error('no room for a message');
  }

  claim(): void {
    this.generation++;
    this.say({ kind: 'claim', endpoint: this.look().generation });
  }

  /** Begins to use the streams that are bound to it. */
  attach(): void {
    const status = this.look();
    const activate = (stream: RawClipboardStatus['hostToClient']): StreamEnd => {
      const place = {
        region: this.#region,
        stream,
        sessionIdAt: LGMP_V12.header.sessionID,
        sessionId: this.#host.sessionId,
      };
      const end = StreamEnd.activate(place, this.client.clientId);
      if (!(end instanceof StreamEnd)) throw new Error(`not activated: ${end}`);
      return end;
    };
    this.toClient = activate(status.hostToClient);
    this.toHost = activate(status.clientToHost);
  }

  /** Sends a record with contents by the stream. */
  send(body: ClipboardBody, contents: Uint8Array, generation: number = this.generation): string {
    const head = encodeClipboardRecord({ generation, body });
    return this.stream(Buffer.concat([head, contents]));
  }

  stream(bytes: Uint8Array): string {
    if (this.toHost === undefined) throw new Error('no stream');
    return this.toHost.write(bytes);
  }

  /** The next piece that came by the stream; undefined when there is none. */
  take(): { readonly body: ClipboardBody; readonly contents: Uint8Array } | undefined {
    const found = this.toClient?.read(this.#slot);
    if (typeof found !== 'number') return undefined;
    const { body } = decodeClipboardRecord(this.#slot.subarray(0, 64), 'host');
    const contents = this.#slot.slice(64, found);
    this.toClient?.release();
    return { body, contents };
  }
}

/** A host that shares a clipboard, on plain memory, with a clock that is moved by hand. */
export interface ClipboardStage {
  readonly region: Region;
  readonly host: Host;
  /** What the host has told of, and forgets when asked. */
  heard(): HostClipboard[];
  /** Moves the clock in steps of at most 100 ms. */
  advance(ms: number): void;
  peer(): ClipboardPeer;
  /** A client that owns the clipboard and has its streams. */
  owner(): ClipboardPeer;
}

/** Makes a {@link ClipboardStage}. */
export async function clipboardStage(): Promise<ClipboardStage> {
  const options = { wire: 'dev12', clipboard: true, mib: 16, recovery: false } as const;
  const { region, host, advance: step } = await hostOnMemory(options);
  const heard: HostClipboard[] = [];
  host.on('clipboard', (event) => heard.push(event));
  const advance = (ms: number): void => {
    for (let left = ms; left > 0; left -= 100) step(Math.min(100, left));
  };
  const peer = (): ClipboardPeer => {
    const one = new ClipboardPeer(region, host);
    advance(1);
    one.look();
    return one;
  };
  return {
    region,
    host,
    heard: () => heard.splice(0),
    advance,
    peer,
    owner: () => {
      const one = peer();
      one.claim();
      advance(1);
      one.attach();
      return one;
    },
  };
}
