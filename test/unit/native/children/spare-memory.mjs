// Leaves the allocator with much that is free and cannot be at its end, and gives it back.
//   node --expose-gc spare-memory.mjs
import { readFileSync } from 'node:fs';
import { giveBackMemory } from '../../../../dist/native/index.js';

const anonymousKib = () =>
  Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

await giveBackMemory();
const before = anonymousKib();
// Below the size from which glibc maps each block by itself.
let blocks = Array.from({ length: 2000 }, () => Buffer.alloc(100_000, 1));
// One in the middle of each hundred stays: nothing is free at the end of the heap alone.
blocks = blocks.filter((_, at) => at % 100 === 99);
for (let turn = 0; turn < 3; turn++) {
  globalThis.gc();
  await new Promise((done) => setImmediate(done));
}
const left = anonymousKib();
const given = await giveBackMemory();
const after = anonymousKib();
console.log(JSON.stringify({ before, left, after, given, kept: blocks.length }));
