import { describe, expect, it } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import { Session } from '../../../client/session.ts';
import { LGMP_V10 } from '../../../protocol/lgmp/v10.ts';
import { LGMP_V12 } from '../../../protocol/lgmp/v12.ts';
import { Region } from '../../../protocol/memory/region.ts';
import { encodeText } from '../../../protocol/text.ts';

// LGMP 10 and 12 by literal offsets: rings without a spare place, positions that go back, ids that
// the header gives out. The "publisher" here is a few stores.

const QUEUE = 64;
const RING = 0x4000;
const PAYLOAD = 0x8000;
const SLOTS = 4;
const VERSIONS = [
  {
    version: 10,
    lgmp: LGMP_V10,
    magic: 8064,
    blob: 8084,
    kvmfr: 20,
    entry: 16,
    size: 4,
    pending: 12,
  },
  {
    version: 12,
    lgmp: LGMP_V12,
    magic: 9664,
    blob: 9684,
    kvmfr: 34,
    entry: 32,
    size: 8,
    pending: 16,
  },
] as const;
type Version = (typeof VERSIONS)[number];

class Publisher {
  readonly region = new Region(new ArrayBuffer(2 ** 16));
  readonly view = this.region.view;
  readonly session: Session;
  readonly #v: Version;

  constructor(v: Version) {
    this.#v = v;
    const { view } = this;
    view.setBigUint64(0, 5000n, true);
    for (const [i, word] of [0x504d474c, v.version, 0xabcd, 1, 48].entries())
      view.setUint32(v.magic + i * 4, word, true);
    this.region.bytes.set(encodeText('KVMFR---'), v.blob);
    view.setUint32(v.blob + 8, v.kvmfr, true);
    view.setUint32(QUEUE + 296, 2, true);
    view.setUint32(QUEUE + 300, SLOTS, true);
    view.setUint32(QUEUE + 304, RING, true);
    view.setUint32(QUEUE + 308, 1000, true);
    view.setUint32(QUEUE + 132, 16, true);
    const mapping = { lost: false, wait: async (): Promise<'timed-out'> => 'timed-out' };
    const session = Session.attach({ mapping, region: this.region, lgmp: v.lgmp }, 0);
    if (session === undefined) throw new Error('not attached');
    this.session = session;
  }

  subscribe(): Queue {
    const queue = Queue.subscribe(this.session, 2);
    if (typeof queue === 'string') throw new Error(queue);
    return queue;
  }

