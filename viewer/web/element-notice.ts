import type { ViewStatus } from './core/status.ts';
import type { ElementView } from './element-view.ts';
import { type NoticeAction, noticeFor } from './states.ts';

const SINCE_EVERY_MS = 1000;

/** What a view tells a person about its state, over the picture or instead of it. */
export class ElementNotice {
  readonly #view: ElementView;
  #action: NoticeAction | undefined;
  #sinceTimer: ReturnType<typeof setInterval> | undefined;

  constructor(view: ElementView) {
    this.#view = view;
  }

  /** What its button does; undefined while it has none. */
  get action(): NoticeAction | undefined {
    return this.#action;
  }

  /** Tells what there is to be told. */
  show(status: ViewStatus, hasPicture: boolean): void {
    const notice = noticeFor(status, hasPicture);
    this.#action = notice.action;
    this.#view.notify(notice);
    this.#view.showStage(hasPicture && notice.place !== 'panel', notice.place === 'strip');
    clearInterval(this.#sinceTimer);
    this.#sinceTimer = undefined;
    if (!notice.since || notice.place !== 'strip') return;
    const tell = () => this.#view.tellSince(status.sinceMs, Date.now());
    tell();
    this.#sinceTimer = setInterval(tell, SINCE_EVERY_MS);
  }
}
