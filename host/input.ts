import { randomInt } from 'node:crypto';
import {
  decodeInputRecord,
  INPUT_BUTTONS,
  INPUT_CAPABILITIES,
  INPUT_LEASE_MS,
  INPUT_STREAM,
  INPUT_VERSION,
  type InputRecord,
  type InputReport,
  KvmfrError,
  type RawInputStatus,
  type Region,
  STREAM_DIRECTIONS,
  writeInputStatus,
} from '../protocol/index.ts';
import type { Payload } from './plan.ts';
import type { HostQueue } from './queue.ts';
import type { HostSession } from './session.ts';
import { StreamEndpoint } from './stream-endpoint.ts';

/** What a client does with the guest's keyboard and pointer. */
export type HostInput =
  | { readonly kind: 'claim'; readonly clientId: number }
  /** All keys and buttons are up; after `release` nobody owns the input. */
  | { readonly kind: 'reset' | 'release'; readonly clientId: number }
  | (InputReport & { readonly clientId: number });

/** What the input has counted since the host was made. */
export interface InputCounters {
  /** Records that did something. */
  accepted: number;
  /** Records of clients that do not own the input. */
  ignored: number;
  /** Owners that were released because a record broke the rules. */
  violations: number;
  /** Owners that said nothing for too long. */
  expired: number;
}

interface Owner {
  readonly clientId: number;
  readonly generation: number;
  sequence: number;
  untilMs: number;
}

/** What of a session's input outlives it, when another begins in place. */
export interface InputPast {
  readonly counters: InputCounters;
  readonly generation: number;
  readonly available: boolean;
  readonly leds: number | undefined;
}

/** A past in which nothing has happened. */
export function newInputPast(): InputPast {
  return {
    counters: { accepted: 0, ignored: 0, violations: 0, expired: 0 },
    generation: randomInt(1, 0x8000_0000),
    available: true,
    leds: undefined,
  };
}

/** A pause between two turns that is none of the owner's doing. Units: milliseconds. */
const STALL_MS = 750;

const ALL_CAPABILITIES =
  INPUT_CAPABILITIES.mouseRelative | INPUT_CAPABILITIES.mouseAbsolute | INPUT_CAPABILITIES.keyboard;

/**
 * The guest's side of keyboard and pointer: a stream for each client of the input queue, one owner at a
 * time, and the status that tells them.
 *
 * Everything in the streams is written by clients: each record is copied once, checked, and used from
 * the copy.
 */
export class InputPublisher {
  readonly counters: InputCounters;
  readonly #region: Region;
  readonly #session: HostSession;
  readonly #queue: HostQueue;
  readonly #payloads: readonly Payload[];
  readonly #endpoints: readonly StreamEndpoint[];
  readonly #generation: number;
  readonly #record: Uint8Array<ArrayBuffer> = new Uint8Array(INPUT_STREAM.slotBytes);
  /** Clients whose stream was taken away because they broke it; until they unsubscribe. */
  readonly #barred: Set<number> = new Set();
  #owner: Owner | undefined;
  #available: boolean;
  #leds: number | undefined;
  #streamGeneration = 1;
  #serial = 0;
  #servedMs = Number.POSITIVE_INFINITY;
  #isTold = false;
  repaired = 0;

