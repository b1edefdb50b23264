import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mapping } from '../../native/index.ts';
import {
  addU32,
  andU32,
  badBits,
  clearSlots,
  exchangeU32,
  LGMP_V6,
  LGMP_V10,
  type LgmpLayout,
  loadU32,
  loadU64,
  onBits,
  QUEUE_IDS,
  Region,
  setOn,
  storeU32,
  storeU64,
  tryLock,
  unlock,
} from '../../protocol/index.ts';
import { FixtureHost, loadFixture, type QueueName } from '../support/fixture.ts';

const CLIENT_ID = 0x5ca1ab1e;

/** A subscriber by the letter of LGMP, just enough to see what the publisher does with it. */
class Subscriber {
  readonly region: Region;
  readonly lgmp: LgmpLayout;
  readonly at: number;
  readonly bit: number;
  #position: number;

  constructor(region: Region, lgmp: LgmpLayout, name: QueueName) {
    this.region = region;
    this.lgmp = lgmp;
    const { header, queue, message } = lgmp;
    const at = [0, 1]
      .map((index) => header.queues + index * queue.sizeBytes)
      .find((place) => loadU32(region, place + queue.queueID) === QUEUE_IDS[name]);
    if (at === undefined) throw new Error(`no ${name} queue`);
    this.at = at;
    this.#locked(() => this.#reap());
    const id = this.#locked(() => {
      const taken = onBits(region, lgmp, at) | badBits(region, lgmp, at);
      const free = Math.log2(~taken & -~taken & 0x7fff_ffff);
      for (let slot = 0; slot < this.slots; slot++)
        andU32(region, this.slotAt(slot) + message.pendingSubs, ~(1 << free));
      storeU64(region, at + queue.timeout + free * 8, 0n);
      storeU32(region, at + queue.clientID + free * 4, CLIENT_ID);
      setOn(region, lgmp, at, 1 << free);
      addU32(region, at + queue.newSubCount, 1);
      return free;
    });
    this.bit = 1 << id;
    this.#position = this.position;
  }

  get slots(): number {
    return loadU32(this.region, this.at + this.lgmp.queue.numMessages);
  }
  get position(): number {
    return loadU32(this.region, this.at + this.lgmp.queue.position);
  }
  get count(): number {
    return loadU32(this.region, this.at + this.lgmp.queue.count);
  }
  get isBad(): boolean {
    return (badBits(this.region, this.lgmp, this.at) & this.bit) !== 0;
  }

  slotAt(slot: number): number {
    return (
      loadU32(this.region, this.at + this.lgmp.queue.messagesOffset) +
      slot * this.lgmp.message.sizeBytes
    );
  }

  /** The message that waits for us; undefined when there is none. */
  read(): { readonly udata: number; readonly size: number; readonly offset: number } | undefined {
    if (this.#position === this.position) return undefined;
    const at = this.slotAt(this.#position);
    return {
      udata: loadU32(this.region, at + this.lgmp.message.udata),
      size: loadU32(this.region, at + this.lgmp.message.size),
      offset: loadU32(this.region, at + this.lgmp.message.offset),
    };
  }

  /** Leaves it to the publisher to free the slot. */
  done(): void {
    andU32(this.region, this.slotAt(this.#position) + this.lgmp.message.pendingSubs, ~this.bit);
    this.#position = (this.#position + 1) % this.slots;
  }

  send(bytes: readonly number[]): number {
    const lockAt = this.at + this.lgmp.queue.cMsgLock;
    if (!tryLock(this.region, lockAt, 4)) throw new Error('the ring is locked');
    const slot = loadU32(this.region, this.at + this.lgmp.queue.cMsgWPos);
    const at = this.at + this.lgmp.queue.cMsgs + slot * this.lgmp.clientMessage.sizeBytes;
    storeU32(this.region, at + this.lgmp.clientMessage.size, bytes.length);
    this.region.bytes.set(bytes, at + this.lgmp.clientMessage.data);
    storeU32(
      this.region,
      this.at + this.lgmp.queue.cMsgWPos,
      (slot + 1) % this.lgmp.clientMessageSlots,
    );
    addU32(this.region, this.at + this.lgmp.queue.cMsgAvail, -1);
    const serial = addU32(this.region, this.at + this.lgmp.queue.cMsgWSerial, 1) + 1;
    unlock(this.region, lockAt, 4);
    return serial;
  }

  #reap(): void {
    const { region, lgmp, at } = this;
    const now = loadU64(region, this.lgmp.header.timestamp);
    for (let id = 0; id < lgmp.maxSubscribers; id++) {
      const isBad = (badBits(region, lgmp, at) >>> id) & 1;
      if (isBad === 0 || now <= loadU64(region, at + this.lgmp.queue.timeout + id * 8)) continue;
      clearSlots(region, lgmp, at, 1 << id);
      storeU64(region, at + this.lgmp.queue.timeout + id * 8, 0n);
      storeU32(region, at + this.lgmp.queue.clientID + id * 4, 0);
    }
  }

  #locked<T>(work: () => T): T {
    if (!tryLock(this.region, this.at + this.lgmp.queue.lock, 4))
      throw new Error('the queue is locked');
    try {
      return work();
    } finally {
      unlock(this.region, this.at + this.lgmp.queue.lock, 4);
    }
  }
}

let folder = '';
let path = '';
let mapping: Mapping;
let region: Region;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-fixture-host-'));
  path = join(folder, 'region');
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => mapping.close());

