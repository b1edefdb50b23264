import type { SoundState } from '../../protocol/wire/index.ts';
import type { SoundCommand } from './core/sound/listening.ts';
import { Microphone } from './sound/microphone.ts';
import { Player } from './sound/player.ts';

/** Where the guest's sound stands, and the microphone. */
export interface ViewSound {
  /**
   * - `none`: this guest has no sound, or there is no connection
   * - `unavailable`: it cannot be heard, and `reason` says why
   * - `muted`: by this view
   * - `blocked`: the browser waits for a person to do something on the page
   * - `starting`, `on`
   */
  readonly state: 'none' | 'unavailable' | 'muted' | 'blocked' | 'starting' | 'on';
  /** One sentence for a person. */
  readonly reason: string | undefined;
  /** `asking`: the browser asks the person, or the relay is asked. */
  readonly microphone: 'none' | 'off' | 'asking' | 'on';
  /** Why it is not on, one sentence for a person. */
  readonly microphoneReason: string | undefined;
  /** Whether a program in the guest records. */
  readonly recording: boolean;
  /** How loud the guest itself has set its sound: 0, when it has muted it, to 1. */
  readonly guestVolume: number;
}

/** What the sound of a view works with. */
export interface ElementSoundOptions {
  readonly host: HTMLElement;
  readonly send: (command: SoundCommand) => void;
  readonly changed: () => void;
}

/** Attributes whose changes are for this. */
export const SOUND_ATTRIBUTES: readonly string[] = ['muted'];

const NO_WORKLETS =
  'Browsers play the sound of a guest only on pages that came safely: over https, or as http://localhost.';
const NO_MICROPHONE =
  'Browsers give a microphone only to pages that came safely: over https, or as http://localhost.';
/** Anything of this is a person's doing, after which browsers allow sound. */
const GESTURES = ['pointerdown', 'pointerup', 'keydown'] as const;

