import type { ClipboardKind, Encoding, InputState, SourceName } from '../../protocol/wire/index.ts';
import { Clipboards, type OfferedContents, type ViewClipboard } from './clipboard/clipboards.ts';
import type { PicturePixels } from './core/render/surface.ts';
import type { ViewStats } from './core/stats.ts';
import type { ViewStateName, ViewStatus } from './core/status.ts';
import { socketAddress } from './element-attributes.ts';
import { ElementEvents, emit, emitError } from './element-events.ts';
import { ElementInput, INPUT_ATTRIBUTES } from './element-input.ts';
import { ElementLink, type Told } from './element-link.ts';
import { ElementNotice } from './element-notice.ts';
import { ElementPicture } from './element-picture.ts';
import { ElementSound, SOUND_ATTRIBUTES, type ViewSound } from './element-sound.ts';
import { ElementView } from './element-view.ts';
import type { ViewPicture } from './events.ts';
import type { Captured } from './input/controls.ts';
import { type BothSides, type EncodingObstacle, encodingObstacle } from './obstacles.ts';
import { noPicture } from './questions.ts';
import { watchPlace } from './render/place.ts';

/** Name of the element. */
export const KVMFR_VIEW_TAG = 'kvmfr-view';

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
export class KvmfrView extends ElementEvents {
  readonly #view: ElementView;
  readonly #link: ElementLink;
  readonly #picture: ElementPicture;
  readonly #notice: ElementNotice;
  #ends: readonly (() => void)[] = [];
  #status: ViewStatus = { state: 'disconnected', retrying: false, sinceMs: 0 };
  #stats: ViewStats | undefined;
  #offered: BothSides['offered'];
  /** Video codecs of this browser, once they are known. */
  #codecs: BothSides['codecs'];
  #tracing = false;
  readonly #clipboards: Clipboards;
  readonly #input: ElementInput;
  readonly #sound: ElementSound;
  #wanted = true;

  constructor() {
    super();
    this.#view = new ElementView(this.attachShadow({ mode: 'open' }), () => this.#pressed());
    this.#link = new ElementLink({ view: this.#view, report: (report) => this.#report(report) });
    this.#picture = new ElementPicture({ host: this, view: this.#view });
    this.#notice = new ElementNotice(this.#view);
    this.#clipboards = new Clipboards({
      host: this,
      send: (command) => this.#link.send(command),
      isAutomatic: () => !this.hasAttribute('manual-clipboard') && !this.hasAttribute('view-only'),
      changed: () => this.dispatchEvent(new CustomEvent('clipboardchange')),
    });
    this.#sound = new ElementSound({
      host: this,
      send: (command) => this.#link.send({ kind: 'sound', command }),
      changed: () => this.dispatchEvent(new CustomEvent('soundchange')),
    });
    this.#input = new ElementInput({
      host: this,
      view: this.#view,
      stage: () => this.#picture.stage,
      clipboards: this.#clipboards,
    });
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
    return this.#picture.shown;
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
    this.#link.send({ kind: 'trace', on });
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
    this.#link.send({ kind: 'inputWish', wish: 'take' });
  }

  /** Gives the input back. */
  giveInput(): void {
    this.#link.send({ kind: 'inputWish', wish: 'give' });
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
    const url = socketAddress(this);
    if (url === undefined) {
      this.#refuseAddress();
      return;
    }
    this.#start();
    this.#link.send({ kind: 'connect', url });
  }

  /** Ends the connection and stays without one until `connect`. The last picture stays. */
  disconnect(): void {
    this.#wanted = false;
    this.#link.send({ kind: 'disconnect' });
  }

  /**
   * The picture as a PNG file, pixel by pixel as the guest's screen shows it, whatever the view's own
   * rotation and scale.
   *
   * @throws ERR_KVMFR_IMAGE
   */
  async snapshot(): Promise<Blob> {
    this.#needPicture();
    return await this.#link.snapshot();
  }

  /** The pixels on the canvas. @throws ERR_KVMFR_IMAGE */
  async readPixels(): Promise<PicturePixels> {
    this.#needPicture();
    return await this.#link.readPixels();
  }

  /** Called by the browser. */
  connectedCallback(): void {
    // An element that was only moved within the page has kept everything.
    if (!this.#link.isStarted && this.#wanted) this.connect();
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
    if (name === 'encoding') this.#link.send({ kind: 'encoding', encoding: this.encoding });
    else if (name === 'scale' || name === 'rotation') this.#picture.layout();
    else if (SOUND_ATTRIBUTES.includes(name)) this.#sound.update();
    else if (INPUT_ATTRIBUTES.includes(name)) this.#input.setUp();
    else if (this.#wanted && this.#link.isStarted) this.connect();
  }

  #start(): void {
    const link = this.#link;
    if (link.isStarted) return;
    link.start();
    link.send({ kind: 'encoding', encoding: this.encoding });
    if (this.#tracing) link.send({ kind: 'trace', on: true });
    this.#ends = [
      this.#sound.start(),
      this.#input.start(),
      this.#clipboards.start(),
      watchPlace(this.#view.viewport, () => this.#picture.layout()),
    ];
  }

  #stop(): void {
    this.#link.stop();
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#picture.take(undefined);
    this.#setStatus({ state: 'disconnected', retrying: false, sinceMs: Date.now() });
  }

  #refuseAddress(): void {
    const code = 'ERR_KVMFR_ARGUMENT';
    const message = `src must be an address of a socket, but is ${this.src}`;
    const hint = 'Correct the address in the src attribute.';
    this.#stop();
    this.#setStatus({ state: 'failed', code, message, hint, retrying: false, sinceMs: Date.now() });
    emitError(this, code, message);
  }

  #report(report: Told): void {
    switch (report.kind) {
      case 'hello':
        this.#offered = report;
        this.#input.tellViewOnly(report.viewOnly);
        break;
      case 'codecs':
        this.#codecs = report.codecs;
        break;
      case 'latency':
        emit(this, 'latency', report.sample);
        break;
      case 'status':
        this.#setStatus(report.status);
        break;
      case 'picture':
        this.#picture.take(report.picture);
        this.#showNotice();
        emit(this, 'picture', report.picture);
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
      case 'presented':
        emit(this, 'presented', { epoch: report.epoch, serial: report.serial });
        break;
      case 'videoPlace':
      case 'clear':
      case 'cursor':
      case 'cursorShape':
        this.#view.take(report);
        break;
      case 'stats':
        this.#stats = report.stats;
        emit(this, 'stats', report.stats);
        break;
      case 'error':
        emitError(this, report.code, report.message);
        break;
    }
  }

  #needPicture(): void {
    if (this.#picture.shown === undefined) throw noPicture();
  }

  #setStatus(status: ViewStatus): void {
    this.#status = status;
    this.#showNotice();
    emit(this, 'statechange', status);
  }

  #showNotice(): void {
    this.#notice.show(this.#status, this.#picture.shown !== undefined);
  }

  #pressed(): void {
    if (this.#notice.action === 'reload') location.reload();
    else this.connect();
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
