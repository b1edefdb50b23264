import { createViewer, LATENCY_STAGES, listen } from '../../viewer/relay/index.ts';
import { say, serve } from '../support/child.ts';

// The relay of the browser bench: `kvmfr view` in all but the command line, with its histograms at hand.

const [region = '', tokenText = ''] = process.argv.slice(2);
const viewer = createViewer({ source: region, token: tokenText });
const door = await listen(viewer, { host: '127.0.0.1', port: 0 });

/** Updates that all viewers have acknowledged, and bytes that were sent to them. */
async function totals(): Promise<{ readonly acked: number; readonly bytes: number }> {
  const response = await fetch(new URL('api/session', door.url), {
    headers: { authorization: `Bearer ${tokenText}` },
  });
  const { stats } = (await response.json()) as {
    readonly stats: { readonly updatesAcked: number; readonly bytesSent: number };
  };
  return { acked: stats.updatesAcked, bytes: stats.bytesSent };
}

serve({
  async count() {
    const { acked, bytes } = await totals();
    return { acked, bytes, viewers: viewer.viewers.length };
  },
  begin() {
    viewer.latency.reset();
    return {};
  },
  /** Percentiles of each stage since `begin`, in microseconds. */
  stages() {
    const values: { [name: string]: number } = {};
    for (const stage of LATENCY_STAGES) {
      const histogram = viewer.latency.of(stage);
      if (histogram === undefined || histogram.count === 0) continue;
      values[`${stage}-count`] = histogram.count;
      for (const percent of [50, 95, 99])
        values[`${stage}-p${percent}`] = histogram.percentile(percent);
    }
    return values;
  },
});
await say('listening', { port: door.port });
