import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildRacer } from '../../race/children.ts';
import { ACCESSES, type Access, RACED_WIRES, Race, type RacedWire } from '../../race/race.ts';
import { type Campaign, type CampaignBudget, type CampaignRow, HANG_MS } from './campaign.ts';
import { watched } from './watched.ts';

/** Words written before the picture must have become right. */
const ROUND = 20_000_000;

async function raceFor(
  wire: RacedWire,
  access: Access,
  { seconds, seed }: CampaignBudget,
): Promise<CampaignRow> {
  const target = `race: ${wire.wire}, ${access === 'local' ? "in the reader's loop" : 'in a thread'}`;
  const folder = mkdtempSync('/dev/shm/kvmfr-racer-');
  const findings: string[] = [];
  const total = { rounds: 0, words: 0, decisions: 0, frames: 0, ms: 0 };
  try {
    const racer = join(folder, 'racer');
    await buildRacer(racer);
    await using race = await watched(Race.start(wire, access), 'the reader sees nothing', HANG_MS);
    while (total.ms < seconds * 1000 && findings.length === 0) {
      const startMs = performance.now();
      const round = race.run({ racer, seed: seed + total.rounds, count: ROUND });
      const result = await watched(round, 'the picture does not become right', HANG_MS);
      total.ms += performance.now() - startMs;
      total.rounds += 1;
      total.words += result.mutations;
      total.decisions += result.decisions;
      total.frames += result.frames;
      findings.push(...result.findings);
    }
    await watched(race.close(), 'the reader does not end', HANG_MS);
  } catch (error) {
    findings.push(`seed ${seed + total.rounds}: ${String(error)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    target,
    unit: 'words written',
    executions: total.words,
    seconds: total.ms / 1000,
    variety: `${total.decisions} decisions, right again ${total.rounds} times`,
    seed,
    findings: findings.map((finding) => `${target}: ${finding}`),
  };
}

/** Every wire, read in both ways, with somebody between guest and reader. */
export const RACE_CAMPAIGNS: readonly Campaign[] = RACED_WIRES.flatMap((wire) =>
  ACCESSES.map((access) => ({
    name: `race: ${wire.wire}, ${access}`,
    share: 4,
    run: (budget) => raceFor(wire, access, budget),
  })),
);
