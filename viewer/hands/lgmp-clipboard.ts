import type { ClipboardFormat } from '../../protocol/kvmfr/clipboard.ts';
import {
  CLIPBOARD_KINDS,
  type ClipboardKind,
  MAX_CLIPBOARD_CONTENTS_BYTES,
} from '../../protocol/wire/index.ts';
import { contentsFault, linesToLf } from './contents.ts';
import type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  ProvideContents,
} from './guest-clipboard.ts';

/** What {@link LgmpClipboard} needs of `client.clipboard()`. */
export interface ClipboardLine {
  readonly state: {
    readonly available: boolean;
    readonly owner: 'nobody' | 'us' | 'other';
    readonly offered: { readonly serial: number; readonly formats: readonly string[] } | undefined;
    readonly holdsOurs: boolean;
  };
  watch(changed: () => void): () => void;
  read(
    format: ClipboardKind,
    options: { readonly maxBytes: number },
  ): Promise<Uint8Array | undefined>;
  offer(
    formats: readonly ClipboardKind[],
    give: (format: Exclude<ClipboardFormat, 'files'>) => Promise<Uint8Array | undefined>,
  ): void;
}

/**
 * The clipboard of a guest by its region: text and PNG. Other images, and files, it does not bring.
 *
 * Ownership: the line stays its maker's, who closes it after this.
 */
export class LgmpClipboard implements GuestClipboard {
  readonly #line: ClipboardLine;

  constructor(line: ClipboardLine) {
    this.#line = line;
  }

  get availability(): ClipboardAvailability {
    const { available, owner } = this.#line.state;
    if (available) return { available };
    const reason =
      owner === 'other'
        ? 'another program has the clipboard of the guest'
        : 'the guest shares no clipboard by its region';
    return { available, reason };
  }

  get offered(): GuestOffer | undefined {
    const { offered } = this.#line.state;
    if (offered === undefined) return undefined;
    const kinds = CLIPBOARD_KINDS.filter((kind) => offered.formats.includes(kind));
    return kinds.length === 0 ? undefined : { serial: offered.serial, kinds };
  }

  get holdsOurs(): boolean {
    return this.#line.state.holdsOurs;
  }

  async read(kind: ClipboardKind): Promise<Uint8Array | undefined> {
    const limit = { maxBytes: MAX_CLIPBOARD_CONTENTS_BYTES };
    const bytes = await this.#line.read(kind, limit).catch(() => undefined);
    if (bytes === undefined || contentsFault(kind, bytes) !== undefined) return undefined;
    return kind === 'text' ? await linesToLf(bytes) : bytes;
  }

  offer(kinds: readonly ClipboardKind[], provide: ProvideContents): void {
    this.#line.offer(kinds, async (format) => {
      const kind = kinds.find((one) => one === format);
      return kind === undefined ? undefined : await provide(kind);
    });
  }

  watch(changed: () => void): () => void {
    return this.#line.watch(changed);
  }

  /** Takes back what was offered. */
  close(): void {
    if (this.holdsOurs) this.offer([], async () => undefined);
  }
}
