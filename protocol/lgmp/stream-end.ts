import { KvmfrError } from '../error.ts';
import type { Region } from '../memory/region.ts';
import { loadU32, storeU32 } from '../memory/word.ts';
import {
  STREAM_DIRECTIONS,
  STREAM_POLICIES,
  STREAM_SHARED_MAGIC,
  STREAM_STATES,
  STREAM_VERSION,
  StreamCursor,
  type StreamDescriptor,
  StreamShared,
  StreamSlot,
  streamRegionBytes,
  streamStrideBytes,
} from './stream.ts';

const ATTEMPTS = 8;

/** Why a stream cannot be used. All but `corrupted` are ordinary. */
export type StreamRefusal =
  /** The session is another one. */
  | 'session-lost'
  /** The stream is not bound, or is being drained. */
  | 'unbound'
  /** It is bound to somebody else, or anew. */
  | 'stale'
  | 'corrupted';

/** An end's position: the binding it counts in, and how many records have passed. */
export interface StreamPosition {
  epoch: number;
  sequence: number;
}

/** A stream in a region, in a session. */
export interface StreamPlace {
  readonly region: Region;
  readonly stream: StreamDescriptor;
  /** Where the session's id is. */
  readonly sessionIdAt: number;
  readonly sessionId: number;
}

/** Where the cursor of an end is. */
export function streamCursorAt(stream: StreamDescriptor, end: 'producer' | 'consumer'): number {
  return stream.at + StreamShared[end].offsetBytes;
}

/** Tells the other end a position. */
export function publishStreamCursor(region: Region, at: number, position: StreamPosition): void {
  const stamp = (loadU32(region, at) + 1) >>> 0;
  const valueAt = at + StreamCursor.value.offsetBytes + (stamp & 1) * 8;
  storeU32(region, valueAt, position.epoch);
  storeU32(region, valueAt + 4, position.sequence);
  storeU32(region, at, stamp);
}

/**
 * Reads a position while its owner may write it.
 *
 * @returns false when it kept changing
 */
export function observeStreamCursor(region: Region, at: number, into: StreamPosition): boolean {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stamp = loadU32(region, at);
    const valueAt = at + StreamCursor.value.offsetBytes + (stamp & 1) * 8;
    into.epoch = loadU32(region, valueAt);
    into.sequence = loadU32(region, valueAt + 4);
    if (loadU32(region, at) === stamp) return true;
  }
  return false;
}

/**
 * One end of a stream, in one binding: every step of it is taken only while the binding holds, and
 * nothing that the other end writes is believed twice.
 *
 * Shape: LGMPStreamShared, 256 bytes, then the slots.
 * Ownership: writes its own cursor, and a producer the slots; all else is the other's.
 */
export class StreamEnd {
  readonly epoch: number;
  readonly clientId: number;
  readonly stream: StreamDescriptor;
  readonly #place: StreamPlace;
  readonly #isProducer: boolean;
  readonly #own: number;
  readonly #other: number;
  readonly #strideBytes: number;
  readonly #mine: StreamPosition = { epoch: 0, sequence: 0 };
  readonly #theirs: StreamPosition = { epoch: 0, sequence: 0 };
  /** Whether a record was read that was not released yet. */
  #isReading = false;

  /** `by` is who uses it: of a stream to the host the client is the producer. */
  constructor(
    place: StreamPlace,
    binding: {
      readonly epoch: number;
      readonly clientId: number;
      readonly by: 'host' | 'client';
    },
  ) {
    this.#place = place;
    this.stream = place.stream;
    this.epoch = binding.epoch;
    this.clientId = binding.clientId;
    const isToHost = place.stream.direction === STREAM_DIRECTIONS.clientToHost;
    this.#isProducer = isToHost === (binding.by === 'client');
    this.#own = streamCursorAt(place.stream, this.#isProducer ? 'producer' : 'consumer');
    this.#other = streamCursorAt(place.stream, this.#isProducer ? 'consumer' : 'producer');
    this.#strideBytes = streamStrideBytes(place.stream.slotBytes);
  }

