import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { CursorState } from '../../client/cursor.ts';
import type { WireName } from '../../host/index.ts';
import { LOCK_SPINS } from '../../protocol/limits.ts';
import type { Region } from '../../protocol/memory/region.ts';
import { type CVersion, cOffsets } from '../support/c-offsets.ts';
import { Reader } from '../support/reader.ts';
import { wordHook } from '../support/word-hook.ts';
import { World } from '../support/world.ts';
import { picture } from '../unit/client/guest.ts';
import { hostOnMemory } from '../unit/host/fixture.ts';
import { fuzzed, fuzzTimeoutMs } from './runs.ts';

// A guest that publishes, a client that reads its frames and its pointer, and somebody who writes
// anything anywhere meanwhile. No real time passes, so what would hang is seen to.

vi.mock('../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../support/word-hook.ts');
  return hookedWords(await original());
});
vi.mock('node:timers/promises', async () => (await import('../support/world.ts')).worldTimers);

const WIRES: readonly (readonly [WireName, CVersion])[] = [
  ['B6', 5],
  ['B7', 6],
  ['dev7', 7],
  ['dev10', 10],
  ['dev12', 12],
];
/** Within this of its own time a frame is there again when the region is whole. */
const HEAL_MS = 6000;
/** No moment of the world, of 10 ms, has more looks at shared words than this, by all who are in it. */
const MAX_ACCESSES = 60 * LOCK_SPINS;

/** Where things are in a live region: each is as likely to be spoilt as the others, however small. */
function areasOf(region: Region, lgmp: CVersion): Hand['areas'] {
  const c = cOffsets(lgmp);
  const queues = region.view.getUint32(c.numQueues, true);
  const rings: [number, number][] = [];
  const payloads: [number, number][] = [];
  for (let i = 0; i < queues; i++) {
    const at = c.queues + i * c.stride;
    const ringAt = region.view.getUint32(at + c.queue.messagesOffset, true);
    const slots = region.view.getUint32(at + c.queue.numMessages, true);
    rings.push([ringAt, slots * c.entry.bytes], [at, 512]);
    for (let slot = 0; slot < Math.min(slots, 4); slot++) {
      const offset = region.view.getUint32(ringAt + slot * c.entry.bytes + c.entry.offset, true);
      if (offset !== 0) payloads.push([offset, 64], [offset, 1216]);
    }
  }
  return [
    [0, 64],
    [c.magic, 24],
    [c.udataSize, 64],
    ...rings,
    ...payloads,
    [region.byteLength - 65_536, 1280],
    [0, 16 * 1024],
    [0, region.byteLength],
  ];
}

const EXTREMES = [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff] as const;
/** An area, and how far into it. */
const place = fc.tuple(fc.nat(999), fc.nat(0x7fff_ffff));
type Place = readonly [area: number, offset: number];

interface Hand {
  readonly region: Region;
  readonly lgmp: CVersion;
  readonly areas: readonly (readonly [at: number, bytes: number])[];
  /** Puts back what was there, newest change first. */
  readonly undo: (() => void)[];
}

function write({ region, undo }: Hand, at: number, bytes: Uint8Array): void {
  const start = Math.min(at, region.byteLength - bytes.byteLength);
  const before = region.copyOut(start, bytes.byteLength);
  undo.push(() => region.bytes.set(before, start));
  region.bytes.set(bytes, start);
}

function resolve({ areas }: Hand, [area, offset]: Place): number {
  const [at, bytes] = areas[area % areas.length] ?? [0, 1];
  return at + (offset % bytes);
}

const wordChange = fc
  .record({ place, value: fc.oneof(fc.constantFrom(...EXTREMES), fc.nat(0xffff_ffff)) })
  .map((drawn) => ({
    ...drawn,
    apply: (hand: Hand): void =>
      write(
        hand,
        resolve(hand, drawn.place) & ~3,
        new Uint8Array(Uint32Array.of(drawn.value).buffer),
      ),
  }));
const bitChange = fc.record({ place, bit: fc.nat(7) }).map((drawn) => ({
  ...drawn,
  apply: (hand: Hand): void => {
    const at = resolve(hand, drawn.place);
    write(hand, at, Uint8Array.of((hand.region.bytes[at] ?? 0) ^ (1 << drawn.bit)));
  },
}));
const bytesChange = fc
  .record({ place, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) })
  .map((drawn) => ({
    ...drawn,
    apply: (hand: Hand): void => write(hand, resolve(hand, drawn.place), drawn.bytes),
  }));
