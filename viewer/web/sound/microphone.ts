import { MICROPHONE_NAME } from './microphone-worklet.ts';

/** Hears what is said at this machine, as long as it is open. Ownership: close it. */
export class Microphone {
  readonly #context: AudioContext;
  readonly #stream: MediaStream;
  readonly #node: AudioWorkletNode;

  private constructor(options: {
    readonly context: AudioContext;
    readonly stream: MediaStream;
    readonly node: AudioWorkletNode;
    readonly said: (samples: Int16Array<ArrayBuffer>) => void;
    readonly ended: () => void;
  }) {
    this.#context = options.context;
    this.#stream = options.stream;
    this.#node = options.node;
    this.#node.port.onmessage = ({ data }: MessageEvent<Int16Array<ArrayBuffer>>) =>
      options.said(data);
    // A person may take the permission back, or pull the plug.
    for (const track of this.#stream.getTracks()) track.addEventListener('ended', options.ended);
  }

  /** Asks the person for the microphone. @throws Error with the browser's words when there is none */
  static async open(handlers: {
    readonly said: (samples: Int16Array<ArrayBuffer>) => void;
    readonly ended: () => void;
  }): Promise<Microphone> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
    // Its own: some browsers connect a microphone only at the rate that it has.
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(new URL('./microphone-worklet.js', import.meta.url));
      const node = new AudioWorkletNode(context, MICROPHONE_NAME, { numberOfOutputs: 0 });
      context.createMediaStreamSource(stream).connect(node);
      await context.resume();
      return new Microphone({ context, stream, node, ...handlers });
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      await context.close();
      throw error;
    }
  }

  /** Hears nothing any more; the browser's sign of it goes away. */
  close(): void {
    this.#node.port.onmessage = null;
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close().catch(() => undefined);
  }
}
