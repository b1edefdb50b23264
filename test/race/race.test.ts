import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzzTimeoutMs } from '../fuzz/runs.ts';
import { buildRacer, type RacerResult, startRacer } from './children.ts';
import { type Access, RACED_WIRES, Race } from './race.ts';

/** Words written in each race; `npm run fuzz` races for longer, each wire in both ways. */
const COUNT = 2_000_000;
const ACCESS: { readonly [wire: string]: Access } = { B6: 'local', dev10: 'local' };

const folder = mkdtempSync('/dev/shm/kvmfr-racer-');
const racer = join(folder, 'racer');

beforeAll(() => buildRacer(racer));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a guest that writes anything while it is read', () => {
  it.each(RACED_WIRES)(
    '$wire: nothing falls over, and the picture is right after it',
    async (wire) => {
      await using race = await Race.start(wire, ACCESS[wire.wire] ?? 'thread');
      const result = await race.run({ racer, seed: 1, count: COUNT });
      expect(result.findings).toEqual([]);
      expect(result.mutations).toBeGreaterThanOrEqual(COUNT);
      await race.close();
    },
    fuzzTimeoutMs(),
  );

  it.each([RACED_WIRES[1], RACED_WIRES[3]])(
    '$wire: no frame of two pictures is trusted while locks are taken, sessions changed, the heart stopped',
    async (wire) => {
      await using race = await Race.start(wire, 'local');
      const groups = ['lock', 'session', 'beat'] as const;
      const result = await race.run({ racer, seed: 2, count: COUNT, groups });
      expect(result).toMatchObject({ torn: 0, findings: [] });
      expect(result.frames).toBeGreaterThan(0);
      await race.close();
    },
    fuzzTimeoutMs(),
  );

  it('does the same things in the same order for the same seed', async () => {
    const path = join(folder, 'still');
    const run = (seed: number): Promise<RacerResult> => {
      writeFileSync(path, new Uint8Array(64 * 1024));
      const areas = [
        { group: 'any', at: 0, bytes: 4096 },
        { group: 'lock', at: 8192, bytes: 4 },
      ];
      return startRacer(racer, { path, seed, count: 500, areas }).done;
    };
    const first = await run(7);
    expect(await run(7)).toEqual(first);
    expect((await run(8)).hash).not.toBe(first.hash);
  });
});
