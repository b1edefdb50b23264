// Runs in the audio thread of a browser, which loads it as it is: it imports nothing.

/** Frames in a second of what goes to the relay. */
const RATE_HZ = 48_000;
/** Frames that go together: 20 ms. */
const PIECE_FRAMES = 960;

/** Makes pieces of one size and rate of what a microphone hears. */
export class MicrophonePieces {
  readonly #step: number;
  readonly #emit: (piece: Int16Array<ArrayBuffer>) => void;
  #piece = new Int16Array(PIECE_FRAMES);
  #filled = 0;
  /** Where between the frame before and the one that comes the next one of ours lies. */
  #phase = 0;
  #before = 0;

  /** @param inputHz frames in a second of what is pushed */
  constructor(inputHz: number, emit: (piece: Int16Array<ArrayBuffer>) => void) {
    this.#step = inputHz / RATE_HZ;
    this.#emit = emit;
  }

  /** Takes what the microphone hears, -1 to 1. */
  push(samples: Float32Array): void {
    for (const sample of samples) {
      for (; this.#phase < 1; this.#phase += this.#step)
        this.#put(this.#before + (sample - this.#before) * this.#phase);
      this.#phase -= 1;
      this.#before = sample;
    }
  }

  #put(sample: number): void {
    this.#piece[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
    if (this.#filled < PIECE_FRAMES) return;
    this.#emit(this.#piece);
    this.#piece = new Int16Array(PIECE_FRAMES);
    this.#filled = 0;
  }
}

/** Name of the microphone among the processors of an audio thread. */
export const MICROPHONE_NAME = 'kvmfr-microphone';

// There are no types for the audio thread's own scope.
declare const sampleRate: number;
declare const registerProcessor: (name: string, processor: unknown) => void;
const Processor: new () => { readonly port: MessagePort } =
  Reflect.get(globalThis, 'AudioWorkletProcessor') ?? class {};

class MicrophoneProcessor extends Processor {
  readonly #pieces = new MicrophonePieces(sampleRate, (piece) =>
    this.port.postMessage(piece, [piece.buffer]),
  );

  /** Called by the browser for each quantum. */
  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    const samples = inputs[0]?.[0];
    if (samples !== undefined) this.#pieces.push(samples);
    return true;
  }
}

if (typeof registerProcessor === 'function')
  registerProcessor(MICROPHONE_NAME, MicrophoneProcessor);
