import { type Backend, startBackend } from './backend.ts';
import type { Command, Report } from './core/messages.ts';
import type { PicturePixels } from './core/render/surface.ts';
import type { ElementView } from './element-view.ts';
import { type Answer, noPicture, Questions } from './questions.ts';

/** What a view's way to its engine works with. */
export interface ElementLinkOptions {
  readonly view: ElementView;
  readonly report: (report: Told) => void;
}

/** What the engine tells a view without having been asked. */
export type Told = Exclude<
  Report,
  { readonly kind: 'ready' | 'stream' | 'snapshot' | 'pixels' | 'refused' }
>;

/** The engine of a view, from when the view comes onto a page until it leaves it. */
export class ElementLink {
  readonly #options: ElementLinkOptions;
  readonly #questions = new Questions();
  #backend: Backend | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: ElementLinkOptions) {
    this.#options = options;
  }

  get isStarted(): boolean {
    return this.#backend !== undefined;
  }

  /** Starts the engine, and tells it what becomes of the page. */
  start(): void {
    const { view } = this.#options;
    this.#backend = startBackend({
      newCanvas: () => view.newCanvas(),
      newVideo: () => view.newVideo(),
      visible: () => document.visibilityState === 'visible',
      report: (report) => this.#report(report),
    });
    this.#unwatch = this.#watchPage();
  }

  /** Ends the engine, and answers everybody who waits for it. */
  stop(): void {
    this.#backend?.stop();
    this.#backend = undefined;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#questions.refuse();
  }

  /** Tells the engine something, if there is one. */
  send(command: Command): void {
    this.#backend?.send(command);
  }

  /** The picture as a PNG file. @throws ERR_KVMFR_IMAGE */
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

  #ask(command: (ask: number) => Command): Promise<Answer> {
    if (this.#backend === undefined) return Promise.reject(noPicture());
    return this.#questions.ask((ask) => this.send(command(ask)));
  }

  #report(report: Report): void {
    switch (report.kind) {
      case 'ready':
      case 'stream':
        break;
      case 'snapshot':
      case 'pixels':
      case 'refused':
        this.#questions.answer(report);
        break;
      default:
        this.#options.report(report);
        break;
    }
  }

  #watchPage(): () => void {
    const visibility = () =>
      this.send({ kind: 'visible', visible: document.visibilityState === 'visible' });
    const hurry = () => this.send({ kind: 'hurry' });
    document.addEventListener('visibilitychange', visibility);
    window.addEventListener('online', hurry);
    window.addEventListener('pageshow', hurry);
    return () => {
      document.removeEventListener('visibilitychange', visibility);
      window.removeEventListener('online', hurry);
      window.removeEventListener('pageshow', hurry);
    };
  }
}
