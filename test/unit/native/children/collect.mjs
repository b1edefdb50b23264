// What garbage collection does to a mapping that nobody closed. Needs --expose-gc.
//   collect.mjs REGION
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const [path] = process.argv.slice(2);
const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(path);

/** Collects until the condition holds; gives up after many turns. */
const collectUntil = async (holds) => {
  for (let turn = 0; turn < 200; turn++) {
    // In a job of its own: what a WeakRef gave in a job is kept until the job ends.
    await setImmediate();
    globalThis.gc();
    await setImmediate();
    if (holds()) return true;
  }
  return false;
};

let mapping = Mapping.open(path, { looks });
// A waiter that has run, too: its thread must not keep the mapping, nor outlive it.
await mapping.wait([{ offsetBytes: 0, value: 0 }], { timeoutMs: 1 });
let view = new Uint32Array(mapping.buffer);
view[100] = 0xc0ffee;
const reference = new WeakRef(mapping);
mapping = undefined;

const mappingCollected = await collectUntil(() => reference.deref() === undefined);
const mappedWhileViewed = isMapped();
const readThroughView = view[100];
view = undefined;
const unmappedAfterView = await collectUntil(() => !isMapped());

// A pending wait, on the other hand, keeps its mapping.
const held = new WeakRef(Mapping.open(path, { looks }));
const wait = held.deref().wait([{ offsetBytes: 0, value: 0 }], { timeoutMs: 60_000 });
const heldByWait = !(await collectUntil(() => held.deref() === undefined));
held.deref().close();

console.log(
  JSON.stringify({
    mappingCollected,
    mappedWhileViewed,
    readThroughView,
    unmappedAfterView,
    heldByWait,
    wait: await wait,
  }),
);
