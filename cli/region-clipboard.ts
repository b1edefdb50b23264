import type { ClipboardKind } from '../protocol/wire/index.ts';
import type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  LgmpClipboard,
  ProvideContents,
} from '../viewer/hands/index.ts';

/**
 * The clipboard of a guest by its region, which is there before the guest is and stays when it goes:
 * what was offered is offered to the next one, unless the guest has copied something since.
 */
export class RegionClipboard implements GuestClipboard {
  readonly #watchers: Set<() => void> = new Set();
  #inner: LgmpClipboard | undefined;
  #ours:
    | { readonly kinds: readonly ClipboardKind[]; readonly provide: ProvideContents }
    | undefined;
  #offered: GuestOffer | undefined;
  /** The number of the offer at the line that is open. */
  #lineSerial = 0;
  #serial = 0;
  #isWanted = false;
  readonly #wantedChanged: () => void;

  /** @param wantedChanged called when {@link isWanted} is another */
  constructor(wantedChanged: () => void) {
    this.#wantedChanged = wantedChanged;
  }

  /** Whether somebody is there who may use it. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  get availability(): ClipboardAvailability {
    const reason = 'this Looking Glass host shares no clipboard by the region';
    return this.#inner?.availability ?? { available: false, reason };
  }

  get offered(): GuestOffer | undefined {
    return this.#offered;
  }

  get holdsOurs(): boolean {
    return this.#inner?.holdsOurs ?? false;
  }

  read(kind: ClipboardKind): Promise<Uint8Array | undefined> {
    return this.#inner?.read(kind) ?? Promise.resolve(undefined);
  }

  offer(kinds: readonly ClipboardKind[], provide: ProvideContents): void {
    this.#ours = kinds.length === 0 ? undefined : { kinds, provide };
    this.#inner?.offer(kinds, provide);
  }

  attend(isWanted: boolean): void {
    this.#isWanted = isWanted;
    this.#wantedChanged();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** There is a line to the guest, or none any more. Ownership: it stays its maker's. */
  use(inner: LgmpClipboard | undefined): void {
    this.#inner = inner;
    this.#lineSerial = 0;
    inner?.watch(() => {
      if (inner === this.#inner) this.#look();
    });
    const ours = this.#ours;
    if (ours !== undefined) inner?.offer(ours.kinds, ours.provide);
    this.#look();
  }

  /** Nobody is told any more. */
  close(): void {
    this.#watchers.clear();
    this.#inner = undefined;
  }

  #look(): void {
    const offered = this.#inner?.offered;
    if (offered === undefined) this.#offered = undefined;
    else if (this.#offered === undefined || offered.serial !== this.#lineSerial) {
      this.#lineSerial = offered.serial;
      this.#offered = { serial: ++this.#serial, kinds: offered.kinds };
      this.#ours = undefined;
    }
    for (const changed of [...this.#watchers]) changed();
  }
}
