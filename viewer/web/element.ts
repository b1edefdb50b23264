import { KvmfrError } from '../../protocol/error.ts';
import type {
  ClipboardKind,
  Codec,
  Encoding,
  InputState,
  SourceName,
} from '../../protocol/wire/index.ts';
import { type Backend, startBackend } from './backend.ts';
import { Clipboards, type OfferedContents, type ViewClipboard } from './clipboard/clipboards.ts';
import type { Command, EncodingChoice, Report } from './core/messages.ts';
import type { PicturePixels } from './core/render/surface.ts';
import type { ViewStats } from './core/stats.ts';
import type { ViewStateName, ViewStatus } from './core/status.ts';
import { ElementInput, INPUT_ATTRIBUTES } from './element-input.ts';
import { ElementSound, SOUND_ATTRIBUTES, type ViewSound } from './element-sound.ts';
import { ElementView } from './element-view.ts';
import { errorCode, type KvmfrViewEventMap, type ViewPicture } from './events.ts';
import type { Captured } from './input/controls.ts';
import type { PointerStage } from './input/pointer.ts';
import { type EncodingObstacle, encodingObstacle } from './obstacles.ts';
import { type Answer, noPicture, Questions } from './questions.ts';
import { layoutPicture, type ScaleMode } from './render/layout.ts';
import { placeSize, watchPlace } from './render/place.ts';
import { type Notice, noticeFor } from './states.ts';

// Where there is no page, as in Node, the class can be imported but not used.
const ElementBase: typeof HTMLElement = Reflect.get(globalThis, 'HTMLElement') ?? class {};

/** Name of the element. */
export const KVMFR_VIEW_TAG = 'kvmfr-view';

const SINCE_EVERY_MS = 1000;

/**
 * A guest's screen on a page: `<kvmfr-view src="wss://HOST/ws" token="TOKEN">`.
 *
 * Attributes: `src` (address of the relay's socket; `ws` beside the page if left out), `token`
 * (for relays of another origin), `scale` (`fit`, `1:1`, `fill`), `encoding` (`auto`, `lossless`,
 * `video`, `jpeg`), `rotation` (degrees clockwise: 0, 90, 180, 270, on top of the guest's own),
 * `pointer` (`auto`, `relative`: steps instead of places), `sensitivity` (of steps; 1 if left out),
 * `escape` (codes of the keys that give the keyboard back; `ControlLeft AltLeft` if left out),
 * `view-only` (nothing that is done on the view reaches the guest), `manual-clipboard` (the clipboards
 * of browser and guest are not kept in step by themselves), `muted` (nothing of the guest is heard).
 *
 * Parts: `viewport`, `screen`, `video`, `picture`, `cursor`, `message`, `sheet`, `icon`, `title`, `text`,
 * `hint`, `steps`, `code`, `button`, `banner`.
 *
 * Colours: the custom properties `--kvmfr-background`, `-text`, `-muted`, `-accent`, `-warn`,
 * `-error`, `-card` and `-line`.
 */
export class KvmfrView extends ElementBase {
  /** Attributes whose changes take effect at once. */
  static readonly observedAttributes: readonly string[] = [
    'src',
    'token',
    'scale',
    'encoding',
    'rotation',
    ...INPUT_ATTRIBUTES,
    ...SOUND_ATTRIBUTES,
  ];

