import type { Rect } from '../../protocol/rect.ts';
import type { Report } from './core/messages.ts';
import { CursorLayer } from './cursor.ts';
import { addStyle } from './element-style.ts';
import { type IconName, newIcon } from './icons.ts';
import type { Layout } from './render/layout.ts';
import { type Notice, type NoticeAction, timeAgo } from './states.ts';

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  classNames: string,
  part?: string,
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  made.className = classNames;
  if (part !== undefined) made.setAttribute('part', part);
  return made;
}

// Words between backquotes are commands. Everything is text, whoever wrote it.
function setText(target: HTMLElement, text: string): void {
  const pieces = text.split('`');
  if (pieces.length % 2 === 0) {
    target.textContent = text;
    return;
  }
  target.replaceChildren(
    ...pieces.map((piece, index) => {
      if (index % 2 === 0) return document.createTextNode(piece);
      const code = document.createElement('code');
      code.textContent = piece;
      return code;
    }),
  );
}

function percent(px: number, ofPx: number): string {
  return `${(100 * px) / ofPx}%`;
}

/** What the engine tells of the layers of a picture. */
export type LayerReport = Extract<
  Report,
  { readonly kind: 'videoPlace' | 'clear' | 'cursor' | 'cursorShape' }
>;

/** What a button of a notice says. */
const ACTIONS: { readonly [action in NoticeAction]: string } = {
  connect: 'Connect again',
  reload: 'Reload the page',
};

/** The elements inside a view, and nothing of what they mean. */
export class ElementView {
  /** Where the picture lies; scrolls when the picture is larger. */
  readonly viewport: HTMLElement;
  readonly cursor: CursorLayer;

  readonly #room: HTMLElement;
  readonly #stage: HTMLElement;
  readonly #panel: HTMLElement;
  readonly #icon: HTMLElement;
  readonly #title: HTMLElement;
  readonly #text: HTMLElement;
  readonly #hint: HTMLElement;
  readonly #steps: HTMLElement;
  readonly #code: HTMLElement;
  readonly #panelButton: HTMLButtonElement;
  readonly #strip: HTMLElement;
  readonly #stripTitle: HTMLElement;
  readonly #stripText: HTMLElement;
  readonly #stripSince: HTMLElement;
  readonly #stripButton: HTMLButtonElement;
  #picture: HTMLCanvasElement | undefined;
  #video: HTMLVideoElement | undefined;
  #videoPlace: Rect | undefined;
  #size: { readonly widthPx: number; readonly heightPx: number } | undefined;
  #shownIcon: IconName | undefined;

