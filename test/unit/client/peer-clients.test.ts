import { truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Frame } from '../../../client/frame.ts';
import { openRegion } from '../../../client/open.ts';
import { Queue } from '../../../client/queue.ts';
import type { Session } from '../../../client/session.ts';
import { CClient } from '../../support/c-client.ts';
import { C_VERSIONS, type CField } from '../../support/c-offsets.ts';
import { CPublisher } from '../../support/c-publisher.ts';
import { Reader } from '../../support/reader.ts';
import { interrupted } from '../../support/word-hook.ts';
import { World } from '../../support/world.ts';
import { hostOnMemory } from '../host/fixture.ts';
import { attached, codeOf, drained, subscribed } from './c-reader.ts';
import { picture, temporaryPath } from './guest.ts';

// The known bugs of the C library's readers, one test for each by what goes wrong: others of our
// publisher's clients have them, or have died of them, and our reader stays right.

vi.mock('../../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../../support/word-hook.ts');
  return hookedWords(await original());
});
vi.mock('node:timers/promises', async () => (await import('../../support/world.ts')).worldTimers);

function clientOf(p: CPublisher, ...rest: [Parameters<typeof CClient.subscribe>[2]?]): CClient {
  const client = CClient.subscribe(p.region, p.version, ...rest);
  if (client === undefined) throw new Error('no slot for a C client');
  return client;
}

const BEFORE_12 = [5, 6, 7, 10] as const;
const OLD_WIRES = [
  ['B6', 5],
  ['B7', 6],
  ['dev7', 7],
  ['dev10', 10],
] as const;

