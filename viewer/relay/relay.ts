import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { StageHistograms } from '../../client/index.ts';
import { LocalReader } from '../../client/reader/local.ts';
import type { PictureReader } from '../../client/reader/reader.ts';
import { ThreadReader } from '../../client/reader/thread.ts';
import { MAX_VIEWER_MESSAGE_BYTES, TILE_PX } from '../../protocol/limits.ts';
import {
  type Bye,
  CODECS,
  type Encoding,
  type Hello,
  WIRE_SUBPROTOCOL,
  WIRE_VERSION,
} from '../../protocol/wire/index.ts';
import { SwitchingReader } from '../boot/index.ts';
import { type Encoder, JpegEncoder, LosslessEncoder, startVideoEncoder } from '../encode/index.ts';
import { Access } from './access.ts';
import { ClipboardDesk } from './clipboard-desk.ts';
import { markAdmitted } from './crowd.ts';
import { Hub } from './hub.ts';
import { InputDesk } from './input-desk.ts';
import { Latency, type LatencyStage } from './latency.ts';
import type { MetricsSource } from './metrics.ts';
import { type Settings, settle, type ViewerOptions } from './options.ts';
import { Page } from './page.ts';
import type { Pass } from './passes.ts';
import { refuse, turnAway } from './refusals.ts';
import type { Role } from './role.ts';
import { HttpFace, splitTarget } from './server.ts';
import { SoundDesk } from './sound-desk.ts';
import { ViewerSocket } from './viewer.ts';
import type { Departure, ViewerInfo, ViewerTotals } from './viewer-info.ts';

/** A relay: shows one guest to many viewers, in a server that somebody else runs. */
export interface Viewer extends AsyncDisposable {
  /** What keeps its picture. Whoever iterates its updates learns what every frame goes through. */
  readonly reader: PictureReader;
  /** Who is attached. */
  readonly viewers: readonly ViewerInfo[];
  /**
   * How long each stage took, for every frame that a viewer has acknowledged.
   *
   * Ownership: live; it changes with the next one.
   */
  readonly latency: StageHistograms<LatencyStage>;
  /** The secret that opens everything; undefined when there is none. */
  readonly token: string | undefined;
  /** Whether people sign in by a password. */
  readonly takesPassword: boolean;
  /** Where it lies in its server. */
  readonly mount: string;
  /** Most viewers at the same time. */
  readonly maxViewers: number;
  /**
   * Answers an HTTP request below the mount.
   *
   * @returns false when the path is not below it: then nothing has been answered
   */
  request(req: IncomingMessage, res: ServerResponse): Promise<boolean>;
  /**
   * Takes over a socket that asks for a WebSocket below the mount.
   *
   * @returns false when the path is not below it: then the socket has not been touched
   */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Lets a name pass in Host headers: the address a server listens on. */
  addHost(host: string): void;
  /** Says goodbye to all viewers, and gives back all that was taken. A second call waits for the first. */
  close(): Promise<void>;
}

/** About a second; shorter when a shorter time-out has to be noticed. */
const TICK_MS = 1000;
/** How long viewers may take to close when the relay does. */
const CLOSE_WAIT_MS = 500;
/** Frames that one message of a viewer may come in. */
const MAX_FRAGMENTS = 16;

/**
 * Makes a relay. It watches the guest only while somebody looks.
 *
 * A path is read in a thread of its own. A client is read in this thread, and stays its maker's.
 *
 * @throws ERR_KVMFR_ARGUMENT
 */
export function createViewer(options: ViewerOptions): Viewer {
  return new Relay(settle(options));
}

/** Who asks for a socket. */
interface Visitor {
  readonly address: string;
  readonly role: Role;
  readonly pass: Pass | undefined;
}

const SIGNED_OUT: Bye = {
  code: 'ERR_KVMFR_DENIED',
  message: 'this browser has been signed out',
  retry: false,
};

