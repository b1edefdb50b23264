// The VM host's side of the latency bench: a program whose guest is read in a thread of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../../client/clock.ts';
import { ThreadReader } from '../../client/reader/thread.ts';
import { serve } from '../support/child.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { latencyHistogram } from '../support/stats.ts';
import { Stamps } from './stamps.ts';

const [path = '', stampsPath = ''] = process.argv.slice(2);
const stamps = new Stamps(stampsPath);
const reader = new ThreadReader(path, { log: (line) => process.stderr.write(`${line}\n`) });

/** Takes updates of the picture while `watch` is 1, and measures from `warmUpMs` on. */
async function follow(report: Report): Promise<{ readonly [name: string]: number }> {
  const stop = new AbortController();
  const seen = latencyHistogram();
  const told = latencyHistogram();
  const applied = latencyHistogram();
  let measuring = false;
  reader.setI420(numberOf(report, 'i420') === 1);
  const pictures = (async () => {
    if (numberOf(report, 'watch') === 0) return;
    for await (const { times } of reader.pictures({ signal: stop.signal })) {
      const toldMs = monotonicMs();
      if (!measuring) continue;
      const postedMs = Number(stamps.newestBefore(BigInt(Math.round(times.seenMs * 1e6)))) / 1e6;
      const ns = (ms: number): number => Math.max(1, Math.round((ms - postedMs) * 1e6));
      seen.record(ns(times.seenMs));
      applied.record(ns(times.appliedMs));
      told.record(ns(toldMs));
    }
  })();
  await sleep(numberOf(report, 'warmUpMs'));
  const { framesSkipped } = reader.stats;
  const before = process.cpuUsage();
  const startMs = performance.now();
  measuring = true;
  await sleep(numberOf(report, 'ms'));
  measuring = false;
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  stop.abort();
  await pictures;
  return {
    frames: seen.count,
    skipped: reader.stats.framesSkipped - framesSkipped,
    givenUp: reader.stats.framesGivenUp,
    p50Ns: seen.percentile(50),
    p99Ns: seen.percentile(99),
    maxNs: seen.max,
    appliedP50Ns: applied.percentile(50),
    toldP50Ns: told.percentile(50),
    toldP99Ns: told.percentile(99),
    cpuPercent: (user + system) / 10 / elapsedMs,
  };
}

serve({ follow });
