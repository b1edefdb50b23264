import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import type { Session } from '../../../client/session.ts';
import { SessionWatch } from '../../../client/session-watch.ts';
import { CClient } from '../../support/c-client.ts';
import { C_VERSIONS, cOffsets } from '../../support/c-offsets.ts';
import { CPublisher } from '../../support/c-publisher.ts';
import { makeRegion } from '../../support/region-factory.ts';
import { interrupted } from '../../support/word-hook.ts';
import { noWaiter } from './bare.ts';
import { attached, codeOf, drained, subscribed } from './c-reader.ts';

// One test for each known bug and race of the C library, by what goes wrong: its publisher, or its
// other clients, have it, and our reader stays right.

vi.mock('../../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../../support/word-hook.ts');
  return hookedWords(await original());
});

/**
 * A reader that subscribes as often as it takes, beside a publisher whose time passes; what it has
 * read until a number came, which has to be within three seconds of the publisher.
 */
function readUntil(p: CPublisher, session: Session, last: number, first?: Queue): number[] {
  let queue = first;
  const seen: number[] = [];
  for (let ms = 0; ms < 3000; ms += 100) {
    if (queue === undefined || queue.check() !== 'ok') {
      const found = codeOf(() => Queue.subscribe(session, 2));
      queue = found instanceof Queue ? found : undefined;
    }
    p.post({ udata: last });
    if (queue !== undefined) seen.push(...drained(queue));
    if (seen.at(-1) === last) return seen;
    p.pass(100);
  }
  throw new Error(`${last} was not read in 3 s; read were ${seen}`);
}

const BEFORE_12 = [5, 6, 7, 10] as const;

