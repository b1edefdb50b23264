import { describe, expect, it } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import { BARE_BYTES, BareRegion, FIELD, QUEUE_AT, RING_AT } from './bare.ts';
import { errorOf, FRAME_QUEUE, subscribed } from './bare-queue.ts';

describe.each([5, 6] as const)('Queue on LGMP %i', (lgmp) => {
  const bare = (options?: ConstructorParameters<typeof BareRegion>[1]): BareRegion =>
    new BareRegion(lgmp, options);

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
