// The nice value and policy of the thread that looks, in a process that runs with a nice value of 5.
//   waiter-priority.mjs REGION
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { Mapping } from '../../../../dist/native/index.js';

const looks = process.env.LOOKS ?? 'thread';
const [path] = process.argv.slice(2);
setPriority(5);
const mapping = Mapping.open(path, { looks });
await mapping.wait([{ offsetBytes: 0, value: 0 }], { timeoutMs: 20 });
const waiters = readdirSync('/proc/self/task')
  .map((thread) => readFileSync(`/proc/self/task/${thread}/stat`, 'utf8'))
  .filter((stat) =>
    looks === 'loop' ? stat.startsWith(`${process.pid} `) : stat.includes('(kvmfr-wait)'),
  )
  .map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' '));
// Counted from the field behind the name: nice is the 17th, policy the 39th.
console.log(JSON.stringify(waiters.map((fields) => [Number(fields[16]), Number(fields[38])])));
mapping.close();
