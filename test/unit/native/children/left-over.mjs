// What is left after many mappings were opened and closed, and after workers ended while waiting.
//   left-over.mjs REGION
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const [path] = process.argv.slice(2);
const taken = () => ({
  descriptors: readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`) !== undefined;
    } catch {
      return false;
    }
  }).length,
  waiters: readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('kvmfr-wait');
    } catch {
      return false;
    }
  }).length,
  mappings: readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path)).length,
});

const words = [{ offsetBytes: 0, value: 0 }];

/** A worker that is ended while it waits. */
const endWaiting = async (waits) => {
  const worker = new Worker(new URL('./waiting-worker.mjs', import.meta.url), {
    workerData: { path, waits },
  });
  await once(worker, 'message');
  await worker.terminate();
};

// Once without counting, for what Node opens at the first use.
Mapping.open(path, { looks }).close();
await endWaiting(1);

const before = taken();
const outcomes = new Set();
for (let i = 0; i < 1000; i++) {
  const mapping = Mapping.open(path, { looks });
  const wait = i % 4 === 0 ? mapping.wait(words, { timeoutMs: 60_000 }) : undefined;
  mapping.close();
  if (wait !== undefined) outcomes.add(await wait);
}
const afterMappings = taken();

for (let i = 0; i < 5; i++) await endWaiting(3);
const afterWorkers = taken();

console.log(JSON.stringify({ before, afterMappings, afterWorkers, outcomes: [...outcomes] }));
