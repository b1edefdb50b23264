import { KvmfrError } from '../../../../protocol/error.ts';
import { wireError } from '../../../../protocol/wire/index.ts';

// A browser inflates a whole chunk before it looks whether anybody still wants the result. Deflate
// grows at most 1032 times, so this bounds what a malicious stream can make it hold.
const SLICE_BYTES = 32 * 1024;

/** Whether this browser can inflate at all. */
export function canInflate(): boolean {
  try {
    return new DecompressionStream('deflate-raw') !== undefined;
  } catch {
    return false;
  }
}

/**
 * Inflates a headerless deflate stream into a buffer that it must fill exactly.
 *
 * Ownership: `coded` and `target` are used until the promise settles.
 *
 * @throws ERR_KVMFR_WIRE when the stream is damaged, yields more or yields less
 */
export async function inflateRaw(
  coded: Uint8Array<ArrayBuffer>,
  target: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const stream = new DecompressionStream('deflate-raw');
  const reader = stream.readable.getReader();
  const feeding = feed(stream.writable.getWriter(), coded);
  // Awaited below; a failure that comes before that must not count as unhandled.
  feeding.catch(() => undefined);
  try {
    let at = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.byteLength > target.byteLength)
        throw wireError(`a deflate stream must yield ${target.byteLength} bytes, but yields more`);
      target.set(value, at);
      at += value.byteLength;
    }
    if (at !== target.byteLength)
      throw wireError(`a deflate stream must yield ${target.byteLength} bytes, but yields ${at}`);
    await feeding;
  } catch (cause) {
    reader.cancel().catch(() => undefined);
    if (KvmfrError.is(cause)) throw cause;
    throw new KvmfrError('ERR_KVMFR_WIRE', 'a deflate stream is damaged', { cause });
  }
}

async function feed(
  writer: WritableStreamDefaultWriter<BufferSource>,
  coded: Uint8Array<ArrayBuffer>,
): Promise<void> {
  for (let at = 0; at < coded.byteLength; at += SLICE_BYTES) {
    await writer.ready;
    await writer.write(coded.subarray(at, at + SLICE_BYTES));
  }
  await writer.close();
}
