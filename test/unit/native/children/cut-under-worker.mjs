// A worker reads a region as fast as it can while this thread cuts the file, once per worker.
//   cut-under-worker.mjs PATH BYTES TIMES
import { truncateSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const [path, bytes, times] = process.argv.slice(2);
const program = `
import { parentPort, workerData } from 'node:worker_threads';
const { Mapping } = await import(workerData.native);
const mapping = Mapping.open(workerData.path);
const words = new Int32Array(mapping.buffer);
const waited = mapping.wait([{ offsetBytes: mapping.byteLength - 4, value: 0x01010101 }], { timeoutMs: 60000 });
let reads = 0;
let turns = 0;
let strange = 0;
parentPort.postMessage('reading');
while (!mapping.lost || turns++ < 10) {
  for (let at = 0; at < words.length; at += 64) {
    const word = Atomics.load(words, at);
    if (word !== 0x01010101 && word !== 0) strange++;
  }
  reads++;
}
const outcome = await waited;
mapping.close();
parentPort.postMessage({ reads: reads > 0, strange, outcome, detached: words.length });
`;
const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
const native = new URL('../../../../dist/native/index.js', import.meta.url).href;
const results = [];
for (let i = 0; i < Number(times); i++) {
  writeFileSync(path, new Uint8Array(Number(bytes)).fill(1));
  const worker = new Worker(url, { workerData: { path, native } });
  results.push(
    await new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message) => {
        if (message === 'reading') truncateSync(path, 4096);
        else resolve(message);
      });
    }),
  );
  await worker.terminate();
}
console.log(JSON.stringify(results));
