// A worker that waits for ever on a region of its own, and says when it does.
import { parentPort, workerData } from 'node:worker_threads';
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const mapping = Mapping.open(workerData.path, { looks });
new Uint32Array(mapping.buffer)[1] = 1;
for (let i = 0; i < workerData.waits; i++) {
  void mapping.wait([{ offsetBytes: 0, value: 0 }], { timeoutMs: Infinity, cadence: i === 1 });
}
parentPort.postMessage('waiting');
setInterval(() => {}, 1000);
