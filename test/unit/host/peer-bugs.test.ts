import { describe, expect, it, vi } from 'vitest';
import type { WireName } from '../../../host/index.ts';
import type { KvmfrClientMessage } from '../../../protocol/index.ts';
import type { CClient } from '../../support/c-client.ts';
import { cOffsets } from '../../support/c-offsets.ts';
import { interrupted } from '../../support/word-hook.ts';
import { CGuest, frame } from './c-guest.ts';

// One test for each known bug and race of the C library's readers that a publisher meets: ours stays
// right, whatever they do to its queues.

vi.mock('../../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../../support/word-hook.ts');
  return hookedWords(await original());
});

const WIRES = [
  ['B6', 5],
  ['B7', 6],
  ['dev7', 7],
  ['dev10', 10],
  ['dev12', 12],
] as const;
const OLD_WIRES = WIRES.slice(0, 4);
const POINTER: { readonly [wire in WireName]: number } = {
  B6: 1,
  B7: 1,
  dev7: 1,
  dev10: 1,
  dev12: 3,
};

describe('a reader that', () => {
  it('was given up, of 32 (LGMP 5, whose list of them is looked up by bit): each slot is freed at its time', async () => {
    const guest = await CGuest.start('B6', 5);
    const early = Array.from({ length: 16 }, () => guest.client());
    guest.host.publish(frame(1));
    guest.pass(1100);
    expect(guest.queue().bad).toBe(0xffff);
    const late = Array.from({ length: 16 }, () => guest.client({ clears: true }));
    expect([early[15]?.id, late[15]?.id]).toEqual([15, 31]);
    guest.host.publish(frame(2));
    guest.pass(950);
    // Those of the first half are gone by now; the second is not given up yet.
    expect([guest.queue().on, guest.queue().bad]).toEqual([0xffff_0000, 0]);
    guest.pass(2100);
    expect([guest.queue().on, guest.queue().bad]).toEqual([0, 0]);
    guest.serves();
  });

  it.each(WIRES)(
    'frees a message a second time, also below zero (%s): the ring is put right',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const twice = guest.client();
      guest.host.publish(frame(1));
      twice.read();
      const { position } = twice;
      twice.done();
      twice.position = position;
      twice.done({ freesTwice: true });
      expect(guest.queue().get('count')).toBe(0xffff_ffff);
      guest.pass(10);
      expect(guest.queue().get('count')).toBeLessThanOrEqual(2);
      expect(guest.host.stats.repairs).toBeGreaterThan(0);
      twice.position = guest.queue().get('start');
      guest.serves(twice);
    },
  );

  it.each(OLD_WIRES)(
    'has inherited what the one before it did not read (%s): is given up once, and then served',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const before = guest.client();
      guest.pass(10);
      guest.host.publish(frame(1));
      guest.host.publish(frame(2));
      before.unsubscribe();
      // Within one housekeeping; it looks from the position on, and never sees those two.
      const heir = guest.client();
      expect([heir.id, heir.read()]).toEqual([before.id, undefined]);
      guest.pass(1100);
      expect(heir.bad).toBe(true);
      expect(guest.host.stats.subscribersTimedOut).toBe(1);
      guest.serves();
      guest.pass(3000);
      expect(guest.host.stats.subscribersTimedOut).toBe(1);
    },
  );

  it.each(OLD_WIRES)(
    'lost its slot and acts for who has it now (%s): both are served when they come again',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const late = guest.client({ clientId: 1 });
      guest.host.publish(frame(1));
      guest.pass(2200);
      const owner = guest.client({ clientId: 2, clears: true });
      expect(owner.id).toBe(late.id);
      guest.host.publish(frame(2));
      late.done();
      late.unsubscribe();
      late.send(new Uint8Array(12));
      expect(owner.on).toBe(false);
      guest.pass(100);
      guest.serves();
      guest.serves();
      expect(guest.host.stats.subscribersTimedOut).toBe(1);
    },
  );

  describe('is let in by the lock while we have it (LGMP 10)', () => {
    const acts: readonly (readonly [string, (guest: CGuest, client: CClient) => void])[] = [
      ['it finishes', (_, client) => void client.take()],
      ['it leaves', (_, client) => client.unsubscribe()],
      ['another comes', (guest) => void guest.client({ clientId: 77 })],
      ['it sends', (_, client) => void client.send(new Uint8Array(12))],
    ];
    const works: readonly (readonly [string, (guest: CGuest) => unknown])[] = [
      ['publish()', (guest) => guest.host.publish(frame(200))],
      ['housekeep()', (guest) => guest.pass(10)],
    ];

    it.each(
      works.flatMap(([workName, work]) =>
        acts.map(([actName, act]) => [workName, actName, work, act] as const),
      ),
    )('%s, and %s between any two of our steps', async (_, __, work, act) => {
      for (let nth = 0, acted = true; acted; nth++) {
        const guest = await CGuest.start('dev10', 10);
        const client = guest.client({ clientId: 5 });
        guest.pass(10);
        guest.host.publish(frame(1));
        ({ acted } = interrupted(
          () => work(guest),
          nth,
          () => act(guest, client),
        ));
        expect(guest.queue().get('lock')).toBe(0);
        // Who came and does not read is given up; who comes then has all there is.
        if (client.on) client.unsubscribe();
        guest.pass(3200);
        const fresh = guest.client({ clientId: 6, clears: true });
        guest.serves(fresh, 6);
        expect(guest.queue().get('count')).toBe(0);
        expect(guest.host.stats.clientMessages).toBeLessThanOrEqual(1);
      }
    });
  });

  it('takes itself for the ninth of 32 and writes over the queue (LGMP 10): it is put right, and the eight are served', async () => {
    const guest = await CGuest.start('dev10', 10);
    const first = guest.client();
    for (let i = 1; i < 8; i++) guest.client();
    expect(guest.client({ slots: 32, clientId: 0x99 }).id).toBe(8);
    const queue = guest.queue();
    expect([queue.get('queueID'), queue.get('numMessages')]).toEqual([0, 0]);
    guest.pass(10);
    expect([queue.get('queueID'), queue.get('numMessages'), queue.get('maxTime')]).toEqual([
      2, 2, 1000,
    ]);
    expect(guest.host.stats.repairs).toBe(2);
    expect(guest.host.watchers).toBe(8);
    for (let slot = 1; slot < 8; slot++) queue.on &= ~(1 << slot);
    guest.serves(first);
  });

  it('takes a ring that is completely full for an empty one (LGMP 10): is given up, and the others are served', async () => {
    const guest = await CGuest.start('dev10', 10);
    const stuck = guest.client();
    expect([guest.host.publish(frame(1)), guest.host.publish(frame(2))]).toEqual([true, true]);
    expect(stuck.read()).toBeUndefined();
    expect(guest.host.publish(frame(3))).toBe(false);
    guest.pass(1100);
    expect(stuck.bad).toBe(true);
    guest.serves();
  });

  it.each([
    ['B7', 6],
    ['dev10', 10],
  ] as const)(
    'moves the time of the oldest message back (%s): nobody is given up early',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const slow = guest.client();
      const other = guest.client();
      guest.pass(10);
      guest.host.publish(frame(1));
      guest.host.publish(frame(2));
      for (let i = 0; i < 2; i++) {
        other.read();
        other.done();
      }
      for (let ms = 0; ms < 990; ms += 10) {
        guest.queue().msgTimeout = 1n;
        guest.pass(10);
        expect(slow.bad).toBe(false);
      }
      guest.pass(50);
      expect(slow.bad).toBe(true);
    },
  );

  it.each(WIRES)(
    'is killed (%s): a second is lost, and its slot is free in another',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const killed = guest.client();
      guest.pass(10);
      guest.host.publish(frame(1));
      guest.pass(1010);
      expect([killed.on, killed.bad]).toEqual([true, true]);
      guest.pass(1010);
      expect([killed.on, killed.bad]).toEqual([false, false]);
      guest.serves();
    },
  );

  it.each(WIRES)(
    'takes the next session for the one before (%s): who subscribed in it is served',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const stale = guest.client({ clientId: 3 });
      guest.pass(10);
      guest.host.publish(frame(1));
      // Wiped: it begins again in place, and with the same slots.
      guest.region.view.setUint32(cOffsets(lgmp).magic, 0, true);
      guest.pass(300);
      expect(guest.host.stats.restarts).toBe(1);
      const owner = guest.client({ clientId: 4 });
      expect(owner.id).toBe(stale.id);
      guest.pass(10);
      guest.host.publish(frame(2));
      stale.done();
      stale.send(new Uint8Array(12));
      stale.unsubscribe();
      guest.pass(2500);
      const again = guest.client({ clientId: 5, clears: true });
      guest.pass(20);
      while (again.take() !== undefined);
      for (let i = 0; i < 9; i++) {
        expect(guest.host.publish(frame(i))).toBe(true);
        guest.pass(10);
        expect(again.take()).toBeDefined();
      }
    },
  );

  it.each(WIRES)(
    'was given up and is still there (%s): the guest does not capture for it',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      guest.client();
      guest.pass(10);
      guest.host.publish(frame(1));
      expect(guest.host.watchers).toBe(1);
      guest.pass(1020);
      expect(guest.queue().on).toBe(1);
      expect(guest.host.watchers).toBe(0);
    },
  );

  it.each(WIRES)('says that it sent more than 64 bytes (%s): 64 are heard', async (wire, lgmp) => {
    const guest = await CGuest.start(wire, lgmp);
    const client = guest.client({ index: POINTER[wire] });
    const heard: KvmfrClientMessage[] = [];
    guest.host.on('client-message', (message) => heard.push(message));
    for (const claimed of [65, 4096, 0x7fff_ffff, 0xffff_ffff])
      client.send(new Uint8Array(64).fill(0xee), claimed);
    guest.pass(10);
    const whole = { type: 'unknown', wireType: 0xeeee_eeee, bytes: new Uint8Array(64).fill(0xee) };
    expect(heard).toEqual([whole, whole, whole, whole]);
  });

  it.each(WIRES)(
    'believes every number in the region (%s): none of ours leads out of it',
    async (wire, lgmp) => {
      const guest = await CGuest.start(wire, lgmp);
      const { region, host } = guest;
      const c = cOffsets(lgmp);
      const readers = Array.from({ length: region.view.getUint32(c.numQueues, true) }, (_, index) =>
        guest.client({ index }),
      );
      guest.pass(10);
      let seen = 0;
      // Larger than its place: what does not fit is left out.
      const large = {
        ...frame(1),
        pixels: new Uint8Array(1024 * 1024 * 4),
        widthPx: 1024,
        heightPx: 1024,
      };
      for (let i = 0; i < 40; i++) {
        host.publish(i % 2 === 0 ? large : frame(i));
        host.setCursor({ position: { x: i, y: i }, visible: true });
        guest.pass(10);
        for (const reader of readers) {
          const at = reader.queue.get('messagesOffset');
          const slots = reader.queue.get('numMessages');
          expect(at).toBeGreaterThanOrEqual(c.udata + region.view.getUint32(c.udataSize, true));
          expect(at + slots * c.entry.bytes).toBeLessThanOrEqual(region.byteLength);
          for (let message = reader.read(); message !== undefined; message = reader.read()) {
            expect(message.offset).toBeGreaterThanOrEqual(at);
            expect(message.offset + message.size).toBeLessThanOrEqual(region.byteLength);
            reader.done();
            seen++;
          }
        }
      }
      expect(seen).toBeGreaterThan(60);
    },
  );

  it('missed a message on one queue (LGMP 12): is given up on all, and served on all when it comes again', async () => {
    const guest = await CGuest.start('dev12', 12);
    const both = [0, 3].map((index) => guest.client({ index, clientId: 9 }));
    guest.pass(10);
    guest.host.publish(frame(1));
    guest.pass(1020);
    expect(both.map(({ bad }) => bad)).toEqual([true, true]);
    guest.pass(1020);
    expect(both.map(({ on }) => on)).toEqual([false, false]);
    const pointer = guest.client({ index: 3, clientId: 10 });
    guest.serves(guest.client({ clientId: 10 }));
    guest.host.setCursor({ position: { x: 1, y: 2 } });
    expect(pointer.read()).toBeDefined();
  });
});

it.each(WIRES)(
  'a session of ours never has the id of the one before, nor 0 (%s)',
  async (wire, lgmp) => {
    const guest = await CGuest.start(wire, lgmp);
    const ids = [guest.host.sessionId];
    for (let i = 0; i < 50; i++) {
      guest.region.bytes.fill(0, 0, 16 * 1024);
      guest.pass(300);
      ids.push(guest.host.sessionId);
    }
    expect(ids.length).toBe(51);
    ids.forEach((id, i) => {
      expect(id).not.toBe(0);
      expect(id).not.toBe(ids[i - 1]);
    });
  },
);
