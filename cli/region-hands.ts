import {
  Client,
  type ClientState,
  type GuestClipboardLine,
  type GuestInputLine,
  type SessionInfo,
} from '../client/index.ts';
import { FEATURES } from '../protocol/kvmfr/session.ts';
import type { AssumedWire } from '../protocol/lgmp/detect.ts';
import type { InputEvent, Locks } from '../protocol/wire/index.ts';
import {
  type GuestInput,
  type GuestScreen,
  type InputAbilities,
  LgmpClipboard,
  LgmpInput,
} from '../viewer/hands/index.ts';
import { RegionClipboard } from './region-clipboard.ts';

/** Between two looks at what the guest offers. It changes when another publisher comes. */
const LOOK_MS = 250;

/** Where the region is, and how it is read. */
export interface RegionPlace {
  readonly path: string;
  readonly assume?: AssumedWire | undefined;
  /** Whether the clipboard is wanted too. */
  readonly clipboard?: boolean;
}

/** What is known of the guest: the reader of a relay, as far as it matters for its hands. */
export interface GuestSight {
  readonly session: SessionInfo | undefined;
  readonly state: ClientState;
}

/** What a person is told: one line, and what helps. */
export type Tell = (message: string, hint?: string) => void;

/** What is open of a guest. */
interface Open {
  /** FEATURES that it is for. */
  readonly features: number;
  readonly client: Client;
  readonly line: GuestInputLine | undefined;
  readonly hands: LgmpInput | undefined;
}

/**
 * Keyboard, pointer and clipboard of a guest by its region, for as long as its publisher takes them:
 * opened when one does, by a client beside the one that reads the picture, and given back when another
 * publisher comes that does not. The clipboard, which only one client of a guest can have, is claimed
 * while somebody may use it.
 */
export class RegionHands implements GuestInput, AsyncDisposable {
  readonly #place: RegionPlace;
  readonly #watchers: Set<() => void> = new Set();
  #session: SessionInfo | undefined;
  /** Undefined when nobody wants it. */
  readonly clipboard: RegionClipboard | undefined;
  #open: Open | undefined;
  #clipboardLine: GuestClipboardLine | undefined;
  #closing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tell: Tell | undefined;
  #told: string | undefined;

  constructor(place: RegionPlace) {
    this.#place = place;
    this.clipboard = place.clipboard
      ? new RegionClipboard(() => this.#lookAtClipboard())
      : undefined;
  }

  /** Uses what the guest offers from now on, and tells a person of it. */
  follow(guest: GuestSight, tell?: Tell): void {
    this.#tell = tell;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#look(guest.session), LOOK_MS);
    this.#timer.unref();
    this.#look(guest.session);
  }

  get abilities(): InputAbilities {
    return this.#open?.hands?.abilities ?? { ...NOTHING, reason: this.#reason };
  }

  get locks(): Locks | undefined {
    return this.#open?.hands?.locks;
  }

  apply(event: InputEvent, screen?: GuestScreen): void {
    this.#open?.hands?.apply(event, screen);
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Lets go of everything and gives back what was opened. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#watchers.clear();
    this.clipboard?.close();
    this.#tell = undefined;
    this.#shut();
    await this.#closing;
  }

  get #reason(): string {
    const { release } = this.#session ?? {};
    return release === undefined
      ? 'no Looking Glass host runs in the guest'
      : `Looking Glass ${release} takes no keys by the region: start kvmfr with --spice or --qmp`;
  }

  #look(session: SessionInfo | undefined): void {
    // Between two publishers what is open waits for the next by itself.
    if (session === undefined || session === this.#session) return;
    this.#session = session;
    const wanted = FEATURES.input | (this.clipboard === undefined ? 0 : FEATURES.clipboard);
    const features = session.features & wanted;
    if (features !== (this.#open?.features ?? 0)) {
      this.#shut();
      if (features !== 0) this.#begin(features);
    }
    this.#say((features & FEATURES.input) !== 0);
    this.#notify();
  }

  #begin(features: number): void {
    const { path, assume } = this.#place;
    const client = new Client(path, { assume });
    const line = (features & FEATURES.input) === 0 ? undefined : client.input();
    const hands = line === undefined ? undefined : new LgmpInput(line);
    hands?.watch(() => this.#notify());
    this.#open = { features, client, line, hands };
    this.#lookAtClipboard();
  }

  #lookAtClipboard(): void {
    const { features = 0, client } = this.#open ?? {};
    const isShared = (features & FEATURES.clipboard) !== 0;
    if (!isShared || this.clipboard?.isWanted !== true) this.#giveClipboardBack();
    else if (this.#clipboardLine === undefined && client !== undefined) {
      this.#clipboardLine = client.clipboard();
      this.clipboard.use(new LgmpClipboard(this.#clipboardLine));
    }
  }

  #giveClipboardBack(): void {
    const line = this.#clipboardLine;
    if (line === undefined) return;
    this.#clipboardLine = undefined;
    this.clipboard?.use(undefined);
    this.#closeAfter(() => line.close());
  }

  #shut(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    this.#giveClipboardBack();
    open.hands?.close();
    this.#closeAfter(async () => {
      await open.line?.close();
      await open.client.close();
    });
  }

  /** One after the other, in the order in which they were let go. */
  #closeAfter(close: () => Promise<void>): void {
    const before = this.#closing;
    this.#closing = (async () => {
      await before;
      try {
        await close();
      } catch {
        // It is as closed as it can be, and those after it are to be closed, too.
      }
    })();
  }

  #say(isOffered: boolean): void {
    const message = isOffered
      ? 'the guest takes them by its region'
      : 'this Looking Glass host takes none by the region';
    if (message === this.#told) return;
    this.#told = message;
    const hint = 'With --spice HOST:PORT, or --qmp unix:PATH, they get there by QEMU.';
    if (isOffered) this.#tell?.(message);
    else this.#tell?.(message, hint);
  }

  #notify(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}

const NOTHING = { keyboard: false, absolute: false, relative: false } as const;

/**
 * Tells a person once that a guest takes keyboard and pointer by its region as well, which is not
 * used. The answer ends that.
 */
export function tellUnused(guest: GuestSight, flag: string, tell: Tell): () => void {
  const timer = setInterval(() => {
    if (((guest.session?.features ?? 0) & FEATURES.input) === 0) return;
    clearInterval(timer);
    tell(`the guest takes them by its region too; ${flag} was given, and is what is used`);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