  constructor(region: Region, session: HostSession, past: InputPast) {
    const { input } = session.plan;
    const queue = session.inputQueue;
    if (input === undefined || queue === undefined)
      throw new KvmfrError('ERR_KVMFR_ARGUMENT', 'the session must have an input queue');
    this.counters = past.counters;
    this.#region = region;
    this.#session = session;
    this.#queue = queue;
    this.#payloads = input.statuses;
    this.#generation = (past.generation + 1) >>> 0 || 1;
    this.#available = past.available;
    this.#leds = past.leds;
    const sessionIdAt = session.wire.lgmp.header.sessionID;
    this.#endpoints = input.streams.map(
      ({ at }) =>
        new StreamEndpoint({
          region,
          sessionIdAt,
          sessionId: session.id,
          stream: { at, direction: STREAM_DIRECTIONS.clientToHost, ...INPUT_STREAM },
        }),
    );
  }

  /** What the input of the next session in this place begins with. */
  get past(): InputPast {
    const { counters } = this;
    const [generation, available, leds] = [this.#generation, this.#available, this.#leds];
    return { counters, generation, available, leds };
  }

  /** The client that owns the input; undefined while nobody does. */
  get owner(): number | undefined {
    return this.#owner?.clientId;
  }

  /** Tells the clients of the lights of the guest's keyboard: INPUT_LEDS. */
  setLeds(leds: number): void {
    if (leds === this.#leds) return;
    this.#leds = leds;
    this.#isTold = false;
  }

  /** Takes input, or takes none. What the owner holds is let go. */
  setAvailable(available: boolean): HostInput | undefined {
    if (available === this.#available) return undefined;
    this.#available = available;
    this.#isTold = false;
    return this.#releaseOwner();
  }

  /** The next status goes to everybody, because somebody is new. */
  repeatForSubscriber(): void {
    this.#isTold = false;
  }

  /** Does what is to be done now. Gives what clients did, in order. */
  serve(nowMs: number): readonly HostInput[] {
    const done: HostInput[] = [];
    // Who stood still itself, perhaps with its machine, does not hold the time against its owner.
    const stoodMs = nowMs - this.#servedMs;
    this.#servedMs = nowMs;
    if (stoodMs > STALL_MS && this.#owner !== undefined) this.#owner.untilMs += stoodMs;
    const clients = this.#queue.clients();
    this.#bind(clients, done);
    for (const endpoint of this.#endpoints) this.#hear(endpoint, nowMs, done);
    for (const endpoint of this.#endpoints) this.#finish(endpoint);
    const owner = this.#owner;
    if (owner !== undefined && nowMs > owner.untilMs) {
      this.counters.expired++;
      this.#release(done);
    }
    if (!this.#isTold) this.#tell(nowMs);
    return done;
  }

  #bind(clients: ReadonlySet<number>, done: HostInput[]): void {
    for (const client of this.#barred) if (!clients.has(client)) this.#barred.delete(client);
    const bound = new Set<number>();
    for (const endpoint of this.#endpoints) {
      this.repaired += endpoint.repair();
      const { clientId } = endpoint;
      if (clientId === 0) continue;
      bound.add(clientId);
      if (!clients.has(clientId)) this.#unbind(endpoint, done);
    }
    for (const client of clients) {
      if (bound.has(client) || this.#barred.has(client)) continue;
      // In one that nobody has somebody may still be at work.
      if (this.#endpoints.some((endpoint) => endpoint.bind(client))) this.#streamsChanged();
    }
  }

  #unbind(endpoint: StreamEndpoint, done: HostInput[]): void {
    if (endpoint.isDraining) return;
    // What it held must not stay down, whatever is left in its stream.
    if (this.#owner?.clientId === endpoint.clientId) this.#release(done);
    endpoint.drain();
  }

  #finish(endpoint: StreamEndpoint): void {
    if (endpoint.isDraining && endpoint.finish()) this.#streamsChanged();
  }

  /** Reads what a client has sent: no more than its stream holds, so that all get their turn. */
  #hear(endpoint: StreamEndpoint, nowMs: number, done: HostInput[]): void {
    const { clientId, end } = endpoint;
    if (end === undefined) return;
    for (let turn = 0; turn < INPUT_STREAM.slotCount; turn++) {
      const found = end.read(this.#record);
      if (typeof found === 'string') {
        if (found === 'corrupted') this.#breach(endpoint, done);
        return;
      }
      const bytes = this.#record.subarray(0, found);
      if (endpoint.isDraining) this.counters.ignored++;
      else this.#take(bytes, clientId, nowMs, done);
      if (end.release() === 'corrupted') {
        this.#breach(endpoint, done);
        return;
      }
    }
  }

  /** A stream that cannot be is taken from its client. */
  #breach(endpoint: StreamEndpoint, done: HostInput[]): void {
    const { clientId } = endpoint;
    this.counters.violations++;
    if (this.#owner?.clientId === clientId) this.#release(done);
    endpoint.force();
    this.#barred.add(clientId);
    this.#streamsChanged();
  }

  #take(bytes: Uint8Array, clientId: number, nowMs: number, done: HostInput[]): void {
    let record: InputRecord;
    try {
      record = decodeInputRecord(bytes);
    } catch (error) {
      if (!KvmfrError.is(error)) throw error;
      if (this.#owner?.clientId === clientId) this.#violate(done);
      else this.counters.ignored++;
      return;
    }
    const owner = this.#owner;
    if (owner === undefined) this.#claim(record, clientId, nowMs, done);
    else if (owner.clientId !== clientId) this.counters.ignored++;
    else this.#hearOwner(record, owner, nowMs, done);
  }

  #claim(record: InputRecord, clientId: number, nowMs: number, done: HostInput[]): void {
    const { body, generation, sequence } = record;
    if (body.kind !== 'claim' || sequence !== 1 || !this.#available) {
      this.counters.ignored++;
      return;
    }
    this.#owner = { clientId, generation, sequence, untilMs: nowMs + INPUT_LEASE_MS };
    this.#isTold = false;
    this.counters.accepted++;
    done.push({ kind: 'claim', clientId });
  }

  #hearOwner(record: InputRecord, owner: Owner, nowMs: number, done: HostInput[]): void {
    const { body, generation, sequence } = record;
    if (generation !== owner.generation) {
      this.#violate(done);
      return;
    }
    if (body.kind === 'claim') {
      // Said twice at the very beginning it is no harm.
      if (sequence === 1 && owner.sequence === 1) this.counters.ignored++;
      else this.#violate(done);
      return;
    }
    if (sequence !== ((owner.sequence + 1) >>> 0 || 1)) {
      this.#violate(done);
      return;
    }
    owner.sequence = sequence;
    owner.untilMs = nowMs + INPUT_LEASE_MS;
    this.counters.accepted++;
    const { clientId } = owner;
    switch (body.kind) {
      case 'release':
        this.#release(done);
        break;
      case 'reset':
        done.push({ kind: 'reset', clientId });
        break;
      case 'keepalive':
        break;
      default:
        done.push({ ...body, clientId });
    }
  }

  #violate(done: HostInput[]): void {
    this.counters.violations++;
    this.#release(done);
  }

  #release(done: HostInput[]): void {
    const released = this.#releaseOwner();
    if (released !== undefined) done.push(released);
  }

  #releaseOwner(): HostInput | undefined {
    const owner = this.#owner;
    if (owner === undefined) return undefined;
    this.#owner = undefined;
    this.#isTold = false;
    return { kind: 'release', clientId: owner.clientId };
  }

  #streamsChanged(): void {
    this.#streamGeneration = (this.#streamGeneration + 1) >>> 0 || 1;
    this.#isTold = false;
  }

  #tell(nowMs: number): void {
    if (this.#queue.full) this.#session.process(this.#queue, nowMs);
    const payload = this.#payloads.find(({ at }) => !this.#queue.names(at));
    if (payload === undefined) return;
    writeInputStatus(this.#region, payload.at, this.#status());
    const serial = (this.#serial + 1) >>> 0 || 1;
    const result = this.#queue.post(payload, serial, nowMs);
    if (result !== 'posted' && result !== 'dropped') return;
    this.#serial = serial;
    this.#isTold = true;
  }

  #status(): RawInputStatus {
    return {
      version: INPUT_VERSION,
      capabilities: this.#available ? ALL_CAPABILITIES : 0,
      available: this.#available,
      generation: this.#generation,
      ownerClientId: this.#owner?.clientId ?? 0,
      ownerGeneration: this.#owner?.generation ?? 0,
      leaseMs: INPUT_LEASE_MS,
      maxButtons: INPUT_BUTTONS,
      streamGeneration: this.#streamGeneration,
      leds: this.#leds,
      endpoints: this.#endpoints.map(({ stream, clientId, epoch }) => ({
        stream,
        boundClientId: clientId,
        bindingGeneration: epoch,
      })),
    };
  }
}
