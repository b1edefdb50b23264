import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GuestFile } from './cpio.ts';

/** A program of test/vm/guest, compiled without shared libraries, at `/bin/NAME` of the guest. */
export function guestProgram(name: string): GuestFile {
  const source = fileURLToPath(new URL(`guest/${name}.c`, import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'kvmfr-guest-program-'));
  try {
    const output = join(folder, name);
    const flags = ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-s'];
    execFileSync(process.env['CC'] ?? 'cc', [...flags, '-o', output, source]);
    return { path: `bin/${name}`, data: readFileSync(output), mode: 0o755 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