/** The guest's sound on a page: it plays as soon as guest, relay, browser and person let it. */
export class ElementSound {
  readonly #options: ElementSoundOptions;
  #state: SoundState | undefined;
  #player: Player | undefined;
  #playing = false;
  /** Whether this machine was too slow for an output that keeps the least in advance. */
  #steady = false;
  #failure: string | undefined;
  #volume = 1;
  #microphone: Microphone | undefined;
  #asking = false;
  #microphoneFailure: string | undefined;
  #told = '';
  readonly #gesture = (): void => this.update();
  readonly #visibility = (): void => {
    if (document.visibilityState !== 'visible') this.stopMicrophone();
  };

  constructor(options: ElementSoundOptions) {
    this.#options = options;
  }

  /** Where it stands. */
  get view(): ViewSound {
    const state = this.#name;
    const relay = this.#state;
    const reason =
      state === 'unavailable'
        ? relay?.available === true
          ? this.#obstacle
          : relay?.reason
        : undefined;
    return {
      state,
      reason,
      microphone: this.#microphoneName,
      microphoneReason: this.#microphoneFailure ?? relay?.microphoneReason,
      recording: relay?.recording === true,
      guestVolume: relay?.guestVolume ?? 1,
    };
  }

  /** How loud it is: 0 to 1. */
  get volume(): number {
    return this.#volume;
  }
  set volume(volume: number) {
    if (!(volume >= 0 && volume <= 1) || volume === this.#volume) return;
    this.#volume = volume;
    if (this.#player !== undefined) this.#player.volume = volume;
    this.#options.changed();
  }

  /** The last of what is played; undefined while nothing is. */
  get output(): AudioNode | undefined {
    return this.#player?.output;
  }

  /** The relay tells what there is. */
  take(state: SoundState | undefined): void {
    if (state === undefined || !state.available) this.#failure = undefined;
    this.#state = state;
    const isOn = this.#microphone !== undefined && state?.microphone === 'on';
    // Asked for, it is off for a moment still; with a reason it stays so.
    const isRefused = this.#microphone !== undefined && state?.microphoneReason !== undefined;
    if (isOn) this.#asking = false;
    else if (!this.#asking || isRefused || state === undefined || state.microphone === 'none')
      this.#closeMicrophone();
    this.update();
  }

  /** Begins to look out for what a person does. The answer ends it, and all sound. */
  start(): () => void {
    for (const type of GESTURES) window.addEventListener(type, this.#gesture, true);
    document.addEventListener('visibilitychange', this.#visibility);
    return () => {
      for (const type of GESTURES) window.removeEventListener(type, this.#gesture, true);
      document.removeEventListener('visibilitychange', this.#visibility);
      this.take(undefined);
    };
  }

  /** Looks at what has changed, and plays or does not. */
  update(): void {
    const { host } = this.#options;
    const isWanted = this.#state?.available === true && !host.hasAttribute('muted');
    const mayPlay = isWanted && this.#obstacle === undefined && isActivated();
    if (mayPlay) this.#player ??= this.#play();
    else this.#stop();
    this.#tell();
  }

  /** Asks person and relay for the microphone. */
  async startMicrophone(): Promise<void> {
    if (this.#microphone !== undefined || this.#asking) return;
    this.#microphoneFailure = undefined;
    if (!('mediaDevices' in navigator) || typeof AudioWorkletNode === 'undefined') {
      this.#microphoneFailure = NO_MICROPHONE;
      this.#tell();
      return;
    }
    this.#asking = true;
    this.#tell();
    try {
      const microphone = await Microphone.open({
        said: (samples) => this.#options.send({ kind: 'say', samples }),
        ended: () => this.stopMicrophone(),
      });
      if (this.#asking && this.#state !== undefined) {
        this.#microphone = microphone;
        this.#options.send({ kind: 'microphone', on: true });
      } else microphone.close();
    } catch (error) {
      this.#asking = false;
      this.#microphoneFailure = error instanceof Error ? error.message : String(error);
    }
    this.#tell();
  }

  /** The microphone goes off. */
  stopMicrophone(): void {
    if (this.#microphone === undefined && !this.#asking) return;
    this.#options.send({ kind: 'microphone', on: false });
    this.#closeMicrophone();
    this.#tell();
  }

  get #name(): ViewSound['state'] {
    if (this.#state === undefined) return 'none';
    if (!this.#state.available || this.#obstacle !== undefined) return 'unavailable';
    if (this.#options.host.hasAttribute('muted')) return 'muted';
    if (this.#player === undefined) return 'blocked';
    return this.#playing ? 'on' : 'starting';
  }

  get #microphoneName(): ViewSound['microphone'] {
    if (this.#state === undefined || this.#state.microphone === 'none') return 'none';
    if (this.#asking) return 'asking';
    return this.#microphone !== undefined && this.#state.microphone === 'on' ? 'on' : 'off';
  }

  get #obstacle(): string | undefined {
    return typeof AudioWorkletNode === 'undefined' ? NO_WORKLETS : this.#failure;
  }

  #play(): Player {
    const player = new Player({
      ready: (port) => {
        this.#playing = true;
        this.#options.send({ kind: 'listen', port });
        this.#tell();
      },
      heard: (heard) => this.#options.send({ kind: 'heard', ...heard }),
      steady: this.#steady,
      rough: () => {
        this.#steady = true;
        this.#stop();
        this.update();
      },
      failed: (reason) => {
        this.#failure = `This browser plays no sound: ${reason}`;
        this.update();
      },
    });
    player.volume = this.#volume;
    return player;
  }

  #stop(): void {
    const player = this.#player;
    if (player === undefined) return;
    this.#player = undefined;
    this.#playing = false;
    player.close();
    this.#options.send({ kind: 'listen', port: undefined });
  }

  #closeMicrophone(): void {
    this.#asking = false;
    this.#microphone?.close();
    this.#microphone = undefined;
  }

  #tell(): void {
    const now = JSON.stringify(this.view);
    if (now === this.#told) return;
    this.#told = now;
    this.#options.changed();
  }
}

/** Whether a person has done something on this page; without that a browser plays nothing, and warns. */
function isActivated(): boolean {
  return !('userActivation' in navigator) || navigator.userActivation.hasBeenActive;
}
