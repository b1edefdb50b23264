import { afterEach, describe, expect, it } from 'vitest';
import { decodeSound, readEnvelope, type SoundMessage } from '../../../protocol/wire/index.ts';
import type {
  SoundBlock,
  SoundEncoder,
  SoundEncoderOptions,
  SoundEncoderState,
} from '../../../viewer/encode/index.ts';
import { MAX_UNWRITTEN_PIECES, SoundDesk } from '../../../viewer/relay/sound-desk.ts';
import { WrittenMicrophone, WrittenSound } from '../../support/written-sound.ts';

const PIECE = 960;
const OPUS = { sound: true, codecs: ['opus'] } as const;
const PLAIN = { sound: true, codecs: [] } as const;

/** An encoder that does what a test says. */
class FakeEncoder implements SoundEncoder {
  state: SoundEncoderState = { kind: 'starting' };
  readonly pid = undefined;
  readonly blocks: SoundBlock[] = [];
  closed = false;
  readonly #options: SoundEncoderOptions;

  constructor(options: SoundEncoderOptions) {
    this.#options = options;
  }

  become(state: SoundEncoderState): void {
    this.state = state;
    this.#options.onState?.(state);
  }

  encode(block: SoundBlock): boolean {
    this.blocks.push(block);
    return true;
  }

  /** Gives out all that it was given. */
  finish(): void {
    for (const { stream, sequence, atMs, last } of this.blocks.splice(0))
      this.#options.onChunk({ stream, sequence, atMs, last, bytes: Uint8Array.of(1) });
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const desks: SoundDesk[] = [];

afterEach(async () => {
  for (const desk of desks.splice(0)) await desk.close();
});

function stage() {
  const sound = new WrittenSound();
  const microphone = new WrittenMicrophone();
  const encoders: FakeEncoder[] = [];
  const clock = { nowMs: 0 };
  const desk = new SoundDesk({
    sound,
    microphone,
    openEncoder: (options) => {
      const encoder = new FakeEncoder(options);
      encoders.push(encoder);
      return encoder;
    },
    log: () => undefined,
    nowMs: () => clock.nowMs,
  });
  desks.push(desk);
  return { sound, microphone, encoders, clock, desk };
}

function join(desk: SoundDesk) {
  const sent: SoundMessage[] = [];
  const written: (() => void)[] = [];
  const input = { has: false };
  let changes = 0;
  const seat = desk.seat({
    mayAct: true,
    holdsInput: () => input.has,
    changed: () => {
      changes += 1;
    },
    send: (message, done) => {
      sent.push(decodeSound(readEnvelope(message)));
      written.push(done);
    },
  });
  return { seat, sent, written, input, changes: () => changes };
}

describe('SoundDesk', () => {
  it('has one encoder for all who take Opus, and none when there is nobody', () => {
    const { sound, encoders, desk } = stage();
    const [one, other] = [join(desk), join(desk)];
    one.seat.wish(PLAIN);
    expect([sound.listeners, encoders.length]).toEqual([1, 0]);
    one.seat.wish(OPUS);
    other.seat.wish(OPUS);
    expect([sound.listeners, encoders.length]).toEqual([1, 1]);
    one.seat.leave();
    expect(encoders[0]?.closed).toBe(false);
    other.seat.wish({ sound: false, codecs: [] });
    expect([sound.listeners, encoders[0]?.closed, desk.listeners]).toEqual([0, true, 0]);
  });

  it('sends samples as they are while there is no encoder that works', () => {
    const { sound, encoders, desk } = stage();
    const { seat, sent } = join(desk);
    seat.wish(OPUS);
    sound.playTone(1000, PIECE);
    encoders[0]?.become({ kind: 'ready' });
    sound.playTone(1000, PIECE);
    encoders[0]?.finish();
    encoders[0]?.become({ kind: 'starting' });
    sound.playTone(1000, PIECE);
    expect(sent.map(({ codec, sequence }) => [codec, sequence])).toEqual([
      ['pcm', 0],
      ['opus', 1],
      ['pcm', 2],
    ]);
  });

  it('is sent no more than ten pieces that are not written', () => {
    const { sound, desk } = stage();
    const slow = join(desk);
    const quick = join(desk);
    slow.seat.wish(PLAIN);
    quick.seat.wish(PLAIN);
    for (let piece = 0; piece < 15; piece++) {
      sound.playTone(1000, PIECE);
      for (const done of quick.written.splice(0)) done();
    }
    expect([slow.sent.length, quick.sent.length]).toEqual([MAX_UNWRITTEN_PIECES, 15]);
    expect(desk.counts).toMatchObject({ sent: 25, skipped: 5 });
    for (const done of slow.written.splice(0)) done();
    sound.playTone(1000, PIECE);
    // What it was not sent is seen by the numbers.
    expect(slow.sent.slice(-2).map(({ sequence }) => sequence)).toEqual([9, 15]);
  });

  it('hears one microphone, as much as time has, and half a second in advance', () => {
    const { microphone, clock, desk } = stage();
    const { seat, input } = join(desk);
    input.has = true;
    seat.microphoneWish(true);
    const samples = new Int16Array(4800);
    for (let sequence = 0; sequence < 8; sequence++) seat.say({ sequence, samples });
    expect(microphone.heard).toHaveLength(5);
    clock.nowMs += 100;
    seat.say({ sequence: 8, samples });
    seat.say({ sequence: 9, samples });
    expect(microphone.heard).toHaveLength(6);
    expect(desk.counts).toMatchObject({ said: 6, unsaid: 4 });
  });

  it('answers who asks to be heard and is not', () => {
    const { desk } = stage();
    const { seat, changes } = join(desk);
    expect(seat.state.microphone).toBe('off');
    seat.microphoneWish(true);
    expect(changes()).toBe(1);
    expect(seat.state).toMatchObject({
      ...{ microphone: 'off', microphoneReason: 'only who has keyboard and mouse is heard' },
    });
  });

  it('does not hear who has lost the input, and tells it', () => {
    const { microphone, desk } = stage();
    const { seat, input, changes } = join(desk);
    input.has = true;
    seat.microphoneWish(true);
    expect(seat.state.microphone).toBe('on');
    const before = changes();
    input.has = false;
    seat.look();
    expect([seat.state.microphone, desk.isHeard, changes() - before]).toEqual(['off', false, 1]);
    seat.say({ sequence: 0, samples: Int16Array.of(1) });
    expect(microphone.heard).toEqual([]);
  });

  it('tells when the guest begins to record', () => {
    const { microphone, desk } = stage();
    microphone.recording = false;
    const { seat, changes } = join(desk);
    expect(seat.state.recording).toBe(false);
    microphone.record(true);
    expect(changes()).toBe(1);
    expect(seat.state.recording).toBe(true);
  });
});