class Relay implements Viewer {
  readonly token: string | undefined;
  readonly takesPassword: boolean;
  readonly mount: string;
  readonly maxViewers: number;
  readonly #settings: Settings;
  readonly #access: Access;
  readonly #hub: Hub;
  readonly #face: HttpFace;
  readonly #sockets = new Set<ViewerSocket>();
  readonly #server: WebSocketServer;
  readonly #hello: Hello;
  readonly #desk: InputDesk | undefined;
  readonly #clipboard: ClipboardDesk | undefined;
  readonly #soundDesk: SoundDesk | undefined;
  readonly #totals: ViewerTotals = {
    bytesSent: 0,
    updatesSent: 0,
    updatesAcked: 0,
    decodeUs: 0,
    presentUs: 0,
    falls: 0,
  };
  readonly #latency = new Latency();
  readonly #departures = new Map<Departure, number>();
  readonly #onAbort = (): void => {
    this.close().catch((error: unknown) => this.#settings.log(`closing: ${String(error)}`));
  };
  #emptied: (() => void) | undefined;
  #nextId = 1;
  #closed: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    const { token, mount, log } = settings;
    this.token = token === false ? undefined : token;
    this.takesPassword = settings.password !== undefined;
    this.mount = mount;
    this.maxViewers = settings.maxViewers;
    this.#access = new Access(settings);
    this.#hub = new Hub({
      reader: makeReader(settings),
      encoders: (onIdle) => makeEncoders(settings, onIdle),
      codecs: settings.encode === 'auto' || settings.encode === 'video' ? CODECS : [],
      openVideo: (video) => startVideoEncoder(video),
      ...(settings.bitrateKbits === undefined ? {} : { bitrateKbits: settings.bitrateKbits }),
      idleGraceMs: settings.idleGraceMs,
      tickMs: Math.max(10, Math.min(TICK_MS, settings.ackTimeoutMs / 4)),
      log,
      ...(settings.maxFps === undefined ? {} : { maxFps: settings.maxFps }),
    });
    const { input } = settings;
    this.#desk =
      input === undefined
        ? undefined
        : new InputDesk({ guest: input, screen: () => this.#hub.picture.geometry });
    const desk = this.#desk;
    this.#clipboard =
      desk === undefined || settings.clipboard === undefined
        ? undefined
        : new ClipboardDesk({
            ...settings.clipboard,
            idleGraceMs: settings.idleGraceMs,
            watchHolder: (changed) => desk.watchHolder(changed),
          });
    const { sound, microphone } = settings;
    if (sound !== undefined || microphone !== undefined)
      this.#soundDesk = new SoundDesk({ sound, microphone, log });
    this.#face = new HttpFace({
      mount,
      access: this.#access,
      page: new Page(),
      hub: this.#hub,
      version: settings.version,
      microphone: microphone !== undefined,
      log,
      metrics: () => this.#metrics(),
    });
    this.#hello = {
      wire: WIRE_VERSION,
      version: settings.version,
      tilePx: TILE_PX,
      viewOnly: settings.viewOnly,
      ...offer(settings, this.#hub),
    };
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // Pongs are ours to send: the library sends one for each ping, and keeps those that nobody reads.
      autoPong: false,
      // A viewer's messages fit one frame; few browsers send more, and none of them many.
      maxFragments: MAX_FRAGMENTS,
      maxPayload: MAX_VIEWER_MESSAGE_BYTES,
      handleProtocols: (offered) => (offered.has(WIRE_SUBPROTOCOL) ? WIRE_SUBPROTOCOL : false),
    });
    if (settings.signal?.aborted) this.#onAbort();
    settings.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get viewers(): readonly ViewerInfo[] {
    return [...this.#sockets].map((viewer) => viewer.info);
  }

  get reader(): PictureReader {
    return this.#hub.reader;
  }

  get latency(): StageHistograms<LatencyStage> {
    return this.#latency.histograms;
  }

  async request(req: IncomingMessage, res: ServerResponse): Promise<boolean> {
    return await this.#face.request(req, res);
  }

  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const target = splitTarget(req.url);
    if (target === undefined || !target.path.startsWith(this.mount)) return false;
    // Before anything else: a socket that breaks while it is being refused must not be an uncaught error.
    socket.on('error', () => socket.destroy());
    const refusal = this.#refusal(req, target.path.slice(this.mount.length));
    if (refusal !== undefined) {
      refuse(socket, refusal);
      return true;
    }
    const admission = this.#access.admit(req, target.query);
    if (!admission.admitted) {
      const { waitS } = admission;
      refuse(
        socket,
        waitS > 0 ? `429 Too Many Requests\r\nRetry-After: ${waitS}` : '401 Unauthorized',
      );
      return true;
    }
    markAdmitted(socket);
    const { role, pass } = admission;
    this.#server.handleUpgrade(req, socket, head, (opened) =>
      this.#welcome(opened, { address: this.#access.addressOf(req), role, pass }),
    );
    return true;
  }

  addHost(host: string): void {
    this.#access.names.addHost(host);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    const bye = { code: 'ERR_KVMFR_CLOSED', message: 'the relay is closing', retry: true };
    for (const viewer of this.#sockets) viewer.close(bye, 'closed');
    await this.#whenEmpty();
    this.#clipboard?.close();
    this.#desk?.close();
    await this.#soundDesk?.close();
    await this.#hub.close();
    this.#access.close();
    this.#server.close();
  }

  /** Waits until all viewers have gone, and does not wait for those who do not answer. */
  async #whenEmpty(): Promise<void> {
    if (this.#sockets.size === 0) return;
    const timer = setTimeout(() => {
      for (const viewer of this.#sockets) viewer.terminate();
    }, CLOSE_WAIT_MS);
    await new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    clearTimeout(timer);
  }

  /** Why a socket is not let in, as a status line; undefined when it is. */
  #refusal(req: IncomingMessage, path: string): string | undefined {
    if (path !== 'ws') return '404 Not Found';
    if (this.#closed !== undefined) return '503 Service Unavailable';
    const { names } = this.#access;
    const host = names.hostOf(req);
    if (host === undefined || !names.originAllowed(req, host)) return '403 Forbidden';
    const offered = req.headers['sec-websocket-protocol'];
    if (offered !== undefined && !offered.split(/\s*,\s*/).includes(WIRE_SUBPROTOCOL))
      return '400 Bad Request';
    return undefined;
  }

  #welcome(socket: WebSocket, guest: Visitor): void {
    const { address, role, pass } = guest;
    if (this.#sockets.size >= this.maxViewers && !this.#makeRoom()) {
      turnAway(socket, this.maxViewers);
      return;
    }
    const { credit, ackTimeoutMs, log, viewOnly } = this.#settings;
    const mayAct = role === 'full' && !viewOnly;
    let signedIn: (() => void) | undefined;
    const viewer = new ViewerSocket({
      id: this.#nextId++,
      socket,
      address,
      mayAct,
      desk: this.#desk,
      clipboard: this.#clipboard,
      soundDesk: this.#soundDesk,
      hub: this.#hub,
      hello: { ...this.#hello, viewOnly: !mayAct, ...offer(this.#settings, this.#hub) },
      credit,
      ackTimeoutMs,
      totals: this.#totals,
      latency: this.#latency,
      log,
      gone: (gone, why) => {
        signedIn?.();
        this.#gone(gone, why);
      },
    });
    signedIn = pass?.whenEnded(() => viewer.close(SIGNED_OUT, 'denied'));
    this.#sockets.add(viewer);
    this.#hub.attach(viewer);
    log(`viewer ${viewer.info.id} has come from ${viewer.info.address}`);
  }

  /** Ends the oldest viewer that has not said hello yet, if there is one. */
  #makeRoom(): boolean {
    for (const viewer of this.#sockets) {
      if (!viewer.silent) continue;
      viewer.terminate();
      return true;
    }
    return false;
  }

  #gone(viewer: ViewerSocket, why: Departure): void {
    this.#sockets.delete(viewer);
    this.#departures.set(why, (this.#departures.get(why) ?? 0) + 1);
    this.#settings.log(`viewer ${viewer.info.id} has gone: ${why}`);
    if (this.#sockets.size === 0) this.#emptied?.();
  }

  #metrics(): MetricsSource {
    return {
      hub: this.#hub,
      viewers: this.viewers,
      totals: this.#totals,
      latency: this.#latency.histograms,
      departures: this.#departures,
      input: this.#desk?.counts,
      clipboard: this.#clipboard,
      sound: this.#soundDesk,
    };
  }
}

