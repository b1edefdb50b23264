// Opens the IVSHMEM device of a made-up sysfs as a user who may not: prints what that gave.
//   denied-pci.mjs SYSFS
import { Mapping, openMapping } from '../../../../dist/native/index.js';

try {
  Mapping.open('/nonexistent');
} catch {
  // Has loaded the binary while this process may still read it.
}
if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
}
try {
  openMapping('pci:', { sysfs: process.argv[2] }).close();
  console.log('{}');
} catch ({ code, path, hint, message }) {
  console.log(JSON.stringify({ code, path, hint, message }));
}
