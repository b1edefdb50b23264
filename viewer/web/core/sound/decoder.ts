import type { SoundMessage } from '../../../../protocol/wire/index.ts';
import { plainBytes } from '../decode/bytes.ts';
import type { SoundPiece } from './piece.ts';

/** What WebCodecs decodes Opus with. */
const CONFIG: AudioDecoderConfig = { codec: 'opus', sampleRate: 48_000, numberOfChannels: 2 };
/** Packets that a decoder may have at a time; one that keeps more does not work. */
const MAX_DECODING = 50;
const PACKET_US = 20_000;
/**
 * What comes out of Opus is so much older than what went in with the same packet: the first of it is
 * of a time before the first packet.
 */
const OPUS_DELAY_MS = 6.5;
const OPUS_DELAY_FRAMES = 312;

type Name = Pick<SoundMessage, 'stream' | 'sequence' | 'atMs' | 'last'>;

/** Whether this browser decodes Opus. */
export async function decodesOpus(): Promise<boolean> {
  if (typeof AudioDecoder === 'undefined') return false;
  try {
    return (await AudioDecoder.isConfigSupported(CONFIG)).supported === true;
  } catch {
    return false;
  }
}

/** Makes samples of sound messages, in order. */
export class SoundDecoder {
  readonly #piece: (piece: SoundPiece) => void;
  #decoder: AudioDecoder | undefined;
  /** Packets that are being decoded, by their number for the decoder. */
  readonly #decoding = new Map<number, Name>();
  #packets = 0;
  /** Whether nothing has come out of the decoder. */
  #isFirst = false;

  /** @param piece takes each piece; its samples are its own */
  constructor(piece: (piece: SoundPiece) => void) {
    this.#piece = piece;
  }

  /** Takes a message. A packet that cannot be decoded is left out. */
  take(message: SoundMessage): void {
    if (message.codec !== 'pcm') {
      this.#decode(message);
      return;
    }
    // What is decoded still would come after what follows it.
    this.close();
    this.#piece({ ...nameOf(message), ...floatsOf(message.data) });
  }

  /** Forgets what is on the way. */
  close(): void {
    if (this.#decoder?.state !== 'closed') this.#decoder?.close();
    this.#decoder = undefined;
    this.#decoding.clear();
  }

  #decode(message: SoundMessage): void {
    if (this.#decoding.size >= MAX_DECODING) this.close();
    this.#decoder ??= this.#open();
    const packet = this.#packets++;
    const timestamp = PACKET_US * packet;
    this.#decoding.set(packet, nameOf(message));
    const data = plainBytes(message.data);
    this.#decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp, data }));
  }

  #open(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: (audio) => this.#decoded(audio),
      // It is closed then; the next packet gets another one.
      error: () => {
        if (this.#decoder === decoder) this.close();
      },
    });
    decoder.configure(CONFIG);
    this.#isFirst = true;
    return decoder;
  }

  #decoded(audio: AudioData): void {
    // Chromium gives back times that are a microsecond off here and there.
    const packet = Math.round(audio.timestamp / PACKET_US);
    const name = this.#decoding.get(packet);
    this.#decoding.delete(packet);
    const from = this.#isFirst ? OPUS_DELAY_FRAMES : 0;
    this.#isFirst = false;
    if (name !== undefined && audio.numberOfFrames > from) {
      const plane = (planeIndex: number): Float32Array<ArrayBuffer> => {
        const samples = new Float32Array(audio.numberOfFrames);
        audio.copyTo(samples, { planeIndex, format: 'f32-planar' });
        return from === 0 ? samples : samples.slice(from);
      };
      const left = plane(0);
      const atMs = from > 0 ? name.atMs : name.atMs - OPUS_DELAY_MS;
      this.#piece({
        ...name,
        atMs,
        left,
        right: audio.numberOfChannels > 1 ? plane(1) : left.slice(),
      });
    }
    audio.close();
  }
}

function nameOf({ stream, sequence, atMs, last }: SoundMessage): Name {
  return { stream, sequence, atMs, last };
}

function floatsOf(data: Uint8Array): Pick<SoundPiece, 'left' | 'right'> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const frames = data.byteLength / 4;
  const left = new Float32Array(frames);
  const right = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    left[frame] = view.getInt16(4 * frame, true) / 0x8000;
    right[frame] = view.getInt16(4 * frame + 2, true) / 0x8000;
  }
  return { left, right };
}
