/** A file of an initramfs. */
export interface GuestFile {
  readonly path: string;
  readonly data: Uint8Array;
  /** Permission bits; 0o644 when left out. */
  readonly mode?: number;
}

const REGULAR = 0o100000;
const DIRECTORY = 0o040000;

/** An archive in the format that kernels unpack at boot ("newc"), with the folders that it needs. */
export function cpioArchive(files: readonly GuestFile[]): Buffer {
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    parts.forEach((_, i) => {
      folders.add(parts.slice(0, i + 1).join('/'));
    });
  }
  let inode = 0;
  const none = new Uint8Array(0);
  const entry = (path: string, mode: number, data: Uint8Array): Buffer[] => {
    inode += 1;
    return cpioEntry({ path, mode, data, inode });
  };
  return Buffer.concat([
    ...[...folders].flatMap((path) => entry(path, DIRECTORY | 0o755, none)),
    ...files.flatMap(({ path, data, mode }) => entry(path, REGULAR | (mode ?? 0o644), data)),
    ...entry('TRAILER!!!', 0, none),
  ]);
}

function cpioEntry(entry: {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly inode: number;
}): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`, 'utf8');
  const fields = [
    entry.inode,
    entry.mode,
    0,
    0,
    1,
    0,
    entry.data.length,
    0,
    0,
    0,
    0,
    name.length,
    0,
  ];
  const header = fields.map((value) => value.toString(16).padStart(8, '0')).join('');
  const head = Buffer.concat([Buffer.from(`070701${header}`, 'latin1'), name]);
  return [padded(head), padded(Buffer.from(entry.data))];
}

function padded(bytes: Buffer): Buffer {
  const rest = -bytes.length & 3;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(rest)]);
}
