// Another owner or user of shared memory.
//   shared-memory.mjs create BYTES            makes some, says its path, and lives until it is killed
//   shared-memory.mjs add PATH BYTES COUNT    opens some and adds 1 to word 0, COUNT times
//   shared-memory.mjs left-over               what many of them leave behind
// `add` runs as a worker, too, with the same words as workerData.
import { readdirSync, readFileSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createSharedMemory, openSharedMemory } from '../../../../dist/native/index.js';

const say = (message) => (isMainThread ? process.send(message) : parentPort.postMessage(message));
const [task, ...rest] = isMainThread ? process.argv.slice(2) : workerData;

if (task === 'create') {
  const memory = createSharedMemory(Number(rest[0]));
  new Uint32Array(memory.buffer)[1] = process.pid;
  say(memory.path);
  process.on('disconnect', () => memory.close());
} else if (task === 'add') {
  const [path, byteLength, count] = rest;
  const memory = openSharedMemory(path, Number(byteLength));
  const words = new Uint32Array(memory.buffer);
  // All begin together: word 2 is how many are there.
  Atomics.add(words, 2, 1);
  say(words[1]);
  while (Atomics.load(words, 3) === 0);
  for (let i = 0; i < Number(count); i++) Atomics.add(words, 0, 1);
  memory.close();
  say('done');
  if (isMainThread) process.disconnect();
} else {
  const taken = () => ({
    descriptors: readdirSync('/proc/self/fd').length,
    mappings: readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .filter((line) => line.includes('memfd:kvmfr')).length,
  });
  const once = () => {
    const memory = createSharedMemory(64 * 1024);
    const again = openSharedMemory(memory.path, 64 * 1024);
    const during = taken().mappings;
    const { path } = memory;
    memory.close();
    again.close();
    // Refused ones leave nothing either.
    for (const name of [path, '/proc/self/exe', '/dev/null']) {
      try {
        openSharedMemory(name, 1).close();
      } catch {
        continue;
      }
      throw new Error(`${name} was opened`);
    }
    return during;
  };
  once();
  const before = taken();
  let during = 0;
  for (let i = 0; i < 1000; i++) during = Math.max(during, once());
  console.log(JSON.stringify({ before, during, after: taken() }));
}
