import { describe, expect, it } from 'vitest';
import type { SoundPiece } from '../../../viewer/web/core/sound/piece.ts';
import { JitterBuffer } from '../../../viewer/web/sound/player-worklet.ts';
import { frequencyOf } from '../../support/written-sound.ts';

const FRAMES = 960;
const QUANTUM = 128;

/** A piece of a sine; the same wave in both channels, which goes on from piece to piece. */
function piece(sequence: number, rest: Partial<SoundPiece> = {}): SoundPiece {
  const left = Float32Array.from({ length: FRAMES }, (_, frame) =>
    Math.sin((2 * Math.PI * 1000 * (sequence * FRAMES + frame)) / 48_000),
  );
  return {
    ...{ stream: 1, sequence, atMs: 1000 + 20 * sequence, last: false },
    ...{ left, right: left.slice() },
    ...rest,
  };
}

function pull(buffer: JitterBuffer, frames: number): number[] {
  const all: number[] = [];
  while (all.length < frames) {
    const left = new Float32Array(QUANTUM);
    const right = new Float32Array(QUANTUM);
    buffer.pull(left, right);
    if (right.some((sample, at) => sample !== left[at])) throw new Error('both must be the same');
    all.push(...left);
  }
  return all.slice(0, frames);
}

/** Plays so many pieces, each pushed when its time has come. */
function play(buffer: JitterBuffer, count: number, from = 0): number[] {
  const all: number[] = [];
  let owed = 0;
  for (let sequence = from; sequence < from + count; sequence++) {
    buffer.push(piece(sequence));
    owed += FRAMES;
    const whole = Math.floor(owed / QUANTUM) * QUANTUM;
    all.push(...pull(buffer, whole));
    owed -= whole;
  }
  return all;
}

