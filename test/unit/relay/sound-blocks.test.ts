import { describe, expect, it } from 'vitest';
import { SOUND_BLOCK_FRAMES, type SoundBlock } from '../../../viewer/encode/index.ts';
import type { SoundPacket } from '../../../viewer/hands/index.ts';
import { SoundBlocks, SoundPairs, type SoundPiece } from '../../../viewer/relay/sound-blocks.ts';
import { frequencyOf } from '../../support/written-sound.ts';

function packet(samples: readonly number[], rest: Partial<SoundPacket> = {}): SoundPacket {
  return {
    samples: new Uint8Array(Int16Array.from(samples).buffer),
    ...{ channels: 2, rateHz: 48_000, atMs: 10_000, volumes: [], muted: false },
    ...rest,
  };
}

function made(run: (blocks: SoundBlocks) => void): readonly SoundPiece[] {
  const made: SoundPiece[] = [];
  run(new SoundBlocks((piece) => made.push(piece)));
  return made;
}

/** So many frames that count from a number on: left 1, right -1, left 2, … */
function counted(from: number, frames: number): number[] {
  return Array.from({ length: 2 * frames }, (_, index) => {
    const number = from + Math.floor(index / 2);
    return index % 2 === 0 ? number : -number;
  });
}

describe('SoundBlocks', () => {
  it('makes pieces of 480 frames of packets of any size, and loses no sample', () => {
    const blocks = made((to) => {
      for (let frame = 0; frame < 1100; frame += 100)
        to.push(packet(counted(frame + 1, 100), { atMs: 10_000 + (frame + 100) / 48 }));
    });
    expect(blocks.map(({ stream, sequence, last }) => [stream, sequence, last])).toEqual([
      [1, 0, false],
      [1, 1, false],
    ]);
    expect([...(blocks[0]?.samples ?? []), ...(blocks[1]?.samples ?? [])]).toEqual(counted(1, 960));
    expect(blocks[0]?.atMs).toBeCloseTo(10_000, 6);
    expect(blocks[1]?.atMs).toBeCloseTo(10_010, 6);
  });

  it('gives out what is left when the guest stops, and begins another stream after it', () => {
    const blocks = made((to) => {
      to.end();
      to.push(packet(counted(1, 10)));
      to.end();
      to.end();
      to.push(packet(counted(1, 480)));
      to.end();
    });
    expect(blocks.map(({ stream, sequence, last }) => [stream, sequence, last])).toEqual([
      [1, 0, true],
      [3, 0, false],
      [3, 1, true],
    ]);
    expect([...(blocks[0]?.samples ?? [])]).toEqual([...counted(1, 10), ...Array(940).fill(0)]);
    expect(blocks[2]?.samples.every((sample) => sample === 0)).toBe(true);
  });

  it('keeps time through bursts, and after a pause', () => {
    const [first, , second, , third] = made((to) => {
      // Two packets of 10 ms at once, twice; then one after a second of nothing.
      for (const atMs of [10_020, 10_020, 10_040, 10_040, 11_040, 11_040])
        to.push(packet(counted(1, 480), { atMs }));
    });
    expect(first?.atMs).toBe(10_010);
    expect(Math.abs((second?.atMs ?? 0) - 10_030)).toBeLessThan(2);
    expect(third?.atMs).toBe(11_030);
  });

  it('is as loud as the guest has it', () => {
    const loud = Array<number>(960).fill(1000);
    const [half, mono, silent] = made((to) => {
      to.push(packet(loud, { volumes: [0.5, 0.25] }));
      to.push(packet(loud.slice(480), { channels: 1, volumes: [0.5] }));
      to.push(packet(loud, { muted: true }));
    });
    expect(half?.samples.slice(0, 4)).toEqual(Int16Array.of(500, 250, 500, 250));
    expect(mono?.samples.slice(0, 4)).toEqual(Int16Array.of(500, 500, 500, 500));
    expect(silent?.samples.every((sample) => sample === 0)).toBe(true);
  });

  it('takes the first two of many channels', () => {
    const frames = Array.from({ length: 480 * 6 }, (_, index) => index % 6);
    const [block] = made((to) => to.push(packet(frames, { channels: 6 })));
    expect(block?.samples.slice(0, 4)).toEqual(Int16Array.of(0, 1, 0, 1));
  });

  it.each([8000, 44_100, 96_000, 192_000])('plays a tone of %i Hz at its height', (rateHz) => {
    const blocks = made((to) => {
      for (let at = 0; at < rateHz; at += 100) {
        const samples = Array.from({ length: 200 }, (_, index) => {
          const frame = at + Math.floor(index / 2);
          return Math.round(8000 * Math.sin((2 * Math.PI * 1000 * frame) / rateHz));
        });
        to.push(packet(samples, { rateHz, atMs: 10_000 + (1000 * (at + 100)) / rateHz }));
      }
    });
    expect(blocks).toHaveLength(100);
    const left = blocks.flatMap(({ samples }) => [
      ...samples.filter((_, index) => index % 2 === 0),
    ]);
    expect(frequencyOf(left)).toBeCloseTo(1000, 0);
  });

  it.each([
    ['a rate of 1 Hz', { rateHz: 1 }],
    ['a rate that is no number', { rateHz: Number.NaN }],
    ['a billion Hz', { rateHz: 1e9 }],
    ['no channels', { channels: 0 }],
    ['more channels than samples', { channels: 5000 }],
  ])('passes over packets of %s', (_, rest) => {
    expect(made((to) => to.push(packet(counted(1, 2000), rest)))).toEqual([]);
  });
});

describe('SoundPairs', () => {
  const piece = (sequence: number, rest: Partial<SoundPiece> = {}): SoundPiece => ({
    ...{ stream: 3, sequence, atMs: 1000 + 10 * sequence, last: false },
    samples: new Int16Array(960).fill(sequence + 1),
    ...rest,
  });

  function paired(...pieces: readonly SoundPiece[]): readonly SoundBlock[] {
    const blocks: SoundBlock[] = [];
    const pairs = new SoundPairs((block) => blocks.push(block));
    for (const one of pieces) pairs.push(one);
    return blocks;
  }

  it('joins two pieces to one of a stream that no piece has', () => {
    const blocks = paired(...[0, 1, 2, 3].map((sequence) => piece(sequence)));
    expect(
      blocks.map(({ stream, sequence, atMs, last }) => [stream, sequence, atMs, last]),
    ).toEqual([
      [4, 0, 1000, false],
      [4, 1, 1020, false],
    ]);
    expect(blocks.map(({ samples }) => samples.length)).toEqual(
      Array(2).fill(2 * SOUND_BLOCK_FRAMES),
    );
    expect([...(blocks[1]?.samples ?? [])]).toEqual([
      ...Array<number>(960).fill(3),
      ...Array<number>(960).fill(4),
    ]);
  });

  it('ends its stream with the pieces, in the middle of a pair with silence', () => {
    const [, half] = paired(piece(0), piece(1), piece(2, { last: true }));
    expect(half).toMatchObject({ sequence: 1, last: true });
    expect(half?.samples.slice(958, 962)).toEqual(Int16Array.of(3, 3, 0, 0));
    const [whole] = paired(piece(0), piece(1, { last: true }));
    expect(whole).toMatchObject({ sequence: 0, last: true });
  });

  it('passes over a half whose other half has gone elsewhere', () => {
    const other = piece(0, { stream: 5 });
    const blocks = paired(piece(1), piece(2), other, piece(1, { stream: 5 }), piece(3));
    expect(blocks.map(({ stream, sequence }) => [stream, sequence])).toEqual([[6, 0]]);
  });
});
