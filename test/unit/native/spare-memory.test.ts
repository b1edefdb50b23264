import { expect, test } from 'vitest';
import { askChild } from './scratch.ts';

test('memory that is free but kept goes back to the system, and what is used stays', async () => {
  const result = await askChild('spare-memory.mjs', [], { flags: ['--expose-gc'] });
  expect(result).toMatchObject({ kept: 20, given: true });
  const { before, left, after } = result as { [when: string]: number };
  // 200 MB were taken and 2 MB are used.
  expect(left ?? 0).toBeGreaterThan((before ?? 0) + 100_000);
  expect(after ?? 0).toBeLessThan((before ?? 0) + 40_000);
});
