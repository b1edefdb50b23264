import { expect, it } from 'vitest';
import { Siege } from './relay/siege.ts';
import { fuzzTimeoutMs } from './runs.ts';

/** More of them by `npm run fuzz`. */
const ATTACKS = 250;

it.each(['http', 'socket'] as const)(
  'a relay attacked over its %s face goes on: whoever watches sees every picture exactly',
  async (face) => {
    await using siege = await Siege.start(1);
    const result = await siege.run(face, ATTACKS);
    expect(result.findings).toEqual([]);
    expect(result.attacks).toBe(ATTACKS);
    expect(result.answers).toBeGreaterThan(2);
  },
  fuzzTimeoutMs(),
);
