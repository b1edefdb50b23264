// Opens regions as a user who may not: prints what each attempt gave.
//   denied.mjs PATH...
import { Mapping } from '../../../../dist/native/index.js';

const attempt = (path, options) => {
  try {
    const mapping = Mapping.open(path, options);
    const word = new Uint32Array(mapping.buffer)[0];
    mapping.close();
    return { word };
  } catch ({ code, errno, syscall, hint, message }) {
    return { code, errno, syscall, hint, message };
  }
};

// Loads the binary while this process may still read it.
attempt('/nonexistent');
if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
}
const [locked, readable] = process.argv.slice(2);
console.log(
  JSON.stringify({
    locked: attempt(locked),
    readableReadWrite: attempt(readable),
    readableReadOnly: attempt(readable, { access: 'read-only' }),
  }),
);
