import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE_TARGETS, NativeBuild, type NativeTarget, runNative } from '../native/kernels.ts';
import type { Campaign, CampaignBudget, CampaignRow } from './campaign.ts';

async function fuzzNative(
  target: NativeTarget,
  { seconds, seed }: CampaignBudget,
): Promise<CampaignRow> {
  const folder = mkdtempSync(join(tmpdir(), 'kvmfr-fuzz-'));
  try {
    const program = await new NativeBuild(folder).program(target);
    const startMs = performance.now();
    const bound = Math.max(1, Math.round(seconds));
    // 0 would be a seed of libFuzzer's own choice.
    const run = await runNative(program, { folder, seed: seed || 1, seconds: bound });
    return {
      target: target.name,
      unit: 'inputs',
      executions: run.executions,
      seconds: (performance.now() - startMs) / 1000,
      variety: `${run.edges} edges of the code`,
      seed,
      findings: run.findings.map((finding) => `${target.name}: ${finding}`),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The native kernels, fed by libFuzzer. */
export const NATIVE_CAMPAIGNS: readonly Campaign[] = NATIVE_TARGETS.map((target) => ({
  name: target.name,
  share: 2,
  run: (budget) => fuzzNative(target, budget),
}));
