// Makes a region that is larger than its file system.
//   full.mjs FOLDER
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createRegionFile } from '../../../../dist/native/index.js';

const [folder] = process.argv.slice(2);
try {
  createRegionFile(join(folder, 'region'), 8 * 1024 * 1024);
} catch ({ code, errno, syscall }) {
  console.log(JSON.stringify({ code, errno, syscall, left: readdirSync(folder) }));
}
