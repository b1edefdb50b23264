import { KvmfrError } from '../../../protocol/error.ts';
import { TileSet, tileCount } from '../../../viewer/web/core/decode/cover.ts';
import { decodeOps } from '../../../viewer/web/core/decode/ops.ts';
import { tileBlocks } from '../../../viewer/web/core/decode/plan.ts';
import { opsOfPixels, pixelsOfOps } from '../../support/tile-ops.ts';
import { setUp } from '../../unit/web/test-engine.ts';
import type { ParserTarget } from '../loop/parser-target.ts';
import { Random } from '../loop/random.ts';
import { claim } from './claim.ts';
import { RELAY_MESSAGES } from './wire.ts';

const GUARD = 0x5a5a_5a5a;
const OPS_GRID = { widthPx: 20, heightPx: 10, tilePx: 8 } as const;
const OPS_TILES = Uint32Array.of(0, 2, 3, 5);
const OPS_SIZES = [
  { widthPx: 8, heightPx: 8 },
  { widthPx: 4, heightPx: 8 },
  { widthPx: 8, heightPx: 2 },
  { widthPx: 4, heightPx: 2 },
] as const;
const OPS_PIXELS = 64 + 32 + 16 + 8;
const opsBlocks = tileBlocks(OPS_TILES, OPS_GRID);
const opsMemory = new Uint32Array(OPS_PIXELS + 2);
const opsScratch = new Int32Array(OPS_GRID.tilePx ** 2 + 2);

function opsSeed(seed: number, colours: number): Uint8Array {
  const random = new Random(seed);
  const few = Array.from({ length: colours }, () => [random.next(), random.next(), random.next()]);
  const rgb = Array.from({ length: OPS_PIXELS }, () => random.pick(few).map((n) => n & 255));
  return opsOfPixels(Uint8Array.from(rgb.flat()), OPS_SIZES);
}

/** Ops as the page reads them, beside a reader that is slow and obvious. */
const OPS: ParserTarget = {
  name: 'web: ops of tiles, beside the reference',
  maxBytes: 512,
  seeds: [opsSeed(1, 1), opsSeed(2, 3), opsSeed(3, 200)],
  read: (bytes) => {
    opsMemory.fill(GUARD);
    opsScratch.fill(GUARD);
    const plan = { tiles: OPS_TILES, blocks: opsBlocks, grid: OPS_GRID };
    const into = { rgba: opsMemory.subarray(1, -1), scratch: opsScratch.subarray(1, -1), plan };
    const expected = referenceOps(bytes);
    let refusal: KvmfrError | undefined;
    try {
      decodeOps(bytes, into);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      refusal = error;
    }
    const guards = [opsMemory[0], opsMemory.at(-1), opsScratch[0], opsScratch.at(-1)];
    claim(
      guards.every((word) => (word ?? 0) >>> 0 === GUARD),
      'nothing is written but pixels',
    );
    claim((refusal === undefined) === (expected !== undefined), 'the reference takes it as well');
    if (refusal !== undefined) throw refusal;
    if (expected !== undefined) claim(sumOf(opsMemory) === sumOfRgb(expected), 'pixels are equal');
    return 'pixels';
  },
};

function referenceOps(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return pixelsOfOps(bytes, OPS_SIZES);
  } catch {
    return undefined;
  }
}

/** Blocks may lie in another order than tiles, so what is compared does not depend on it. */
function sumOf(memory: Uint32Array): string {
  return [...memory.subarray(1, -1)]
    .map((word) => word & 0xff_ffff)
    .sort((a, b) => a - b)
    .join();
}

function sumOfRgb(rgb: Uint8Array): string {
  const words = Array.from(
    { length: rgb.length / 3 },
    (_, i) => (rgb[i * 3] ?? 0) | ((rgb[i * 3 + 1] ?? 0) << 8) | ((rgb[i * 3 + 2] ?? 0) << 16),
  );
  return words.sort((a, b) => a - b).join();
}

