import {
  loadU32,
  publishStreamCursor,
  STREAM_POLICIES,
  STREAM_SHARED_MAGIC,
  STREAM_STATES,
  STREAM_VERSION,
  StreamCursor,
  type StreamDescriptor,
  StreamEnd,
  type StreamPlace,
  StreamShared,
  storeU32,
  streamCursorAt,
  streamRegionBytes,
  streamStrideBytes,
} from '../protocol/index.ts';

const ENDS = ['producer', 'consumer'] as const;

/**
 * A stream that a host keeps for one client at a time. What it is bound to is known here; the words of
 * the region only tell it.
 *
 * A client that is bound may write what it likes in the stream's region. So a binding that was broken
 * is ended by force; and a stream whose client says for ever that it is at work stays with it, because
 * whoever came next would share its slots.
 */
export class StreamEndpoint {
  readonly stream: StreamDescriptor;
  readonly #place: StreamPlace;
  #end: StreamEnd | undefined;
  #epoch = 0;
  #isDraining = false;

  /** Writes an unbound stream; its magic comes last. */
  constructor(place: StreamPlace) {
    this.#place = place;
    this.stream = place.stream;
    const { region, stream, sessionId } = place;
    const { at } = stream;
    region.bytes.fill(0, at, at + streamRegionBytes(stream));
    StreamShared.version.write(region, at, STREAM_VERSION);
    StreamShared.headerSize.write(region, at, StreamShared.$sizeBytes);
    StreamShared.regionSize.write(region, at, streamRegionBytes(stream));
    StreamShared.sessionID.write(region, at, sessionId);
    StreamShared.direction.write(region, at, stream.direction);
    StreamShared.policy.write(region, at, STREAM_POLICIES.reliableFifo);
    StreamShared.slotCount.write(region, at, stream.slotCount);
    StreamShared.slotSize.write(region, at, stream.slotBytes);
    StreamShared.slotStride.write(region, at, streamStrideBytes(stream.slotBytes));
    StreamShared.slotsOffset.write(region, at, StreamShared.$sizeBytes);
    storeU32(region, at, STREAM_SHARED_MAGIC);
  }

  /** The client it is bound to; 0 when it is nobody's. */
  get clientId(): number {
    return this.#end?.clientId ?? 0;
  }

  /** The number of the binding; 0 when it is nobody's. */
  get epoch(): number {
    return this.#end === undefined ? 0 : this.#epoch;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The host's end of it, while it is bound. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  /**
   * Gives it to a client.
   *
   * @returns false when somebody is at work in it
   */
  bind(clientId: number): boolean {
    if (this.#end !== undefined || this.#isActive()) return false;
    const { region } = this.#place;
    this.#setState(STREAM_STATES.binding);
    if (this.#isActive()) {
      // Who is it? It has to end by itself.
      this.#setState(STREAM_STATES.unbound);
      return false;
    }
    this.#begin();
    this.#setWord('clientID', clientId);
    this.#setWord('epoch', this.#epoch);
    this.#end = new StreamEnd(this.#place, { epoch: this.#epoch, clientId, by: 'host' });
    this.#isDraining = false;
    storeU32(region, this.stream.at + StreamShared.state.offsetBytes, STREAM_STATES.ready);
    return true;
  }

  /** Takes no new records from now on; {@link finish} ends the binding. */
  drain(): void {
    if (this.#end === undefined || this.#isDraining) return;
    this.#isDraining = true;
    this.#setState(STREAM_STATES.draining);
  }

  /**
   * Ends a binding that was drained.
   *
   * @returns false while its client is at work, or records remain
   */
  finish(): boolean {
    if (this.#end === undefined) return true;
    if (!this.#isDraining || this.#isActive()) return false;
    const used = this.#end.used;
    if (used !== undefined && used > 0) return false;
    this.#forget();
    return true;
  }

  /** Ends a binding whatever its client does, because it broke the rules. */
  force(): void {
    if (this.#end === undefined) return;
    this.#setState(STREAM_STATES.draining);
    for (const end of ENDS)
      for (const index of [0, 1]) storeU32(this.#place.region, this.#activeAt(end, index), 0);
    this.#begin();
    this.#setWord('epoch', this.#epoch);
    this.#forget();
  }

  /** Puts right what of the binding only the host may write. Gives how many words that were. */
  repair(): number {
    const { region, stream, sessionId } = this.#place;
    const state = this.#end === undefined ? 'unbound' : this.#isDraining ? 'draining' : 'ready';
    let repaired = 0;
    for (const [field, value] of [
      ['state', STREAM_STATES[state]],
      ['epoch', this.#epoch],
      ['clientID', this.clientId],
      ['sessionID', sessionId],
    ] as const) {
      if (loadU32(region, stream.at + StreamShared[field].offsetBytes) === value) continue;
      this.#setWord(field, value);
      repaired++;
    }
    return repaired;
  }

  #begin(): void {
    this.#epoch = (this.#epoch + 1) >>> 0 || 1;
    for (const end of ENDS)
      publishStreamCursor(this.#place.region, streamCursorAt(this.stream, end), {
        epoch: this.#epoch,
        sequence: 0,
      });
  }

  #forget(): void {
    this.#end = undefined;
    this.#isDraining = false;
    this.#setWord('clientID', 0);
    this.#setState(STREAM_STATES.unbound);
  }

  #isActive(): boolean {
    return ENDS.some((end) =>
      [0, 1].some((index) => loadU32(this.#place.region, this.#activeAt(end, index)) !== 0),
    );
  }

  #activeAt(end: (typeof ENDS)[number], index: number): number {
    return streamCursorAt(this.stream, end) + StreamCursor.active.offsetBytes + index * 4;
  }

  #setState(state: number): void {
    this.#setWord('state', state);
  }

  #setWord(field: 'state' | 'epoch' | 'clientID' | 'sessionID', value: number): void {
    storeU32(this.#place.region, this.stream.at + StreamShared[field].offsetBytes, value);
  }
}
