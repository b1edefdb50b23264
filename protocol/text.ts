import { MAX_GUEST_STRING } from './limits.ts';

// Both exist in every runtime this package supports; this layer has no ambient types to say so.
declare const TextDecoder: new (label: string) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };

const decoder = new TextDecoder('utf-8');
const encoder = new TextEncoder();

/** UTF-8 bytes as text; bytes that are not UTF-8 become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Text as UTF-8 bytes. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

// C0, C1, bidirectional controls and line separators: nothing that could move or hide text around it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: naming them is the point
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * A C string from the guest, made safe to show: cut at the first NUL and at
 * {@link MAX_GUEST_STRING} characters, control characters replaced by U+FFFD.
 */
export function guestString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = decodeText(end < 0 ? bytes : bytes.subarray(0, end));
  // Cut between characters: half of one is no text any more.
  const kept = text.slice(0, MAX_GUEST_STRING).replace(/[\ud800-\udbff]$/, '');
  return kept.replace(UNSAFE, '\ufffd');
}
