import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SoundMessage } from '../../../protocol/wire/index.ts';
import { SoundDecoder } from '../../../viewer/web/core/sound/decoder.ts';
import type { SoundPiece } from '../../../viewer/web/core/sound/piece.ts';

/** A browser's decoder that gives out, when a test says so, frames that are numbered through. */
class FakeDecoder {
  static readonly all: FakeDecoder[] = [];
  state = 'unconfigured';
  readonly #output: (audio: AudioData) => void;
  #timestamps: number[] = [];
  #frames = 0;

  constructor(init: { readonly output: (audio: AudioData) => void }) {
    this.#output = init.output;
    FakeDecoder.all.push(this);
  }

  configure(): void {
    this.state = 'configured';
  }

  decode(chunk: { readonly timestamp: number }): void {
    this.#timestamps.push(chunk.timestamp);
  }

  close(): void {
    this.state = 'closed';
    this.#timestamps = [];
  }

  finish(): void {
    for (const timestamp of this.#timestamps.splice(0)) {
      const from = this.#frames;
      this.#frames += 960;
      const audio = {
        ...{ timestamp, numberOfFrames: 960, numberOfChannels: 2 },
        copyTo: (samples: Float32Array, { planeIndex }: { readonly planeIndex: number }) => {
          for (let at = 0; at < 960; at++) samples[at] = (from + at) * (planeIndex === 0 ? 1 : -1);
        },
        close: () => undefined,
      };
      this.#output(audio as unknown as AudioData);
    }
  }
}

function opus(sequence: number): SoundMessage {
  return {
    ...{ stream: 2, sequence, atMs: 1000 + 20 * sequence, frames: 960, last: false },
    ...{ codec: 'opus', data: Uint8Array.of(0xfc, 0xff, 0xfe) },
  };
}

function pcm(sequence: number): SoundMessage {
  return {
    ...{ stream: 1, sequence, atMs: 1000 + 10 * sequence, frames: 1, last: false },
    ...{ codec: 'pcm', data: Uint8Array.of(0, 0x40, 0, 0xc0) },
  };
}

function setUp() {
  const pieces: SoundPiece[] = [];
  return { pieces, decoder: new SoundDecoder((piece) => pieces.push(piece)) };
}

describe('SoundDecoder', () => {
  beforeEach(() => {
    vi.stubGlobal('AudioDecoder', FakeDecoder);
    vi.stubGlobal(
      'EncodedAudioChunk',
      class {
        readonly timestamp: number;
        constructor({ timestamp }: { readonly timestamp: number }) {
          this.timestamp = timestamp;
        }
      },
    );
  });

  afterEach(() => {
    FakeDecoder.all.length = 0;
    vi.unstubAllGlobals();
  });

  it('leaves out what of the first packet is of a time before it, and nothing after that', () => {
    const { decoder, pieces } = setUp();
    decoder.take(opus(0));
    decoder.take(opus(1));
    FakeDecoder.all[0]?.finish();
    const [first, second] = pieces;
    expect(first).toMatchObject({ stream: 2, sequence: 0, atMs: 1000 });
    // 6.5 ms, by which Opus is behind.
    expect([first?.left[0], first?.right[0], first?.left.length]).toEqual([312, -312, 648]);
    expect(second).toMatchObject({ stream: 2, sequence: 1, atMs: 1013.5 });
    expect([second?.left[0], second?.left.length]).toEqual([960, 960]);
  });

  it('does not play what is decoded still after what follows it', () => {
    const { decoder, pieces } = setUp();
    decoder.take(opus(0));
    decoder.take(pcm(2));
    FakeDecoder.all[0]?.finish();
    expect(pieces).toEqual([
      {
        ...{ stream: 1, sequence: 2, atMs: 1020, last: false },
        ...{ left: Float32Array.of(0.5), right: Float32Array.of(-0.5) },
      },
    ]);
    // And begins anew with the next packet.
    decoder.take(opus(2));
    FakeDecoder.all[1]?.finish();
    expect(pieces[1]).toMatchObject({ stream: 2, sequence: 2, atMs: 1040 });
    expect(pieces[1]?.left).toHaveLength(648);
  });
});
