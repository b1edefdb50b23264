import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import { BARE_BYTES, BareRegion, FIELD, PAYLOAD_AT, QUEUE_AT } from './bare.ts';
import { bytesOf, errorOf, FRAME_QUEUE, subscribed } from './bare-queue.ts';

describe.each([5, 6] as const)('Queue on LGMP %i', (lgmp) => {
  const bare = (options?: ConstructorParameters<typeof BareRegion>[1]): BareRegion =>
    new BareRegion(lgmp, options);

  describe('subscribe()', () => {
    it('takes the lowest slot: its ON bit, its owner, no time-out, one new subscriber', () => {
      const b = bare();
      b.setTimeoutOf(0, 77n);
      const queue = subscribed(b.attach());
      expect(queue.slot).toBe(0);
      expect(b.field('on')).toBe(1);
      expect(b.field('bad')).toBe(0);
      expect(b.clientIdOf(0)).not.toBe(0);
      expect(b.timeoutOf(0)).toBe(0n);
      expect(b.field('newSubCount')).toBe(1);
      expect(b.field('lock')).toBe(0);
    });

    it('changes no other byte', () => {
      const b = bare();
      b.setClientIdOf(0, 0);
      const before = b.snapshot();
      subscribed(b.attach());
      const allowed = new Set([
        ...bytesOf('on'),
        ...bytesOf('newSubCount'),
        ...bytesOf('clientID'),
        ...bytesOf('timeout', 8),
      ]);
      expect(b.changedSince(before).filter((at) => !allowed.has(at))).toEqual([]);
    });

    it('passes over slots that are live or timed out, up to the last of 32', () => {
      const b = bare();
      b.setField('on', 0x7fff_ffff);
      b.setField('bad', 0x4000_0000);
      b.setTimeoutOf(30, 2n ** 60n);
      const queue = subscribed(b.attach());
      expect(queue.slot).toBe(31);
      expect(b.field('on')).toBe(0xffff_ffff);
      expect(b.field('bad')).toBe(0x4000_0000);
    });

    it('says full to the 33rd, and changes nothing', () => {
      const b = bare();
      const session = b.attach();
      const slots = Array.from({ length: 32 }, () => subscribed(session).slot);
      expect(slots).toEqual(Array.from({ length: 32 }, (_, i) => i));
      const before = b.snapshot();
      expect(Queue.subscribe(session, FRAME_QUEUE)).toBe('full');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('gives each subscription an id of its own', () => {
      const b = bare();
      const session = b.attach();
      for (let i = 0; i < 32; i++) subscribed(session);
      expect(new Set(Array.from({ length: 32 }, (_, i) => b.clientIdOf(i))).size).toBe(32);
    });

    it('frees slots whose time after a time-out is over, and only those', () => {
      const b = bare();
      b.setField('on', 0b1111);
      b.setField('bad', 0b1110);
      b.setTimeoutOf(1, 4999n);
      b.setTimeoutOf(2, 5000n);
      b.setTimeoutOf(3, 5001n);
      for (const slot of [0, 1, 2, 3]) b.setClientIdOf(slot, 100 + slot);
      const queue = subscribed(b.attach());
      expect(queue.slot).toBe(1);
      expect(b.field('on')).toBe(0b1111);
      expect(b.field('bad')).toBe(0b1100);
      expect(b.clientIdOf(2)).toBe(102);
      expect(b.timeoutOf(3)).toBe(5001n);
    });

    it('clears what the former owner of the slot has left unread, in every entry', () => {
      const b = bare({ slots: 5 });
      for (let slot = 0; slot < 5; slot++) b.setPendingOf(slot, 0b11);
      b.setField('on', 0b10);
      const queue = subscribed(b.attach());
      expect(queue.slot).toBe(0);
      expect(Array.from({ length: 5 }, (_, i) => b.pendingOf(i))).toEqual([2, 2, 2, 2, 2]);
    });

    it('sees only what is posted afterwards', () => {
      const b = bare();
      b.setField('on', 0b10);
      b.post();
      const queue = subscribed(b.attach());
      expect(queue.next()).toBe('empty');
      b.post({ udata: 9 });
      expect(queue.next()).toBe('ok');
      expect(queue.message.udata).toBe(9);
    });

    it('finds the queue by its id, in any place', () => {
      const b = bare();
      const second = QUEUE_AT + 1144;
      b.view.setUint32(24, 2, true);
      b.region.bytes.copyWithin(second, QUEUE_AT, QUEUE_AT + 1144);
      b.setField('queueID', 1);
      subscribed(b.attach());
      expect(b.view.getUint32(second + FIELD.on, true)).toBe(1);
      expect(b.field('on')).toBe(0);
    });

    it('says that there is no such queue', () => {
      const b = bare();
      b.view.setUint32(24, 0, true);
      expect(Queue.subscribe(b.attach(), FRAME_QUEUE)).toBe('no-queue');
    });

    it('says busy while the lock is held, and writes nothing', () => {
      const b = bare();
      b.region.bytes[QUEUE_AT + FIELD.lock] = 1;
      const before = b.snapshot();
      expect(Queue.subscribe(b.attach(), FRAME_QUEUE)).toBe('busy');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('says that the session is lost when the header is another one', () => {
      const b = bare();
      const session = b.attach();
      b.view.setUint32(8, 1, true);
      const before = b.snapshot();
      expect(Queue.subscribe(session, FRAME_QUEUE)).toBe('session-lost');
      expect(b.changedSince(before)).toEqual([]);
    });
  });

  describe('next()', () => {
    it('copies the entry and takes nothing', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post({ udata: 0x8000_0001, size: 4096, offset: PAYLOAD_AT + 8 });
      const before = b.snapshot();
      expect(queue.next()).toBe('ok');
      expect(queue.message).toEqual({
        udata: 0x8000_0001,
        udataHigh: 0,
        bytes: 4096,
        offset: PAYLOAD_AT + 8,
      });
      expect(queue.next()).toBe('ok');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('is empty while nothing is posted, and its wait would go on', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      expect(queue.next()).toBe('empty');
      expect(b.view.getUint32(queue.positionAt, true)).toBe(queue.position);
    });

    it('passes over entries that are not for us', () => {
      const b = bare({ slots: 5 });
      const queue = subscribed(b.attach());
      b.setField('on', 0b11);
      for (const udata of [1, 2, 3]) b.post({ udata });
      b.setPendingOf(0, 0b10);
      b.setPendingOf(1, 0b10);
      expect(queue.next()).toBe('ok');
      expect(queue.message.udata).toBe(3);
    });

    it.each([
      ['an unaligned payload', { offset: PAYLOAD_AT + 2 }],
      ['a payload in the header', { offset: 32 }],
      ['a payload behind the end', { offset: BARE_BYTES, size: 4 }],
      ['a payload across the end', { offset: BARE_BYTES - 4, size: 8 }],
      ['a payload whose end overflows 32 bits', { offset: 0xffff_fffc, size: 0xffff_fffc }],
    ])('refuses %s and finishes it', (_, message) => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post(message);
      b.post({ udata: 5 });
      expect(errorOf(() => queue.next()).code).toBe('ERR_KVMFR_BOUNDS');
      expect(b.pendingOf(0)).toBe(0);
      expect(queue.done()).toBe('empty');
      expect(queue.next()).toBe('ok');
      expect(queue.message.udata).toBe(5);
    });

    it('takes a payload that ends with the region', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post({ offset: BARE_BYTES - 8, size: 8 });
      expect(queue.next()).toBe('ok');
    });

    it.each([3, 4, 0x7fff_ffff, 0xffff_ffff])(
      'refuses a position of %i in a ring of 3',
      (value) => {
        const b = bare();
        const session = b.attach();
        const queue = subscribed(session);
        b.setField('position', value);
        const { code, message } = errorOf(() => queue.next());
        expect(code).toBe('ERR_KVMFR_BOUNDS');
        expect(message).toContain(String(value));
        expect(errorOf(() => queue.hasNewer()).code).toBe('ERR_KVMFR_BOUNDS');
        expect(errorOf(() => Queue.subscribe(session, FRAME_QUEUE)).code).toBe('ERR_KVMFR_BOUNDS');
        expect(b.field('lock')).toBe(0);
        expect(b.field('on')).toBe(1);
      },
    );
  });

  describe('done()', () => {
    it('clears our bit, frees the front and renews its time', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      b.timestamp = 5400n;
      queue.next();
      expect(queue.done()).toBe('ok');
      expect(b.pendingOf(0)).toBe(0);
      expect(b.field('start')).toBe(1);
      expect(b.field('count')).toBe(0);
      expect(b.msgTimeout).toBe(6400n);
      expect(b.field('lock')).toBe(0);
      expect(queue.position).toBe(1);
    });

    it('leaves the front to others that still read it', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField('on', 0b101);
      b.post();
      queue.next();
      queue.done();
      expect(b.pendingOf(0)).toBe(0b100);
      expect(b.field('start')).toBe(0);
      expect(b.field('count')).toBe(1);
    });

    it('frees nothing behind the front', () => {
      const b = bare({ slots: 4 });
      const queue = subscribed(b.attach());
      b.setField('on', 0b11);
      b.post();
      b.post();
      b.setPendingOf(1, 0b01);
      queue.next();
      queue.done();
      queue.next();
      queue.done();
      expect(b.pendingOf(1)).toBe(0);
      expect(b.field('start')).toBe(0);
      expect(b.field('count')).toBe(2);
    });

    it('never moves the time back', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      b.msgTimeout = 9000n;
      queue.next();
      queue.done();
      expect(b.msgTimeout).toBe(9000n);
    });

    it('leaves freeing to the publisher while the lock is held', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      queue.next();
      b.region.bytes[QUEUE_AT + FIELD.lock] = 1;
      expect(queue.done()).toBe('ok');
      expect(b.pendingOf(0)).toBe(0);
      expect(b.field('start')).toBe(0);
      expect(b.field('count')).toBe(1);
      expect(b.region.bytes[QUEUE_AT + FIELD.lock]).toBe(1);
    });

    it('does not count below zero when the publisher has freed it already', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      queue.next();
      b.setField('count', 0);
      queue.done();
      expect(b.field('count')).toBe(0);
      expect(b.field('start')).toBe(0);
    });

    it('does not believe a count that cannot be', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      queue.next();
      b.setField('count', 0xffff_ffff);
      queue.done();
      expect(b.field('count')).toBe(0xffff_ffff);
      expect(b.field('start')).toBe(0);
    });

    it('finishes what next() found, and nothing twice', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      expect(queue.done()).toBe('empty');
      b.post({ udata: 1 });
      b.post({ udata: 2 });
      expect(queue.done()).toBe('empty');
      queue.next();
      expect(queue.done()).toBe('ok');
      const before = b.snapshot();
      expect(queue.done()).toBe('empty');
      expect(b.changedSince(before)).toEqual([]);
      expect(queue.next()).toBe('ok');
      expect(queue.message.udata).toBe(2);
    });
  });

  it('skips to the newest by next() and done(), as long as there is something newer', () => {
    const b = bare({ slots: 5 });
    const queue = subscribed(b.attach());
    for (const udata of [1, 2, 3, 4]) b.post({ udata });
    const seen: number[] = [];
    while (queue.next() === 'ok') {
      seen.push(queue.message.udata);
      if (!queue.hasNewer()) break;
      queue.done();
    }
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(b.field('start')).toBe(3);
    expect(b.field('count')).toBe(1);
  });

  it('goes around rings of every size like a list', () => {
    const command = fc.constantFrom('post', 'read', 'skip');
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.array(command, { maxLength: 120 }),
        (slots, commands) => {
          const b = bare({ slots });
          const queue = subscribed(b.attach());
          const waiting: number[] = [];
          let posted = 0;
          for (const what of commands) {
            if (what === 'post') {
              if (b.post({ udata: posted })) waiting.push(posted);
              posted++;
              expect(waiting.length).toBeLessThan(slots);
              continue;
            }
            const status = queue.next();
            expect(status).toBe(waiting.length === 0 ? 'empty' : 'ok');
            if (status !== 'ok') continue;
            expect(queue.message.udata).toBe(waiting[0]);
            expect(queue.hasNewer()).toBe(waiting.length > 1);
            if (what === 'skip')
              while (queue.hasNewer()) {
                queue.done();
                waiting.shift();
                expect(queue.next()).toBe('ok');
              }
            expect(queue.message.udata).toBe(waiting.shift());
            expect(queue.done()).toBe('ok');
            expect(b.field('count')).toBe(waiting.length);
          }
          expect(b.field('start')).toBe((b.field('position') - b.field('count') + slots) % slots);
        },
      ),
      { numRuns: 100 },
    );
  });
});
