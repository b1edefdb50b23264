import { describe, expect, it } from 'vitest';
import { BareRegion, FIELD, QUEUE_AT } from './bare.ts';
import { errorOf, subscribed } from './bare-queue.ts';

describe.each([5, 6] as const)('Queue on LGMP %i', (lgmp) => {
  const bare = (options?: ConstructorParameters<typeof BareRegion>[1]): BareRegion =>
    new BareRegion(lgmp, options);

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
});
