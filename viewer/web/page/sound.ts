import type { KvmfrView } from '../index.ts';
import { find } from './find.ts';
import type { Panels } from './panels.ts';
import { remember, remembered } from './settings.ts';

/** The guest's sound on the page: a sheet to set it, and chips that say what one must know. */
export class PageSound {
  readonly #view: KvmfrView;
  readonly #panels: Panels;
  readonly #button = find('#sound', HTMLButtonElement);
  readonly #note = find('#sound-note', HTMLElement);
  readonly #volume = find('#volume', HTMLInputElement);
  readonly #mute = find('#mute', HTMLButtonElement);
  readonly #speaking = find('#speaking', HTMLElement);
  readonly #microphone = find('#microphone', HTMLButtonElement);
  readonly #microphoneNote = find('#microphone-note', HTMLElement);
  readonly #blocked = find('#click-for-sound', HTMLElement);
  readonly #heard = find('#heard', HTMLElement);

  constructor(view: KvmfrView, panels: Panels) {
    this.#view = view;
    this.#panels = panels;
    panels.add(find('#sounds', HTMLElement), { button: this.#button });
    this.#volume.addEventListener('input', () => {
      view.volume = this.#volume.valueAsNumber;
      view.muted = view.volume === 0;
      this.#remember();
    });
    this.#mute.addEventListener('click', () => {
      view.muted = !view.muted;
      if (!view.muted && view.volume === 0) view.volume = 1;
      this.#remember();
    });
    this.#microphone.addEventListener('click', () => this.#speak());
    this.#heard.querySelector('button')?.addEventListener('click', () => view.stopMicrophone());
    view.volume = volumeOf(remembered('volume'));
    view.muted = remembered('muted') === 'yes';
    view.addEventListener('soundchange', () => this.#update());
    view.addEventListener('inputchange', () => this.#update());
    this.#update();
  }

  #remember(): void {
    remember('volume', String(this.#view.volume));
    remember('muted', this.#view.muted ? 'yes' : 'no');
  }

  #speak(): void {
    const view = this.#view;
    if (view.sound.microphone === 'on' || view.sound.microphone === 'asking') {
      view.stopMicrophone();
      return;
    }
    // Only who has the input is heard; when somebody else has it, the relay tells that.
    if (view.input?.holder === 'nobody') view.takeInput();
    void view.startMicrophone();
  }

  #update(): void {
    const { sound, muted, volume } = this.#view;
    const { state, microphone } = sound;
    this.#button.hidden = state === 'none';
    if (state === 'none' && this.#panels.owner === this.#button) this.#panels.close();
    const isSilent = state !== 'unavailable' && sound.guestVolume === 0;
    this.#button.dataset['quiet'] = String(muted || isSilent || state === 'unavailable');
    this.#button.title = isSilent ? 'Sound: muted in the guest' : 'Sound';
    this.#button.dataset['captured'] = String(microphone === 'on');
    setText(this.#note, isSilent ? MUTED_THERE : sentence(sound.reason ?? ''));
    this.#volume.disabled = state === 'unavailable';
    if (this.#volume.valueAsNumber !== volume) this.#volume.value = String(volume);
    this.#mute.disabled = state === 'unavailable';
    this.#mute.setAttribute('aria-pressed', String(muted));
    setText(this.#mute, muted ? 'Unmute' : 'Mute');
    this.#blocked.hidden = state !== 'blocked';
    this.#heard.hidden = microphone !== 'on';
    this.#speaking.hidden = microphone === 'none';
    this.#microphone.setAttribute('aria-pressed', String(microphone === 'on'));
    setText(this.#microphone, SPEAK[microphone]);
    const why = microphone === 'off' ? sound.microphoneReason : undefined;
    const idle = microphone === 'on' && !sound.recording ? 'Nothing in the guest records now.' : '';
    setText(this.#microphoneNote, why === undefined ? idle : sentence(why));
  }
}

const MUTED_THERE = 'The guest has muted its sound: its own volume control brings it back.';

const SPEAK = {
  none: 'Speak to the guest',
  off: 'Speak to the guest',
  asking: 'Waiting for permission…',
  on: 'Turn the microphone off',
} as const;

function volumeOf(text: string | undefined): number {
  const volume = Number(text ?? 1);
  return volume >= 0 && volume <= 1 ? volume : 1;
}

function sentence(text: string): string {
  const end = text === '' || text.endsWith('.') ? '' : '.';
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${end}`;
}

// What stays the same is not said again by a screen reader.
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
