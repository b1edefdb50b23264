import { randomInt } from 'node:crypto';
import type { ClipboardFormat } from '../protocol/index.ts';

/** Formats of contents that a host gives and takes. */
export type ClipboardContentFormat = Exclude<ClipboardFormat, 'files'>;

/** What is in the guest's clipboard: contents by their format. */
export type HostContents = ReadonlyMap<ClipboardContentFormat, Uint8Array>;

/** What a client does with the guest's clipboard. */
export type HostClipboard =
  /** It has it, or has it no more. */
  | { readonly kind: 'claim' | 'release'; readonly clientId: number }
  /** It has contents for the guest, instead of the guest's own: {@link Host.readClipboard} gets them. */
  | { readonly kind: 'offer'; readonly formats: readonly ClipboardFormat[] }
  /** There is nothing in the clipboard any more. */
  | { readonly kind: 'clear' };

/** What the clipboard has counted since the host was made. */
export interface ClipboardCounters {
  /** Records that did something. */
  accepted: number;
  /** Records of clients that do not own the clipboard, and of transfers that are over. */
  ignored: number;
  /** Owners that were released because a record broke the rules. */
  violations: number;
  /** Owners that said nothing for too long. */
  expired: number;
}

/** What of a session's clipboard outlives it, when another begins in place. */
export interface ClipboardPast {
  readonly counters: ClipboardCounters;
  readonly generation: number;
  readonly content: bigint;
  readonly guest: HostContents | undefined;
}

/** A past in which nothing has happened. */
export function newClipboardPast(): ClipboardPast {
  return {
    counters: { accepted: 0, ignored: 0, violations: 0, expired: 0 },
    generation: randomInt(1, 0x8000_0000),
    content: BigInt(randomInt(1, 0x8000_0000)) << 16n,
    guest: undefined,
  };
}
