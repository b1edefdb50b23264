import { type Face, Siege } from '../relay/siege.ts';
import { type Campaign, type CampaignBudget, type CampaignRow, HANG_MS } from './campaign.ts';
import { watched } from './watched.ts';

/** Attacks before a newcomer must be let in, and memory is looked at. */
const ROUND = 400;

async function besiege(face: Face, { seconds, seed }: CampaignBudget): Promise<CampaignRow> {
  const target = `relay: ${face === 'http' ? 'HTTP face' : 'socket'}`;
  const findings: string[] = [];
  const total = { attacks: 0, requests: 0, answers: 0, rounds: 0 };
  const startMs = performance.now();
  const secondsSince = (): number => (performance.now() - startMs) / 1000;
  try {
    await using siege = await watched(Siege.start(seed), 'the viewer sees nothing', HANG_MS);
    while (secondsSince() < seconds && findings.length === 0) {
      const round = siege.run(face, ROUND);
      const result = await watched(round, 'pictures do not come through', HANG_MS);
      total.attacks += result.attacks;
      total.requests += result.requests;
      total.answers = result.answers;
      total.rounds += 1;
      findings.push(...result.findings);
    }
  } catch (error) {
    findings.push(`seed ${seed}, round ${total.rounds}: ${String(error)}`);
  }
  return {
    target,
    unit: 'requests',
    executions: total.requests,
    seconds: secondsSince(),
    variety: `${total.attacks} connections, ${total.answers} kinds of answer`,
    seed,
    findings: findings.map((finding) => `${target}: ${finding}`),
  };
}

/** Both faces of a relay, while somebody watches. */
export const SIEGE_CAMPAIGNS: readonly Campaign[] = (['http', 'socket'] as const).map((face) => ({
  name: `relay: ${face}`,
  share: 3,
  run: (budget) => besiege(face, budget),
}));
