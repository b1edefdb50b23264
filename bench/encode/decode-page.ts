// Runs in the browser that the bench opens: takes one job after the other, and tells how long
// decoding took. It asks and reports by fetch, because a debugging connection would be in the way.

/** What is to be decoded, and how often. */
export interface DecodeJob {
  /** Whether the messages are those of tiles, tiles whose ops were deflated, or an image file. */
  readonly kind: 'tiles' | 'deflated ops' | 'image';
  readonly mime: string;
  readonly repeats: number;
  /** Bytes of each message, one after the other in what is fetched. */
  readonly sizes: readonly number[];
  /** Of ops that were deflated, how long they are. */
  readonly opsBytes: readonly number[];
  readonly grid: Grid;
  /** Tiles of each message. */
  readonly tiles: readonly (readonly number[])[];
  readonly codings: readonly number[];
  readonly rawBytes: readonly number[];
}

interface Grid {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly tilePx: number;
}

/** What the page has of the product; the bench has no part in the page's own code. */
interface Decoder {
  decodeTilePixels(
    message: object,
    grid: Grid,
    pool: unknown,
  ): Promise<{ readonly release: () => void }>;
}

interface Inflater {
  inflateRaw(coded: Uint8Array, target: Uint8Array): Promise<void>;
}

declare function createImageBitmap(file: Blob): Promise<{ close(): void }>;

const WARM_UP = 20;

const core = new URL('../../viewer/web/core/decode/', import.meta.url);
const { decodeTilePixels }: Decoder = await import(new URL('tiles.js', core).href);
const { inflateRaw }: Inflater = await import(new URL('inflate.js', core).href);
const pools: { readonly BufferPool: new () => unknown } = await import(
  new URL('pool.js', core).href
);
const pool = new pools.BufferPool();

for (;;) {
  const job = (await (await fetch('/job')).json()) as DecodeJob;
  const data = new Uint8Array(await (await fetch('/data')).arrayBuffer());
  const messages: Uint8Array[] = [];
  let at = 0;
  for (const size of job.sizes) {
    messages.push(data.subarray(at, at + size));
    at += size;
  }
  for (let i = 0; i < WARM_UP; i++) await decode(job, messages);
  await fetch('/begin', { method: 'POST' });
  const samples: number[] = [];
  for (let i = 0; i < job.repeats; i++) {
    const startMs = performance.now();
    await decode(job, messages);
    samples.push(performance.now() - startMs);
  }
  await fetch('/end', { method: 'POST', body: JSON.stringify(samples) });
}

async function decode(job: DecodeJob, messages: readonly Uint8Array[]): Promise<void> {
  for (const [index, message] of messages.entries()) {
    if (job.kind === 'image') {
      (await createImageBitmap(new Blob([message.slice()], { type: job.mime }))).close();
      continue;
    }
    let pixels = message;
    if (job.kind === 'deflated ops') {
      pixels = new Uint8Array(job.opsBytes[index] ?? 0);
      await inflateRaw(message, pixels);
    }
    const tiles = Uint32Array.from(job.tiles[index] ?? []);
    const head = { coding: job.codings[index], rawBytes: job.rawBytes[index], tiles };
    (await decodeTilePixels({ ...head, pixels }, job.grid, pool)).release();
  }
}
