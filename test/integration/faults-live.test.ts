import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Client, type Frame, KvmfrError } from '../../client/index.ts';
import { loadU32 } from '../../protocol/memory/word.ts';
import { belongings, GuestProcess, handIn, inState, zeros } from './client-guest.ts';

const SMALL = { widthPx: 64, heightPx: 48, everyMs: 2 } as const;

/** The queues, or the code of the error that says why they cannot be told. */
function queuesOf(client: Client): unknown {
  try {
    return client.queues();
  } catch (error) {
    if (KvmfrError.is(error)) return error.code;
    throw error;
  }
}

/** Waits for the next frame message, or not much longer than one takes. */
function posted(region: ReturnType<typeof handIn>): Promise<unknown> {
  const word = { offsetBytes: 32 + 16, value: loadU32(region, 32 + 16) };
  return region.mapping.wait([word], { timeoutMs: 4 });
}

async function nextFrame(frames: AsyncIterator<Frame>): Promise<Frame> {
  const { value } = await frames.next();
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

// Those of its queues a publisher of ours puts right at once: test/unit/client has them on bare regions.
describe('numbers of a live region that cannot be', () => {
  it.each([
    ['numQueues', 24, 6],
    ['numQueues that shrinks', 24, 0],
  ])('%s: failed and told, and good again when it is', async (_, at, value) => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = new Client(path);
    onTestFinished(() => client.close());
    await inState(client, 'showing');
    // Somebody else reads on: queues are counted, so that they cannot shrink unseen.
    client.queues();
    const region = handIn(path);
    const before = loadU32(region, at);
    const tampering = setInterval(() => region.view.setUint32(at, value, true), 1);
    onTestFinished(() => clearInterval(tampering));
    region.view.setUint32(at, value, true);
    const frames = client.frames();
    const next = frames.next();
    const { code, message } = await inState(client, 'failed');
    expect(['ERR_KVMFR_BOUNDS', 'ERR_KVMFR_CORRUPT', 'ERR_KVMFR_NO_QUEUE']).toContain(code);
    expect(message).toMatch(/0x[0-9a-f]+/);
    clearInterval(tampering);
    region.view.setUint32(at, before, true);
    await inState(client, 'showing');
    await guest.play(SMALL);
    expect((await next).value?.widthPx).toBe(64);
  });
});