  constructor(root: ShadowRoot, pressed: () => void) {
    addStyle(root);
    this.viewport = element('div', 'viewport', 'viewport');
    this.#room = element('div', 'room');
    this.#stage = element('div', 'stage', 'screen');
    this.#stage.setAttribute('role', 'img');
    this.#stage.setAttribute('aria-label', "The guest's screen");
    this.#stage.hidden = true;
    this.cursor = new CursorLayer(element('canvas', 'cursor', 'cursor'));
    this.#stage.append(this.cursor.canvas);
    this.#room.append(this.#stage);
    this.viewport.append(this.#room);

    this.#panel = element('div', 'panel', 'message');
    this.#panel.setAttribute('role', 'status');
    const sheet = element('div', 'sheet', 'sheet');
    this.#icon = element('div', 'icon', 'icon');
    this.#title = element('h2', 'title', 'title');
    this.#text = element('p', 'text', 'text');
    this.#hint = element('p', 'hint', 'hint');
    this.#steps = element('ol', 'steps', 'steps');
    this.#code = element('p', 'code', 'code');
    this.#panelButton = this.#newButton(pressed);
    sheet.append(this.#icon, this.#title, this.#text, this.#steps, this.#hint);
    sheet.append(this.#panelButton, this.#code);
    this.#panel.append(sheet);

    this.#strip = element('div', 'strip', 'banner');
    this.#strip.setAttribute('role', 'status');
    const words = element('div', 'words');
    this.#stripTitle = element('p', 'title');
    this.#stripText = element('p', 'detail');
    this.#stripSince = element('p', 'detail since');
    // Read out once a second it would drown everything else.
    this.#stripSince.setAttribute('aria-live', 'off');
    this.#stripButton = this.#newButton(pressed);
    words.append(this.#stripTitle, this.#stripText, this.#stripSince);
    this.#strip.append(element('span', 'light'), words, this.#stripButton);
    this.#panel.hidden = true;
    this.#strip.hidden = true;
    root.append(this.viewport, this.#panel, this.#strip);
  }

  /** Puts a fresh canvas where the picture is drawn. */
  newCanvas(): HTMLCanvasElement {
    const canvas = element('canvas', 'picture', 'picture');
    this.#picture?.remove();
    this.#picture = canvas;
    this.#stage.insertBefore(canvas, this.cursor.canvas);
    return canvas;
  }

  /** The turned picture's box on the page. Units: CSS pixels. */
  get box(): DOMRect {
    return this.#room.getBoundingClientRect();
  }

  /** Puts a fresh `<video>` below the canvas. */
  newVideo(): HTMLVideoElement {
    const video = element('video', 'video', 'video');
    this.#video?.remove();
    this.#video = video;
    this.#sizeVideo();
    this.#stage.prepend(video);
    return video;
  }

  /** Shows or hides picture and pointer; `faded` marks a picture that is not the present one. */
  showStage(shown: boolean, faded: boolean): void {
    this.#stage.hidden = !shown;
    this.#stage.classList.toggle('faded', faded);
  }

  /** Places a picture of so many pixels. */
  place(layout: Layout, picture: { readonly widthPx: number; readonly heightPx: number }): void {
    const { style } = this.#stage;
    style.width = `${layout.width}px`;
    style.height = `${layout.height}px`;
    style.transform = layout.transform;
    this.#room.style.width = `${layout.boxWidth}px`;
    this.#room.style.height = `${layout.boxHeight}px`;
    this.#room.style.left = `${layout.left}px`;
    this.#room.style.top = `${layout.top}px`;
    this.#size = picture;
    this.#sizeVideo();
    this.#stage.classList.toggle('crisp', layout.crisp);
    this.viewport.classList.toggle('scrolls', layout.scrolls);
    // A keyboard must be able to scroll what a pointer can.
    if (layout.scrolls) this.viewport.tabIndex = 0;
    else this.viewport.removeAttribute('tabindex');
  }

  /** Takes the canvas off the screen while all of it is holes: laying it over a video costs as much as the video. */
  #hidePicture(isHidden: boolean): void {
    if (this.#picture !== undefined) this.#picture.style.visibility = isHidden ? 'hidden' : '';
  }

  #sizeVideo(): void {
    if (this.#video === undefined || this.#size === undefined) return;
    const { widthPx, heightPx } = this.#size;
    const { x, y, width, height } = this.#videoPlace ?? {
      ...{ x: 0, y: 0, width: widthPx, height: heightPx },
    };
    // Video has even sides: what it has beyond the picture's lies outside of the stage.
    const { style } = this.#video;
    style.left = percent(x, widthPx);
    style.top = percent(y, heightPx);
    style.width = percent(width + (width & 1), widthPx);
    style.height = percent(height + (height & 1), heightPx);
  }

  /** Shows what the engine tells of the layers. */
  take(report: LayerReport): void {
    switch (report.kind) {
      case 'videoPlace':
        this.#videoPlace = report.region;
        this.#sizeVideo();
        break;
      case 'clear':
        this.#hidePicture(report.isClear);
        break;
      case 'cursor':
        this.cursor.move(report.cursor);
        break;
      case 'cursorShape':
        this.cursor.reshape(report.shape);
        break;
    }
  }

  /** Shows a notice. */
  notify(notice: Notice): void {
    this.#panel.hidden = notice.place !== 'panel';
    this.#strip.hidden = notice.place !== 'strip';
    const target = notice.place === 'panel' ? this.#panel : this.#strip;
    for (const tone of ['calm', 'busy', 'warn', 'error'])
      target.classList.toggle(tone, tone === notice.tone);
    if (notice.place === 'panel') this.#fillPanel(notice);
    if (notice.place === 'strip') this.#fillStrip(notice);
  }

  /** Says since when the picture stands still. Units: milliseconds. */
  tellSince(sinceMs: number, nowMs: number): void {
    const clock = new Date(sinceMs).toLocaleTimeString();
    this.#stripSince.textContent = `Last picture from ${clock} · ${timeAgo(nowMs - sinceMs)}`;
  }

  #fillPanel(notice: Notice): void {
    if (this.#shownIcon !== notice.icon) {
      this.#icon.replaceChildren(newIcon(notice.icon));
      this.#shownIcon = notice.icon;
    }
    setText(this.#title, notice.title);
    setText(this.#text, notice.text);
    setText(this.#hint, notice.hint);
    this.#code.textContent = notice.code;
    this.#steps.replaceChildren(
      ...notice.steps.map((step) => {
        const item = document.createElement('li');
        setText(item, step);
        return item;
      }),
    );
    this.#labelButton(this.#panelButton, notice.action);
  }

  #fillStrip(notice: Notice): void {
    setText(this.#stripTitle, notice.title);
    setText(this.#stripText, [notice.text, notice.hint].filter((text) => text !== '').join(' '));
    if (!notice.since) this.#stripSince.textContent = '';
    this.#labelButton(this.#stripButton, notice.action);
  }

  #labelButton(button: HTMLButtonElement, action: NoticeAction | undefined): void {
    button.hidden = action === undefined;
    button.textContent = action === undefined ? '' : ACTIONS[action];
  }

  #newButton(pressed: () => void): HTMLButtonElement {
    const button = element('button', '', 'button');
    button.type = 'button';
    button.hidden = true;
    button.addEventListener('click', pressed);
    return button;
  }
}