  /**
   * Begins to use a stream that is bound to a client, as that client.
   *
   * @returns why not, when it is not bound to it, or its region is not the one that was described
   */
  static activate(place: StreamPlace, clientId: number): StreamEnd | StreamRefusal {
    const { region, stream } = place;
    if (!matches(place)) return 'corrupted';
    const epoch = loadU32(region, stream.at + StreamShared.epoch.offsetBytes);
    if (epoch === 0) return 'unbound';
    const end = new StreamEnd(place, { epoch, clientId, by: 'client' });
    const status = end.check(true);
    if (status !== 'ok') return status;
    if (end.#observe() === undefined) return 'corrupted';
    const after = end.check(true);
    return after === 'ok' ? end : after;
  }

  /** Whether the binding holds. A stream that is drained takes no new records. */
  check(isDrainingToo: boolean): 'ok' | StreamRefusal {
    const { region, stream, sessionId, sessionIdAt } = this.#place;
    if (
      loadU32(region, sessionIdAt) !== sessionId ||
      loadU32(region, stream.at + StreamShared.sessionID.offsetBytes) !== sessionId
    )
      return 'session-lost';
    const stateAt = stream.at + StreamShared.state.offsetBytes;
    const state = loadU32(region, stateAt);
    const isOpen =
      state === STREAM_STATES.ready || (isDrainingToo && state === STREAM_STATES.draining);
    if (!isOpen) return 'unbound';
    if (
      loadU32(region, stream.at + StreamShared.epoch.offsetBytes) !== this.epoch ||
      loadU32(region, stream.at + StreamShared.clientID.offsetBytes) !== this.clientId ||
      loadU32(region, stateAt) !== state
    )
      return 'stale';
    return 'ok';
  }

  /** How many records wait; undefined when the two positions cannot be. */
  get used(): number | undefined {
    return this.#observe();
  }

  /**
   * Writes a record.
   *
   * @throws ERR_KVMFR_ARGUMENT for more bytes than a slot has
   */
  write(record: Uint8Array): 'ok' | 'full' | StreamRefusal {
    if (!this.#isProducer || record.byteLength > this.stream.slotBytes)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `a record for this stream may have ${this.#isProducer ? this.stream.slotBytes : 0} bytes, but has ${record.byteLength}`,
      );
    const begun = this.#begin(false);
    if (begun !== 'ok') return begun;
    try {
      const used = this.#observe();
      if (used === undefined) return 'corrupted';
      if (used === this.stream.slotCount) return 'full';
      const { epoch, sequence } = this.#mine;
      const slotAt = this.#slotAt(sequence);
      this.#place.region.bytes.set(record, slotAt + StreamSlot.$sizeBytes);
      return this.#commit(slotAt, epoch, sequence, record.byteLength);
    } finally {
      this.#end();
    }
  }

  #commit(slotAt: number, epoch: number, sequence: number, bytes: number): 'ok' | StreamRefusal {
    const { region } = this.#place;
    const status = this.check(true);
    if (status !== 'ok') return status;
    // Nobody else may move it.
    if (!this.#isAt(epoch, sequence)) return 'corrupted';
    storeU32(region, slotAt + StreamSlot.epoch.offsetBytes, epoch);
    storeU32(region, slotAt + StreamSlot.ticket.offsetBytes, sequence);
    storeU32(region, slotAt + StreamSlot.length.offsetBytes, bytes);
    storeU32(region, slotAt + StreamSlot._reserved.offsetBytes, 0);
    publishStreamCursor(region, this.#own, { epoch, sequence: (sequence + 1) >>> 0 });
    return 'ok';
  }

  /**
   * Copies the oldest record out, and holds its slot until {@link release}.
   *
   * @param into has room for a slot
   * @returns its length, or why there is none
   */
  read(into: Uint8Array): number | 'empty' | StreamRefusal {
    if (this.#isProducer || this.#isReading || into.byteLength < this.stream.slotBytes)
      throw new KvmfrError(
        'ERR_KVMFR_ARGUMENT',
        `reading needs the consumer's end, no record held, and ${this.stream.slotBytes} bytes of room`,
      );
    const begun = this.#begin(true);
    if (begun !== 'ok') return begun;
    const found = this.#take(into);
    if (typeof found === 'number') this.#isReading = true;
    else this.#end();
    return found;
  }

  #take(into: Uint8Array): number | 'empty' | StreamRefusal {
    const { region } = this.#place;
    const used = this.#observe();
    if (used === undefined) return 'corrupted';
    if (used === 0) return 'empty';
    const { epoch, sequence } = this.#mine;
    const slotAt = this.#slotAt(sequence);
    const length = loadU32(region, slotAt + StreamSlot.length.offsetBytes);
    if (
      loadU32(region, slotAt + StreamSlot.epoch.offsetBytes) !== epoch ||
      loadU32(region, slotAt + StreamSlot.ticket.offsetBytes) !== sequence ||
      length > this.stream.slotBytes
    )
      return 'corrupted';
    const payloadAt = slotAt + StreamSlot.$sizeBytes;
    into.set(region.bytes.subarray(payloadAt, payloadAt + length));
    const status = this.check(true);
    return status === 'ok' ? length : status;
  }

  /** Gives the slot of the record back that {@link read} gave. */
  release(): 'ok' | 'empty' | StreamRefusal {
    if (!this.#isReading) return 'empty';
    this.#isReading = false;
    try {
      const status = this.check(true);
      if (status !== 'ok') return status;
      const { epoch, sequence } = this.#mine;
      if (!this.#isAt(epoch, sequence)) return 'corrupted';
      const after = { epoch, sequence: (sequence + 1) >>> 0 };
      publishStreamCursor(this.#place.region, this.#own, after);
      return 'ok';
    } finally {
      this.#end();
    }
  }

  #begin(isDrainingToo: boolean): 'ok' | StreamRefusal {
    const status = this.check(isDrainingToo);
    if (status !== 'ok') return status;
    storeU32(this.#place.region, this.#activeAt, this.epoch);
    const after = this.check(isDrainingToo);
    if (after !== 'ok') this.#end();
    return after;
  }

  #end(): void {
    const { region, sessionId, sessionIdAt } = this.#place;
    // In another session, or another binding, it is not ours.
    if (loadU32(region, sessionIdAt) !== sessionId) return;
    if (loadU32(region, this.#activeAt) === this.epoch) storeU32(region, this.#activeAt, 0);
  }

  get #activeAt(): number {
    return this.#own + StreamCursor.active.offsetBytes + (this.epoch & 1) * 4;
  }

  /** Reads both positions; gives the records between them. */
  #observe(): number | undefined {
    const { region, stream } = this.#place;
    if (!observeStreamCursor(region, this.#own, this.#mine)) return undefined;
    if (!observeStreamCursor(region, this.#other, this.#theirs)) return undefined;
    if (this.#mine.epoch !== this.epoch || this.#theirs.epoch !== this.epoch) return undefined;
    const ahead = this.#isProducer
      ? this.#mine.sequence - this.#theirs.sequence
      : this.#theirs.sequence - this.#mine.sequence;
    const used = ahead >>> 0;
    return used <= stream.slotCount ? used : undefined;
  }

  #isAt(epoch: number, sequence: number): boolean {
    if (!observeStreamCursor(this.#place.region, this.#own, this.#mine)) return false;
    return this.#mine.epoch === epoch && this.#mine.sequence === sequence;
  }

  #slotAt(sequence: number): number {
    const { at, slotCount } = this.stream;
    return at + StreamShared.$sizeBytes + (sequence & (slotCount - 1)) * this.#strideBytes;
  }
}

/** Whether a stream's region says what its descriptor does. */
function matches({ region, stream, sessionId }: StreamPlace): boolean {
  const { at } = stream;
  return (
    loadU32(region, at) === STREAM_SHARED_MAGIC &&
    StreamShared.version(region, at) === STREAM_VERSION &&
    StreamShared.headerSize(region, at) === StreamShared.$sizeBytes &&
    StreamShared.regionSize(region, at) === streamRegionBytes(stream) &&
    StreamShared.sessionID(region, at) === sessionId &&
    StreamShared.direction(region, at) === stream.direction &&
    StreamShared.policy(region, at) === STREAM_POLICIES.reliableFifo &&
    StreamShared.slotCount(region, at) === stream.slotCount &&
    StreamShared.slotSize(region, at) === stream.slotBytes &&
    StreamShared.slotStride(region, at) === streamStrideBytes(stream.slotBytes) &&
    StreamShared.slotsOffset(region, at) === StreamShared.$sizeBytes
  );
}
