import { KvmfrError } from '../error.ts';
import { readStreamDescriptor, type StreamDescriptor } from '../lgmp/stream.ts';
import { Region } from '../memory/region.ts';

/** Who owns what a status tells of; 0: nobody. */
export interface StatusOwner {
  readonly ownerClientId: number;
  readonly ownerGeneration: number;
}

/** A private copy of a status that a publisher wrote, and what is said of it when it cannot be. */
export class GuestStatus {
  readonly copy: Region;
  readonly #kind: 'clipboard' | 'input';

  /** @throws ERR_KVMFR_CORRUPT when there are fewer bytes than it has */
  constructor(kind: 'clipboard' | 'input', bytes: Uint8Array, sizeBytes: number) {
    this.#kind = kind;
    const article = kind === 'input' ? 'an' : 'a';
    if (bytes.byteLength < sizeBytes)
      throw corrupt(
        `${article} ${kind} status has ${sizeBytes} bytes, but this one has ${bytes.byteLength}`,
      );
    this.copy = Region.copyOf(bytes.subarray(0, sizeBytes));
  }

  /** @throws ERR_KVMFR_CORRUPT unless it holds */
  must(holds: boolean, what: string, found: number): void {
    if (!holds) throw corrupt(`${what} of the guest's ${this.#kind} status cannot be ${found}`);
  }

  /**
   * Checks an owner against what the flags say.
   *
   * @throws ERR_KVMFR_CORRUPT when they contradict each other
   */
  mustOwn(owner: StatusOwner, flags: { readonly has: boolean; readonly available: boolean }): void {
    const { ownerClientId, ownerGeneration } = owner;
    this.must((ownerClientId !== 0) === flags.has, 'ownerClientID', ownerClientId);
    this.must((ownerGeneration !== 0) === flags.has, 'ownerGeneration', ownerGeneration);
    this.must(flags.available || !flags.has, 'ownerClientID', ownerClientId);
  }

  /**
   * Reads where a stream is.
   *
   * @param wanted what it has to be; its `block` is what it has to lie in
   * @throws ERR_KVMFR_CORRUPT for another stream, ERR_KVMFR_BOUNDS for one that lies elsewhere
   */
  stream(
    at: number,
    wanted: {
      readonly block: { readonly from: number; readonly to: number };
      readonly direction: number;
      readonly slotCount: number;
      readonly slotBytes: number;
    },
  ): StreamDescriptor {
    const stream = readStreamDescriptor(this.copy, at, wanted.block);
    this.must(stream.direction === wanted.direction, 'direction', stream.direction);
    this.must(stream.slotCount === wanted.slotCount, 'slotCount', stream.slotCount);
    this.must(stream.slotBytes === wanted.slotBytes, 'slotSize', stream.slotBytes);
    return stream;
  }
}

function corrupt(message: string): KvmfrError {
  return new KvmfrError('ERR_KVMFR_CORRUPT', message);
}
