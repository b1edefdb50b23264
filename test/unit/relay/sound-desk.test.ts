import { afterEach, describe, expect, it } from 'vitest';
import { decodeSound, readEnvelope, type SoundMessage } from '../../../protocol/wire/index.ts';
import type {
  SoundBlock,
  SoundEncoder,
  SoundEncoderOptions,
  SoundEncoderState,
} from '../../../viewer/encode/index.ts';
import { SoundDesk } from '../../../viewer/relay/sound-desk.ts';
import { MAX_UNWRITTEN_MS } from '../../../viewer/relay/sound-seat.ts';
import { WrittenMicrophone, WrittenSound } from '../../support/written-sound.ts';

/** Frames of a packet of Opus, and of two pieces as they are. */
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
  const line = { isNear: false };
  let changes = 0;
  const seat = desk.seat({
    mayAct: true,
    holdsInput: () => input.has,
    isNear: () => line.isNear,
    changed: () => {
      changes += 1;
    },
    send: (message, done) => {
      sent.push(decodeSound(readEnvelope(message)));
      written.push(done);
    },
  });
  return { seat, sent, written, input, line, changes: () => changes };
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

  it('does not begin another encoder each time that somebody thinks better of it', () => {
    const { sound, encoders, clock, desk } = stage();
    const { seat, sent } = join(desk);
    for (let i = 0; i < 500; i++) {
      seat.wish(OPUS);
      seat.wish(PLAIN);
    }
    expect(encoders).toHaveLength(1);
    seat.wish(OPUS);
    sound.playTone(1000, PIECE);
    expect([encoders.length, sent.length]).toEqual([1, 2]);
    clock.nowMs += 1000;
    sound.playTone(1000, PIECE);
    expect(encoders).toHaveLength(2);
  });

  it('trusts a line that was good for minutes as it did at first', () => {
    const { sound, encoders, clock, desk } = stage();
    const { seat, line } = join(desk);
    seat.wish(OPUS);
    const isNearAfter = (ms: number): boolean => {
      clock.nowMs += ms;
      sound.playTone(1000, PIECE);
      return seat.state.codec === 'pcm';
    };
    const lost = (): void => {
      line.isNear = false;
      isNearAfter(0);
      line.isNear = true;
    };
    line.isNear = true;
    isNearAfter(0);
    lost();
    expect([isNearAfter(14_999), isNearAfter(1)]).toEqual([false, true]);
    lost();
    expect([isNearAfter(29_999), isNearAfter(1)]).toEqual([false, true]);
    isNearAfter(120_000);
    lost();
    expect([isNearAfter(14_999), isNearAfter(1)]).toEqual([false, true]);
    expect(encoders.at(-1)?.closed).toBe(true);
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
    // Two pieces as they are for each packet, which is of another stream.
    expect(sent.map(({ codec, stream, sequence }) => [codec, stream, sequence])).toEqual([
      ['pcm', 1, 0],
      ['pcm', 1, 1],
      ['opus', 2, 1],
      ['pcm', 1, 4],
      ['pcm', 1, 5],
    ]);
    expect(sent.map(({ frames }) => frames)).toEqual([480, 480, 960, 480, 480]);
  });

  it('sends samples as they are on a near line, in small pieces and without an encoder', () => {
    const { sound, encoders, desk } = stage();
    const { seat, sent, line } = join(desk);
    line.isNear = true;
    seat.wish(OPUS);
    expect([encoders.length, seat.state.codec]).toEqual([0, 'pcm']);
    for (const frames of [480, 100, 380]) sound.playTone(1000, frames);
    expect(sent.map(({ codec, sequence, frames }) => [codec, sequence, frames])).toEqual([
      ['pcm', 0, 480],
      ['pcm', 1, 480],
    ]);
  });

  it('codes for who was near and is not any more, from the next pair of pieces on', () => {
    const { sound, encoders, clock, desk } = stage();
    const { seat, sent, line, changes } = join(desk);
    line.isNear = true;
    seat.wish(OPUS);
    const before = changes();
    sound.playTone(1000, 480);
    line.isNear = false;
    // Half of a pair has gone as it is: so does the other.
    sound.playTone(1000, 480);
    expect(encoders).toHaveLength(0);
    sound.playTone(1000, PIECE);
    expect([encoders.length, changes() - before, seat.state.codec]).toEqual([1, 1, 'opus']);
    encoders[0]?.become({ kind: 'ready' });
    sound.playTone(1000, PIECE);
    encoders[0]?.finish();
    // A line that was no good is not trusted at once.
    line.isNear = true;
    clock.nowMs += 14_999;
    sound.playTone(1000, PIECE);
    encoders[0]?.finish();
    clock.nowMs += 1;
    sound.playTone(1000, PIECE);
    expect(encoders[0]?.closed).toBe(true);
    expect(sent.map(({ codec, sequence }) => [codec, sequence])).toEqual([
      ['pcm', 0],
      ['pcm', 1],
      ['pcm', 2],
      ['pcm', 3],
      ['opus', 2],
      ['opus', 3],
      ['pcm', 8],
      ['pcm', 9],
    ]);
  });

  it('is not sent what it does not listen to, from the middle of a pair on', () => {
    const { sound, desk } = stage();
    const { seat, sent } = join(desk);
    const other = join(desk);
    other.seat.wish(PLAIN);
    seat.wish(PLAIN);
    sound.playTone(1000, 480);
    seat.wish({ sound: false, codecs: [] });
    sound.playTone(1000, 480);
    expect([sent.length, other.sent.length]).toEqual([1, 2]);
  });

  it('is sent no more than 200 ms that are not written', () => {
    const { sound, desk } = stage();
    const slow = join(desk);
    const quick = join(desk);
    slow.seat.wish(PLAIN);
    quick.seat.wish(PLAIN);
    for (let piece = 0; piece < 15; piece++) {
      sound.playTone(1000, PIECE);
      for (const done of quick.written.splice(0)) done();
    }
    expect([slow.sent.length * 10, quick.sent.length]).toEqual([MAX_UNWRITTEN_MS, 30]);
    expect(desk.counts).toMatchObject({ sent: 50, skipped: 10 });
    for (const done of slow.written.splice(0)) done();
    sound.playTone(1000, PIECE);
    // What it was not sent is seen by the numbers.
    expect(slow.sent.slice(-3).map(({ sequence }) => sequence)).toEqual([19, 30, 31]);
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
