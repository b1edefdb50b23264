import type { ClipboardKind } from '../../protocol/wire/index.ts';
import type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  ProvideContents,
} from '../../viewer/hands/guest-clipboard.ts';

/** A guest's clipboard in which the test copies, and from which it pastes. */
export class WrittenClipboard implements GuestClipboard {
  availability: ClipboardAvailability = { available: true };
  offered: GuestOffer | undefined;
  holdsOurs = false;
  /** Kinds of each offer that came, in their order. */
  readonly offers: (readonly ClipboardKind[])[] = [];
  /** Kinds that were read, in their order. */
  readonly reads: ClipboardKind[] = [];
  /** Whether somebody was there who may use it, each time that this became another. */
  readonly attended: boolean[] = [];
  #contents: { readonly [kind in ClipboardKind]?: Uint8Array | undefined } = {};
  #provide: ProvideContents | undefined;
  #serial = 0;
  readonly #watchers = new Set<() => void>();

  async read(kind: ClipboardKind): Promise<Uint8Array | undefined> {
    this.reads.push(kind);
    return this.#contents[kind];
  }

  offer(kinds: readonly ClipboardKind[], provide: ProvideContents): void {
    this.offers.push(kinds);
    this.holdsOurs = kinds.length > 0 && this.availability.available;
    this.#provide = kinds.length > 0 ? provide : undefined;
    if (this.holdsOurs) this.offered = undefined;
    this.#tell();
  }

  attend(isWanted: boolean): void {
    this.attended.push(isWanted);
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Something is copied in the guest; what is named without contents is not given. */
  copy(contents: { readonly [kind in ClipboardKind]?: Uint8Array | undefined }): void {
    this.#contents = contents;
    const kinds = (['text', 'png'] as const).filter((kind) => kind in contents);
    this.#serial++;
    this.offered = kinds.length === 0 ? undefined : { serial: this.#serial, kinds };
    this.holdsOurs = false;
    this.#provide = undefined;
    this.#tell();
  }

  /** Something is pasted in the guest: what it gets. */
  async paste(kind: ClipboardKind): Promise<Uint8Array | undefined> {
    return await this.#provide?.(kind);
  }

  /** The guest takes part, or does not any more. */
  turn(availability: ClipboardAvailability): void {
    this.availability = availability;
    this.offered = undefined;
    this.holdsOurs = availability.available && this.#provide !== undefined;
    this.#tell();
  }

  #tell(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}