describe('another client that', () => {
  it.each(BEFORE_12)(
    'leaves its bits behind when it goes (LGMP %i): its slot is ours without them',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const other = clientOf(p);
      for (const udata of [1, 2, 3]) p.post({ udata });
      other.unsubscribe();
      const queue = subscribed(attached(p));
      expect(queue.slot).toBe(other.id);
      expect(drained(queue)).toEqual([]);
      p.post({ udata: 4 });
      expect(drained(queue)).toEqual([4]);
      // Nothing is left that we would be given up for.
      p.pass(5000);
      expect([p.queue.bad, queue.next()]).toEqual([0, 'empty']);
    },
  );

  describe.each(OLD_WIRES)('was given up, and acts for who has its slot now (%s)', (wire, lgmp) => {
    const acts: readonly (readonly [string, (late: CClient) => void])[] = [
      ['finishes a message', (late) => late.done()],
      ['unsubscribes', (late) => late.unsubscribe()],
      ['sends', (late) => void late.send(new Uint8Array(12))],
    ];

    it.each(acts)('%s: no frame that may be torn is given', async (what, act) => {
      const world = new World();
      const { region, host, advance } = await hostOnMemory({ wire });
      world.peers.push(() => advance(10));
      const reader = new Reader(region, world);
      onTestFinished(() => reader.close());
      const late = CClient.subscribe(region, lgmp);
      if (late === undefined) throw new Error('no slot');
      // It was given up, and reaped; it does not look.
      late.queue.on = 0;
      const frames = reader.frames();
      const next = frames.next();
      await world.within(
        2000,
        world.when(() => host.watchers > 0),
      );
      host.publish(picture(1));
      const first = (await world.within(2000, next)).value as Frame;
      expect(first.intact).toBe(true);
      // The newest of those that are there.
      const slots = late.queue.get('numMessages');
      late.position = (late.queue.get('position') + slots - 1) % slots;
      act(late);
      expect(first.intact).toBe(what === 'sends');
      first.release();
      const again = frames.next();
      host.publish(picture(2));
      const frame = (await world.within(3000, again)).value as Frame;
      // What the one before was worth is not known: all of it is new.
      expect(frame.damage).toEqual([]);
      expect(Buffer.compare(frame.pixels, picture(2).pixels)).toBe(0);
      expect(frame.serial).toBe(1);
    });
  });

  describe('is let in by the lock while we have it (LGMP 10)', () => {
    type Peers = { readonly p: CPublisher; readonly other: CClient };
    const theirs: readonly (readonly [string, (peers: Peers) => void])[] = [
      ['the publisher posts', ({ p }) => void p.post({ udata: 50 })],
      ['the publisher frees', ({ p }) => p.process()],
      ['a reader finishes', ({ other }) => void other.take()],
      ['a reader leaves', ({ other }) => other.unsubscribe()],
      ['a reader comes', ({ p }) => void CClient.subscribe(p.region, 10, { clientId: 77 })],
    ];
    const ours: readonly (readonly [string, (queue: Queue, session: Session) => unknown])[] = [
      ['done()', (queue) => queue.done()],
      ['unsubscribe()', (queue) => queue.unsubscribe()],
      ['subscribe()', (_, session) => Queue.subscribe(session, 2)],
      ['send()', (queue) => queue.send(new Uint8Array(8))],
    ];
    const pairs = ours.flatMap(([ourName, mine]) =>
      theirs.map(([theirName, act]) => [ourName, theirName, mine, act] as const),
    );

    it.each(pairs)('%s, and %s between any two of our steps', (_, __, mine, act) => {
      for (let nth = 0, acted = true; acted; nth++) {
        const p = CPublisher.started(10);
        const session = attached(p);
        let queue = subscribed(session);
        const other = clientOf(p);
        p.post({ udata: 1 });
        p.post({ udata: 2 });
        other.take();
        expect(queue.next()).toBe('ok');
        const result = interrupted(
          () => codeOf(() => mine(queue, session)),
          nth,
          () => act({ p, other }),
        );
        ({ acted } = result);
        if (result.result instanceof Queue) {
          queue.unsubscribe();
          queue = result.result;
        }
        expect(p.queue.get('lock')).toBe(0);
        expect(p.queue.get('count')).toBeLessThanOrEqual(4);
        // The world goes on: we read all that comes, in order, once, and subscribe when we are lost.
        let unread = 0;
        for (let udata = 100; udata < 140; udata++) {
          if (queue.check() !== 'ok') {
            queue.unsubscribe();
            queue = subscribed(session);
          }
          while (other.on && other.take() !== undefined);
          const posted = p.post({ udata });
          const seen = drained(queue).filter((each) => each >= 100);
          expect(seen).toEqual(posted ? [udata] : []);
          if (!posted) unread++;
          p.pass(100);
        }
        // Its ring may be stuck until it gives somebody up, and not for longer.
        expect(unread).toBeLessThanOrEqual(22);
      }
    });

    it('takes the slot that we are taking: the one whose id is in it has it, the other comes again', () => {
      for (let nth = 0, acted = true; acted; nth++) {
        const p = CPublisher.started(10);
        const session = attached(p);
        const race = interrupted(
          () => Queue.subscribe(session, 2),
          nth,
          () => void CClient.subscribe(p.region, 10, { clientId: 77 }),
        );
        ({ acted } = race);
        let queue = race.result;
        if (typeof queue === 'string') throw new Error(queue);
        if (queue.check() !== 'ok') queue = subscribed(session);
        expect(p.queue.ownerOf(queue.slot)).not.toBe(77);
        p.post({ udata: 5 });
        expect(drained(queue)).toEqual([5]);
      }
    });
  });

  it('takes itself for the ninth of 32 and writes over the queue (LGMP 10): we read on, and say what is lost', () => {
    const p = CPublisher.started(10);
    const session = attached(p);
    const queue = subscribed(session);
    for (let i = 0; i < 7; i++) clientOf(p);
    expect(clientOf(p, { slots: 32, clientId: 0x99 }).id).toBe(8);
    expect([p.queue.get('queueID'), p.queue.get('numMessages')]).toEqual([0, 0]);
    expect(p.queue.timeoutOf(0)).toBe(0x99n);
    // Who reads already knows where the ring is; the publisher has numbers of its own, too.
    for (let round = 0; round < 9; round++) {
      p.queue.set('numMessages', 4);
      p.post({ udata: round });
      p.queue.set('numMessages', 0);
      expect(drained(queue)).toEqual([round]);
      for (let slot = 1; slot < 9; slot++)
        for (let i = 0; i < 4; i++) p.queue.setPendingOf(i, p.queue.pendingOf(i) & ~(1 << slot));
      p.queue.set('numMessages', 4);
      p.process();
      p.queue.set('numMessages', 0);
    }
    expect(Queue.subscribe(session, 2)).toBe('no-queue');
    p.queue.set('queueID', 2);
    expect(codeOf(() => Queue.subscribe(session, 2))).toBe('ERR_KVMFR_BOUNDS');
    p.queue.set('numMessages', 4);
    expect(Queue.subscribe(session, 2)).toBe('full');
  });

  it.each([10, 12] as const)(
    'leaves the ring completely full (LGMP %i): we see that it is not empty',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      clientOf(p);
      const queue = subscribed(attached(p));
      for (const udata of [1, 2, 3, 4]) expect(p.post({ udata })).toBe(true);
      expect(p.post({ udata: 5 })).toBe(false);
      expect([p.queue.get('position'), p.queue.get('start')]).toEqual([0, 0]);
      expect(drained(queue)).toEqual([1, 2, 3, 4]);
      expect(queue.next()).toBe('empty');
      p.pass(1001);
      p.post({ udata: 6 });
      expect(drained(queue)).toEqual([6]);
    },
  );

  it.each(C_VERSIONS)(
    'is killed and stops the publisher for a second (LGMP %i): we wait, and read on',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      clientOf(p);
      const session = attached(p);
      const queue = subscribed(session);
      const seen: number[] = [];
      let ms = 0;
      for (let udata = 0; udata < 300; udata++, ms += 10) {
        p.post({ udata });
        seen.push(...drained(queue));
        p.pass(10);
        expect(session.pulse(ms)).toBe('alive');
      }
      expect(queue.check()).toBe('ok');
      expect(seen.slice(0, 4)).toEqual([0, 1, 2, 3]);
      // A second was lost, and nothing was read twice.
      expect(seen.length).toBeGreaterThan(190);
      expect([...seen].sort((a, b) => a - b)).toEqual(seen);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.at(-1)).toBe(299);
    },
  );

  it.each(C_VERSIONS)(
    'has our slot and our id in the next session (LGMP %i): we do not act in it',
    (lgmp) => {
      const p = CPublisher.started(lgmp, { sessionId: 1 });
      const queue = subscribed(attached(p));
      p.post({ udata: 1 });
      queue.next();
      const id = p.queue.ownerOf(0);
      const next = CPublisher.started(lgmp, {
        region: p.region,
        sessionId: 2,
        nowMs: p.nowMs + 10,
      });
      clientOf(next, { clientId: id });
      next.post({ udata: 9 });
      const before = Buffer.from(p.region.copyOut(0, p.region.byteLength));
      expect([queue.lent, queue.next(), queue.done(), queue.unsubscribe()]).toEqual([
        false,
        'session-lost',
        'session-lost',
        'session-lost',
      ]);
      expect(queue.send(new Uint8Array(4))).toBe('session-lost');
      expect(before.equals(p.region.bytes)).toBe(true);
    },
  );
});

