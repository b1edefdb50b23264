import { Picture } from '../../client/tiles/picture.ts';
import type { PictureFrame } from '../../client/tiles/picture-frame.ts';
import { PATTERN_CONTENTS, type PatternContent } from '../../host/index.ts';
import { PatternScene } from '../../host/pattern/scene.ts';
import type { Rect } from '../../protocol/index.ts';
import { type Encoder, JpegEncoder, LosslessEncoder } from '../../viewer/encode/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { type Row, row } from '../support/report.ts';
import { median, quantile } from '../support/stats.ts';

const widthPx = 1920;
const heightPx = 1080;
const FPS = 60;
const WARM_UP = 5;
/** Tiles of a small update: what a caret, a clock or a few letters touch. */
const FEW_TILES: Rect = { x: 640, y: 512, width: 256, height: 64 };

/** What coding updates has taken. */
interface Coded {
  readonly ms: number[];
  readonly bytes: number[];
  readonly tiles: number[];
  cpuMs: number;
}

function frameOf(pixels: Uint8Array, damage: readonly Rect[]): PictureFrame {
  return {
    pixels,
    format: 'BGRA',
    widthPx,
    heightPx,
    dataHeightPx: heightPx,
    screenWidthPx: widthPx,
    screenHeightPx: heightPx,
    pitchBytes: widthPx * 4,
    rotation: 0,
    damage,
    complete: heightPx,
    intact: true,
    whenRows: () => Promise.resolve(true),
  };
}

/** Codes the update from a serial to the picture's, and waits for all of its messages. */
async function code(
  encoder: Encoder,
  picture: Picture,
  from: number,
  into: Coded | undefined,
): Promise<void> {
  const before = process.cpuUsage();
  const startMs = performance.now();
  const update = encoder.encode(picture, from, 'ops');
  if (update === undefined) throw new Error('nothing else is being coded, yet it was refused');
  const messages = await Promise.all(update.parts);
  const ms = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  if (into === undefined) return;
  into.ms.push(ms);
  into.bytes.push(messages.reduce((sum, message) => sum + message.byteLength, 0));
  into.tiles.push(update.tileCount);
  into.cpuMs += (user + system) / 1000;
}

function newCoded(): Coded {
  return { ms: [], bytes: [], tiles: [], cpuMs: 0 };
}

/** The whole picture, as a viewer that has just come is sent it; and four tiles of it. */
async function codeStills(
  encoder: Encoder,
  content: PatternContent,
  repeats: number,
): Promise<{ readonly full: Coded; readonly few: Coded }> {
  const scene = new PatternScene({ widthPx, heightPx, fps: FPS, content });
  const picture = new Picture();
  const full = newCoded();
  const few = newCoded();
  for (let i = -WARM_UP; i < repeats; i++) {
    scene.draw(i + WARM_UP, 0);
    await picture.update(frameOf(scene.pixels, []));
    await code(encoder, picture, 0, i < 0 ? undefined : full);
    const serial = picture.serial;
    const pixels = scene.pixels.slice();
    touch(pixels, i & 0xff);
    await picture.update(frameOf(pixels, [FEW_TILES]));
    await code(encoder, picture, serial, i < 0 ? undefined : few);
  }
  return { full, few };
}

/** Changes one pixel in each of the four tiles: all of them have to be sent. */
function touch(pixels: Uint8Array, value: number): void {
  for (let x = FEW_TILES.x; x < FEW_TILES.x + FEW_TILES.width; x += 64) {
    const at = (FEW_TILES.y * widthPx + x) * 4;
    pixels[at] = (pixels[at] ?? 0) ^ (1 + (value & 1));
    pixels[at + 1] = value;
  }
}

/** Frame after frame of an animation, each coded against the one before. */
async function codeMotion(
  encoder: Encoder,
  content: PatternContent,
  frames: number,
): Promise<Coded> {
  const scene = new PatternScene({ widthPx, heightPx, fps: FPS, content });
  const picture = new Picture();
  const coded = newCoded();
  for (let i = -WARM_UP; i < frames; i++) {
    const serial = picture.serial;
    const damage = scene.draw(i + WARM_UP, (i + WARM_UP) * (1000 / FPS));
    await picture.update(frameOf(scene.pixels, damage));
    if (picture.serial !== serial) await code(encoder, picture, serial, i < 0 ? undefined : coded);
  }
  return coded;
}

function rowOf(name: string, what: string, coded: Coded): Row {
  const kib = (median(coded.bytes) / 1024).toFixed(1);
  const cpuMs = (coded.cpuMs / coded.ms.length).toFixed(2);
  return row({
    name,
    unit: 'ms',
    value: median(coded.ms),
    samples: coded.ms.length,
    note: `${what}; p99 ${quantile(coded.ms, 0.99).toFixed(2)} ms, cpu ${cpuMs} ms, ${kib} KiB in ${median(coded.tiles)} tiles (p50)`,
  });
}

async function runEncode(encoder: Encoder, options: RunOptions): Promise<readonly Row[]> {
  const disturbance = new Disturbance([]);
  const name = `encode/${encoder.encoding}/1080p`;
  const { full, few } = await codeStills(encoder, 'desk', options.quick ? 20 : 100);
  const rows = [
    rowOf(`${name}/full`, 'all of the desk, all cores', full),
    rowOf(`${name}/4-tiles`, 'four tiles of the desk', few),
  ];
  for (const content of PATTERN_CONTENTS) {
    const coded = await codeMotion(encoder, content, options.quick ? 60 : 300);
    rows.push(rowOf(`${name}/${content}`, 'frame after frame at 60 Hz of its clock', coded));
  }
  await encoder.close();
  const [first, ...others] = rows;
  if (first === undefined) return rows;
  return [{ ...first, note: `${first.note}; ${disturbance.text()}` }, ...others];
}

/** What it takes to code the picture for viewers, once for all of them. */
export const ENCODE_CASES: readonly BenchCase[] = [
  { name: 'encode/lossless', run: (options) => runEncode(new LosslessEncoder(), options) },
  { name: 'encode/jpeg', run: (options) => runEncode(new JpegEncoder(), options) },
];
