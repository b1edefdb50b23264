// A guest that writes over its frame all the time: other noise in every round, which word 0 counts.
import { parentPort, workerData } from 'node:worker_threads';
import { openSharedMemory } from '../../../../dist/native/index.js';

const memory = openSharedMemory(workerData.path, workerData.byteLength);
const words = new Uint32Array(memory.buffer);
const frame = words.subarray(1024);
parentPort.postMessage('ready');
let state = 1;
while (Atomics.load(words, 1) === 0) {
  for (let i = 0; i < frame.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    frame[i] = state;
  }
  Atomics.add(words, 0, 1);
}
memory.close();