function makeReader({ source, bootScreen, assume, log }: Settings): PictureReader {
  const main =
    typeof source === 'string'
      ? new ThreadReader(source, { log, assume })
      : new LocalReader(source, { log });
  if (bootScreen === undefined) return main;
  return new SwitchingReader({ main, boot: new LocalReader(bootScreen, { log }), log });
}

function makeEncoders(settings: Settings, onIdle: () => void): readonly Encoder[] {
  const { encode, jpegQuality } = settings;
  const quality = jpegQuality === undefined ? {} : { quality: jpegQuality };
  const encoders: Encoder[] = [];
  if (encode === 'auto' || encode === 'lossless') encoders.push(new LosslessEncoder({ onIdle }));
  // Browsers without a video decoder are not left without a picture.
  if (encode !== 'lossless') encoders.push(new JpegEncoder({ onIdle, ...quality }));
  return encoders;
}

/** What viewers are offered, the way that needs least of them last. */
function offer(settings: Settings, hub: Hub): Pick<Hello, 'encodings' | 'codecs'> {
  const { codecs } = hub.coding;
  const has = new Set<Encoding>(hub.coding.encoders.map((encoder) => encoder.encoding));
  if (codecs.length > 0) has.add('video');
  const order: readonly Encoding[] =
    settings.encode === 'video' ? ['video', 'lossless', 'jpeg'] : ['lossless', 'video', 'jpeg'];
  return { encodings: order.filter((encoding) => has.has(encoding)), codecs };
}
