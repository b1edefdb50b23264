// The other side of a region: changes words of it when it is told to.
//   writer.mjs REGION
// Messages: {offsetBytes, value} stores; {offsetBytes, count, everyMs} stores 1..count in turn.
import { setTimeout } from 'node:timers/promises';
import { Mapping } from '../../../../dist/native/index.js';

const mapping = Mapping.open(process.argv[2]);
const words = new Uint32Array(mapping.buffer);
process.on('message', async ({ offsetBytes, value, count, everyMs }) => {
  if (value !== undefined) Atomics.store(words, offsetBytes / 4, value);
  for (let i = 1; i <= (count ?? 0); i++) {
    Atomics.store(words, offsetBytes / 4, i);
    await setTimeout(everyMs);
  }
});
process.on('disconnect', () => mapping.close());
process.send('ready');
