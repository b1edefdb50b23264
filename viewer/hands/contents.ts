import { isUtf8 } from 'node:buffer';
import { setImmediate as turn } from 'node:timers/promises';
import { MAX_DIMENSION_PX, MAX_PICTURE_PX } from '../../protocol/limits.ts';
import type { ClipboardKind } from '../../protocol/wire/index.ts';

const LF = 0x0a;
const CR = 0x0d;
/** What of a text is looked at in one go. */
const TURN_BYTES = 256 * 1024;
const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** Signature, length and name of the first chunk, width and height. */
const PNG_HEAD_BYTES = 24;

/**
 * Why contents are not what they are said to be, as the end of a sentence; undefined when they are.
 *
 * Of a PNG only the head is looked at: that it is one, and how much memory it takes to show it.
 */
export function contentsFault(kind: ClipboardKind, bytes: Uint8Array): string | undefined {
  if (kind === 'text') return isUtf8(bytes) ? undefined : 'is not UTF-8';
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isPng =
    head.length >= PNG_HEAD_BYTES &&
    head.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE) &&
    head.toString('latin1', 12, 16) === 'IHDR';
  if (!isPng) return 'is not a PNG';
  const [width, height] = [head.readUInt32BE(16), head.readUInt32BE(20)];
  const isTooLarge = width > MAX_DIMENSION_PX || height > MAX_DIMENSION_PX;
  if (width === 0 || height === 0 || isTooLarge || width * height > MAX_PICTURE_PX)
    return `has ${width} x ${height} pixels`;
  return undefined;
}

/** Text whose lines end in LF, of text whose lines end in CR LF. The same bytes when there are none. */
export async function linesToLf(text: Uint8Array): Promise<Uint8Array> {
  const ends = await countLineEnds(text);
  if (ends.crlf === 0) return text;
  const lines = new Uint8Array(text.length - ends.crlf);
  let to = 0;
  for await (const part of inTurns(text.length))
    for (let from = part.from; from < part.to; from++) {
      const byte = text[from] ?? 0;
      if (byte !== CR || text[from + 1] !== LF) lines[to++] = byte;
    }
  return lines;
}

/** Text whose lines end in CR LF, of text whose lines end in LF or in both. The same bytes when all do. */
export async function linesToCrlf(text: Uint8Array): Promise<Uint8Array> {
  const ends = await countLineEnds(text);
  if (ends.lf === 0) return text;
  const lines = new Uint8Array(text.length + ends.lf);
  let to = 0;
  for await (const part of inTurns(text.length))
    for (let from = part.from; from < part.to; from++) {
      const byte = text[from] ?? 0;
      if (byte === LF && text[from - 1] !== CR) lines[to++] = CR;
      lines[to++] = byte;
    }
  return lines;
}

/** How many lines end in LF alone, and how many in CR LF. */
async function countLineEnds(
  text: Uint8Array,
): Promise<{ readonly lf: number; readonly crlf: number }> {
  const ends = { lf: 0, crlf: 0 };
  for await (const { from, to } of inTurns(text.length)) {
    const part = text.subarray(from, to);
    for (let at = part.indexOf(LF); at >= 0; at = part.indexOf(LF, at + 1))
      if (text[from + at - 1] === CR) ends.crlf++;
      else ends.lf++;
  }
  return ends;
}

/** A text part by part, between which whatever else there is gets its turn: ten million bytes are 30 ms. */
async function* inTurns(
  bytes: number,
): AsyncGenerator<{ readonly from: number; readonly to: number }> {
  for (let from = 0; from < bytes; from += TURN_BYTES) {
    if (from > 0) await turn();
    yield { from, to: Math.min(bytes, from + TURN_BYTES) };
  }
}