  readonly #view: ElementView;
  #backend: Backend | undefined;
  #unwatch: (() => void) | undefined;
  #status: ViewStatus = { state: 'disconnected', retrying: false, sinceMs: 0 };
  #notice: Notice | undefined;
  #stats: ViewStats | undefined;
  #picture: ViewPicture | undefined;
  readonly #questions = new Questions();
  #offered:
    | { readonly encodings: readonly Encoding[]; readonly codecs: readonly Codec[] }
    | undefined;
  /** Video codecs of this browser, once they are known. */
  #codecs: readonly Codec[] | undefined;
  #tracing = false;
  readonly #clipboards: Clipboards;
  readonly #input: ElementInput;
  readonly #sound: ElementSound;
  #wanted = true;
  #sinceTimer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.#view = new ElementView(this.attachShadow({ mode: 'open' }), () => this.#pressed());
    this.#clipboards = new Clipboards({
      host: this,
      send: (command) => this.#send(command),
      isAutomatic: () => !this.hasAttribute('manual-clipboard') && !this.hasAttribute('view-only'),
      changed: () => this.dispatchEvent(new CustomEvent('clipboardchange')),
    });
    this.#sound = new ElementSound({
      host: this,
      send: (command) => this.#send({ kind: 'sound', command }),
      changed: () => this.dispatchEvent(new CustomEvent('soundchange')),
    });
    this.#input = new ElementInput({
      host: this,
      view: this.#view,
      stage: () => this.#stage(),
      clipboards: this.#clipboards,
    });
  }

  /** Address of the relay's socket as given; empty when it is `ws` beside the page. */
  get src(): string {
    return this.getAttribute('src') ?? '';
  }
  set src(value: string) {
    this.setAttribute('src', value);
  }

  /** Token for the relay; empty when a cookie carries it. */
  get token(): string {
    return this.getAttribute('token') ?? '';
  }
  set token(value: string) {
    this.setAttribute('token', value);
  }

  /** How the picture fills the element. */
  get scale(): ScaleMode {
    const value = this.getAttribute('scale');
    return value === '1:1' || value === 'fill' ? value : 'fit';
  }
  set scale(value: ScaleMode) {
    this.setAttribute('scale', value);
  }

  /** How the picture should travel. */
  get encoding(): EncodingChoice {
    const value = this.getAttribute('encoding');
    return value === 'lossless' || value === 'video' || value === 'jpeg' ? value : 'auto';
  }
  set encoding(value: EncodingChoice) {
    this.setAttribute('encoding', value);
  }

  /** How the view turns the picture, besides the guest. Units: degrees clockwise. */
  get rotation(): number {
    const degrees = Number(this.getAttribute('rotation'));
    return Number.isInteger(degrees / 90) ? ((degrees % 360) + 360) % 360 : 0;
  }
  set rotation(value: number) {
    this.setAttribute('rotation', String(value));
  }

  /** The name of the state. */
  get state(): ViewStateName {
    return this.#status.state;
  }

  /** The state with everything that is known about it. */
  get status(): ViewStatus {
    return this.#status;
  }

  /** What the picture comes from; undefined before the relay has said so. */
  get source(): SourceName | undefined {
    return this.#status.source;
  }

  /** Numbers of the last second; undefined before there was a connection. */
  get stats(): ViewStats | undefined {
    return this.#stats;
  }

  /** The picture on the canvas; undefined before there was one. */
  get picture(): ViewPicture | undefined {
    return this.#picture;
  }

  /** What the relay offers; empty before it has introduced itself. */
  get encodings(): readonly Encoding[] {
    return this.#offered?.encodings ?? [];
  }

  /** Why the picture cannot travel in some way; undefined when it can, or while that is not known. */
  obstacle(encoding: Encoding): EncodingObstacle | undefined {
    const isSecure = window.isSecureContext;
    return encodingObstacle(encoding, { offered: this.#offered, codecs: this.#codecs, isSecure });
  }

  /** Whether each update's way from the guest to the display is told by `latency` events. */
  get tracing(): boolean {
    return this.#tracing;
  }
  set tracing(on: boolean) {
    this.#tracing = on;
    this.#send({ kind: 'trace', on });
  }

  /** Who may act on the guest, and how; undefined when this viewer never may, or nobody can. */
  get input(): InputState | undefined {
    return this.#input.state;
  }

  /** Whether the relay lets this viewer only look; undefined before it has said so. */
  get viewOnly(): boolean | undefined {
    return this.#input.viewOnly;
  }

  /** What of keyboard and pointer goes to the guest now. */
  get captured(): Captured {
    return this.#input.captured;
  }

  /** How it stands with the clipboards; undefined when they stay apart. */
  get clipboard(): ViewClipboard | undefined {
    return this.#clipboards.view;
  }

  /** Gets what was copied in the guest: UTF-8 text, or a PNG file. @throws ERR_KVMFR_ABSENT */
  readGuestClipboard(kind: ClipboardKind = 'text'): Promise<Blob> {
    return this.#clipboards.read(kind);
  }

  /**
   * Puts what was copied in the guest into the browser's clipboard; best called by a click.
   *
   * @returns settles with whether the browser took it
   * @throws ERR_KVMFR_ABSENT
   */
  copyGuestClipboard(): Promise<boolean> {
    return this.#clipboards.copy();
  }

  /**
   * Offers text or a picture to be pasted in the guest, instead of what was offered before. It takes
   * the input when nobody has it.
   *
   * @returns settles with whether the guest has been told
   * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_DENIED
   */
  offerClipboard(contents: OfferedContents): Promise<boolean> {
    return this.#clipboards.offer(contents);
  }

  /** Where the guest's sound stands, and the microphone. */
  get sound(): ViewSound {
    return this.#sound.view;
  }

  /** Whether this view plays nothing of the guest. */
  get muted(): boolean {
    return this.hasAttribute('muted');
  }
  set muted(muted: boolean) {
    this.toggleAttribute('muted', muted);
  }

  /** How loud the guest is here: 0 to 1. */
  get volume(): number {
    return this.#sound.volume;
  }
  set volume(volume: number) {
    this.#sound.volume = volume;
  }

  /** What a meter or recorder may be connected to, before it is heard; undefined while nothing plays. */
  get soundOutput(): AudioNode | undefined {
    return this.#sound.output;
  }

  /** Asks person and relay for the microphone; `sound` tells what has become of it. */
  startMicrophone(): Promise<void> {
    return this.#sound.startMicrophone();
  }

  /** Nothing more is heard of this machine in the guest. */
  stopMicrophone(): void {
    this.#sound.stopMicrophone();
  }

  /** Asks for the input: it is had at once when nobody has it, or who has it does nothing. */
  takeInput(): void {
    this.#send({ kind: 'inputWish', wish: 'take' });
  }

  /** Gives the input back. */
  giveInput(): void {
    this.#send({ kind: 'inputWish', wish: 'give' });
  }

  /**
   * Presses keys together, in order, and lets them go, as `['ControlLeft', 'AltLeft', 'Delete']`.
   *
   * @throws ERR_KVMFR_ARGUMENT for a code that no guest has
   */
  sendKeys(codes: readonly string[]): void {
    this.#input.sendKeys(codes);
  }

  /**
   * Types text as the keys of a US keyboard, for guests that take no clipboard.
   *
   * @returns settles with the characters that such a keyboard has not, when all others are typed
   */
  typeText(text: string): Promise<readonly string[]> {
    return this.#input.typeText(text);
  }

  /** Connects, or connects anew. An element on a page does so by itself. */
  connect(): void {
    this.#wanted = true;
    if (!this.isConnected) return;
    const url = this.#socketUrl();
    if (url === undefined) {
      this.#refuseAddress();
      return;
    }
    this.#start();
    this.#send({ kind: 'connect', url });
  }

  /** Ends the connection and stays without one until `connect`. The last picture stays. */
  disconnect(): void {
    this.#wanted = false;
    this.#send({ kind: 'disconnect' });
  }

  /**
   * The picture as a PNG file, pixel by pixel as the guest's screen shows it, whatever the view's own
   * rotation and scale.
   *
   * @throws ERR_KVMFR_IMAGE
   */
  async snapshot(): Promise<Blob> {
    const answer = await this.#ask((ask) => ({ kind: 'snapshot', ask }));
    if (answer instanceof Blob) return answer;
    throw noPicture();
  }

  /** The pixels on the canvas. @throws ERR_KVMFR_IMAGE */
  async readPixels(): Promise<PicturePixels> {
    const answer = await this.#ask((ask) => ({ kind: 'pixels', ask }));
    if (answer instanceof Blob) throw noPicture();
    return answer;
  }

  /** Called by the browser. */
  connectedCallback(): void {
    // An element that was only moved within the page has kept everything.
    if (this.#backend === undefined && this.#wanted) this.connect();
  }

  /** Called by the browser. */
  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (!this.isConnected) this.#stop();
    });
  }

  /** Called by the browser. */
  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now || !this.isConnected) return;
    if (name === 'encoding') this.#send({ kind: 'encoding', encoding: this.encoding });
    else if (name === 'scale' || name === 'rotation') this.#layout();
    else if (SOUND_ATTRIBUTES.includes(name)) this.#sound.update();
    else if (INPUT_ATTRIBUTES.includes(name)) this.#input.setUp();
    else if (this.#wanted && this.#backend !== undefined) this.connect();
  }

  /** Like `addEventListener` of every element, with the events of a view. */
  override addEventListener<Type extends keyof KvmfrViewEventMap>(
    type: Type,
    listener: (this: KvmfrView, event: KvmfrViewEventMap[Type]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  #start(): void {
    if (this.#backend !== undefined) return;
    const backend = startBackend({
      newCanvas: () => this.#view.newCanvas(),
      newVideo: () => this.#view.newVideo(),
      visible: () => document.visibilityState === 'visible',
      report: (report) => this.#report(report),
    });
    this.#backend = backend;
    backend.send({ kind: 'encoding', encoding: this.encoding });
    if (this.#tracing) backend.send({ kind: 'trace', on: true });
    const stopPlace = watchPlace(this.#view.viewport, () => this.#layout());
    const stopPage = this.#watchPage();
    const stopSound = this.#sound.start();
    const stopInput = this.#input.start();
    const stopClipboards = this.#clipboards.start();
    this.#unwatch = () => {
      stopSound();
      stopInput();
      stopClipboards();
      stopPlace();
      stopPage();
    };
  }

  #stop(): void {
    this.#backend?.stop();
    this.#backend = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#picture = undefined;
    this.#questions.refuse();
    this.#setStatus({ state: 'disconnected', retrying: false, sinceMs: Date.now() });
  }

  #send(command: Command): void {
    this.#backend?.send(command);
  }

  #watchPage(): () => void {
    const visibility = () =>
      this.#send({ kind: 'visible', visible: document.visibilityState === 'visible' });
    const hurry = () => this.#send({ kind: 'hurry' });
    document.addEventListener('visibilitychange', visibility);
    window.addEventListener('online', hurry);
    window.addEventListener('pageshow', hurry);
    return () => {
      document.removeEventListener('visibilitychange', visibility);
      window.removeEventListener('online', hurry);
      window.removeEventListener('pageshow', hurry);
    };
  }

  #socketUrl(): string | undefined {
    const given = this.src === '' ? 'ws' : this.src;
    let url: URL;
    try {
      url = new URL(given, document.baseURI);
    } catch {
      return undefined;
    }
    if (url.protocol === 'http:') url.protocol = 'ws:';
    if (url.protocol === 'https:') url.protocol = 'wss:';
    if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return undefined;
    url.hash = '';
    if (this.token !== '') url.searchParams.set('token', this.token);
    return url.href;
  }

  #refuseAddress(): void {
    const code = 'ERR_KVMFR_ARGUMENT';
    const message = `src must be an address of a socket, but is ${this.src}`;
    const hint = 'Correct the address in the src attribute.';
    this.#stop();
    this.#setStatus({ state: 'failed', code, message, hint, retrying: false, sinceMs: Date.now() });
    this.#emitError(code, message);
  }

  #report(report: Report): void {
    switch (report.kind) {
      case 'ready':
      case 'stream':
        break;
      case 'hello':
        this.#offered = report;
        this.#input.tellViewOnly(report.viewOnly);
        break;
      case 'codecs':
        this.#codecs = report.codecs;
        break;
      case 'latency':
        this.#emit('latency', report.sample);
        break;
      case 'status':
        this.#setStatus(report.status);
        break;
      case 'picture':
        this.#picture = report.picture;
        this.#layout();
        this.#showNotice();
        this.#emit('picture', report.picture);
        break;
      case 'clipboard':
      case 'clipboardContents':
        this.#clipboards.take(report);
        break;
      case 'input':
        this.#input.tell(report.state);
        break;
      case 'sound':
        this.#sound.take(report.state);
        break;
      case 'videoPlace':
        this.#view.placeVideo(report.region);
        break;
      case 'clear':
        this.#view.hidePicture(report.isClear);
        break;
      case 'presented':
        this.#emit('presented', { epoch: report.epoch, serial: report.serial });
        break;
      case 'cursor':
        this.#view.cursor.move(report.cursor);
        break;
      case 'cursorShape':
        this.#view.cursor.reshape(report.shape);
        break;
      case 'stats':
        this.#stats = report.stats;
        this.#emit('stats', report.stats);
        break;
      case 'error':
        this.#emitError(report.code, report.message);
        break;
      default:
        this.#questions.answer(report);
        break;
    }
  }

  #ask(command: (ask: number) => Command): Promise<Answer> {
    if (this.#picture === undefined || this.#backend === undefined)
      return Promise.reject(noPicture());
    return this.#questions.ask((ask) => this.#send(command(ask)));
  }

  #setStatus(status: ViewStatus): void {
    this.#status = status;
    this.#showNotice();
    this.#emit('statechange', status);
  }

  #showNotice(): void {
    const status = this.#status;
    const hasPicture = this.#picture !== undefined;
    const notice = noticeFor(status, hasPicture);
    this.#notice = notice;
    this.#view.notify(notice);
    this.#view.showStage(hasPicture && notice.place !== 'panel', notice.place === 'strip');
    clearInterval(this.#sinceTimer);
    this.#sinceTimer = undefined;
    if (!notice.since || notice.place !== 'strip') return;
    const tell = () => this.#view.tellSince(status.sinceMs, Date.now());
    tell();
    this.#sinceTimer = setInterval(tell, SINCE_EVERY_MS);
  }

  #pressed(): void {
    if (this.#notice?.action === 'reload') location.reload();
    else this.connect();
  }

  #layout(): void {
    const picture = this.#picture;
    if (picture === undefined) return;
    const layout = layoutPicture({
      mode: this.scale,
      turns: picture.rotation + this.rotation / 90,
      widthPx: picture.widthPx,
      heightPx: picture.heightPx,
      ...placeSize(this.#view.viewport),
    });
    this.#view.place(layout, picture);
    this.#view.cursor.rescale({
      x: layout.width / picture.screenWidthPx,
      y: layout.height / picture.screenHeightPx,
    });
  }

  #stage(): PointerStage | undefined {
    const picture = this.#picture;
    if (picture === undefined) return undefined;
    const { screenWidthPx, screenHeightPx } = picture;
    const turns = picture.rotation + this.rotation / 90;
    const { devicePixelRatio } = window;
    return { box: this.#view.box, turns, screenWidthPx, screenHeightPx, devicePixelRatio };
  }

  #emit<Type extends 'statechange' | 'picture' | 'presented' | 'stats' | 'latency'>(
    type: Type,
    detail: KvmfrViewEventMap[Type]['detail'],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #emitError(code: string, message: string): void {
    const error = new KvmfrError(errorCode(code), message);
    this.dispatchEvent(new ErrorEvent('error', { error, message }));
  }
}

/** Makes `<kvmfr-view>` known to the page. Harmless when it is already, or where there is no page. */
export function defineKvmfrView(): void {
  if (typeof customElements === 'undefined') return;
  if (customElements.get(KVMFR_VIEW_TAG) === undefined)
    customElements.define(KVMFR_VIEW_TAG, KvmfrView);
}

declare global {
  interface HTMLElementTagNameMap {
    'kvmfr-view': KvmfrView;
  }
}
