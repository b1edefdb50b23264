// A guest and a reader on a file of holes, whose file system has no room for a large frame.
//   full-region.mjs FOLDER     a mount point of its own, which may be mounted anew with more room
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../../dist/client/index.js';
import { createHost } from '../../../dist/host/index.js';

const [folder] = process.argv.slice(2);
const path = join(folder, 'region');
closeSync(openSync(path, 'w'));
truncateSync(path, 32 * 2 ** 20);

const frame = (word, widthPx, heightPx) => {
  const words = new Uint32Array(widthPx * heightPx).fill(word);
  return { pixels: new Uint8Array(words.buffer), format: 'BGRA', widthPx, heightPx };
};

const seen = [];
const wanted = new Map();
/** Resolves when the reader has seen all of a picture of this word. */
const sees = (word) => new Promise((resolve) => wanted.set(word, resolve));

const start = async () => {
  const host = await createHost(path);
  const failed = new Promise((resolve) => host.once('error', resolve));
  return { host, failed };
};

const playing = async (host, word, widthPx, heightPx, end) => {
  const timer = setInterval(() => {
    if (!host.closed) host.publish(frame(word, widthPx, heightPx));
  }, 5);
  const result = await end;
  clearInterval(timer);
  return result;
};

const first = await start();
const client = new Client(path);
const states = [];
void (async () => {
  for await (const { name, code } of client.states()) states.push([name, code ?? null]);
})();
const reading = (async () => {
  for await (const frame of client.frames()) {
    const words = new Uint32Array(frame.pixels.slice().buffer);
    // What was copied may be zeros in the place of what there is no room for.
    if (!frame.intact) continue;
    const word = words[0];
    const whole = words.every((one) => one === word);
    if (!seen.some(([one, also]) => one === word && also === whole)) seen.push([word, whole]);
    if (whole) wanted.get(word)?.();
  }
})();

await playing(first.host, 1, 64, 48, sees(1));
const { code, hint } = await playing(first.host, 2, 1920, 1080, first.failed);
const refused = await createHost(path).then(
  async (host) => {
    await host.close();
    return null;
  },
  (error) => error.code,
);
execFileSync('mount', ['-o', 'remount,size=64m', folder]);
const second = await start();
await playing(second.host, 3, 1920, 1080, sees(3));
const last = client.state.name;
await client.close();
await reading;
await second.host.close();
console.log(JSON.stringify({ code, hint, refused, seen, last, states }));
