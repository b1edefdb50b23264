// Whether a pending wait keeps the process alive.
//   keep-alive.mjs REGION KEEP_ALIVE(true|false) TIMEOUT_MS
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const [path, keepAlive, timeoutMs] = process.argv.slice(2);
const mapping = Mapping.open(path, { looks });
let outcome = 'pending';
process.on('exit', () => console.log(JSON.stringify(outcome)));
outcome = await Promise.race([
  mapping.wait([{ offsetBytes: 0, value: 0 }], {
    timeoutMs: Number(timeoutMs),
    keepAlive: keepAlive === 'true',
  }),
]);