describe('bytes that change while they are read', () => {
  // Header, both queue headers, session blob and rings.
  const AREA_BYTES = 6600;
  const mutation = fc.record({
    at: fc.oneof(
      fc.integer({ min: 0, max: AREA_BYTES - 1 }),
      // Where it hurts: the header, and the queues' own numbers.
      fc.integer({ min: 0, max: 56 }),
      fc.integer({ min: 32 + 408, max: 32 + 464 }),
      fc.integer({ min: 32 + 1144 + 408, max: 32 + 1144 + 464 }),
    ),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    reads: fc.integer({ min: 0, max: 3 }),
  });

  it('give ordinary outcomes only, and frames again when a publisher puts them right', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    await guest.play({ ...SMALL, pointer: true });
    const region = handIn(path);
    // Its waiter is there before belongings are counted.
    await posted(region);
    const before = belongings(path);
    const client = new Client(path);
    onTestFinished(() => client.close());
    let given = 0;
    let moved = 0;
    const stop = new AbortController();
    const loops = [
      (async () => {
        for await (const frame of client.frames({ signal: stop.signal, partial: true })) {
          await frame.whenRows(frame.dataHeightPx);
          given++;
        }
      })(),
      (async () => {
        for await (const frame of client.frames({ signal: stop.signal })) {
          expect(frame.pixels.byteLength).toBeLessThanOrEqual(region.byteLength);
          given++;
        }
      })(),
      (async () => {
        for await (const cursor of client.cursor({ signal: stop.signal })) moved += cursor.x;
      })(),
    ];
    await client.attached();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        for (const { at, bytes, reads } of mutations) {
          const right = region.bytes.slice(at, at + bytes.length);
          region.bytes.set(bytes, at);
          for (let i = 0; i < reads; i++) await posted(region);
          expect(queuesOf(client)).toBeDefined();
          region.bytes.set(right, at);
        }
      }),
      { numRuns: 400, interruptAfterTimeLimit: 4000 },
    );
    // The bytes are right again, but for what the publisher had moved meanwhile: that it mends.
    const frames = client.frames();
    for (let i = 0; i < 10; i++) {
      const frame = await nextFrame(frames);
      expect([frame.widthPx, frame.heightPx]).toEqual([64, 48]);
    }
    await frames.return?.();
    await inState(client, 'showing');
    expect(given).toBeGreaterThan(10);
    stop.abort();
    await Promise.all(loops);
    await client.close();
    expect(belongings(path)).toEqual(before);
    expect(Number.isInteger(moved)).toBe(true);
  });

  it('in frame headers and cursors give ordinary outcomes only, and frames again', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    await guest.play({ ...SMALL, pointer: true });
    const region = handIn(path);
    const client = new Client(path);
    onTestFinished(() => client.close());
    const before = client.frames();
    await nextFrame(before);
    await nextFrame(before);
    await before.return?.();
    const ringAt = (queueAt: number): number => region.view.getUint32(queueAt + 20, true);
    const frameHeaders = [0, 1].map((entry) =>
      region.view.getUint32(ringAt(32) + entry * 16 + 8, true),
    );
    // Behind the pointer ring: 20 positions, then 3 shapes.
    const pointers = ringAt(32 + 1144) + 21 * 16;
    const shapes = [0, 1, 2].map((i) => pointers + 20 * 24 + i * (24 + (1 << 20)));
    const place = fc.oneof(
      fc.tuple(fc.constantFrom(...frameHeaders), fc.nat(1083)),
      fc.tuple(fc.constantFrom(...frameHeaders), fc.nat(55)),
      fc.tuple(fc.constant(pointers), fc.nat(20 * 24)),
      fc.tuple(fc.constantFrom(...shapes), fc.nat(23)),
    );
    const stop = new AbortController();
    const spoiled = (async () => {
      for await (const frame of client.frames({ signal: stop.signal })) {
        expect(frame.dataHeightPx).toBeLessThanOrEqual(frame.heightPx);
        expect(frame.pixels.byteLength).toBe(frame.dataHeightPx * frame.pitchBytes);
        for (const rect of frame.damage) {
          expect(rect.x + rect.width).toBeLessThanOrEqual(frame.widthPx);
          expect(rect.y + rect.height).toBeLessThanOrEqual(frame.dataHeightPx);
        }
      }
    })();
    const pointed = (async () => {
      for await (const { shape } of client.cursor({ signal: stop.signal }))
        expect(shape?.rgba.byteLength).toBe(shape && shape.widthPx * shape.heightPx * 4);
    })();
    await fc.assert(
      fc.asyncProperty(
        place,
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.boolean(),
        async ([at, offset], bytes, waits) => {
          region.bytes.set(bytes, at + offset);
          if (waits) await posted(region);
        },
      ),
      { numRuns: 3000, interruptAfterTimeLimit: 4000 },
    );
    // The publisher writes each header anew.
    const frames = client.frames();
    for (let i = 0; i < 10; i++) await nextFrame(frames);
    await inState(client, 'showing');
    expect(await nextFrame(frames)).toMatchObject({ widthPx: 64, heightPx: 48 });
    expect(client.stats.framesRefused).toBeGreaterThan(0);
    expect(client.stats.cursorRefused).toBeGreaterThan(0);
    await frames.return?.();
    stop.abort();
    await Promise.all([spoiled, pointed]);
    expect((await guest.facts()).stats).toMatchObject({ subscribersTimedOut: 0, restarts: 0 });
  });
});
