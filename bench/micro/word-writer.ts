import { Mapping } from '../../native/index.ts';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { waitUntil } from '../support/pace.ts';
import { nowNs } from '../support/stats.ts';

/** The other side of a region: changes its first word at a steady rate, with the time beside it. */
const mapping = Mapping.open(process.argv[2] ?? '');
const words = new Uint32Array(mapping.buffer);
const stamps = new BigInt64Array(mapping.buffer);

serve({
  write: async (report) => {
    const count = numberOf(report, 'count');
    const periodNs = BigInt(Math.round(1e9 / numberOf(report, 'hertz')));
    let dueNs = nowNs();
    for (let i = 0; i < count; i++) {
      dueNs += periodNs;
      await waitUntil(dueNs);
      stamps[1] = nowNs();
      Atomics.add(words, 0, 1);
    }
    return {};
  },
});