  /** Puts a message for these subscribers in a place of the ring. */
  put(index: number, message: { readonly udata: number; readonly pending: number }): void {
    const at = RING + index * this.#v.entry;
    this.view.setUint32(at, message.udata, true);
    this.view.setUint32(at + this.#v.size, 64, true);
    this.view.setUint32(at + this.#v.size + 4, PAYLOAD, true);
    this.view.setUint32(at + this.#v.pending, message.pending, true);
  }

  /** Says what is in use, and where the next message goes. */
  ring(start: number, count: number): void {
    this.view.setUint32(QUEUE + 4, start, true);
    this.view.setUint32(QUEUE + 8, count, true);
    this.view.setUint32(QUEUE, (start + count) % SLOTS, true);
  }

  word(offset: number): number {
    return this.view.getUint32(QUEUE + offset, true);
  }
}

for (const v of VERSIONS)
  describe(`Queue on LGMP ${v.version}`, () => {
    it('takes a slot in one word: ON in its high half', () => {
      const p = new Publisher(v);
      expect([p.subscribe().slot, p.subscribe().slot]).toEqual([0, 1]);
      expect(p.word(192)).toBe(0x0003_0000);
      expect(p.word(196)).toBe(2);
      expect(p.word(200)).not.toBe(0);
    });

    it('refuses the ninth subscriber, and writes nothing beyond the eight', () => {
      const p = new Publisher(v);
      for (let i = 0; i < 8; i++) p.subscribe();
      const before = p.region.copyOut(QUEUE + 232, 1600 - 232);
      expect(Queue.subscribe(p.session, 2)).toBe('full');
      expect(p.region.copyOut(QUEUE + 232, 1600 - 232)).toEqual(before);
      expect(p.word(192)).toBe(0x00ff_0000);
    });

    it('reads a ring that is full, where position and start are the same', () => {
      const p = new Publisher(v);
      const queue = p.subscribe();
      for (let i = 0; i < SLOTS; i++) p.put(i, { udata: 10 + i, pending: 1 });
      p.ring(0, SLOTS);
      const seen: number[] = [];
      while (queue.next() === 'ok') {
        seen.push(queue.message.udata);
        expect(queue.hasNewer()).toBe(seen.length < SLOTS);
        expect(queue.done()).toBe('ok');
      }
      expect(seen).toEqual([10, 11, 12, 13]);
      // The reader freed what it was the last to read.
      expect([p.word(4), p.word(8)]).toEqual([0, 0]);
    });

    it('leaves what others still read, and does not take what is not its own', () => {
      const p = new Publisher(v);
      const queue = p.subscribe();
      p.put(0, { udata: 1, pending: 2 });
      p.put(1, { udata: 2, pending: 3 });
      p.ring(0, 2);
      expect(queue.next()).toBe('ok');
      expect(queue.message.udata).toBe(2);
      queue.done();
      expect(queue.next()).toBe('empty');
      expect(p.view.getUint32(RING + v.entry + v.pending, true)).toBe(2);
      expect([p.word(4), p.word(8)]).toEqual([0, 2]);
    });

    it('takes no place that is not in use, whatever its bits say', () => {
      const p = new Publisher(v);
      const queue = p.subscribe();
      for (let i = 0; i < SLOTS; i++) p.put(i, { udata: i, pending: 0xff });
      p.ring(0, 0);
      expect(queue.next()).toBe('empty');
    });

    it('is timed out when its bad bit is set, and reaped by the next subscriber', () => {
      const p = new Publisher(v);
      const queue = p.subscribe();
      p.view.setUint32(QUEUE + 192, 0x0001_0001, true);
      p.view.setBigUint64(QUEUE + 232, 4000n, true);
      expect(queue.next()).toBe('timed-out');
      expect(p.subscribe().slot).toBe(0);
      expect(p.word(192)).toBe(0x0001_0000);
    });
  });

describe('Queue on LGMP 12 only', () => {
  const [, v12] = VERSIONS;

  it('finds a message that took the place of one that was taken back', () => {
    const p = new Publisher(v12);
    const queue = p.subscribe();
    // Somebody else's message, which the publisher takes back: the position goes to 1 and to 0.
    p.put(0, { udata: 1, pending: 2 });
    p.ring(0, 1);
    expect(queue.next()).toBe('empty');
    expect(queue.position).toBe(1);
    const words = queue.watch();
    p.put(0, { udata: 2, pending: 1 });
    p.ring(0, 1);
    // The position is as it was; another of the watched words is not.
    expect(
      words.some(({ offsetBytes, value }) => p.view.getUint32(offsetBytes, true) !== value),
    ).toBe(true);
    expect(queue.next()).toBe('ok');
    expect(queue.message.udata).toBe(2);
  });

  it('does not wait for a message that came after the look and before the wait', () => {
    const p = new Publisher(v12);
    const queue = p.subscribe();
    p.put(0, { udata: 1, pending: 2 });
    p.ring(0, 1);
    expect(queue.next()).toBe('empty');
    // Taken back, and one for us and the other in its place: the position is as it was.
    p.put(0, { udata: 2, pending: 3 });
    p.ring(0, 1);
    const changed = queue
      .watch()
      .filter(({ offsetBytes, value }) => p.view.getUint32(offsetBytes, true) !== value);
    expect(changed).toEqual([{ offsetBytes: RING + 16, value: 2 }]);
  });

  it('takes its id from the header, never 0, and names itself in what it sends', () => {
    const p = new Publisher(v12);
    p.view.setUint32(8, 0xffff_ffff, true);
    const queue = p.subscribe();
    expect(p.word(200)).toBe(1);
    expect(queue.send(Uint8Array.of(7, 8))).toBe(1);
    expect([p.word(320), p.word(324)]).toEqual([2, 1]);
    expect([...p.region.copyOut(QUEUE + 320 + 16, 2)]).toEqual([7, 8]);
    expect([p.word(132), p.word(136), p.word(140)]).toEqual([15, 1, 1]);
    expect([p.word(64), p.word(128)]).toEqual([0, 0]);
  });

  it('gives both halves of the application value', () => {
    const p = new Publisher(v12);
    const queue = p.subscribe();
    p.put(0, { udata: 9, pending: 1 });
    p.view.setUint32(RING + 4, 77, true);
    p.ring(0, 1);
    expect(queue.next()).toBe('ok');
    expect(queue.message).toMatchObject({ udata: 9, udataHigh: 77, offset: PAYLOAD, bytes: 64 });
  });
});
