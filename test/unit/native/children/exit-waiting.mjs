// Ends the process while waits are pending.
//   exit-waiting.mjs REGION
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const mapping = Mapping.open(process.argv[2], { looks });
for (let i = 0; i < 8; i++) {
  void mapping.wait([{ offsetBytes: 4 * i, value: 0 }], { timeoutMs: Infinity, cadence: i > 3 });
}
setImmediate(() => {
  console.log('"leaving"');
  process.exit(0);
});
