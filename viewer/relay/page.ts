import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** One file of the page, held in memory: there are few, and they are small. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
  /** The body for browsers that take gzip, when that is smaller. */
  readonly gzip: Buffer | undefined;
  readonly etag: string;
  readonly cacheControl: string;
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.json', 'application/json; charset=utf-8'],
  ['.map', 'application/json; charset=utf-8'],
  ['.webmanifest', 'application/manifest+json'],
  ['.txt', 'text/plain; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.webp', 'image/webp'],
  ['.ico', 'image/x-icon'],
  ['.woff2', 'font/woff2'],
  ['.wasm', 'application/wasm'],
]);

/** Files with their own compression inside: gzip would only cost time. */
const COMPRESSED = /^(image\/(png|webp)|font\/)/;
/** Vite writes a hash into the names of files below `assets/`: their content never changes. */
const HASHED = /^assets\/.*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;
/** A page has tens of files; more is a wrong directory. */
const MAX_FILES = 512;

/** Where the built page lies, seen from the sources and from what they are built to. */
export function pageDirectories(): readonly string[] {
  return ['../../page/', '../../dist/page/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
}

/**
 * The files of the page by their path (`index.html`, `assets/main-1a2b3c4d.js`).
 *
 * A request names one of these or nothing, so no path from the network ever reaches the file system.
 */
export class Page {
  readonly #directories: readonly string[];
  #files: Promise<ReadonlyMap<string, PageFile>> | undefined;

  constructor(directories: readonly string[] = pageDirectories()) {
    this.#directories = directories;
  }

  /** A file of the page; undefined when there is none of this name, or no page has been built. */
  async file(path: string): Promise<PageFile | undefined> {
    this.#files ??= this.#load();
    const files = await this.#files;
    // A page that is built later shall be found without a restart.
    if (files.size === 0) this.#files = undefined;
    return files.get(path);
  }

  async #load(): Promise<ReadonlyMap<string, PageFile>> {
    for (const directory of this.#directories) {
      const names = await listFiles(directory);
      if (!names.includes('index.html')) continue;
      const files = new Map<string, PageFile>();
      for (const name of names.slice(0, MAX_FILES))
        files.set(name, toPageFile(name, await readFile(join(directory, name))));
      return files;
    }
    return new Map();
  }
}

async function listFiles(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length));
  } catch {
    return [];
  }
}

function toPageFile(name: string, body: Buffer): PageFile {
  const type = TYPES.get(extname(name)) ?? 'application/octet-stream';
  const gzip = COMPRESSED.test(type) ? undefined : gzipSync(body, { level: 9 });
  return {
    type,
    body,
    gzip: gzip !== undefined && gzip.byteLength < body.byteLength ? gzip : undefined,
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
    cacheControl: HASHED.test(name) ? 'private, max-age=31536000, immutable' : 'private, no-cache',
  };
}
