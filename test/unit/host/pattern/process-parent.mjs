// Starts a synthetic guest, tells its process id, and lives until it is killed.
import { spawnPattern } from '../../../../dist/host/index.js';

const guest = await spawnPattern({
  region: process.argv[2] ?? '',
  widthPx: 320,
  heightPx: 200,
  regionMib: 4,
});
process.send?.(guest.pid);
setInterval(() => undefined, 1000);
