import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ClipboardOwner } from '../../../client/clipboard-owner.ts';
import { StreamEndpoint } from '../../../host/stream-endpoint.ts';
import {
  CLIPBOARD_STREAM,
  type ClipboardBody,
  type ClipboardPiece,
  decodeClipboardRecord,
  encodeClipboardRecord,
  type RawClipboardStatus,
  Region,
  StreamEnd,
  streamRegionBytes,
} from '../../../protocol/index.ts';

const CLIENT = 5;
const SESSION = 0x77;
const TEXT = Uint8Array.of(1, 2, 3);
const WHOLE: ClipboardPiece = {
  ...{ sequence: 0, offset: 0, size: 3, isFirst: true, isLast: true, bytes: 3 },
};
const FIRST = 64;
const SECOND = FIRST + streamRegionBytes(CLIPBOARD_STREAM);

/** An owner, and a guest that says what a test wants, in time that is moved by hand. */
class Guest {
  readonly region = new Region(new ArrayBuffer(SECOND * 2));
  toClient: StreamEndpoint;
  toHost: StreamEndpoint;
  readonly owner: ClipboardOwner;
  readonly #said: ClipboardBody[] = [];
  readonly #slot = new Uint8Array(CLIPBOARD_STREAM.slotBytes);
  answer: 'ok' | 'later' | 'lost' = 'ok';
  generation = 0;
  nowMs = 1000;
  status: RawClipboardStatus;

  constructor() {
    this.region.view.setUint32(0, SESSION, true);
    this.toClient = this.#endpoint(FIRST, 1);
    this.toHost = this.#endpoint(SECOND, 2);
    this.status = {
      ...{ available: true, generation: 1, ownerClientId: 0, ownerGeneration: 0, leaseMs: 1000 },
      ...{ formats: 0, hostToClient: this.toClient.stream, clientToHost: this.toHost.stream },
    };
    this.owner = new ClipboardOwner({
      send: (bytes) => {
        if (this.answer !== 'ok') return this.answer;
        const { body, generation } = decodeClipboardRecord(bytes, 'client');
        if (body.kind === 'claim') this.generation = generation;
        this.#said.push(body);
        return 'ok';
      },
      attach: () => {
        const place = { region: this.region, sessionIdAt: 0, sessionId: SESSION };
        const { stream } = this.toClient;
        const toClient = StreamEnd.activate({ ...place, stream }, CLIENT);
        const toHost = StreamEnd.activate({ ...place, stream: this.toHost.stream }, CLIENT);
        if (!(toClient instanceof StreamEnd) || !(toHost instanceof StreamEnd)) return undefined;
        return { toClient, toHost };
      },
    });
  }