describe('JitterBuffer', () => {
  it('waits for more than a piece, then plays every sample as it came', () => {
    const buffer = new JitterBuffer(48_000);
    expect(pull(buffer, QUANTUM).every((sample) => sample === 0)).toBe(true);
    buffer.push(piece(0));
    expect(pull(buffer, QUANTUM).every((sample) => sample === 0)).toBe(true);
    expect(buffer.report.playedAtMs).toBeUndefined();
    buffer.push(piece(1));
    const played = pull(buffer, 1024);
    const wave = [...piece(0).left, ...piece(1).left];
    // It comes softly, and is exact from then on.
    expect(played.slice(64)).toEqual(wave.slice(64, 1024));
    expect(buffer.report).toMatchObject({ bufferMs: expect.closeTo(40 - 1024 / 48, 3) });
    expect(buffer.report.playedAtMs).toBeCloseTo(1000 + 1024 / 48, 3);
  });

  it('lets the first piece wait by itself for as long as is wanted, not for the next', () => {
    const buffer = new JitterBuffer(48_000);
    buffer.push(piece(0));
    // 10 ms and what is left of a quantum.
    const played = pull(buffer, 5 * QUANTUM);
    expect(played.slice(0, 4 * QUANTUM).every((sample) => sample === 0)).toBe(true);
    expect(played.slice(-QUANTUM).some((sample) => Math.abs(sample) > 0.5)).toBe(true);
  });

  it('keeps hardly more than a piece where pieces come evenly', () => {
    const buffer = new JitterBuffer(48_000);
    play(buffer, 600);
    expect(buffer.report.targetMs).toBeLessThan(30);
    expect(buffer.report).toMatchObject({ underruns: 0, skipped: 0, concealed: 0 });
  });

  it('keeps as much as the output takes at once, and less when it takes less, unheard', () => {
    const buffer = new JitterBuffer(48_000);
    let before = 0;
    let owed = 0;
    /** The longest step from one sample to the next. */
    const bursts = (from: number, count: number, quanta: number): number => {
      let most = 0;
      for (let sequence = from; sequence < from + count; sequence++) {
        buffer.push(piece(sequence));
        for (owed += FRAMES; owed >= quanta * QUANTUM; owed -= quanta * QUANTUM)
          for (const sample of pull(buffer, quanta * QUANTUM)) {
            most = Math.max(most, Math.abs(sample - before));
            before = sample;
          }
      }
      return most;
    };
    bursts(0, 500, 12);
    const { underruns, targetMs } = buffer.report;
    // 32 ms at once, of pieces of 20 ms.
    expect(targetMs).toBeGreaterThan(35);
    expect(targetMs).toBeLessThan(60);
    // A sine of 1000 Hz has steps of 0.131 at most, and 0.132 played as fast as it may be.
    expect(bursts(500, 500, 12)).toBeLessThan(0.133);
    expect(bursts(1000, 2500, 1)).toBeLessThan(0.133);
    expect(buffer.report).toMatchObject({ underruns, skipped: 0, concealed: 0 });
    expect(buffer.report.targetMs).toBeLessThan(30);
  });

  it('keeps a tone at its height, and never runs out while pieces come in time', () => {
    const buffer = new JitterBuffer(48_000);
    const played = play(buffer, 500);
    // By then it has got rid of what was too much at the beginning.
    expect(frequencyOf(played.slice(-48_000))).toBeCloseTo(1000, 0);
    expect(buffer.report).toMatchObject({ underruns: 0, skipped: 0, concealed: 0 });
    expect(buffer.report.bufferMs).toBeLessThan(60);
  });

  it('plays at the rate of the output', () => {
    const buffer = new JitterBuffer(44_100);
    for (let sequence = 0; sequence < 5; sequence++) buffer.push(piece(sequence));
    // It is in a hurry, as more waits than should.
    const hz = frequencyOf(pull(buffer, 3000).slice(100), 44_100);
    expect(Math.abs(hz - 1000)).toBeLessThan(12);
  });

  it('fills what is missing with silence, and goes on in time', () => {
    const buffer = new JitterBuffer(48_000);
    play(buffer, 2);
    buffer.push(piece(4));
    const played = pull(buffer, 3300);
    expect(buffer.report.concealed).toBe(2);
    const silence = played
      .map((sample) => (sample === 0 ? '0' : 'x'))
      .join('')
      .match(/0{100,}/g);
    expect(silence).toHaveLength(1);
    // Two pieces, played a little faster because they came at once.
    expect(silence?.[0]?.length).toBeGreaterThan(1900);
    expect(silence?.[0]?.length).toBeLessThanOrEqual(1924);
    expect(buffer.report.underruns).toBe(0);
  });

  it('leaves out pieces that come twice or after their turn', () => {
    const buffer = new JitterBuffer(48_000);
    for (const sequence of [0, 1, 1, 0]) buffer.push(piece(sequence));
    expect(buffer.report).toMatchObject({ skipped: 2, bufferMs: 40 });
  });

  it('falls silent softly when nothing comes, and waits for more the next time', () => {
    const buffer = new JitterBuffer(48_000);
    buffer.push(piece(0));
    buffer.push(piece(1));
    const played = pull(buffer, 3 * FRAMES);
    const steps = played.map((sample, at) => Math.abs(sample - (played[at - 1] ?? 0)));
    // A sine of 1000 Hz has steps of 0.13 at most.
    expect(Math.max(...steps)).toBeLessThan(0.14);
    expect(buffer.report).toMatchObject({ underruns: 1, targetMs: 40 });
    // It begins again when as much waits as was too little before, and a step more.
    buffer.push(piece(2));
    expect(pull(buffer, QUANTUM).every((sample) => Math.abs(sample) < 0.01)).toBe(true);
    buffer.push(piece(3));
    expect(pull(buffer, 512).some((sample) => Math.abs(sample) > 0.5)).toBe(true);
  });

  it('goes on with the newest where it broke off, and hears a beginning whole', () => {
    const buffer = new JitterBuffer(48_000);
    for (let sequence = 0; sequence < 5; sequence++) buffer.push(piece(sequence));
    pull(buffer, QUANTUM);
    expect(buffer.report).toMatchObject({ skipped: 0, playedAtMs: expect.closeTo(1002.7, 1) });
    pull(buffer, 6 * FRAMES);
    for (let sequence = 5; sequence < 10; sequence++) buffer.push(piece(sequence));
    pull(buffer, QUANTUM);
    // 40 ms are wanted now.
    expect(buffer.report).toMatchObject({ underruns: 1, skipped: 3, targetMs: 40 });
    expect(buffer.report.playedAtMs).toBeCloseTo(1000 + 8 * 20 + 2.7, 0);
  });

  it('leaves out what was held up, too, when it comes a moment after the rest', () => {
    const buffer = new JitterBuffer(48_000);
    for (let sequence = 0; sequence < 2; sequence++) buffer.push(piece(sequence));
    pull(buffer, 3 * FRAMES);
    for (let sequence = 2; sequence < 4; sequence++) buffer.push(piece(sequence));
    pull(buffer, QUANTUM);
    for (let sequence = 4; sequence < 7; sequence++) buffer.push(piece(sequence));
    expect(buffer.report).toMatchObject({ underruns: 1, targetMs: 40 });
    expect(buffer.report.bufferMs).toBeLessThan(60);
    // A moment later what comes at once is made up for by playing it faster.
    play(buffer, 20, 7);
    const { skipped } = buffer.report;
    for (let sequence = 27; sequence < 30; sequence++) buffer.push(piece(sequence));
    expect(buffer.report.skipped).toBe(skipped);
    expect(buffer.report.bufferMs).toBeGreaterThan(70);
  });

  it('forgets what it needed while a page began', () => {
    const buffer = new JitterBuffer(48_000);
    for (let stream = 1; stream <= 4; stream++) {
      for (let sequence = 0; sequence < 3; sequence++) buffer.push(piece(sequence, { stream }));
      pull(buffer, 5 * FRAMES);
    }
    expect(buffer.report).toMatchObject({ underruns: 4, targetMs: 70 });
    const stream = 5;
    for (let sequence = 0; sequence < 250; sequence++) {
      buffer.push(piece(sequence, { stream }));
      pull(buffer, sequence < 4 ? 0 : (sequence % 2 === 0 ? 7 : 8) * QUANTUM);
    }
    expect(buffer.report.underruns).toBe(4);
    expect(buffer.report.targetMs).toBeLessThan(35);
    expect(buffer.report.bufferMs).toBeLessThan(60);
  });

  it('wants as little again as at first after a minute without running out', () => {
    const buffer = new JitterBuffer(48_000);
    play(buffer, 150);
    pull(buffer, 5 * FRAMES);
    for (let stream = 2; stream <= 9; stream++) {
      for (let sequence = 0; sequence < 5; sequence++) buffer.push(piece(sequence, { stream }));
      pull(buffer, 8 * FRAMES);
    }
    expect(buffer.report.underruns).toBe(9);
    expect(buffer.report.targetMs).toBeGreaterThan(100);
    for (let sequence = 5; sequence < 11; sequence++) buffer.push(piece(sequence, { stream: 9 }));
    for (let sequence = 11; sequence < 3000; sequence++) {
      buffer.push(piece(sequence, { stream: 9 }));
      // A little more than comes at times, and a little less.
      pull(buffer, (sequence % 2 === 0 ? 7 : 8) * QUANTUM);
    }
    expect(buffer.report.underruns).toBe(9);
    expect(buffer.report.targetMs).toBeLessThan(40);
    expect(buffer.report.bufferMs).toBeLessThan(60);
  });

  it('does not count the end of a stream as running out, and plays what is short at once', () => {
    const buffer = new JitterBuffer(48_000);
    buffer.push(piece(0, { last: true }));
    expect(pull(buffer, FRAMES).some((sample) => Math.abs(sample) > 0.5)).toBe(true);
    pull(buffer, FRAMES);
    buffer.push(piece(0, { stream: 2 }));
    buffer.push(piece(1, { stream: 2 }));
    expect(pull(buffer, FRAMES).some((sample) => Math.abs(sample) > 0.5)).toBe(true);
    expect(buffer.report).toMatchObject({ underruns: 0, skipped: 0 });
  });

  it('does not stay behind after much has come at once', () => {
    const buffer = new JitterBuffer(48_000);
    for (let sequence = 0; sequence < 100; sequence++) buffer.push(piece(sequence));
    expect(buffer.report.bufferMs).toBeLessThanOrEqual(120);
    expect(buffer.report.skipped).toBeGreaterThan(90);
  });

  it('makes up for what piles up slowly, with nothing left out', () => {
    const buffer = new JitterBuffer(48_000);
    play(buffer, 10);
    for (let sequence = 10; sequence < 13; sequence++) buffer.push(piece(sequence));
    const before = buffer.report.bufferMs;
    const played = play(buffer, 1500, 13);
    expect(before).toBeGreaterThan(70);
    expect(buffer.report.bufferMs).toBeLessThan(55);
    expect(buffer.report).toMatchObject({ skipped: 0, underruns: 0 });
    expect(Math.abs(frequencyOf(played) - 1000)).toBeLessThan(6);
  });
});