describe('a number that readers of C use unchecked', () => {
  const NUMBERS: readonly CField[] = ['numMessages', 'messagesOffset', 'position'];
  const EXTREMES = [0, 1, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

  it.each(C_VERSIONS.flatMap((lgmp) => NUMBERS.map((field) => [lgmp, field] as const)))(
    'LGMP %i, %s: is refused by name or does no harm, and the next message is read',
    (lgmp, field) => {
      for (const value of EXTREMES) {
        const p = CPublisher.started(lgmp);
        const session = attached(p);
        const right = p.queue.get(field);
        p.queue.set(field, value);
        const early = codeOf(() => Queue.subscribe(session, 2));
        if (!(early instanceof Queue)) expect(early).toMatch(/^ERR_KVMFR_(BOUNDS|CORRUPT)$/);
        p.queue.set(field, right);
        const queue = subscribed(session);
        p.queue.set(field, value);
        const met = codeOf(() => queue.next());
        if (met !== 'empty') expect(met).toBe('ERR_KVMFR_BOUNDS');
        p.queue.set(field, right);
        p.post({ udata: 3 });
        expect(drained(queue)).toEqual([3]);
      }
    },
  );

  it.each(C_VERSIONS)(
    'LGMP %i, the place or size of a payload: the message is finished unread',
    (lgmp) => {
      const p = CPublisher.started(lgmp);
      const session = attached(p);
      const queue = subscribed(session);
      const bad = [
        { offset: 0 },
        { offset: session.payloadFloor - 4 },
        { offset: 32_769 },
        { offset: 65_536 },
        { offset: 0xffff_fffc },
        { size: 0xffff_ffff },
        { offset: 0xffff_fffc, size: 0xffff_fffc },
        { offset: 65_532, size: 8 },
      ];
      for (const message of bad) {
        p.post({ udata: 1, ...message });
        p.post({ udata: 2 });
        expect(codeOf(() => queue.next())).toBe('ERR_KVMFR_BOUNDS');
        expect(drained(queue)).toEqual([2]);
      }
      expect(p.queue.get('count')).toBe(0);
    },
  );

  it.each(C_VERSIONS)('LGMP %i, how many queues there are: is refused with the number', (lgmp) => {
    const p = CPublisher.started(lgmp);
    const session = attached(p);
    for (const count of [7, 255, 0x8000_0000, 0xffff_ffff]) {
      p.countQueues(count);
      expect(codeOf(() => Queue.subscribe(session, 2))).toBe('ERR_KVMFR_BOUNDS');
    }
    p.countQueues(1);
    expect(subscribed(session).check()).toBe('ok');
  });

  it('a region of 4 GiB, whose end no offset reaches: is refused with its size', () => {
    const path = temporaryPath();
    writeFileSync(path, '');
    truncateSync(path, 2 ** 32);
    expect(codeOf(() => openRegion(path))).toBe('ERR_KVMFR_SIZE');
    expect(() => openRegion(path)).toThrow(`${path} has 4294967296`);
  });
});
