import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version in the package's own package.json, found above this file. */
export function packageVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < 4; depth++) {
    try {
      const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (isPackage(found)) return found.version;
    } catch {
      // Not here: one folder up.
    }
    folder = dirname(folder);
  }
  return '0.0.0';
}

function isPackage(value: unknown): value is { readonly name: 'kvmfr'; readonly version: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    value.name === 'kvmfr' &&
    'version' in value &&
    typeof value.version === 'string'
  );
}
