import { describe, expect, it } from 'vitest';
import { Turns } from '../../../client/turns.ts';

describe('Turns', () => {
  it('does one piece of work after the other, in the order they were asked for', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const work = (name: string) => async (): Promise<string> => {
      log.push(`${name} begins`);
      await new Promise(setImmediate);
      log.push(`${name} ends`);
      return name;
    };
    const results = await Promise.all([turns.take(work('a')), turns.take(work('b'))]);
    expect(results).toEqual(['a', 'b']);
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('goes on after work that failed, and tells only who asked for it', async () => {
    const turns = new Turns();
    const failed = turns.take(() => Promise.reject(new Error('no')));
    const next = turns.take(() => Promise.resolve(1));
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe(1);
    expect(await turns.take(() => Promise.resolve(2))).toBe(2);
  });
});
