import { describe, expect, it } from 'vitest';
import { BufferPool, Lanes } from '../../../viewer/encode/pool.ts';

describe('BufferPool', () => {
  it('hands out again what was given back, and keeps no more than it may', () => {
    const pool = new BufferPool({ bytes: 16, most: 1 });
    const [one, two] = [pool.take(), pool.take()];
    expect(one).not.toBe(two);
    pool.give(one);
    pool.give(two);
    expect(pool.spare).toBe(1);
    expect(pool.take()).toBe(one);
    pool.give(new Uint8Array(15));
    expect(pool.spare).toBe(0);
    pool.give(one);
    pool.drain();
    expect(pool.spare).toBe(0);
  });
});

describe('Lanes', () => {
  it('runs no more jobs than it has lanes, in order, also after one failed', async () => {
    const lanes = new Lanes(2);
    const ends: (() => void)[] = [];
    const started: number[] = [];
    const jobs = [0, 1, 2, 3].map((id) =>
      lanes.run(async () => {
        started.push(id);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (id === 0) throw new Error('job 0');
        return id;
      }),
    );
    const failed = expect(jobs[0]).rejects.toThrow('job 0');
    expect(started).toEqual([0, 1]);
    ends[0]?.();
    await failed;
    expect(started).toEqual([0, 1, 2]);
    ends[1]?.();
    ends[2]?.();
    expect(await jobs[2]).toBe(2);
    ends[3]?.();
    expect(await jobs[3]).toBe(3);
    expect(started).toEqual([0, 1, 2, 3]);
  });
});
