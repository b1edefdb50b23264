import type { KvmfrView } from '../index.ts';
import { find } from './find.ts';
import { mayAct } from './keyboard-focus.ts';
import type { Panels } from './panels.ts';

/** A field shows no more than this: browsers are slow with longer texts. */
const MAX_SHOWN_CHARS = 200_000;
const LONG_SAY_MS = 6000;

/** What the clipboards of the page work with. */
export interface PageClipboardOptions {
  readonly panels: Panels;
  readonly say: (text: string, forMs?: number) => void;
}

/**
 * The clipboards on the page: a sheet in which texts go both ways whatever the browser allows, and a
 * chip for what was copied in the guest and needs a click to be taken.
 */
export class PageClipboard {
  readonly #view: KvmfrView;
  readonly #options: PageClipboardOptions;
  readonly #button = find('#clipboard', HTMLButtonElement);
  readonly #sheet = find('#clipboards', HTMLElement);
  readonly #field = find('#clipboard-text', HTMLTextAreaElement);
  readonly #figure = find('#clipboard-picture', HTMLElement);
  readonly #image = find('#clipboard-picture img', HTMLImageElement);
  readonly #note = find('#clipboard-note', HTMLElement);
  readonly #copyButton = find('#clipboard-copy', HTMLButtonElement);
  readonly #giveButton = find('#clipboard-give', HTMLButtonElement);
  readonly #chip = find('#copied', HTMLElement);
  /** Whether a person has changed the text since it was shown. */
  #isEdited = false;
  #isDismissed = false;
  #waited = false;
  /** Counts what was got, so that what comes late is not shown. */
  #got = 0;
  /** The number of what was copied in the guest and is shown here. */
  #shown: number | undefined;

  constructor(view: KvmfrView, options: PageClipboardOptions) {
    this.#view = view;
    this.#options = options;
    options.panels.add(this.#sheet, {
      button: this.#button,
      focus: this.#field,
      opening: () => this.#show(),
    });
    this.#field.addEventListener('input', () => {
      this.#isEdited = true;
      this.update();
    });
    this.#field.addEventListener('paste', (event) => this.#pasted(event));
    this.#copyButton.addEventListener('click', () => void this.#copy());
    find('#clipboard-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#give({ text: this.#field.value });
    });
    find('#copied [data-do="take"]', HTMLButtonElement).addEventListener('click', () => {
      void this.#take();
    });
    find('#copied [data-do="dismiss"]', HTMLButtonElement).addEventListener('click', () => {
      this.#isDismissed = true;
      this.update();
    });
    view.addEventListener('clipboardchange', () => this.update());
    this.update();
  }

  /** Looks at what has changed. */
  update(): void {
    const { clipboard } = this.#view;
    this.#button.hidden = clipboard === undefined;
    const waits = clipboard?.waits === true;
    if (waits && !this.#waited) this.#isDismissed = false;
    this.#waited = waits;
    const isOpen = !this.#sheet.hidden;
    this.#chip.hidden = !waits || this.#isDismissed || isOpen;
    const what = clipboard?.guest[0] === 'png' ? 'a picture' : 'text';
    text(this.#chip, `The guest copied ${what}`);
    this.#button.dataset['waits'] = String(waits && !isOpen);
    if (clipboard === undefined) {
      if (isOpen) this.#options.panels.close();
      return;
    }
    this.#copyButton.disabled = !clipboard.fromGuest || clipboard.guest.length === 0;
    this.#giveButton.disabled = clipboard.policy === 'from-guest' || !mayAct(this.#view);
    this.#giveButton.hidden = clipboard.policy === 'from-guest';
    this.#copyButton.hidden = clipboard.policy === 'to-guest';
    this.#field.readOnly = clipboard.policy === 'from-guest';
    const reason =
      mayAct(this.#view) && this.#view.input?.holder !== 'nobody' ? clipboard.reason : '';
    if (reason !== undefined && reason !== '') this.#note.textContent = `${capital(reason)}.`;
    else if (this.#note.textContent?.endsWith('.') === true) this.#note.textContent = '';
    // What a person writes is not taken away.
    if (isOpen && !this.#isEdited) this.#show();
  }

  /** Shows what was copied in the guest, unless it is shown already. */
  #show(): void {
    const { clipboard } = this.#view;
    const [kind] = clipboard?.guest ?? [];
    const offer = clipboard?.fromGuest === true ? clipboard.offer : undefined;
    if (offer === this.#shown) return;
    this.#shown = offer;
    if (kind !== undefined && offer !== undefined) void this.#get(kind);
    else this.#showText('');
  }

  async #get(kind: 'text' | 'png'): Promise<void> {
    const got = ++this.#got;
    try {
      const contents = await this.#view.readGuestClipboard(kind);
      if (got !== this.#got) return;
      if (kind === 'png') this.#showPicture(contents);
      else this.#showText(await contents.text());
    } catch (error) {
      if (got === this.#got) this.#note.textContent = sentence(error);
    }
  }

  #showPicture(png: Blob): void {
    URL.revokeObjectURL(this.#image.src);
    this.#image.src = URL.createObjectURL(png);
    this.#figure.hidden = false;
    this.#setText('');
  }

  #showText(whole: string): void {
    this.#got++;
    this.#figure.hidden = true;
    this.#setText(whole.slice(0, MAX_SHOWN_CHARS));
    this.#note.textContent =
      whole.length > MAX_SHOWN_CHARS
        ? `The first ${MAX_SHOWN_CHARS} of ${whole.length} characters; Copy takes all of them`
        : '';
  }

  #setText(shown: string): void {
    this.#field.value = shown;
    this.#isEdited = false;
  }

  /** A picture that is pasted into the field goes to the guest as it is. */
  #pasted(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])];
    const png = files.find(({ type }) => type === 'image/png');
    if (png === undefined) return;
    event.preventDefault();
    this.#showPicture(png);
    void this.#give({ png });
  }

  async #give(contents: { readonly text?: string; readonly png?: Blob }): Promise<void> {
    try {
      const isTold = await this.#view.offerClipboard(contents);
      this.#isEdited = false;
      if (!isTold) this.#note.textContent = 'The guest has not taken it yet';
      else {
        this.#options.panels.close();
        this.#options.say('Ready to be pasted in the guest');
        this.#back();
      }
    } catch (error) {
      this.#note.textContent = sentence(error);
    }
  }

  async #copy(): Promise<void> {
    try {
      if (await this.#view.copyGuestClipboard()) this.#options.say('Copied from the guest');
      else this.#leaveToPerson();
    } catch (error) {
      this.#note.textContent = sentence(error);
    }
  }

  async #take(): Promise<void> {
    try {
      if (await this.#view.copyGuestClipboard()) {
        this.#options.say('Copied from the guest');
        this.#back();
      } else {
        this.#options.panels.open(this.#sheet);
        this.#leaveToPerson();
      }
    } catch (error) {
      this.#options.say(sentence(error), LONG_SAY_MS);
    }
  }

  #leaveToPerson(): void {
    this.#field.select();
    this.#note.textContent = 'This browser wants you to copy it yourself: it is selected below';
  }

  #back(): void {
    if (mayAct(this.#view)) this.#view.focus({ preventScroll: true });
  }
}

function sentence(error: unknown): string {
  return capital(error instanceof Error ? error.message : 'this could not be done');
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// What stays the same is not said again by a screen reader.
function text(chip: HTMLElement, words: string): void {
  const span = chip.querySelector('span');
  if (span !== null && span.textContent !== words) span.textContent = words;
}
