// Whether the binary is in memory after the import, and after the first use.
import { readFileSync } from 'node:fs';
import { kernelVariant } from '../../../../dist/native/index.js';

const isLoaded = () => /kvmfr\.node|\/node\.node/.test(readFileSync('/proc/self/maps', 'utf8'));
const afterImport = isLoaded();
kernelVariant();
console.log(JSON.stringify({ afterImport, afterUse: isLoaded() }));