/** Sizes, then the bits of two covers and a rect: sets of tiles, and the rects they make up. */
const COVER: ParserTarget = {
  name: 'web: covers and tiles of any picture',
  maxBytes: 256,
  seeds: [
    Uint8Array.of(150, 90, 2, 1, 2, 3, 4, 0x2f, 0x3f, 0, 0),
    Uint8Array.of(255, 255, 0, 0, 0, 99, 99, ...Array.from({ length: 128 }, (_, i) => i * 29)),
  ],
  read: (bytes) => {
    const [width = 0, height = 0, tile = 0, x = 0, y = 0, w = 0, h = 0] = bytes;
    const grid = {
      widthPx: 1 + (width & 127),
      heightPx: 1 + (height & 127),
      tilePx: 8 << (tile % 4),
    };
    const count = tileCount(grid);
    const size = (count + 7) >> 3;
    const bits = (from: number): Uint8Array => {
      const own = new Uint8Array(size);
      own.set(bytes.subarray(from, from + size));
      if (count % 8 !== 0) own[size - 1] = (own[size - 1] ?? 0) & ((1 << (count & 7)) - 1);
      return own;
    };
    const one = new TileSet(grid, bits(7));
    const other = new TileSet(grid, bits(7 + size));
    const area = one.blocks.reduce((sum, rect) => sum + rect.width * rect.height, 0);
    for (const rect of one.blocks)
      claim(
        rect.x + rect.width <= grid.widthPx && rect.y + rect.height <= grid.heightPx,
        'a block is in the picture',
      );
    claim(area <= grid.widthPx * grid.heightPx, 'blocks do not overlap');
    const rest = one.without(other);
    claim(rest.isWithin(one), 'what is left was there');
    rest.add(one);
    claim(rest.isWithin(one) && one.isWithin(rest), 'what was taken out is put back');
    const rect = {
      x: x % grid.widthPx,
      y: y % grid.heightPx,
      width: 1 + (w % (grid.widthPx - (x % grid.widthPx))),
      height: 1 + (h % (grid.heightPx - (y % grid.heightPx))),
    };
    const touched = one.touching(rect);
    claim(touched.isWithin(one), 'what a rect touches is there');
    return `${Math.min(9, one.blocks.length)} blocks, ${one.isFull}, ${rest.isEmpty}`;
  },
};

/** Several messages as one input: 16 bits of length before each. */
function joined(messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(
    messages.flatMap((message) => [message.byteLength & 255, message.byteLength >> 8, ...message]),
  );
}

/** A whole page but for what is on the screen, and a relay that says anything. */
const ENGINE: ParserTarget = {
  name: 'web: the page, and a relay that says anything',
  maxBytes: 8192,
  runsFor: 40,
  seeds: [
    joined(RELAY_MESSAGES.seeds),
    joined([...RELAY_MESSAGES.seeds].filter((_, i) => i !== 2)),
    joined([RELAY_MESSAGES.seeds[0] ?? noBytes(), ...RELAY_MESSAGES.seeds.slice(3, 6)]),
  ],
  read: async (bytes) => {
    const page = setUp({ codecs: ['h264', 'vp8'] });
    page.connect();
    for (let at = 0; at + 2 <= bytes.byteLength; ) {
      const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
      page.receive(bytes.slice(at + 2, at + 2 + length));
      at += 2 + length;
    }
    await new Promise((resolve) => setImmediate(resolve));
    page.refresh();
    for (const decoder of page.decoders)
      if (decoder.state === 'configured') decoder.handlers.error(new DOMException('x'));
    page.refresh();
    claim(page.book.faults.length === 0, `pictures are closed once: ${page.book.faults[0]}`);
    page.engine.handle({ kind: 'disconnect' });
    const closed = page.network.sockets.every(({ closedWith }) => closedWith !== undefined);
    claim(closed, 'a page that leaves has closed its socket');
    return page.kinds().join();
  },
};

function noBytes(): Uint8Array {
  return new Uint8Array();
}

/** What the page reads. */
export const WEB_TARGETS: readonly ParserTarget[] = [OPS, COVER, ENGINE];
