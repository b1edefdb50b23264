// The guest's side of the queue bench: posts as fast as the ring takes messages, or one at a time.
import type { HostQueue } from '../../host/queue.ts';
import { HostSession } from '../../host/session.ts';
import { WIRES } from '../../host/wire.ts';
import { Mapping } from '../../native/index.ts';
import { Region } from '../../protocol/index.ts';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { nowNs } from '../support/stats.ts';

/** Posts between two looks at the clock; every spin on a full ring looks as well. */
const POSTS_PER_CLOCK = 64;
/** Between two messages that are sent one at a time. */
const HOP_GAP_NS = 20_000n;

const [path = '', wireName = ''] = process.argv.slice(2);
const wire = wireName === 'B6' ? WIRES.B6 : WIRES.B7;
const mapping = Mapping.open(path);
const region = new Region(mapping.buffer);
const facts = { hostVersion: 'bench', features: 0, vm: undefined, os: undefined };
const session = new HostSession(region, wire, facts, nowMs());
const queue: HostQueue = session.pointerQueue;
const payloads = session.plan.pointers;

function nowMs(): number {
  return Number(nowNs() / 1_000_000n);
}

function payloadOf(sequence: number): (typeof payloads)[number] {
  const payload = payloads[sequence % payloads.length];
  if (payload === undefined) throw new Error('a session must have pointer payloads');
  return payload;
}

function post(sequence: number, now: number): number {
  let spins = 0;
  let clock = now;
  for (;;) {
    const result = queue.post(payloadOf(sequence), sequence, clock);
    if (result === 'posted') return spins;
    if (result === 'dropped') throw new Error('the reader has lost its subscription');
    spins++;
    clock = nowMs();
    queue.process(clock);
  }
}

serve({
  flood(report) {
    const count = numberOf(report, 'count');
    let spins = 0;
    let now = nowMs();
    for (let sequence = 0; sequence < count; sequence++) {
      if (sequence % POSTS_PER_CLOCK === 0) now = nowMs();
      spins += post(sequence, now);
    }
    return { spins, ...queue.counters };
  },
  hop(report) {
    const count = numberOf(report, 'count');
    let due = nowNs();
    for (let sequence = 0; sequence < count; sequence++) {
      while (nowNs() < due);
      queue.process(nowMs());
      region.view.setBigUint64(payloadOf(sequence).at, nowNs(), true);
      post(sequence, nowMs());
      due = nowNs() + HOP_GAP_NS;
    }
    return { ...queue.counters };
  },
});
