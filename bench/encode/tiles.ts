import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { PatternContent } from '../../host/index.ts';
import { PatternScene } from '../../host/pattern/scene.ts';
import { codeTiles, packTiles } from '../../native/index.ts';
import { TILE_CODINGS, tileRect } from '../../protocol/wire/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { type Row, row } from '../support/report.ts';
import { median } from '../support/stats.ts';
import { DecodeBrowser, type Decoded } from './decode-browser.ts';
import type { DecodeJob } from './decode-page.ts';

const GRID = { widthPx: 1920, heightPx: 1080, tilePx: 64 };
const FRAMES = 40;
/** Tiles of one message, as the relay makes them. */
const PART_TILES = 21;
const DIRECT_BYTES = 48 * 1024;
const CONTENTS: readonly PatternContent[] = ['desk', 'scroll', 'game'];
/** Parts of the picture, in tiles; the small ones where the desk has text. */
const PARTS = [
  { name: '1 tile', x: 3, y: 3, columns: 1, lines: 1 },
  { name: '4 tiles', x: 2, y: 3, columns: 4, lines: 1 },
  { name: '16 tiles', x: 2, y: 2, columns: 4, lines: 4 },
  { name: 'full', x: 0, y: 0, columns: 30, lines: 17 },
] as const;
type Part = (typeof PARTS)[number];

const deflateInPool = promisify<Uint8Array, { level: number; chunkSize: number }, Uint8Array>(
  deflateRaw,
);

/** A part of the picture, coded, and what its decoder must know. */
interface Coded {
  readonly messages: readonly Uint8Array[];
  readonly job: Omit<DecodeJob, 'repeats' | 'sizes' | 'grid'>;
}

/** One way of coding. */
interface Way {
  readonly name: string;
  readonly code: (pixels: Uint8Array, part: Part) => Promise<Coded>;
}

const WAYS: readonly Way[] = [
  { name: 'deflate', code: (pixels, part) => codeMessages(pixels, part, deflateRgb) },
  { name: 'ops', code: (pixels, part) => codeMessages(pixels, part, codeOps) },
  { name: 'ops, deflated', code: (pixels, part) => codeMessages(pixels, part, deflateOps) },
  {
    name: 'PNG',
    code: (pixels, part) =>
      codeImage(pixels, part, 'image/png', (image) =>
        image.png({ compressionLevel: 1, adaptiveFiltering: false }),
      ),
  },
  {
    name: 'WebP',
    code: (pixels, part) =>
      codeImage(pixels, part, 'image/webp', (image) => image.webp({ lossless: true, effort: 0 })),
  },
];

/** One message: its pixels, as what they are coded, and how long the ops were that were deflated. */
interface Message {
  readonly pixels: Uint8Array;
  readonly coding: number;
  readonly opsBytes: number;
}

async function codeMessages(
  pixels: Uint8Array,
  part: Part,
  code: (pixels: Uint8Array, tiles: Uint32Array, rawBytes: number) => Promise<Message>,
): Promise<Coded> {
  const all = tilesOf(part);
  const messages: Message[] = [];
  const tiles: number[][] = [];
  const rawBytes: number[] = [];
  for (let at = 0; at < all.length; at += PART_TILES) {
    const own = all.slice(at, at + PART_TILES);
    const bytes = own.reduce((sum, index) => sum + areaPx(index) * 3, 0);
    messages.push(await code(pixels, Uint32Array.from(own), bytes));
    tiles.push(own);
    rawBytes.push(bytes);
  }
  return {
    messages: messages.map((message) => message.pixels),
    job: {
      kind: messages.some(({ opsBytes }) => opsBytes > 0) ? 'deflated ops' : 'tiles',
      mime: '',
      opsBytes: messages.map(({ opsBytes }) => opsBytes),
      codings: messages.map(({ coding }) => coding),
      tiles,
      rawBytes,
    },
  };
}

/** As the relay does: a few tiles at once, more in another thread. */
async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  const options = { level: 1, chunkSize: Math.max(1024, bytes.byteLength) };
  return bytes.byteLength <= DIRECT_BYTES
    ? deflateRawSync(bytes, options)
    : await deflateInPool(bytes, options);
}

const scratch = new Uint8Array(PART_TILES * GRID.tilePx ** 2 * 4);
const words = new Uint32Array(scratch.buffer);
const out = new Uint8Array(scratch.byteLength);

function pack(pixels: Uint8Array, tileIndices: Uint32Array, bytesPerPixel: 3 | 4): void {
  const picture = { picture: pixels, picturePitchBytes: GRID.widthPx * 4, ...GRID };
  packTiles({ out: scratch, ...picture, tileIndices, bytesPerPixel });
}

async function deflateRgb(
  pixels: Uint8Array,
  tiles: Uint32Array,
  rawBytes: number,
): Promise<Message> {
  pack(pixels, tiles, 3);
  const deflated = await deflate(scratch.subarray(0, rawBytes));
  return { pixels: deflated, coding: TILE_CODINGS.deflateRaw, opsBytes: 0 };
}

