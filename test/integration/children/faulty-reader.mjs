// A reader's thread in which something goes wrong when the region's neighbour says so: a word of a
// file beside it is 1 to throw, 2 to exit, 3 to stand still for ever.
import { existsSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { Mapping } from '../../../dist/native/index.js';

const path = `${workerData.path}.fault`;
if (existsSync(path)) {
  const mapping = Mapping.open(path);
  const word = new Int32Array(mapping.buffer, 0, 1);
  const look = async () => {
    for (;;) {
      await mapping.wait([{ offsetBytes: 0, value: 0 }], { timeoutMs: Infinity });
      const fault = Atomics.exchange(word, 0, 0);
      if (fault === 1)
        setImmediate(() => {
          throw new Error('a fault of the test');
        });
      if (fault === 2) process.exit(7);
      if (fault === 3) for (;;);
    }
  };
  void look();
}
await import('../../../dist/client/reader/worker.js');
