import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WireName } from '../../../host/index.ts';
import { DevClient, queueAt } from './dev-client.ts';
import { countingPicture, hostOnMemory } from './fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient, POINTER_QUEUE_AT } from './lgmp-client.ts';

const frame = {
  pixels: countingPicture(4 * 4 * 4),
  format: 'BGRA',
  widthPx: 4,
  heightPx: 4,
} as const;

// Offsets in a queue header that clients can write.
const FIELDS = {
  newSubCount: 8,
  position: 16,
  timeout: 24,
  clientID: 280,
  bad: 416,
  on: 420,
  start: 424,
  msgTimeout: 432,
  count: 440,
  cMsgAvail: 448,
  cMsgWPos: 452,
  cMsgWSerial: 456,
  cMsgRSerial: 460,
  cMsgSize: 464,
} as const;

describe.each(['B6', 'B7'] as const)('hostile writes in a region of %s', (wire: WireName) => {
  it.each(Object.entries(FIELDS))('%s may be anything', async (_name, offset) => {
    for (const value of [0xffffffff, 0x80000000, 1, 3, 4, 21, 0x7fffffff]) {
      const { region, host, advance } = await hostOnMemory({ wire });
      const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
      host.publish(frame);
      for (const queueAt of [FRAME_QUEUE_AT, POINTER_QUEUE_AT])
        region.view.setUint32(queueAt + offset, value, true);
      for (let i = 0; i < 350; i++) advance(10);
      // Whoever was hit, the publisher still serves who comes.
      const fresh = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
      while (fresh.take() !== undefined);
      expect(host.publish(frame)).toBe(true);
      expect(fresh.take()?.size).toBeGreaterThan(4096);
      expect(host.stats.restarts).toBe(0);
      expect(client.id).toBe(0);
    }
  });

  it('any words anywhere in the header never throw, hang or stop the heartbeat', async () => {
    const write = fc.record({
      at: fc.integer({ min: 0, max: (5760 + 800) / 4 - 1 }),
      value: fc.oneof(fc.integer({ min: 0, max: 24 }), fc.nat(0xffffffff)),
      stepMs: fc.integer({ min: 0, max: 1200 }),
      act: fc.constantFrom('publish', 'cursor', 'nothing'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 60 }), async (writes) => {
        const { region, host, advance } = await hostOnMemory({ wire });
        LgmpClient.subscribe(region, FRAME_QUEUE_AT);
        LgmpClient.subscribe(region, POINTER_QUEUE_AT);
        for (const { at, value, stepMs, act } of writes) {
          region.view.setUint32(at * 4, value, true);
          if (act === 'publish') host.publish(frame);
          if (act === 'cursor') host.setCursor({ position: { x: value & 0xff, y: 0 } });
          const before = region.view.getBigUint64(16, true);
          advance(stepMs + 1);
          expect(region.view.getBigUint64(16, true)).not.toBe(before);
        }
        // Left alone, it is whole again, whatever was written.
        for (let i = 0; i < 5; i++) advance(1000);
        expect(region.view.getUint32(0, true)).toBe(0x504d474c);
        expect(region.view.getUint32(8, true)).toBe(host.sessionId);
        expect(region.view.getUint32(FRAME_QUEUE_AT + 424, true)).toBeLessThan(3);
        expect(region.view.getUint32(FRAME_QUEUE_AT + 440, true)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a lock that nobody gives back', () => {
  it.each([
    ['B6', 'lock', 408],
    ['B6', 'cMsgLock', 444],
    ['B7', 'lock', 408],
    ['B7', 'cMsgLock', 444],
  ] as const)('of %s, %s, ends the session after a second', async (wire, _name, offset) => {
    const { region, host, advance } = await hostOnMemory({ wire });
    const ids: number[] = [];
    host.on('session', (id) => ids.push(id));
    const before = host.sessionId;
    region.view.setUint8(FRAME_QUEUE_AT + offset, 1);
    advance(10);
    advance(990);
    expect(host.sessionId).toBe(before);
    advance(10);
    expect(host.sessionId).not.toBe(before);
    expect(ids).toEqual([host.sessionId]);
    expect(region.view.getUint8(FRAME_QUEUE_AT + offset)).toBe(0);
    expect(host.stats.restarts).toBe(1);
  });

  it('does not delay or lose the frame that is published meanwhile', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    region.view.setUint32(FRAME_QUEUE_AT + 408, 1, true);
    expect(host.publish(frame)).toBe(true);
    expect(client.read()).toBeUndefined();
    region.view.setUint32(FRAME_QUEUE_AT + 408, 0, true);
    advance(10);
    expect(region.view.getUint32((client.take()?.offset ?? 0) + 4, true)).toBe(0);
    expect(host.stats.restarts).toBe(0);
  });

  it('of a value that is no lock ends the session of B7 at once', async () => {
    const { region, host, advance } = await hostOnMemory();
    const before = host.sessionId;
    LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    region.view.setUint32(FRAME_QUEUE_AT + 408, 0xdeadbeef, true);
    advance(10);
    advance(10);
    expect(host.sessionId).not.toBe(before);
  });

  it('held for moments again and again is no reason to give up', async () => {
    const { region, host, advance } = await hostOnMemory();
    const before = host.sessionId;
    for (let i = 0; i < 300; i++) {
      region.view.setUint32(FRAME_QUEUE_AT + 408, i % 3 === 0 ? 0 : 1, true);
      advance(10);
    }
    expect(host.sessionId).toBe(before);
  });
});

describe('a header that is wiped', () => {
  it('is written again with a new session id, and subscribers are served as before', async () => {
    const { region, host, advance } = await hostOnMemory();
    LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    const before = host.sessionId;
    region.bytes.fill(0);
    advance(10);
    expect(host.sessionId).not.toBe(before);
    expect(region.view.getUint32(0, true)).toBe(0x504d474c);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    // The picture went with the memory: no repeat of nothing.
    expect(client.read()).toBeUndefined();
    host.publish({ ...frame, damage: [{ x: 0, y: 0, width: 1, height: 1 }] });
    const at = client.take()?.offset ?? 0;
    expect(region.copyOut(at + 4096, 64)).toEqual(frame.pixels);
    // ... and readers are told that all of it is new.
    expect(region.view.getUint32(at + 52, true)).toBe(0);
  });

  it('again and again is not written more often than every quarter of a second', async () => {
    const { region, host, advance } = await hostOnMemory();
    for (let i = 0; i < 100; i++) {
      region.view.setUint32(0, 0, true);
      advance(10);
    }
    expect(host.stats.restarts).toBe(4);
  });
});

// The same of a queue header of LGMP 10 and 12.
const DEV_FIELDS = {
  position: 0,
  start: 4,
  count: 8,
  msgTimeout: 16,
  cMsgAvail: 132,
  cMsgWPos: 136,
  cMsgWSerial: 140,
  cMsgRSerial: 144,
  subs: 192,
  newSubCount: 196,
  clientID: 200,
  timeout: 232,
  cMsgSize: 320,
} as const;

describe.each([
  ['dev10', 10, 2],
  ['dev12', 12, 4],
] as const)('hostile writes in a region of %s', (wire, lgmp, queues) => {
  it.each(Object.entries(DEV_FIELDS))('%s may be anything', async (_name, offset) => {
    for (const value of [0xffffffff, 0x80000000, 1, 2, 3, 32, 0x7fffffff]) {
      const { region, host, advance } = await hostOnMemory({ wire });
      DevClient.subscribe(region, lgmp, { queue: 0 });
      host.publish(frame);
      for (let queue = 0; queue < queues; queue++)
        region.view.setUint32(queueAt(queue) + offset, value, true);
      for (let i = 0; i < 450; i++) advance(10);
      // Whoever was hit, the publisher still serves who comes.
      const fresh = DevClient.subscribe(region, lgmp, { queue: 0, clientId: 0x4321 });
      while (fresh.take() !== undefined);
      expect(host.publish(frame)).toBe(true);
      expect(fresh.take()?.size).toBeGreaterThan(4096);
      expect(host.stats.restarts).toBe(0);
    }
  });

  it('any words anywhere never throw, hang or stop the heartbeat', async () => {
    const end = 4 * 2 ** 20;
    const write = fc.record({
      at: fc.oneof(
        fc.integer({ min: 0, max: 12_000 / 4 }),
        fc.integer({ min: (end - 65536) / 4, max: (end - 65536 + 1280) / 4 - 1 }),
      ),
      value: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.nat(0xffffffff)),
      stepMs: fc.integer({ min: 0, max: 1200 }),
      act: fc.constantFrom('publish', 'cursor', 'nothing'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 60 }), async (writes) => {
        const { region, host, advance } = await hostOnMemory({ wire });
        for (let queue = 0; queue < queues; queue++)
          DevClient.subscribe(region, lgmp, { queue, clientId: 9 });
        for (const { at, value, stepMs, act } of writes) {
          region.view.setUint32(at * 4, value, true);
          if (act === 'publish') host.publish(frame);
          if (act === 'cursor')
            host.setCursor({ position: { x: value & 0xff, y: 0 }, visible: value % 2 === 0 });
          advance(stepMs + 1);
        }
        // Left alone, it is whole again, whatever was written.
        for (let i = 0; i < 6; i++) advance(1000);
        const magicAt = lgmp === 10 ? 8064 : 9664;
        expect(region.view.getUint32(magicAt, true)).toBe(0x504d474c);
        expect(region.view.getUint32(magicAt + 8, true)).toBe(host.sessionId);
        const before = region.view.getBigUint64(0, true);
        advance(250);
        expect(region.view.getBigUint64(0, true)).toBe(before + 250n);
        for (let queue = 0; queue < queues; queue++)
          expect(region.view.getUint32(queueAt(queue) + 8, true)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
