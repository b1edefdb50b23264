// Touches pages of a region that its file system has no room for, or that huge pages gave up.
//   no-room.mjs FILE BYTES read-only|read-write [CUT_TO]
import { closeSync, openSync, truncateSync } from 'node:fs';
import { copyRows, Mapping } from '../../../../dist/native/index.js';

const [path, bytes, access, cutTo] = process.argv.slice(2);
closeSync(openSync(path, 'a'));
truncateSync(path, Number(bytes));
const mapping = Mapping.open(path, { access });
const region = new Uint8Array(mapping.buffer);
region[0] = 7;
if (cutTo !== undefined) {
  region[region.length - 1] = 7;
  truncateSync(path, Number(cutTo));
}
const lostBefore = mapping.lost;
const pixels = new Uint8Array(region.length).fill(9);
const rows = {
  rowBytes: 4096,
  rows: region.length / 4096 - 1,
  srcPitchBytes: 4096,
  dstPitchBytes: 4096,
};
if (access === 'read-write')
  copyRows({ src: pixels, srcOffset: 0, dst: region, dstOffset: 4096, ...rows });
const sum = region.reduce((total, byte) => total + byte, 0);
const { code, message, hint } = mapping.lossError();
const result = {
  lostBefore,
  lost: mapping.lost,
  first: region[0],
  read: sum >= 7,
  code,
  message,
  hint,
};
mapping.close();
console.log(JSON.stringify(result));
