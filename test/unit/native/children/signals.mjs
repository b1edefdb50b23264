// Listens to SIGBUS as any program may, before a mapping is there or after it, and loses memory then.
//   signals.mjs PATH before|after|nobody
import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { Mapping } from '../../../../dist/native/index.js';

const [path, when] = process.argv.slice(2);
let mapping;
if (when !== 'before') mapping = Mapping.open(path);
if (when !== 'nobody') {
  process.on('SIGBUS', () => {});
  mapping ??= Mapping.open(path);
  mapping.stillThere();
}
truncateSync(path, 0);
const word = new Uint32Array(mapping.buffer)[0];
const lost = mapping.lost;
if (when !== 'nobody') {
  const heard = once(process, 'SIGBUS');
  setTimeout(() => {}, 60_000).unref();
  process.kill(process.pid, 'SIGBUS');
  const keep = setInterval(() => {}, 1000);
  await heard;
  clearInterval(keep);
}
console.log(JSON.stringify({ word, lost }));
// Nobody listens to this one: the process ends by it.
if (when === 'nobody') process.kill(process.pid, 'SIGBUS');
setTimeout(() => {}, when === 'nobody' ? 60_000 : 0);