  #endpoint(at: number, direction: 1 | 2): StreamEndpoint {
    const stream = { at, direction, ...CLIPBOARD_STREAM };
    return new StreamEndpoint({ region: this.region, sessionIdAt: 0, sessionId: SESSION, stream });
  }

  /** Has its streams afresh. */
  renew(): void {
    this.toClient = this.#endpoint(FIRST, 1);
    this.toHost = this.#endpoint(SECOND, 2);
  }

  /** Tells how it stands. */
  tell(changes: Partial<RawClipboardStatus> = {}): void {
    this.status = { ...this.status, ...changes };
    this.owner.setStatus(this.status, CLIENT);
  }

  /** What the client has said since. */
  said(): readonly ClipboardBody[] {
    return this.#said.splice(0);
  }

  kinds(): readonly string[] {
    return this.said().map(({ kind }) => kind);
  }

  /** Time goes by; the client does what it can. */
  pump(ms = 1): number | undefined {
    this.nowMs += ms;
    return this.owner.pump(this.nowMs);
  }

  /** The client does what it can, turn after turn, until it has nothing to do at once. */
  settle(): void {
    for (let turns = 0; this.pump() === 0; turns++)
      if (turns > 100) throw new Error('it must come to rest, but does not');
  }

  /** Is claimed and says so. */
  give(): void {
    this.pump();
    this.toClient.bind(CLIENT);
    this.toHost.bind(CLIENT);
    this.tell({ ownerClientId: CLIENT, ownerGeneration: this.generation });
    this.pump();
  }

  say(body: ClipboardBody, generation = this.generation): void {
    this.owner.hear({ generation, body });
  }

  /** Sends contents by the stream. */
  send(body: ClipboardBody, contents: Uint8Array): void {
    const head = encodeClipboardRecord({ generation: this.generation, body });
    const status = this.toClient.end?.write(Buffer.concat([head, contents]));
    if (status !== 'ok') throw new Error(`not written: ${status}`);
  }

  /** The pieces that the client has sent by the stream. */
  pieces(): readonly (ClipboardBody & { readonly kind: 'data' })[] {
    const found: (ClipboardBody & { readonly kind: 'data' })[] = [];
    for (;;) {
      const length = this.toHost.end?.read(this.#slot);
      if (typeof length !== 'number') return found;
      const { body } = decodeClipboardRecord(this.#slot.subarray(0, 64), 'client');
      if (body.kind === 'data') found.push(body);
      this.toHost.end?.release();
    }
  }

  static owned(): Guest {
    const guest = new Guest();
    guest.tell();
    guest.give();
    guest.said();
    return guest;
  }
}

function never(): Promise<Uint8Array | undefined> {
  return new Promise(() => undefined);
}

const OFFER: ClipboardBody = { kind: 'offer', content: 50n, formats: 1 };
const DATA = { kind: 'data', content: 50n, transfer: 1n, format: 'text', piece: WHOLE } as const;

describe('a client of the clipboard', () => {
  it('claims it once, again when nobody answers, and then says little', () => {
    const guest = new Guest();
    expect(guest.owner.pump(0)).toBeUndefined();
    guest.tell();
    guest.pump();
    expect(guest.said()).toEqual([{ kind: 'claim', endpoint: 1 }]);
    for (let i = 0; i < 90; i++) guest.pump(10);
    expect(guest.said()).toEqual([]);
    guest.pump(200);
    expect(guest.kinds()).toEqual(['claim']);
    guest.give();
    guest.said();
    for (let i = 0; i < 1000; i++) guest.pump(10);
    const said = guest.kinds();
    expect(new Set(said)).toEqual(new Set(['keepalive']));
    // Ten seconds.
    expect(said.length).toBe(50);
  });

  it('leaves it to another client, and takes it when that has gone', () => {
    const guest = new Guest();
    guest.tell({ ownerClientId: 9, ownerGeneration: 3 });
    for (let i = 0; i < 50; i++) guest.pump(100);
    expect(guest.said()).toEqual([]);
    guest.tell({ ownerClientId: 0, ownerGeneration: 0 });
    guest.pump();
    expect(guest.kinds()).toEqual(['claim']);
    // Somebody was faster.
    guest.tell({ ownerClientId: 9, ownerGeneration: 3 });
    for (let i = 0; i < 50; i++) guest.pump(100);
    expect([guest.said(), guest.owner.owns]).toEqual([[], false]);
  });

  it('believes nothing that is said to another claim', () => {
    const guest = Guest.owned();
    guest.say(OFFER, guest.generation + 1);
    guest.say({ kind: 'fileAcquire', content: 1n, transfer: 2n ** 63n }, guest.generation + 1);
    guest.pump();
    expect([guest.owner.guest, guest.said()]).toEqual([undefined, []]);
  });

  it('says again what did not get through, in its order', () => {
    const guest = Guest.owned();
    guest.answer = 'later';
    guest.owner.offer(1, never);
    guest.say({ kind: 'fileAcquire', content: 1n, transfer: 2n ** 63n });
    expect(guest.pump()).toBe(1);
    expect(guest.said()).toEqual([]);
    guest.answer = 'ok';
    guest.pump();
    expect(guest.kinds()).toEqual(['fileAcquired', 'offer']);
  });

  it('refuses files, and requests of what it has not', () => {
    const guest = Guest.owned();
    const transfer = 2n ** 63n + 1n;
    guest.owner.offer(1, never);
    guest.pump();
    guest.said();
    guest.say({ kind: 'fileAcquire', content: 1n, transfer });
    const list = { op: 'list', node: 0n, offset: 0, bytes: 0 } as const;
    guest.say({ kind: 'fileRequest', content: 1n, transfer, ...list });
    guest.say({ kind: 'request', content: 1n, transfer, format: 'text' });
    guest.pump();
    expect(guest.said()).toEqual([
      { kind: 'fileAcquired', content: 1n, transfer, error: 'notSupported' },
      { kind: 'fileCancel', content: 1n, transfer, error: 'notSupported' },
      { kind: 'cancel', content: 1n, transfer, reason: 'unavailable', format: 'text' },
    ]);
  });

  it('keeps its offer when the guest repeats what it had, and not when it copies anew', () => {
    const guest = new Guest();
    guest.owner.offer(1, never);
    guest.tell({ formats: 1 });
    guest.give();
    expect(guest.kinds()).toEqual(['claim', 'offer']);
    guest.say(OFFER);
    expect([guest.owner.holdsMine, guest.owner.guest]).toEqual([true, undefined]);
    guest.say({ ...OFFER, content: 51n });
    expect([guest.owner.holdsMine, guest.owner.guest?.serial]).toEqual([false, 1]);
  });

  it('keeps an offer that is made between a claim and the repeat of nothing', () => {
    const guest = Guest.owned();
    guest.owner.offer(1, never);
    guest.pump();
    guest.say({ kind: 'clear', content: 50n });
    expect(guest.owner.holdsMine).toBe(true);
    guest.say({ kind: 'clear', content: 51n });
    expect(guest.owner.holdsMine).toBe(false);
  });

  it('offers anew what it had to a guest that has begun anew', () => {
    const guest = Guest.owned();
    guest.owner.offer(3, never);
    guest.pump();
    guest.said();
    guest.tell({ generation: 2, ownerClientId: 0, ownerGeneration: 0 });
    expect(guest.owner.owns).toBe(false);
    guest.toClient.force();
    guest.toHost.force();
    guest.pump(1000);
    expect(guest.said()).toEqual([{ kind: 'claim', endpoint: 2 }]);
    guest.give();
    expect(guest.said()).toEqual([{ kind: 'offer', content: expect.any(BigInt), formats: 3 }]);
  });
});

describe('a read of the clipboard', () => {
  it('gives what comes, whole', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const { contents } = guest.owner.read('text', 100);
    guest.pump();
    expect(guest.said()).toEqual([{ kind: 'request', content: 50n, transfer: 1n, format: 'text' }]);
    guest.send(DATA, TEXT);
    guest.pump();
    expect(await contents).toEqual(TEXT);
  });

  it.each<[string, ClipboardBody, Uint8Array]>([
    ['other contents than it says', DATA, Uint8Array.of(1)],
    [
      'a piece that is not the first',
      { ...DATA, piece: { ...WHOLE, sequence: 1, offset: 3, size: 6, isFirst: false } },
      TEXT,
    ],
  ])(
    'ends with nothing for %s, the guest is told, and the next goes on',
    async (_, body, bytes) => {
      const guest = Guest.owned();
      guest.say(OFFER);
      const { contents } = guest.owner.read('text', 100);
      guest.pump();
      guest.said();
      guest.send(body, bytes);
      guest.pump();
      expect(await contents).toBeUndefined();
      expect(guest.said()).toMatchObject([{ kind: 'cancel', transfer: 1n, reason: 'invalid' }]);
      expect(guest.owner.counters.refused).toBe(1);
      const next = guest.owner.read('text', 100);
      guest.pump();
      guest.send({ ...DATA, transfer: 2n }, TEXT);
      guest.pump();
      expect(await next.contents).toEqual(TEXT);
    },
  );

  it('lets pass what is of transfers that are over', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const first = guest.owner.read('text', 100);
    guest.pump();
    first.cancel();
    const second = guest.owner.read('text', 100);
    guest.pump();
    guest.send(DATA, Uint8Array.of(9, 9, 9));
    guest.send({ ...DATA, transfer: 2n }, TEXT);
    guest.settle();
    expect([await first.contents, await second.contents]).toEqual([undefined, TEXT]);
    expect(guest.owner.counters.refused).toBe(0);
  });

  it('ends after ten seconds in which nothing came', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const { contents } = guest.owner.read('text', 100);
    for (let i = 0; i < 99; i++) guest.pump(100);
    expect(guest.kinds()).not.toContain('cancel');
    guest.pump(300);
    expect(await contents).toBeUndefined();
    expect(guest.kinds()).toContain('cancel');
  });

  it('ends with the content it is of, and with the guest', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const replaced = guest.owner.read('text', 100);
    guest.pump();
    guest.say({ ...OFFER, content: 51n });
    expect(await replaced.contents).toBeUndefined();
    const lost = guest.owner.read('text', 100);
    const waiting = guest.owner.read('text', 100);
    guest.pump();
    guest.tell({ available: false, ownerClientId: 0, ownerGeneration: 0 });
    expect([await lost.contents, await waiting.contents]).toEqual([undefined, undefined]);
  });

  it('of more than a few at a time comes to nothing', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const reads = Array.from({ length: 20 }, () => guest.owner.read('text', 100));
    expect(await reads.at(-1)?.contents).toBeUndefined();
    guest.owner.setStatus(undefined, CLIENT);
    expect((await Promise.all(reads.map(({ contents }) => contents))).some(Boolean)).toBe(false);
  });

  it('of a stream that cannot be gives the clipboard back, and claims it anew in its time', async () => {
    const guest = Guest.owned();
    guest.say(OFFER);
    const { contents } = guest.owner.read('text', 100);
    guest.pump();
    guest.said();
    guest.send(DATA, TEXT);
    // The slot says another ticket.
    guest.region.view.setUint32(FIRST + 256 + 4, 99, true);
    guest.pump();
    expect(await contents).toBeUndefined();
    expect(guest.kinds()).toEqual(['release']);
    guest.tell({ ownerClientId: 0, ownerGeneration: 0 });
    guest.pump(1000);
    expect(guest.kinds()).toEqual(['claim']);
  });
});

