// The VM host's side of the queue bench: takes every message, without ever sleeping.
import { openRegion, Queue, Session } from '../../client/index.ts';
import { LGMP_V5, LGMP_V6, QUEUE_IDS } from '../../protocol/index.ts';
import { say, serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { latencyHistogram, nowNs } from '../support/stats.ts';

/** Empty looks between two looks at the clock. */
const LOOKS_PER_CLOCK = 4096;
/** A message that has not come after this long is lost. */
const GIVE_UP_NS = 2_000_000_000n;

const [path = '', wireName = ''] = process.argv.slice(2);
const { mapping, region } = openRegion(path);
const queue = subscribe();

function subscribe(): Queue {
  const lgmp = wireName === 'B6' ? LGMP_V5 : LGMP_V6;
  const session = Session.attach({ mapping, region, lgmp }, performance.now());
  if (session === undefined) throw new Error('the publisher must be ready first');
  const found = Queue.subscribe(session, QUEUE_IDS.pointer);
  if (typeof found === 'string') throw new Error(`could not subscribe: ${found}`);
  return found;
}

interface Taken {
  received: number;
  /** Messages whose number was not the one after the one before. */
  misnumbered: number;
  firstNs: bigint;
  lastNs: bigint;
}

/** Takes messages until `count` have come or none comes any more. */
function take(count: number, each: (offset: number) => void): Taken {
  const taken: Taken = { received: 0, misnumbered: 0, firstNs: 0n, lastNs: 0n };
  let expected = 0;
  let quiet = 0;
  let heardNs = nowNs();
  while (expected < count) {
    const status = queue.next();
    if (status === 'ok') {
      const { udata, offset } = queue.message;
      each(offset);
      if (taken.received === 0) taken.firstNs = nowNs();
      if (udata !== expected) taken.misnumbered++;
      expected = udata + 1;
      taken.received++;
      quiet = 0;
      if (queue.done() !== 'ok') throw new Error('the publisher has given this reader up');
    } else if (status !== 'empty') throw new Error(`the queue says ${status}`);
    else if (++quiet % LOOKS_PER_CLOCK === 1) {
      const now = nowNs();
      if (quiet === 1) heardNs = now;
      else if (now - heardNs > GIVE_UP_NS) break;
    }
  }
  taken.lastNs = nowNs();
  return taken;
}

serve({
  async flood(report) {
    const count = numberOf(report, 'count');
    await say('reading');
    const taken = take(count, () => {});
    return {
      elapsedNs: Number(taken.lastNs - taken.firstNs),
      received: taken.received,
      misnumbered: taken.misnumbered,
    };
  },
  async hop(report) {
    const count = numberOf(report, 'count');
    const histogram = latencyHistogram();
    await say('reading');
    const taken = take(count, (offset) => {
      histogram.record(Math.max(1, Number(nowNs() - region.view.getBigUint64(offset, true))));
    });
    return {
      received: taken.received,
      misnumbered: taken.misnumbered,
      p50Ns: histogram.percentile(50),
      p99Ns: histogram.percentile(99),
      maxNs: histogram.max,
    };
  },
  leave() {
    queue.unsubscribe();
    mapping.close();
    return {};
  },
});