/** Waits until a word of the region satisfies, watching it natively. */
async function until(at: number, satisfied: (value: number) => boolean): Promise<number> {
  for (;;) {
    const value = loadU32(region, at);
    if (satisfied(value)) return value;
    await mapping.wait([{ offsetBytes: at, value }], { timeoutMs: 10_000 });
  }
}

describe.each([
  ['640x480', LGMP_V6],
  ['lg-dev-lgmp10/640x480', LGMP_V10],
] as const)('FixtureHost on %s', (name, lgmp) => {
  const { header, queue } = lgmp;
  const fixture = loadFixture(name);
  const heartbeat = (): number => loadU32(region, header.timestamp);
  const cursors = [...fixture.facts.pointerConsumedBefore, ...fixture.facts.pointerPending];

  beforeEach(async () => {
    await fixture.writeTo(path);
    mapping = Mapping.open(path);
    region = new Region(mapping.buffer);
  });

  it('moves the heartbeat, and no longer when it was killed', async () => {
    const before = heartbeat();
    const host = await FixtureHost.start(path);
    await until(header.timestamp, (value) => value > before);
    await host.kill();
    const last = heartbeat();
    const outcome = await mapping.wait([{ offsetBytes: header.timestamp, value: last }], {
      timeoutMs: 300,
    });
    expect(outcome).toBe('timed-out');
  });

  it('gives up on the reader of the dump, then posts the dumped frame to who subscribed', async () => {
    await using host = await FixtureHost.start(path);
    const subscriber = new Subscriber(region, lgmp, 'frame');
    expect(subscriber.bit).toBe(2);
    expect(subscriber.read()).toBeUndefined();
    await host.seen('timed-out', (event) => event.queue === 'frame' && event.subscribers === 1);
    await host.served('frame');
    const { memOffset } = fixture.facts.framesPending.at(-1) ?? {};
    const messages = fixture.facts.lgmp.queues[0]?.messages ?? [];
    const last = messages.find(({ offset }) => offset === memOffset);
    expect(subscriber.read()).toEqual({ udata: 0, size: last?.size, offset: last?.offset });
    expect(subscriber.count).toBe(1);
    subscriber.done();
    await until(subscriber.at + queue.count, (count) => count === 0);
    expect(subscriber.isBad).toBe(false);
    // On and bad until a subscriber reaps it.
    expect(onBits(region, lgmp, subscriber.at)).toBe(3);
    expect(badBits(region, lgmp, subscriber.at)).toBe(1);
  });

  it('posts the last cursor shape with the position of now', async () => {
    await using host = await FixtureHost.start(path);
    const subscriber = new Subscriber(region, lgmp, 'pointer');
    await host.served('pointer');
    const posted = subscriber.read();
    const shape = cursors.findLast(({ flags }) => (flags & 4) !== 0);
    const moved = cursors.findLast(({ flags }) => (flags & 1) !== 0);
    expect(posted).toEqual({ udata: 7, size: shape?.size, offset: shape?.memOffset });
    const at = posted?.offset ?? 0;
    expect(region.view.getInt16(at, true)).toBe(moved?.x);
    expect(region.view.getInt16(at + 2, true)).toBe(moved?.y);
    const pixels = region.bytes.subarray(at + 24, at + 24 + 24 * 96);
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(shape?.shapeSha256);
  });

  it('marks a subscriber bad that does not finish, and a later one can take its slot', async () => {
    await using host = await FixtureHost.start(path, { newSession: true });
    const slow = new Subscriber(region, lgmp, 'frame');
    await host.served('frame');
    await host.seen('timed-out', (event) => event.subscribers === slow.bit);
    expect(slow.isBad).toBe(true);
    const reapable = loadU32(region, slow.at + queue.timeout);
    await until(header.timestamp, (now) => now > reapable);
    const later = new Subscriber(region, lgmp, 'frame');
    expect(later.bit).toBe(slow.bit);
    expect(later.isBad).toBe(false);
  });

  it('takes and acknowledges client messages, cut to their size', async () => {
    await using host = await FixtureHost.start(path);
    const subscriber = new Subscriber(region, lgmp, 'pointer');
    const serial = subscriber.send([0, 0, 0, 0, 100, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    await until(subscriber.at + queue.cMsgRSerial, (acknowledged) => acknowledged === serial);
    expect(await host.seen('client-message')).toEqual({
      event: 'client-message',
      queue: 'pointer',
      data: '0000000064000000ffffffff',
    });
    expect(loadU32(region, subscriber.at + queue.cMsgAvail)).toBe(lgmp.clientMessageSlots);
  });

  it('begins a session of its own when it is started again after a crash', async () => {
    const first = await FixtureHost.start(path);
    const abandoned = new Subscriber(region, lgmp, 'frame');
    await first.kill();
    // A crash may leave a lock behind; only a new publisher may reset it.
    exchangeU32(region, abandoned.at + queue.lock, 1);
    await using second = await FixtureHost.start(path, { newSession: true });
    expect(loadU32(region, header.sessionID)).not.toBe(fixture.facts.lgmp.sessionID);
    expect(onBits(region, lgmp, abandoned.at)).toBe(0);
    const subscriber = new Subscriber(region, lgmp, 'frame');
    await second.served('frame');
    expect(subscriber.read()?.offset).toBe(fixture.facts.framesPending.at(-1)?.memOffset);
  });

  it('says so and ends when its header is wiped', async () => {
    const host = await FixtureHost.start(path);
    storeU32(region, header.magic, 0);
    await host.seen('corrupted');
    await host.stop();
    await expect(host.seen('served')).rejects.toThrow(/ended \(1\)/);
  });
});

it('FixtureHost of LGMP 10 leaves 250 ms between two heartbeats', async () => {
  await loadFixture('lg-dev-lgmp10/640x480').writeTo(path);
  mapping = Mapping.open(path);
  region = new Region(mapping.buffer);
  await using _host = await FixtureHost.start(path);
  let last = await until(0, (now) => now > 1_950_453);
  for (let i = 0; i < 3; i++) {
    const before = last;
    last = await until(0, (now) => now !== before);
    expect(last - before).toBeGreaterThanOrEqual(250);
  }
});