describe('contents that the guest pastes', () => {
  const transfer = 2n ** 63n + 1n;

  function offered(give: () => Promise<Uint8Array | undefined>): { guest: Guest; content: bigint } {
    const guest = Guest.owned();
    guest.owner.offer(1, give);
    guest.pump();
    const [offer] = guest.said();
    if (offer?.kind !== 'offer') throw new Error('nothing was offered');
    return { guest, content: offer.content };
  }

  it('go in pieces as the stream has room, each once', async () => {
    const large = new Uint8Array(10 * 65536 + 1).fill(7);
    const { guest, content } = offered(() => Promise.resolve(large));
    guest.say({ kind: 'request', content, transfer, format: 'text' });
    await turn();
    guest.settle();
    const first = guest.pieces();
    // Four slots.
    expect(first).toHaveLength(4);
    const rest: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      guest.settle();
      rest.push(...guest.pieces());
    }
    expect(rest).toHaveLength(7);
    expect(guest.owner.counters.bytesGiven).toBe(large.length);
  });

  it('go one in a turn, and the next turn is asked for at once', async () => {
    const { guest, content } = offered(() => Promise.resolve(new Uint8Array(4 * 65536)));
    guest.say({ kind: 'request', content, transfer, format: 'text' });
    await turn();
    for (const count of [1, 1, 1, 1]) {
      expect(guest.pump()).toBe(0);
      expect(guest.pieces()).toHaveLength(count);
    }
    expect(guest.pump()).not.toBe(0);
    expect(guest.pieces()).toHaveLength(0);
  });

  it('that nobody gives hold up nothing, and a second request takes the place of the first', async () => {
    const { guest, content } = offered(never);
    for (let i = 0n; i < 5n; i++)
      guest.say({ kind: 'request', content, transfer: transfer + i, format: 'text' });
    guest.pump();
    const cancelled = guest.said().map((body) => 'transfer' in body && body.transfer);
    expect(cancelled).toEqual([0n, 1n, 2n, 3n].map((i) => transfer + i));
  });

  it('of a guest that asks without end cost no more than a few records', () => {
    const { guest, content } = offered(never);
    guest.answer = 'later';
    for (let i = 0n; i < 10_000n; i++)
      guest.say({ kind: 'request', content: content + 1n, transfer: transfer + i, format: 'text' });
    guest.answer = 'ok';
    guest.pump();
    expect(guest.said().length).toBeLessThanOrEqual(16);
  });
});

