// The reader of a race: `node reader.mjs PATH local|thread`. Tells {beat} while its event loop turns,
// with what it has seen; told {expect: SEED}, it answers {exact: SEED} when its picture and its
// pointer are those of the guest that shows it.
import { Client } from '../../dist/client/index.js';
import { LocalReader } from '../../dist/client/reader/local.js';
import { ThreadReader } from '../../dist/client/reader/thread.js';
import { HEIGHT, isPlain, pattern, WIDTH } from './screen.mjs';

const BEAT_MS = 20;
const [path, access] = process.argv.slice(2);
const seen = { frames: 0, torn: 0, cursors: 0, updates: 0, outside: 0, failed: 0 };
let client;
let expected;
/** The pattern that the guest showed last: one that is still there is no frame of two. */
let shown = new Uint8Array();
let pointer;
let beats = 0;

/** Frames as a program takes them: borrowed, copied, and trusted only if they were intact till then. */
async function takeFrames() {
  for await (const frame of client.frames()) {
    const { pixels } = frame;
    const end = pixels.byteOffset + pixels.byteLength;
    if (end > (client.regionBytes ?? end) || pixels.byteLength > pixels.buffer.byteLength)
      seen.outside += 1;
    for (const rect of frame.damage)
      if (rect.x + rect.width > frame.widthPx || rect.y + rect.height > frame.dataHeightPx)
        seen.outside += 1;
    const isOurs =
      frame.widthPx === WIDTH && frame.dataHeightPx === HEIGHT && frame.pitchBytes === WIDTH * 4;
    const copy = pixels.slice();
    if (!frame.intact) continue;
    seen.frames += 1;
    if (isOurs && !isPlain(copy) && Buffer.compare(copy, shown) !== 0) seen.torn += 1;
  }
}

function open() {
  if (access === 'thread') return new ThreadReader(path, { log: () => {} });
  client = new Client(path);
  void takeFrames();
  return new LocalReader(client);
}

const reader = open();

function answer() {
  if (expected === undefined || pointer !== expected.seed) return;
  const { pixels, grid } = reader.picture;
  if (grid.widthPx !== WIDTH || grid.heightPx !== HEIGHT) return;
  if (Buffer.compare(pixels, expected.pixels) !== 0) return;
  process.send({ exact: expected.seed });
  expected = undefined;
}

async function takePictures() {
  for await (const update of reader.pictures()) {
    if (update.outcome === 'changed') seen.updates += 1;
    answer();
  }
}

async function takePointer() {
  for await (const cursor of reader.cursor()) {
    seen.cursors += 1;
    const { shape } = cursor;
    if (shape !== undefined && shape.rgba.byteLength !== shape.widthPx * shape.heightPx * 4)
      seen.outside += 1;
    pointer = cursor.x;
    answer();
  }
}

async function takeStates() {
  for await (const state of reader.states()) if (state.name === 'failed') seen.failed += 1;
}

void takePictures();
void takePointer();
void takeStates();
setInterval(() => {
  beats += 1;
  answer();
  process.send({ beat: beats, rssBytes: process.memoryUsage.rss(), ...seen });
}, BEAT_MS);

process.on('message', ({ expect, close }) => {
  if (expect !== undefined) {
    shown = pattern(expect);
    expected = { seed: expect, pixels: shown };
  }
  if (close) void leave();
});
process.on('disconnect', () => process.exit(0));

async function leave() {
  await reader.close();
  await client?.close();
  process.send({ closed: true }, () => process.exit(0));
}
