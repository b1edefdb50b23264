import { createRegionFile } from '../../native/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child, Children } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, spreadText } from '../support/stats.ts';

const WIRES = ['B6', 'B7'] as const;
const REGION_BYTES = 32 * 2 ** 20;

/** A publisher and a reader that spin on one queue, and what they have measured so far. */
interface Pair {
  readonly wire: string;
  readonly publisher: Child;
  readonly reader: Child;
  readonly perMessageNs: number[];
  readonly hopP50Ns: number[];
  readonly hopP99Ns: number[];
  messages: number;
  hops: number;
  sent: number;
  lost: number;
}

async function startPair(scratch: Scratch, wire: string): Promise<Pair> {
  const path = scratch.path(`queue-${wire}`);
  createRegionFile(path, REGION_BYTES);
  const publisher = Child.start('queue/publisher.js', [path, wire]);
  await publisher.ask('flood', { count: 0 });
  const reader = Child.start('queue/reader.js', [path, wire]);
  const none = {
    perMessageNs: [],
    hopP50Ns: [],
    hopP99Ns: [],
    messages: 0,
    hops: 0,
    sent: 0,
    lost: 0,
  };
  return { wire, publisher, reader, ...none };
}

/** One exchange of `count` messages; the reader's report. */
async function exchange(
  pair: Pair,
  kind: 'flood' | 'hop',
  count: number,
): Promise<(name: string) => number> {
  pair.reader.tell(kind, { count });
  await pair.reader.hear('reading');
  pair.publisher.tell(kind, { count });
  const report = await pair.reader.hear(kind);
  await pair.publisher.hear(kind);
  pair.sent += count;
  pair.lost += count - numberOf(report, 'received') + numberOf(report, 'misnumbered');
  return (name) => numberOf(report, name);
}

async function runQueue(options: RunOptions): Promise<readonly Row[]> {
  const rounds = options.quick ? 5 : 15;
  const floodCount = options.quick ? 200_000 : 500_000;
  const hopCount = options.quick ? 5_000 : 20_000;
  using scratch = new Scratch();
  await using children = new Children();
  const pairs: Pair[] = [];
  for (const wire of WIRES) {
    const pair = await startPair(scratch, wire);
    children.add(pair.publisher, pair.reader);
    pairs.push(pair);
    await exchange(pair, 'flood', floodCount);
    await exchange(pair, 'hop', hopCount);
  }
  // In turns, so that whatever else the machine does falls on both.
  for (let round = 0; round < rounds; round++)
    for (const pair of pairs) {
      const flood = await exchange(pair, 'flood', floodCount);
      pair.perMessageNs.push(flood('elapsedNs') / (floodCount - 1));
      pair.messages += floodCount;
      const hop = await exchange(pair, 'hop', hopCount);
      pair.hopP50Ns.push(hop('p50Ns'));
      pair.hopP99Ns.push(hop('p99Ns'));
      pair.hops += hopCount;
    }
  for (const pair of pairs) await pair.reader.ask('leave');
  return pairs.flatMap(rowsOf);
}

function rowsOf(pair: Pair): readonly Row[] {
  const name = `queue/${pair.wire}`;
  const rounds = pair.perMessageNs.length;
  return [
    row({
      name: `${name}/message`,
      unit: 'ns',
      value: median(pair.perMessageNs),
      samples: pair.messages,
      note: `post -> next -> done, ring of 20, two spinning processes; median of ${rounds} rounds, ${spreadText(pair.perMessageNs, 0)}`,
    }),
    row({
      name: `${name}/hop/p50`,
      unit: 'ns',
      value: median(pair.hopP50Ns),
      samples: pair.hops,
      note: `one message at a time, before the post -> read; median of rounds, ${spreadText(pair.hopP50Ns, 0)}`,
    }),
    row({
      name: `${name}/hop/p99`,
      unit: 'ns',
      value: median(pair.hopP99Ns),
      samples: pair.hops,
      note: `the same; ${spreadText(pair.hopP99Ns, 0)}`,
    }),
    row({
      name: `${name}/lost`,
      unit: 'messages',
      value: pair.lost,
      samples: pair.sent,
      atMost: 0,
      note: 'missing, doubled or out of order, warm-up included',
    }),
  ];
}

/** Cost of the LGMP queue between our host and our client. */
export const QUEUE_CASES: readonly BenchCase[] = [{ name: 'queue', run: runQueue }];