describe('a guest that writes anything', () => {
  it.each([1, 2, 3, 4])(
    'makes a client neither throw nor pile up, and the next one is served: %i',
    async (seed) => {
      const random = randomOf(seed);
      const guest = Guest.owned();
      const bodies: readonly ClipboardBody[] = [
        OFFER,
        { kind: 'clear', content: 3n },
        { kind: 'request', content: 50n, transfer: 2n ** 63n, format: 'text' },
        { kind: 'cancel', transfer: 1n, reason: 'replaced', content: 0n, format: undefined },
        { kind: 'fileAcquire', content: 3n, transfer: 2n ** 63n },
        DATA,
      ];
      const reads: Promise<unknown>[] = [];
      for (let step = 0; step < 3000; step++) {
        const stream = random(2) === 0 ? FIRST : SECOND;
        // Where a stream is told of, its two lines, and the heads of its slots.
        const places = [random(64), 16 + random(48), 64 + random(16)];
        const at = stream + (places[random(3)] ?? 0) * 4;
        if (random(3) === 0)
          guest.region.view.setUint32(at, random(4) === 0 ? random(2 ** 31) : random(6), true);
        const body = bodies[random(bodies.length)];
        if (body !== undefined && random(3) === 0) guest.say(body);
        if (random(10) === 0)
          reads.push(guest.owner.read('text', 100).contents.catch(() => undefined));
        if (random(10) === 0) guest.owner.offer(random(4), async () => TEXT);
        if (random(20) === 0)
          guest.tell({
            ownerClientId: random(2) * CLIENT,
            ownerGeneration: random(2) === 0 ? guest.generation : 7,
          });
        guest.pump(random(300));
        if (random(50) === 0) await turn();
        expect(guest.said().length).toBeLessThan(40);
      }
      guest.owner.setStatus(undefined, CLIENT);
      await Promise.all(reads);
      // Put right, it is used as before.
      guest.renew();
      guest.tell({ ownerClientId: 0, ownerGeneration: 0 });
      guest.pump(2000);
      guest.give();
      guest.say({ kind: 'clear', content: 1n });
      guest.say({ ...OFFER, content: 99n });
      const { contents } = guest.owner.read('text', 100);
      guest.pump();
      const request = guest.said().find((body) => body.kind === 'request');
      const transfer = request?.kind === 'request' ? request.transfer : 0n;
      guest.send({ ...DATA, content: 99n, transfer }, TEXT);
      guest.pump();
      expect(await contents).toEqual(TEXT);
    },
  );
});

/** Numbers below a bound, the same for each seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