/** A word of the header changes at the nth look from now, whoever looks. */
const flipChange = fc
  .record({
    what: fc.constantFrom('version', 'magic', 'sessionID'),
    nth: fc.nat(80),
    value: fc.constantFrom(0, 5, 6, 7, 10, 12, 13, 0x504d_474c),
  })
  .map((drawn) => ({
    ...drawn,
    apply: (hand: Hand): void => {
      let left = drawn.nth;
      wordHook.before = () => {
        if (left-- !== 0) return;
        const at = cOffsets(hand.lgmp)[drawn.what];
        write(hand, at, new Uint8Array(Uint32Array.of(drawn.value).buffer));
      };
    },
  }));
const change = fc.oneof(
  { weight: 4, arbitrary: wordChange },
  { weight: 3, arbitrary: bitChange },
  { weight: 2, arbitrary: bytesChange },
  { weight: 2, arbitrary: flipChange },
);
const round = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  publish: fc.boolean(),
  point: fc.boolean(),
  /** Moments until the next. */
  steps: fc.nat(6),
  /** Whether what was changed is put back then. */
  undo: fc.boolean(),
});

describe.each(WIRES)('a live region of %s that somebody writes anything to', (wire, lgmp) => {
  it(
    'gives frames, errors of ours or nothing, in bounded looks; and the next frame when it is whole again',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 10 }), async (rounds) => {
          const world = new World();
          const on = await hostOnMemory({ wire, mib: 8 });
          const { region, host } = on;
          world.peers.push(() => on.advance(10));
          const reader = new Reader(region, world);
          let given: Uint8Array | undefined;
          let pointed: CursorState | undefined;
          const frames = (async () => {
            for await (const frame of reader.frames()) {
              expect(frame.pixels.byteLength).toBe(frame.dataHeightPx * frame.pitchBytes);
              expect(frame.pixels.byteOffset + frame.pixels.byteLength).toBeLessThanOrEqual(
                region.byteLength,
              );
              for (const rect of frame.damage) {
                expect(rect.x + rect.width).toBeLessThanOrEqual(frame.widthPx);
                expect(rect.y + rect.height).toBeLessThanOrEqual(frame.dataHeightPx);
              }
              const copy = frame.pixels.slice();
              if (frame.intact) given = copy;
            }
          })();
          const pointer = (async () => {
            for await (const cursor of reader.cursor()) {
              const { shape } = cursor;
              expect(shape?.rgba.byteLength).toBe(shape && shape.widthPx * shape.heightPx * 4);
              pointed = cursor;
            }
          })();
          const failed = Promise.race([frames, pointer]).then(() => {
            throw new Error('a stream has ended by itself');
          });
          const alive = <T>(work: Promise<T>): Promise<T> => Promise.race([work, failed]);
          let seed = 1;
          /** Publishes until a picture has come through, pixel by pixel. */
          const heals = async (): Promise<void> => {
            for (let ms = 0; ms <= HEAL_MS; ms += 100) {
              seed += 1;
              const shown = picture(seed);
              host.publish(shown);
              host.setCursor({ position: { x: seed, y: 7 }, visible: true });
              await alive(world.pass(100));
              const whole = given !== undefined && Buffer.compare(given, shown.pixels) === 0;
              if (whole && pointed?.x === seed && pointed.y === 7) return;
            }
            throw new Error(
              `no frame came within ${HEAL_MS} ms: ${reader.refusal ?? [...reader.issues.values()][0]?.message ?? `session ${reader.session?.info.release}`}`,
            );
          };
          try {
            await heals();
            const undo: (() => void)[] = [];
            const hand: Hand = { region, lgmp, areas: areasOf(region, lgmp), undo };
            const putBack = (): void => {
              for (const restore of undo.splice(0).reverse()) restore();
            };
            for (const { changes, publish, point, steps, undo: puts } of rounds) {
              for (const each of changes) each.apply(hand);
              seed += 1;
              if (publish) host.publish(picture(seed));
              if (point) host.setCursor({ position: { x: seed, y: 3 }, visible: true });
              for (let i = 0; i < steps; i++) {
                bounded();
                await alive(world.step());
              }
              wordHook.before = undefined;
              if (puts) putBack();
            }
            // Whole again: as it was, but for what the publisher has moved meanwhile; that it mends.
            putBack();
            await heals();
            // Or by a publisher that begins anew, over whatever is there.
            region.bytes.fill(0, 0, 16 * 1024);
            await heals();
            expect(reader.issues.size).toBe(0);
          } finally {
            wordHook.before = undefined;
            reader.close();
            await world.pass(2000);
            await Promise.all([frames, pointer]);
            await host.close();
          }
        }),
        fuzzed(25),
      );
    },
    fuzzTimeoutMs(),
  );
});

/** Counts looks from now on, unless a flip waits for one. */
function bounded(): void {
  let left = MAX_ACCESSES;
  const flip = wordHook.before;
  wordHook.before = (at, bytes) => {
    left -= 1;
    if (left < 0) throw new Error(`more than ${MAX_ACCESSES} words were looked at`);
    flip?.(at, bytes);
  };
}
