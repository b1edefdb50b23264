// Opens the path and looks at it; runs under the preload library that makes a device of a file.
//   open-device.mjs PATH SIZE_FILE
import { unlinkSync, writeFileSync } from 'node:fs';
import { Mapping } from '../../../../dist/native/index.js';

const [path, sizeFile] = process.argv.slice(2);
try {
  const mapping = Mapping.open(path);
  const words = new Uint32Array(mapping.buffer);
  const result = {
    kind: mapping.kind,
    byteLength: mapping.byteLength,
    bufferLength: mapping.buffer.byteLength,
    lastWord: words[words.length - 1],
    presences: [mapping.stillThere()],
  };
  writeFileSync(sizeFile, '4096');
  result.presences.push(mapping.stillThere());
  unlinkSync(path);
  writeFileSync(path, '');
  result.presences.push(mapping.stillThere());
  unlinkSync(path);
  result.presences.push(mapping.stillThere());
  mapping.close();
  console.log(JSON.stringify(result));
} catch ({ code, message, errno, syscall }) {
  console.log(JSON.stringify({ code, message, errno, syscall }));
}
