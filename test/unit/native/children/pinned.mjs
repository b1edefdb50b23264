// Keeps itself to one processor, and prints where its threads and a child of it may run.
//   pinned.mjs CPU
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { pinProcess } from '../../../../dist/native/index.js';

const allowed = (status) => /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1];

pinProcess([Number(process.argv[2])]);
const threads = readdirSync('/proc/self/task').map((id) =>
  allowed(readFileSync(`/proc/self/task/${id}/status`, 'latin1')),
);
const child = execFileSync('cat', ['/proc/self/status'], { encoding: 'latin1' });
let nowhere = '';
try {
  pinProcess([4095]);
} catch ({ code }) {
  nowhere = code;
}
console.log(JSON.stringify({ threads: [...new Set(threads)], child: allowed(child), nowhere }));
