import type { Host, HostInput, HostOptions } from '../../../host/index.ts';
import {
  encodeInputRecord,
  type InputBody,
  LGMP_V12,
  type RawInputStatus,
  type Region,
  readInputStatus,
  StreamEnd,
} from '../../../protocol/index.ts';
import { DevClient } from './dev-client.ts';
import { hostOnMemory } from './fixture.ts';

/** Place of the input queue in the table. */
const INPUT_QUEUE = 4;

/** A client of the input queue, step by step. */
export class InputPeer {
  readonly client: DevClient;
  readonly #region: Region;
  readonly #host: Host;
  /** The newest status it was sent. */
  status: RawInputStatus | undefined;
  serial = 0n;
  generation = 0x1000;
  sequence = 0;
  end: StreamEnd | undefined;

  constructor(region: Region, host: Host) {
    this.#region = region;
    this.#host = host;
    this.client = DevClient.subscribe(region, 12, { queue: INPUT_QUEUE });
  }

  /** Reads what came, and begins to use its stream when there is one. */
  look(): RawInputStatus {
    for (let message = this.client.take(); message !== undefined; message = this.client.take()) {
      const bytes = this.#region.copyOut(message.offset, 448);
      this.status = readInputStatus(bytes, { from: 0, to: this.#region.byteLength });
      this.serial = message.udata;
    }
    if (this.status === undefined) throw new Error('no status has come');
    return this.status;
  }

  /** The stream that is bound to it now. */
  activate(): StreamEnd {
    const ours = this.look().endpoints.find((one) => one.boundClientId === this.client.clientId);
    if (ours === undefined) throw new Error('no endpoint is bound');
    const place = {
      region: this.#region,
      stream: ours.stream,
      sessionIdAt: LGMP_V12.header.sessionID,
      sessionId: this.#host.sessionId,
    };
    const end = StreamEnd.activate(place, this.client.clientId);
    if (!(end instanceof StreamEnd)) throw new Error(`not activated: ${end}`);
    if (end.epoch !== ours.bindingGeneration) throw new Error('another binding than was told');
    this.end = end;
    return end;
  }

  /** Sends a record, the next one unless told otherwise. */
  send(
    body: InputBody,
    changes: { readonly generation?: number; readonly sequence?: number } = {},
  ): string {
    this.sequence = changes.sequence ?? this.sequence + 1;
    const generation = changes.generation ?? this.generation;
    return this.raw(encodeInputRecord({ generation, sequence: this.sequence, body }));
  }

  raw(bytes: Uint8Array): string {
    if (this.end === undefined) throw new Error('no stream');
    return this.end.write(bytes);
  }

  claim(): void {
    this.generation++;
    this.sequence = 0;
    this.send({ kind: 'claim' });
  }
}

/** A host that takes input, on plain memory, with a clock that is moved by hand. */
export interface InputStage {
  readonly region: Region;
  readonly host: Host;
  /** What the host has told of, and forgets when asked. */
  heard(): HostInput[];
  advance(ms: number): void;
  /** A client that has its stream. */
  peer(): InputPeer;
}

/** Makes an {@link InputStage}. */
export async function inputStage(options: HostOptions = {}): Promise<InputStage> {
  const { region, host, advance } = await hostOnMemory({
    wire: 'dev12',
    input: true,
    mib: 8,
    recovery: false,
    ...options,
  });
  const inputs: HostInput[] = [];
  host.on('input', (input) => inputs.push(input));
  return {
    region,
    host,
    advance,
    heard: () => inputs.splice(0),
    peer: () => {
      const peer = new InputPeer(region, host);
      advance(1);
      peer.activate();
      return peer;
    },
  };
}
