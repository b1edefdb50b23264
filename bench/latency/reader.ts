// The VM host's side of the latency bench: a program that iterates client.frames().
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/index.ts';
import { serve } from '../support/child.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { latencyHistogram, nowNs } from '../support/stats.ts';
import { Stamps } from './stamps.ts';

const [path = '', stampsPath = '', looks = ''] = process.argv.slice(2);
const stamps = new Stamps(stampsPath);
const client = await connect(path, { looks: looks === 'loop' ? 'loop' : 'thread' });

/** Takes frames, and measures from `warmUpMs` on. */
async function follow(report: Report): Promise<{ readonly [name: string]: number }> {
  const stop = new AbortController();
  const partial = numberOf(report, 'partial') === 1;
  const held = latencyHistogram();
  let measuring = false;
  let skipped = 0;
  const frames = (async () => {
    for await (const frame of client.frames({ partial, signal: stop.signal })) {
      const heldNs = nowNs();
      if (!measuring) continue;
      held.record(Math.max(1, Number(heldNs - stamps.get(frame.serial))));
      skipped += frame.skipped;
    }
  })();
  await sleep(numberOf(report, 'warmUpMs'));
  const before = process.cpuUsage();
  const startMs = performance.now();
  measuring = true;
  await sleep(numberOf(report, 'ms'));
  measuring = false;
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  stop.abort();
  await frames;
  return {
    frames: held.count,
    skipped,
    givenUp: client.stats.framesGivenUp,
    p50Ns: held.percentile(50),
    p99Ns: held.percentile(99),
    p999Ns: held.percentile(99.9),
    maxNs: held.max,
    cpuPercent: (user + system) / 10 / elapsedMs,
  };
}

serve({ follow });