function ops(pixels: Uint8Array, tileIndices: Uint32Array): Uint8Array {
  pack(pixels, tileIndices, 4);
  return out.subarray(0, codeTiles({ out, packed: words, ...GRID, tileIndices }));
}

function codeOps(pixels: Uint8Array, tiles: Uint32Array): Promise<Message> {
  return Promise.resolve({
    pixels: ops(pixels, tiles).slice(),
    coding: TILE_CODINGS.ops,
    opsBytes: 0,
  });
}

async function deflateOps(pixels: Uint8Array, tiles: Uint32Array): Promise<Message> {
  const plain = ops(pixels, tiles);
  const opsBytes = plain.byteLength;
  return { pixels: await deflate(plain), coding: TILE_CODINGS.ops, opsBytes };
}

async function codeImage(
  pixels: Uint8Array,
  part: Part,
  mime: string,
  write: (image: Sharp) => Sharp,
): Promise<Coded> {
  const { tilePx } = GRID;
  const [left, top] = [part.x * tilePx, part.y * tilePx];
  const width = Math.min(part.columns * tilePx, GRID.widthPx - left);
  const height = Math.min(part.lines * tilePx, GRID.heightPx - top);
  const rgb = new Uint8Array(width * height * 3);
  packTiles({
    ...{ out: rgb, picture: pixels.subarray((top * GRID.widthPx + left) * 4) },
    ...{ picturePitchBytes: GRID.widthPx * 4, widthPx: width, heightPx: height },
    ...{ tilePx: Math.max(width, height), tileIndices: Uint32Array.of(0), bytesPerPixel: 3 },
  });
  const file = await write(sharp(rgb, { raw: { width, height, channels: 3 } })).toBuffer();
  const job = { kind: 'image', mime, opsBytes: [], codings: [], tiles: [], rawBytes: [] } as const;
  return { messages: [file], job };
}

function tilesOf(part: Part): number[] {
  const columns = GRID.widthPx / GRID.tilePx;
  return Array.from(
    { length: part.columns * part.lines },
    (_, i) => (part.y + Math.floor(i / part.columns)) * columns + part.x + (i % part.columns),
  );
}

function areaPx(index: number): number {
  const { width, height } = tileRect(index, GRID);
  return width * height;
}

/** The picture of a content after some frames. */
function pictureOf(content: PatternContent): Uint8Array {
  const { widthPx, heightPx } = GRID;
  const scene = new PatternScene({ widthPx, heightPx, fps: 60, content });
  for (let i = 0; i < FRAMES; i++) scene.draw(i, (i * 1000) / 60);
  return scene.pixels;
}

async function encodeCpuMs(
  way: Way,
  pixels: Uint8Array,
  part: Part,
  repeats: number,
): Promise<number> {
  for (let i = 0; i < repeats / 4; i++) await way.code(pixels, part);
  const before = process.cpuUsage();
  for (let i = 0; i < repeats; i++) await way.code(pixels, part);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / repeats;
}

async function run({ quick }: RunOptions): Promise<readonly Row[]> {
  await using browser = await DecodeBrowser.open();
  const rows: Row[] = [];
  for (const content of CONTENTS) {
    const pixels = pictureOf(content);
    for (const part of PARTS)
      for (const way of WAYS) {
        const repeats = (part.name === 'full' ? 40 : 400) / (quick ? 4 : 1);
        const disturbance = new Disturbance([]);
        const codeMs = await encodeCpuMs(way, pixels, part, repeats);
        const { messages, job } = await way.code(pixels, part);
        const sizes = messages.map((message) => message.byteLength);
        const decoded = await browser.decode(
          { ...job, repeats: repeats * 3, sizes, grid: GRID },
          messages,
        );
        const bytes = sizes.reduce((sum, size) => sum + size, 0);
        rows.push(
          rowOf(`tiles/${content}/${part.name}/${way.name}`, {
            bytes,
            codeMs,
            decoded,
            repeats,
            others: disturbance.text(),
          }),
        );
      }
  }
  return rows;
}

function rowOf(
  name: string,
  found: {
    readonly bytes: number;
    readonly codeMs: number;
    readonly decoded: Decoded;
    readonly repeats: number;
    readonly others: string;
  },
): Row {
  const { bytes, codeMs, decoded, repeats, others } = found;
  return row({
    name,
    unit: 'kB',
    value: bytes / 1000,
    samples: repeats,
    note:
      `processor time: coding ${codeMs.toFixed(3)} ms, decoding ${decoded.cpuMs.toFixed(3)} ms; ` +
      `decoding took ${median(decoded.ms).toFixed(3)} ms (p50); ${others}`,
  });
}

/** What each coding of lossless tiles costs on both sides, and how long it is. */
export const TILE_CASES: readonly BenchCase[] = [{ name: 'tiles', run }];
