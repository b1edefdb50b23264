import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** Bits of a mode that let others than the owner in. */
const OTHERS = 0o077;

/** Where what is kept between runs lies: `$XDG_STATE_HOME/kvmfr`, or `~/.local/state/kvmfr`. */
export function stateFolder(): string {
  const told = process.env['XDG_STATE_HOME'] ?? '';
  // Source: XDG Base Directory Specification: a path that is not absolute is to be ignored.
  const base = isAbsolute(told) ? told : join(homedir(), '.local', 'state');
  return join(base, 'kvmfr');
}

/** A secret that is kept; undefined when there is none, or others than its owner may read it. */
export function readSecret(name: string): Buffer | undefined {
  const path = join(stateFolder(), name);
  try {
    return (statSync(path).mode & OTHERS) === 0 ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a secret, whole or not at all, for its owner alone. Says by false that it could not. */
export function keepSecret(name: string, content: Uint8Array | string): boolean {
  const folder = stateFolder();
  const draft = join(folder, `.${name}.${process.pid}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(draft, content, { flag: 'wx', mode: 0o600 });
    renameSync(draft, join(folder, name));
    return true;
  } catch {
    removeDraft(draft);
    return false;
  }
}

function removeDraft(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where nothing could be written there is nothing to remove.
  }
}

/** Whether others than a file's owner may read it. */
export function isOpenToOthers(path: string): boolean {
  // systemd lets its service in by an access list, which shows as a right of the group.
  const credentials = process.env['CREDENTIALS_DIRECTORY'];
  if (credentials !== undefined && dirname(path) === credentials) return false;
  return (statSync(path).mode & OTHERS) !== 0;
}
