// Workers that are ended again and again, at any moment of their looks.
//   end-in-a-look.mjs REGION ROUNDS
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Mapping } from '../../../../dist/native/index.js';

if (isMainThread) {
  const [path, rounds] = process.argv.slice(2);
  for (let round = 0; round < Number(rounds); round++) {
    const looks = process.env.LOOKS ?? 'thread';
    const worker = new Worker(new URL(import.meta.url), { workerData: { path, looks } });
    await once(worker, 'message');
    // A different moment each time, without a timer that would always be the same one.
    for (let turn = 0; turn < round % 23; turn++) await new Promise((done) => setImmediate(done));
    await worker.terminate();
  }
  console.log(JSON.stringify({ rounds: Number(rounds) }));
} else {
  const { path, looks } = workerData;
  const mapping = Mapping.open(path, { looks });
  const words = [{ offsetBytes: 0, value: 0 }];
  // Waits that end all the time, so that whatever is being torn down is being told of some.
  const wait = () => {
    mapping.wait(words, { timeoutMs: 0.2 }).then(wait);
  };
  for (let at = 0; at < 8; at++) wait();
  // The thread is busy, as a reader is that compares a frame: timers ring while it is being ended.
  setInterval(() => {
    const endMs = performance.now() + 3;
    while (performance.now() < endMs);
  }, 1);
  parentPort.postMessage('looks');
}
