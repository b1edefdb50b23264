import { describe, expect, it } from 'vitest';
import {
  SOUND_BLOCK_FRAMES,
  type SoundBlock,
  type SoundChunk,
  type SoundEncoder,
  type SoundEncoderOptions,
  type SoundEncoderState,
  startSoundEncoder,
} from '../../viewer/encode/index.ts';
import { isAlive } from '../support/processes.ts';

function block(sequence: number): SoundBlock {
  const samples = new Int16Array(2 * SOUND_BLOCK_FRAMES);
  for (let frame = 0; frame < SOUND_BLOCK_FRAMES; frame++) {
    const angle = (2 * Math.PI * 1000 * (sequence * SOUND_BLOCK_FRAMES + frame)) / 48_000;
    samples.fill(Math.round(8000 * Math.sin(angle)), 2 * frame, 2 * frame + 2);
  }
  return { stream: 1, sequence, atMs: 1000 + 20 * sequence, last: false, samples };
}

/** An encoder, and what has come of it. */
class Stage implements AsyncDisposable {
  readonly chunks: SoundChunk[] = [];
  readonly encoder: SoundEncoder;
  #changed: () => void = () => undefined;

  constructor(options: Partial<SoundEncoderOptions> = {}) {
    this.encoder = startSoundEncoder({
      onChunk: (chunk) => {
        this.chunks.push(chunk);
        this.#changed();
      },
      onState: () => this.#changed(),
      ...options,
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
  }

  async settled(): Promise<SoundEncoderState> {
    await this.until(() => this.encoder.state.kind !== 'starting');
    return this.encoder.state;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.encoder.close();
  }
}

function faulty(how: string): Partial<SoundEncoderOptions> {
  return { library: new URL(`../support/faulty-sound-codec.mjs?${how}`, import.meta.url).href };
}

describe('the sound encoder', () => {
  it('makes a packet of Opus of each piece, in order, with its name', async () => {
    await using stage = new Stage();
    expect(stage.encoder.encode(block(0))).toBe(false);
    expect(await stage.settled()).toEqual({ kind: 'ready' });
    for (let sequence = 0; sequence < 10; sequence++) {
      expect(stage.encoder.encode(block(sequence))).toBe(true);
      await stage.until(() => stage.chunks.length === sequence + 1);
    }
    expect(stage.chunks.map(({ stream, sequence, atMs }) => [stream, sequence, atMs])).toEqual(
      Array.from({ length: 10 }, (_, sequence) => [1, sequence, 1000 + 20 * sequence]),
    );
    for (const { bytes } of stage.chunks.slice(1)) {
      // Stereo, 20 ms, one frame. A tone is no silence, which has 3 bytes.
      expect((bytes[0] ?? 0) & 0b111).toBe(0b100);
      expect(bytes.byteLength).toBeGreaterThan(50);
      expect(bytes.byteLength).toBeLessThan(1000);
    }
  });

  it('takes no more than a few pieces in advance', async () => {
    await using stage = new Stage(faulty('silent=1'));
    await stage.settled();
    const taken = Array.from({ length: 20 }, (_, at) => stage.encoder.encode(block(at)));
    expect(taken.filter((isTaken) => isTaken)).toHaveLength(10);
  });

  it('is there again after its process was killed', async () => {
    await using stage = new Stage();
    await stage.settled();
    const { pid } = stage.encoder;
    if (pid === undefined) throw new Error('an encoder that is ready has a process');
    process.kill(pid, 'SIGKILL');
    await stage.until(() => stage.encoder.pid !== pid);
    await stage.settled();
    expect(stage.encoder.encode(block(0))).toBe(true);
    await stage.until(() => stage.chunks.length === 1);
  });

  it.each(['throw=1', 'error=1', 'exit=1'])(
    'goes on after a library that fails by %s',
    async (how) => {
      await using stage = new Stage(faulty(how));
      await stage.settled();
      const { pid } = stage.encoder;
      stage.encoder.encode(block(0));
      await stage.until(() => stage.encoder.pid !== pid);
      expect(stage.chunks).toEqual([]);
    },
  );

  it('gives up a process that does not answer', async () => {
    await using stage = new Stage({ ...faulty('silent=1'), deadlineMs: 2000 });
    await stage.settled();
    const { pid } = stage.encoder;
    if (pid === undefined) throw new Error('an encoder that is ready has a process');
    expect(stage.encoder.encode(block(0))).toBe(true);
    await stage.until(() => stage.encoder.pid !== pid);
  });

  it.each([
    ['refuse', 'there is no such processor'],
    ['unsupported', 'cannot encode opus'],
  ])('says what is missing where the library will %s', async (how, words) => {
    await using stage = new Stage(faulty(how));
    expect(await stage.settled()).toMatchObject({
      kind: 'failed',
      error: { code: 'ERR_KVMFR_UNSUPPORTED', message: expect.stringContaining(words) },
    });
  });

  it('ends after it failed again and again', async () => {
    await using stage = new Stage(faulty('die'));
    await stage.until(() => stage.encoder.state.kind === 'failed');
    expect(stage.encoder.state).toMatchObject({ error: { code: 'ERR_KVMFR_SOUND' } });
    expect(stage.encoder.encode(block(0))).toBe(false);
  });

  it('leaves no process behind', async () => {
    const stage = new Stage();
    await stage.settled();
    const { pid } = stage.encoder;
    if (pid === undefined) throw new Error('an encoder that is ready has a process');
    await stage.encoder.close();
    expect(isAlive(pid)).toBe(false);
  });
});
