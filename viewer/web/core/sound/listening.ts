import {
  decodeSound,
  decodeSoundState,
  type Envelope,
  encodeMicrophone,
  encodeMicrophoneWish,
  encodeSoundWish,
  type SoundCodec,
  type SoundState,
} from '../../../../protocol/wire/index.ts';
import type { RelayTime } from '../relay-clock.ts';
import { decodesOpus, SoundDecoder } from './decoder.ts';

/** What the page asks of the guest's sound. */
export type SoundCommand =
  /** Pieces go to this port from now on; nothing comes any more where it is left out. */
  | { readonly kind: 'listen'; readonly port: MessagePort | undefined }
  | { readonly kind: 'microphone'; readonly on: boolean }
  /** What the microphone has heard, 48 000 samples a second. */
  | { readonly kind: 'say'; readonly samples: Int16Array<ArrayBuffer> }
  | ({ readonly kind: 'heard' } & HeardSound);

/** What the page plays now. Units: milliseconds since 1970. */
export interface HeardSound {
  /** When the guest played it, by the relay's clock; undefined in silence. */
  readonly playedAtMs: number | undefined;
  /** When it is heard, by the page's monotonic clock. */
  readonly heardAtMs: number;
  /** How much waits to be played. Units: milliseconds. */
  readonly bufferMs: number;
  /** How much should wait when a piece has just come. Units: milliseconds. */
  readonly targetMs: number;
  readonly underruns: number;
  readonly skipped: number;
  readonly concealed: number;
}

/** Numbers of the guest's sound, for the statistics. */
export interface SoundStats {
  readonly codec: SoundCodec;
  /** From the guest's playing to its being heard; undefined in silence. Units: milliseconds. */
  readonly latencyMs: number | undefined;
  /** How much later than the picture it is; undefined when one of them is not known. Units: milliseconds. */
  readonly behindPictureMs: number | undefined;
  /** Part of the latency that waits so that pieces may come unevenly. Units: milliseconds. */
  readonly bufferMs: number;
  /** How much should wait when a piece has just come. Units: milliseconds. */
  readonly targetMs: number;
  /** Times that nothing was left to play. */
  readonly underruns: number;
  /** Pieces that were too late, or too many. */
  readonly skipped: number;
  /** Pieces that did not come. */
  readonly concealed: number;
}

/** What listening works with. */
export interface ListeningOptions {
  readonly send: (message: Uint8Array<ArrayBuffer>) => void;
  /** Bytes that the socket has not handed to the network yet. */
  readonly buffered: () => number;
  readonly report: (state: SoundState | undefined) => void;
  /** When the page's clock was at 0. Units: milliseconds since 1970. */
  readonly originMs: number;
  readonly relayTime: () => RelayTime | undefined;
  /** How old a picture is when it is seen; undefined while none was. Units: milliseconds. */
  readonly pictureMs: () => number | undefined;
}

/** What is said waits for a slow network no longer than about half a second. */
const MAX_UNSENT_BYTES = 48_000;

/** The guest's sound and microphone, as far as they need no page. */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #decoder: SoundDecoder;
  readonly #decodesOpus: Promise<boolean> = decodesOpus();
  #state: SoundState | undefined;
  #port: MessagePort | undefined;
  #codec: SoundCodec = 'pcm';
  #said = 0;
  #heard: HeardSound | undefined;

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.#decoder = new SoundDecoder((piece) =>
      this.#port?.postMessage(piece, [piece.left.buffer, piece.right.buffer]),
    );
  }

  /** Does what the page asks. */
  handle(command: SoundCommand): void {
    switch (command.kind) {
      case 'listen':
        this.#listen(command.port);
        break;
      case 'microphone':
        if (this.#state === undefined) break;
        this.#said = 0;
        this.#options.send(encodeMicrophoneWish(command.on));
        break;
      case 'say':
        this.#say(command.samples);
        break;
      case 'heard':
        this.#heard = command;
        break;
    }
  }

  /** Takes what there is to hear. @throws ERR_KVMFR_WIRE */
  takeState(envelope: Envelope): void {
    this.#state = decodeSoundState(envelope);
    this.#options.report(this.#state);
  }

  /** Takes a piece of sound. @throws ERR_KVMFR_WIRE */
  takeSound(envelope: Envelope): void {
    const message = decodeSound(envelope);
    // What was on the way when nobody listened any more.
    if (this.#port === undefined) return;
    this.#codec = message.codec;
    this.#decoder.take(message);
  }

  /** The connection has ended. */
  lost(): void {
    if (this.#state === undefined) return;
    this.#state = undefined;
    this.#decoder.close();
    this.#options.report(undefined);
  }

  /** What is heard now; undefined while nobody listens. */
  get stats(): SoundStats | undefined {
    const heard = this.#heard;
    if (this.#port === undefined || heard === undefined) return undefined;
    const { bufferMs, targetMs, underruns, skipped, concealed } = heard;
    const latencyMs = this.#latencyMs(heard);
    const pictureMs = this.#options.pictureMs();
    const behindPictureMs =
      latencyMs === undefined || pictureMs === undefined ? undefined : latencyMs - pictureMs;
    const codec = this.#codec;
    return { codec, latencyMs, behindPictureMs, bufferMs, targetMs, underruns, skipped, concealed };
  }

  #latencyMs({ playedAtMs, heardAtMs }: HeardSound): number | undefined {
    const relay = this.#options.relayTime();
    if (playedAtMs === undefined || relay === undefined) return undefined;
    return heardAtMs - this.#options.originMs + relay.offsetMs - playedAtMs;
  }

  #listen(port: MessagePort | undefined): void {
    this.#port?.close();
    this.#port = port;
    this.#heard = undefined;
    this.#decoder.close();
    if (this.#state === undefined) return;
    if (port === undefined) {
      this.#options.send(encodeSoundWish({ sound: false, codecs: [] }));
      return;
    }
    void this.#decodesOpus.then((hasOpus) => {
      if (this.#port !== port || this.#state === undefined) return;
      this.#options.send(encodeSoundWish({ sound: true, codecs: hasOpus ? ['opus'] : [] }));
    });
  }

  #say(samples: Int16Array<ArrayBuffer>): void {
    const sequence = this.#said++;
    if (this.#state?.microphone !== 'on' || this.#options.buffered() > MAX_UNSENT_BYTES) return;
    this.#options.send(encodeMicrophone({ sequence, samples }));
  }
}
