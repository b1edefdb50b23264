import type { HeardSound } from '../core/sound/listening.ts';
import { OutputWatch, tellsUnderruns, underrunsOf } from './output-watch.ts';
import { PLAYER_NAME, type PlayerCommand, type PlayerHeard } from './player-worklet.ts';

/** How a player is made. */
export interface PlayerOptions {
  /** Takes the port that pieces are to be sent to, once it plays. */
  readonly ready: (pieces: MessagePort) => void;
  /** Called a few times a second. */
  readonly heard: (heard: HeardSound) => void;
  /** Whether the output keeps as much in advance as the browser holds to be safe, or the least. */
  readonly steady: boolean;
  /** The output has run out again and again: a steady player should take its place. */
  readonly rough: () => void;
  /** The browser plays nothing, for now or for good. */
  readonly failed: (reason: string) => void;
}

const RATE_HZ = 48_000;

/** Plays pieces of sound in the browser's audio thread. Ownership: close it. */
export class Player {
  readonly #options: PlayerOptions;
  readonly #context: AudioContext;
  readonly #gain: GainNode;
  readonly #watch: OutputWatch | undefined;
  #node: AudioWorkletNode | undefined;
  #closed = false;

  /** Begins to play; only after a person has done something on the page. */
  constructor(options: PlayerOptions) {
    this.#options = options;
    // The least is asked for only where it can be seen whether that is too little.
    const isSteady = options.steady || !tellsUnderruns();
    this.#watch = isSteady ? undefined : new OutputWatch();
    const latencyHint = isSteady ? 'interactive' : 0;
    this.#context = new AudioContext({ sampleRate: RATE_HZ, latencyHint });
    this.#gain = this.#context.createGain();
    this.#gain.connect(this.#context.destination);
    this.#start().catch((error: unknown) => {
      if (!this.#closed) options.failed(error instanceof Error ? error.message : String(error));
    });
  }

  /** The last of what is played: for tests and meters. */
  get output(): AudioNode {
    return this.#gain;
  }

  /** How loud it is: 0 to 1. */
  set volume(volume: number) {
    // A jump would be heard as a click.
    this.#gain.gain.setTargetAtTime(volume, this.#context.currentTime, 0.01);
  }

  /** Plays nothing any more. */
  close(): void {
    this.#closed = true;
    const stop: PlayerCommand = { stop: true };
    this.#node?.port.postMessage(stop);
    if (this.#node !== undefined) this.#node.port.onmessage = null;
    this.#gain.disconnect();
    // It may be closed already, by the browser.
    this.#context.close().catch(() => undefined);
  }

  async #start(): Promise<void> {
    const context = this.#context;
    await context.audioWorklet.addModule(new URL('./player-worklet.js', import.meta.url));
    if (context.state === 'suspended') await context.resume();
    if (this.#closed) return;
    const node = new AudioWorkletNode(context, PLAYER_NAME, {
      ...{ numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [2] },
    });
    this.#node = node;
    node.connect(this.#gain);
    node.port.onmessage = ({ data }: MessageEvent<PlayerHeard>) => this.#heard(data);
    const { port1, port2 } = new MessageChannel();
    const command: PlayerCommand = { port: port2 };
    node.port.postMessage(command, [port2]);
    this.#options.ready(port1);
  }

  #heard({
    outputS,
    playedAtMs,
    bufferMs,
    targetMs,
    underruns,
    skipped,
    concealed,
  }: PlayerHeard): void {
    const context = this.#context;
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    const isKnown = contextTime !== undefined && performanceTime !== undefined;
    // What was rendered last is heard when the output has come so far.
    const nowMs = performance.timeOrigin + performance.now();
    const heardAtMs =
      isKnown && performanceTime > 0
        ? performance.timeOrigin + performanceTime + (outputS - contextTime) * 1000
        : nowMs + context.baseLatency * 1000;
    this.#options.heard({
      playedAtMs,
      heardAtMs,
      bufferMs,
      targetMs,
      underruns,
      skipped,
      concealed,
    });
    const ranOut = this.#watch === undefined ? undefined : underrunsOf(context);
    if (ranOut !== undefined && this.#watch?.look(ranOut, performance.now()) === true)
      this.#options.rough();
  }
}
