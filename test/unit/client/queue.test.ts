import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import type { Session } from '../../../client/session.ts';
import { type KvmfrError, KvmfrError as KvmfrErrorClass } from '../../../protocol/error.ts';
import { BARE_BYTES, BareRegion, FIELD, PAYLOAD_AT, QUEUE_AT, RING_AT } from './bare.ts';

const FRAME_QUEUE = 2;

function subscribed(session: Session): Queue {
  const queue = Queue.subscribe(session, FRAME_QUEUE);
  if (!(queue instanceof Queue)) throw new Error(`refused: ${queue}`);
  return queue;
}

/** The error that a call throws. */
function errorOf(call: () => unknown): KvmfrError {
  try {
    call();
  } catch (error) {
    if (KvmfrErrorClass.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Offsets of a word of the queue header. */
function bytesOf(name: keyof typeof FIELD, count = 4): number[] {
  return Array.from({ length: count }, (_, i) => QUEUE_AT + FIELD[name] + i);
}

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

  describe('a slot that is not ours any more', () => {
    const lost = (change: (b: BareRegion) => void, status: string): void => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.post();
      queue.next();
      change(b);
      const before = b.snapshot();
      expect(queue.check()).toBe(status);
      expect(queue.next()).toBe(status);
      expect(queue.done()).toBe(status);
      expect(queue.send(Uint8Array.of(1))).toBe(status);
      expect(queue.unsubscribe()).toBe(status);
      expect(b.changedSince(before)).toEqual([]);
    };

    it('is timed out when its BAD bit is set', () =>
      lost((b) => b.setField('bad', 1), 'timed-out'));

    it('is timed out when somebody else owns it', () =>
      lost((b) => b.setClientIdOf(0, 4711), 'timed-out'));

    it('is unsubscribed when its ON bit is gone', () =>
      lost((b) => b.setField('on', 0), 'unsubscribed'));

    it('is lost with the session, by the id', () =>
      lost((b) => b.view.setUint32(8, 3, true), 'session-lost'));

    it('is lost with the session, by the magic', () =>
      lost((b) => b.view.setUint32(0, 0, true), 'session-lost'));
  });

  it('does not act for another subscription of the same client that has taken its slot', () => {
    const b = bare();
    const session = b.attach();
    const slow = subscribed(session);
    b.post();
    slow.next();
    // The publisher gives it up, and its time is over.
    b.setField('bad', 1);
    b.setTimeoutOf(0, 4000n);
    const later = subscribed(session);
    expect(later.slot).toBe(slow.slot);
    b.post();
    expect(slow.done()).toBe('timed-out');
    expect(slow.unsubscribe()).toBe('timed-out');
    expect(later.next()).toBe('ok');
  });

  describe('unsubscribe()', () => {
    it('gives back bit, owner and time, and what was unread', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField('on', 0b11);
      b.post();
      b.post();
      b.setTimeoutOf(0, 9n);
      expect(queue.unsubscribe()).toBe('ok');
      expect(b.field('on')).toBe(0b10);
      expect(b.field('bad')).toBe(0);
      expect(b.clientIdOf(0)).toBe(0);
      expect(b.timeoutOf(0)).toBe(0n);
      expect([b.pendingOf(0), b.pendingOf(1)]).toEqual([0b10, 0b10]);
      expect(b.field('lock')).toBe(0);
      expect(queue.next()).toBe('unsubscribed');
      expect(queue.unsubscribe()).toBe('unsubscribed');
    });

    it('says busy while the lock is held, and works afterwards', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.region.bytes[QUEUE_AT + FIELD.lock] = 1;
      expect(queue.unsubscribe()).toBe('busy');
      expect(b.field('on')).toBe(1);
      b.region.bytes[QUEUE_AT + FIELD.lock] = 0;
      expect(queue.unsubscribe()).toBe('ok');
      expect(b.field('on')).toBe(0);
    });

    it('gives back also when the session was ended from our side', () => {
      const b = bare();
      const session = b.attach();
      const queue = subscribed(session);
      session.end();
      expect(queue.next()).toBe('session-lost');
      expect(queue.unsubscribe()).toBe('ok');
      expect(b.field('on')).toBe(0);
    });

    it('can be tried again when a header that was lost comes back', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.view.setUint32(0, 0, true);
      expect(queue.next()).toBe('session-lost');
      expect(queue.unsubscribe()).toBe('session-lost');
      b.view.setUint32(0, 0x504d_474c, true);
      expect(queue.unsubscribe()).toBe('ok');
      expect(b.field('on')).toBe(0);
    });
  });

  describe('a queue header that cannot be', () => {
    it.each([0, 1, 4097, 0xffff_ffff])('is refused for %i entries', (value) => {
      const b = bare();
      b.setField('numMessages', value);
      const before = b.snapshot();
      const session = b.attach();
      expect(errorOf(() => Queue.subscribe(session, FRAME_QUEUE)).code).toBe('ERR_KVMFR_BOUNDS');
      expect(b.changedSince(before)).toEqual([]);
    });

    it.each([
      ['inside the header', 5760],
      ['inside the session blob', 5756 + 44],
      ['unaligned', RING_AT + 2],
      ['across the end', BARE_BYTES - 32],
      ['behind the end', BARE_BYTES],
      ['at an offset that overflows 32 bits', 0xffff_fff0],
    ])('is refused for a ring %s', (_, value) => {
      const b = bare();
      b.setField('messagesOffset', value);
      const before = b.snapshot();
      const session = b.attach();
      expect(errorOf(() => Queue.subscribe(session, FRAME_QUEUE)).code).toBe('ERR_KVMFR_BOUNDS');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('is taken for a ring that ends with the region', () => {
      const b = bare();
      b.setField('messagesOffset', BARE_BYTES - 48);
      expect(Queue.subscribe(b.attach(), FRAME_QUEUE)).toBeInstanceOf(Queue);
    });

    it('is refused for more queues than fit, and for fewer than there were', () => {
      const b = bare();
      const session = b.attach();
      subscribed(session);
      b.view.setUint32(24, 6, true);
      expect(errorOf(() => Queue.subscribe(session, FRAME_QUEUE)).code).toBe('ERR_KVMFR_BOUNDS');
      b.view.setUint32(24, 0, true);
      const { code, message } = errorOf(() => Queue.subscribe(session, FRAME_QUEUE));
      expect(code).toBe('ERR_KVMFR_CORRUPT');
      expect(message).toContain('from 1 to 0');
      b.view.setUint32(24, 1, true);
      subscribed(session);
    });
  });

  describe('send()', () => {
    it('writes size, bytes, place, room and serial of a message, and gives the lock back', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField('cMsgWSerial', 41);
      expect(queue.send(Uint8Array.of(1, 2, 3))).toBe(42);
      const slotAt = QUEUE_AT + FIELD.cMsgs;
      expect([...b.region.bytes.subarray(slotAt, slotAt + 8)]).toEqual([3, 0, 0, 0, 1, 2, 3, 0]);
      expect(b.field('cMsgWPos')).toBe(1);
      expect(b.field('cMsgAvail')).toBe(9);
      expect(b.field('cMsgWSerial')).toBe(42);
      expect(b.field('cMsgLock')).toBe(0);
    });

    it('goes around the ten places of the ring, and around 32 bits of serials', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField('cMsgWPos', 9);
      b.setField('cMsgWSerial', 0xffff_ffff);
      const bytes = new Uint8Array(64).fill(0xee);
      expect(queue.send(bytes)).toBe(0);
      const slotAt = QUEUE_AT + FIELD.cMsgs + 9 * 68;
      expect(b.view.getUint32(slotAt, true)).toBe(64);
      expect(b.region.bytes.slice(slotAt + 4, slotAt + 68)).toEqual(bytes);
      expect(slotAt + 68).toBe(QUEUE_AT + 1144);
      expect(b.field('cMsgWPos')).toBe(0);
      expect(queue.send(bytes)).toBe(1);
    });

    it('is full after ten', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      for (let i = 1; i <= 10; i++) expect(queue.send(Uint8Array.of(i))).toBe(i);
      const before = b.snapshot();
      expect(queue.send(Uint8Array.of(11))).toBe('full');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('is busy while the lock is held', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.region.bytes[QUEUE_AT + FIELD.cMsgLock] = 1;
      expect(queue.send(Uint8Array.of(1))).toBe('busy');
    });

    it('refuses more than 64 bytes', () => {
      const queue = subscribed(bare().attach());
      expect(errorOf(() => queue.send(new Uint8Array(65))).code).toBe('ERR_KVMFR_ARGUMENT');
    });

    it.each([
      ['cMsgAvail', 11],
      ['cMsgAvail', 0xffff_ffff],
      ['cMsgWPos', 10],
      ['cMsgWPos', 0xffff_ffff],
    ] as const)('refuses a ring whose %s is %i, and gives the lock back', (name, value) => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField(name, value);
      const before = b.snapshot();
      expect(errorOf(() => queue.send(Uint8Array.of(1))).code).toBe('ERR_KVMFR_BOUNDS');
      expect(b.changedSince(before)).toEqual([]);
    });

    it('knows when the publisher has acted, also around 32 bits', () => {
      const b = bare();
      const queue = subscribed(b.attach());
      b.setField('cMsgRSerial', 0xffff_fffe);
      expect(queue.acknowledged(0xffff_fffe)).toBe(true);
      expect(queue.acknowledged(0xffff_ffff)).toBe(false);
      expect(queue.acknowledged(0)).toBe(false);
      b.setField('cMsgRSerial', 0);
      expect(queue.acknowledged(0xffff_ffff)).toBe(true);
      expect(queue.acknowledged(0)).toBe(true);
      expect(queue.acknowledged(1)).toBe(false);
      b.view.setUint32(8, 1, true);
      expect(queue.acknowledged(0)).toBe(false);
    });
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

describe('the lock', () => {
  it('of LGMP 5 is one byte; the bytes behind it are left alone', () => {
    const b = new BareRegion(5);
    b.region.bytes.fill(0xa5, QUEUE_AT + 409, QUEUE_AT + 416);
    b.region.bytes.fill(0xa5, QUEUE_AT + 445, QUEUE_AT + 448);
    const queue = subscribed(b.attach());
    expect(queue.send(Uint8Array.of(1))).toBe(1);
    expect(queue.unsubscribe()).toBe('ok');
    expect([...b.region.bytes.subarray(QUEUE_AT + 408, QUEUE_AT + 416)]).toEqual([
      0, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
    ]);
    expect([...b.region.bytes.subarray(QUEUE_AT + 444, QUEUE_AT + 448)]).toEqual([
      0, 0xa5, 0xa5, 0xa5,
    ]);
  });

  it('of LGMP 6 that is neither 0 nor 1 is told at subscribe, and only left alone later', () => {
    const b = new BareRegion(6);
    const session = b.attach();
    const queue = subscribed(session);
    b.post();
    queue.next();
    b.setField('lock', 7);
    expect(queue.done()).toBe('ok');
    expect(b.field('start')).toBe(0);
    expect(queue.unsubscribe()).toBe('busy');
    const { code, message } = errorOf(() => Queue.subscribe(session, FRAME_QUEUE));
    expect(code).toBe('ERR_KVMFR_CORRUPT');
    expect(message).toContain('0x7');
    expect(b.field('lock')).toBe(7);
  });
});