describe('a publisher that', () => {
  describe.each([5, 6] as const)(
    'shows its magic before the rest of its header (LGMP %i)',
    (lgmp) => {
      it.each([undefined, 5, 6, 7, 10, 12] as const)(
        'over what LGMP %s left: is attached to when all of it is there',
        (dead) => {
          const { region } =
            dead === undefined
              ? { region: new CPublisher(lgmp).region }
              : { region: makeRegion({ version: dead, sessionId: 7, heartbeat: 9000n }) };
          const p = new CPublisher(lgmp, { region, sessionId: 8 });
          const watch = new SessionWatch({ mapping: noWaiter, region });
          let nowMs = 0;
          const look = (): Session | undefined => {
            nowMs += 20;
            const seen = watch.look(nowMs);
            return seen.kind === 'attached' ? seen.session : undefined;
          };
          // Looked at between any two of its stores, and more than once.
          for (const store of [...p.headerStores(), ...p.queueStores()]) {
            expect([look()?.info, look()?.info]).toEqual([undefined, undefined]);
            store();
          }
          p.countQueues(1);
          p.pass(10);
          look();
          p.pass(10);
          const session = look();
          expect(session?.info).toMatchObject({
            id: 8,
            lgmpVersion: lgmp,
            kvmfrVersion: cOffsets(lgmp).kvmfr,
            hostVersion: 'C library',
          });
          if (session !== undefined) expect(readUntil(p, session, 3)).toEqual([3]);
        },
      );
    },
  );

  it.each(BEFORE_12)(
    'counts a queue before it has written it (LGMP %i): what it posts is read in the end, and nothing else',
    (lgmp) => {
      const orders = fc.shuffledSubarray([...Array(16).keys()], { minLength: 16, maxLength: 16 });
      fc.assert(
        fc.property(orders, fc.boolean(), fc.nat(16), (order, stale, meetsAt) => {
          const p = new CPublisher(lgmp);
          // Of a dead publisher: the same queue, with its ring in another place.
          if (stale) {
            const dead = CPublisher.started(lgmp, { region: p.region });
            dead.queue.on = 1;
            dead.queue.set('messagesOffset', dead.ringAt + 1024);
            for (let i = 0; i < 4; i++) dead.post({ udata: 666 });
          }
          for (const store of p.headerStores()) store();
          p.countQueues(1);
          const session = attached(p);
          const stores = p.queueStores();
          let queue: Queue | undefined;
          for (const [i, index] of order.entries()) {
            if (i === meetsAt) {
              const found = codeOf(() => Queue.subscribe(session, 2));
              if (found instanceof Queue) queue = found;
            }
            stores[index]?.();
          }
          expect(new Set(readUntil(p, session, 9, queue))).toEqual(new Set([9]));
        }),
        { numRuns: 150 },
      );
    },
  );

  it('of LGMP 5 looks up time-outs by bit instead of by slot: we reap by slot', () => {
    const p = CPublisher.started(5, { nowMs: 9000 });
    // By bit, slot 0 has the time of slot 1, slot 1 that of 2, and slot 3 that of 8: all the other way.
    p.queue.on = 0b1011;
    p.queue.bad = 0b1011;
    for (const [slot, time] of [20_000n, 1n, 20_000n, 1n, 0n, 0n, 0n, 0n, 20_000n].entries())
      p.queue.setTimeoutOf(slot, time);
    expect(subscribed(attached(p)).slot).toBe(1);
    expect([p.queue.on, p.queue.bad]).toEqual([0b0011, 0b0001]);
  });

  it.each([5, 6, 7, 10] as const)(
    'frees a message while we do (LGMP %i): it is counted once',
    (lgmp) => {
      for (let nth = 0, acted = true; acted; nth++) {
        const p = CPublisher.started(lgmp);
        const queue = subscribed(attached(p));
        p.post({ udata: 1 });
        p.post({ udata: 2 });
        queue.next();
        const housekeep = (): void => {
          // Its lock holds: it comes before or after us, never beside.
          if (p.queue.get('lock') === 0) p.process();
        };
        ({ acted } = interrupted(() => queue.done(), nth, housekeep));
        expect([p.queue.get('start'), p.queue.get('count')]).toEqual([1, 1]);
        expect(drained(queue)).toEqual([2]);
        for (let round = 0; round < 20; round++) {
          expect(p.post({ udata: round })).toBe(true);
          expect(drained(queue)).toEqual([round]);
          p.process();
        }
      }
    },
  );

  it.each(C_VERSIONS)(
    'has a count below zero (LGMP %i): it is left alone, and messages are read on',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const session = attached(p);
      const queue = subscribed(session);
      p.post({ udata: 1 });
      p.queue.set('count', 0xffff_ffff);
      expect(drained(queue)).toEqual([1]);
      expect(p.queue.get('count')).toBe(0xffff_ffff);
      p.queue.set('count', 0);
      p.queue.set('start', 1);
      expect(readUntil(p, session, 2, queue)).toEqual([2]);
    },
  );

  it.each([6, 10] as const)(
    'goes by a time that others moved back (LGMP %i): given up early, we come back',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const session = attached(p);
      const queue = subscribed(session);
      p.post({ udata: 1 });
      p.queue.msgTimeout = BigInt(p.nowMs - 1);
      expect(queue.next()).toBe('ok');
      p.pass(10);
      expect(queue.lent).toBe(false);
      expect(queue.done()).toBe('timed-out');
      expect(readUntil(p, session, 2)).toEqual([2]);
      // ... and we move it on, or not at all.
      const other = CPublisher.started(lgmp, { nowMs: 9000 });
      const reader = subscribed(attached(other));
      other.post();
      other.queue.msgTimeout = 123_456n;
      drained(reader);
      expect(other.queue.msgTimeout).toBe(123_456n);
    },
  );

  it.each(C_VERSIONS)(
    'counts subscribers that it gave up as readers (LGMP %i): we free their slots',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      for (let i = 0; i < 3; i++) CClient.subscribe(p.region, lgmp);
      p.post();
      p.pass(1001);
      p.pass(1001);
      expect(p.queue.bad).toBe(0b111);
      const queue = subscribed(attached(p));
      expect([p.queue.on, p.queue.bad]).toEqual([1, 0]);
      queue.unsubscribe();
      // Nobody is left: the guest need not capture.
      expect(p.queue.on).toBe(0);
    },
  );

  describe.each(C_VERSIONS)('starts again with the session id it had (LGMP %i)', (lgmp) => {
    it('and a clock that begins anew: the session is over', () => {
      const p = CPublisher.started(lgmp, { nowMs: 60_000 });
      const session = attached(p);
      subscribed(session);
      CPublisher.started(lgmp, { region: p.region, sessionId: p.sessionId, nowMs: 5 });
      expect(session.pulse(100)).toBe('ended');
      expect(session.holds()).toBe(false);
    });

    it('and a clock that runs on: we subscribe to the queue that it has now', () => {
      const p = CPublisher.started(lgmp, { nowMs: 60_000 });
      const session = attached(p);
      const queue = subscribed(session);
      p.post({ udata: 1 });
      const again = CPublisher.started(lgmp, {
        region: p.region,
        sessionId: p.sessionId,
        nowMs: 60_010,
      });
      expect(session.pulse(100)).toBe('alive');
      expect(queue.next()).toBe('unsubscribed');
      expect(readUntil(again, session, 2)).toEqual([2]);
    });
  });

  it.each(C_VERSIONS)(
    'believes any size of what clients send (LGMP %i): ours is never above 64',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const queue = subscribed(attached(p));
      const { sent } = cOffsets(lgmp);
      const at = p.queue.at + cOffsets(lgmp).queue.cMsgs;
      for (let bytes = 0; bytes <= 80; bytes++) {
        p.queue.set('cMsgAvail', sent.slots);
        p.queue.set('cMsgWPos', 0);
        const result = codeOf(() => queue.send(new Uint8Array(bytes)));
        expect(result).toBe(bytes <= 64 ? bytes + 1 : 'ERR_KVMFR_ARGUMENT');
        expect(p.region.view.getUint32(at, true)).toBe(Math.min(bytes, 64));
      }
    },
  );

  it.each(C_VERSIONS)(
    'gives a client up on all queues at once (LGMP %i, as 12 does): each is subscribed again',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const session = attached(p);
      const both = [subscribed(session), subscribed(session)];
      p.post({ udata: 1 });
      p.queue.bad = 0b11;
      for (const slot of [0, 1]) p.queue.setTimeoutOf(slot, BigInt(p.nowMs));
      for (const queue of both)
        expect([queue.next(), queue.unsubscribe()]).toEqual(['timed-out', 'timed-out']);
      p.pass(1);
      const again = [subscribed(session), subscribed(session)];
      expect([p.queue.on, p.queue.bad]).toEqual([0b11, 0]);
      p.post({ udata: 2 });
      for (const queue of again) expect(drained(queue)).toEqual([2]);
    },
  );
});
