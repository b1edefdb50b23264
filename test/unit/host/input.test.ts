import { describe, expect, it } from 'vitest';
import {
  encodeInputRecord,
  FEATURES,
  type InputBody,
  StreamShared,
} from '../../../protocol/index.ts';
import { hostOnMemory } from './fixture.ts';
import { InputPeer, inputStage } from './input-stage.ts';

const A: InputBody = { kind: 'keyboard', modifiers: 2, keys: [4] };
const STEP: InputBody = { kind: 'relative', buttons: 1, deltaX: 3, deltaY: -4, wheel: 0 };
const CURSORS = { producer: 128, consumer: 192 } as const;

describe('a host that takes input', () => {
  it('says so, and one of another wire is refused', async () => {
    const { host, region } = await inputStage();
    expect(region.view.getUint32(9676, true)).toBe(5);
    expect(host.stats.input).toEqual({ accepted: 0, ignored: 0, violations: 0, expired: 0 });
    await expect(hostOnMemory({ wire: 'B7', input: true })).rejects.toMatchObject({
      code: 'ERR_KVMFR_ARGUMENT',
    });
    const without = await hostOnMemory({ wire: 'dev12', mib: 8, features: FEATURES.input });
    expect(without.region.view.getUint32(9676, true)).toBe(4);
    expect(without.host.stats.input).toBeUndefined();
  });

  it('writes a stream as these bytes, bound to who subscribed', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    const { at } = peer.activate().stream;
    const hex = (from: number, to: number): string =>
      Buffer.from(stage.region.bytes.subarray(at + from, at + to)).toString('hex');
    const id = Buffer.alloc(4);
    id.writeUInt32LE(stage.host.sessionId);
    expect(hex(0, 40)).toBe(
      `4c535348 01000001 00410000 ${id.toString('hex')} 02000000 01000000 80000000 40000000 80000000 00010000`.replaceAll(
        ' ',
        '',
      ),
    );
    expect(hex(64, 76)).toBe('020000000100000001000000');
    // Both cursors: stamp 1, nobody at work, epoch 1 sequence 0 in the second pair.
    for (const from of [128, 192])
      expect(hex(from, from + 32)).toBe(
        `01000000${'00'.repeat(12)}${'00'.repeat(8)}0100000000000000`,
      );
    peer.claim();
    // Slot 0: epoch, ticket, length, then the claim.
    expect(hex(256, 272)).toBe('01000000000000002000000000000000');
    expect(hex(320, 332)).toBe('010000000110000001000000');
    expect(hex(128, 160)).toBe(`02000000${'00'.repeat(12)}01000000010000000100000000000000`);
  });

  it('tells every subscriber, and each that is new, with a newer serial', async () => {
    const stage = await inputStage();
    const one = stage.peer();
    expect([one.serial, one.look().available, one.look().ownerClientId]).toEqual([1n, true, 0]);
    const other = stage.peer();
    expect([one.look().streamGeneration, one.serial]).toEqual([other.look().streamGeneration, 2n]);
    stage.host.setKeyboardLeds(5);
    stage.advance(1);
    expect([one.look().leds, other.look().leds, one.serial]).toEqual([5, 5, 3n]);
    stage.advance(100);
    one.look();
    expect(one.serial).toBe(3n);
  });

  it('gives eight clients a stream, each at a place of its own', async () => {
    const stage = await inputStage();
    const peers: InputPeer[] = [];
    for (let count = 0; count < 8; count++) {
      peers.push(stage.peer());
      // Who does not read keeps the queue full.
      for (const peer of peers) peer.look();
    }
    const places = new Set(peers.map((peer) => peer.end?.stream.at));
    expect(places.size).toBe(8);
  });
});

describe('the owner of the input', () => {
  it('is who claims it first, and is told so; its reports are passed on', async () => {
    const stage = await inputStage();
    const [one, other] = [stage.peer(), stage.peer()];
    one.claim();
    one.send(A);
    one.send(STEP);
    other.claim();
    other.send(STEP);
    stage.advance(1);
    const { clientId } = one.client;
    expect(stage.heard()).toEqual([
      { kind: 'claim', clientId },
      { ...A, clientId },
      { ...STEP, clientId },
    ]);
    expect(stage.host.inputOwner).toBe(clientId);
    expect(other.look()).toMatchObject({
      ownerClientId: clientId,
      ownerGeneration: one.generation,
    });
    expect(stage.host.stats.input).toEqual({ accepted: 3, ignored: 2, violations: 0, expired: 0 });
  });

  it('may say its claim twice at the beginning, and not later', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    peer.send({ kind: 'claim' }, { sequence: 1 });
    stage.advance(1);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
    peer.send(A);
    peer.send({ kind: 'claim' }, { sequence: 1 });
    stage.advance(1);
    expect(stage.host.inputOwner).toBeUndefined();
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'keyboard', 'release']);
  });

  it.each([
    ['a gap', { sequence: 4 }],
    ['a record twice', { sequence: 2 }],
    ['another generation', { generation: 99 }],
  ])('is released for %s, and all that it held', async (_, changes) => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    peer.send(A);
    peer.send(STEP, changes);
    stage.advance(1);
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'keyboard', 'release']);
    expect(peer.look().ownerClientId).toBe(0);
    expect(stage.host.stats.input?.violations).toBe(1);
    peer.claim();
    stage.advance(1);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
  });

  it('is released for a record that cannot be, others for none', async () => {
    const stage = await inputStage();
    const [one, other] = [stage.peer(), stage.peer()];
    one.claim();
    const bad = encodeInputRecord({ generation: one.generation, sequence: 2, body: A });
    bad[17] = 0xe8;
    other.raw(bad);
    other.raw(new Uint8Array(64));
    stage.advance(1);
    expect(stage.host.inputOwner).toBe(one.client.clientId);
    one.raw(bad);
    stage.advance(1);
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'release']);
  });

  it('keeps it for 500 ms after each record, and no longer', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    stage.advance(1);
    peer.look();
    stage.advance(499);
    peer.send({ kind: 'keepalive' });
    stage.advance(1);
    stage.advance(500);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
    stage.advance(1);
    expect(stage.host.inputOwner).toBeUndefined();
    expect(stage.host.stats.input?.expired).toBe(1);
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'release']);
  });

  it('keeps it while the guest itself stands still', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    stage.advance(1);
    peer.look();
    stage.advance(30_000);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
    stage.advance(500);
    stage.advance(1);
    expect(stage.host.inputOwner).toBeUndefined();
  });

  it('resets and keeps it, releases and does not', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    peer.send({ kind: 'reset' });
    stage.advance(1);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
    peer.send({ kind: 'release' });
    peer.send(A);
    stage.advance(1);
    expect(stage.host.inputOwner).toBeUndefined();
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'reset', 'release']);
  });

  it('loses it with its subscription; its stream is drained, and then free for another', async () => {
    const stage = await inputStage();
    const [one, other] = [stage.peer(), stage.peer()];
    one.claim();
    one.send(A);
    stage.advance(1);
    const { clientId } = one.client;
    one.send(STEP);
    one.client.unsubscribe();
    stage.advance(1);
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'keyboard', 'release']);
    expect(other.look().endpoints.some((end) => end.boundClientId === clientId)).toBe(false);
    expect(one.send(STEP)).toBe('unbound');
    const third = stage.peer();
    expect(third.end?.stream.at).toBe(one.end?.stream.at);
    expect(third.end?.epoch).toBe(2);
    expect(one.send(STEP)).toBe('stale');
  });

  it('is nobody while the guest takes no input', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    peer.claim();
    stage.advance(1);
    stage.host.setInputAvailable(false);
    peer.claim();
    stage.advance(1);
    expect(peer.look()).toMatchObject({ available: false, capabilities: 0, ownerClientId: 0 });
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'release']);
  });

  it('is nobody after a new session in place, which has another generation', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    const { generation } = peer.look();
    peer.claim();
    stage.advance(1);
    stage.region.bytes.fill(0, 0, 16 * 1024);
    stage.advance(1);
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'release']);
    expect(peer.send(A)).toBe('session-lost');
    expect(stage.peer().look().generation).not.toBe(generation);
  });
});

describe('a client that writes what it likes', () => {
  it('is given up with its stream when that cannot be, and others go on', async () => {
    for (const [what, at, value] of [
      ['a position far ahead', CURSORS.producer + 16 + 4, 1000],
      ['a position in another binding', CURSORS.producer + 16, 77],
      ['a record in another binding', 256, 77],
      ['a record with another number', 260, 77],
      ['a record that is too long', 264, 65],
      ['our own position', CURSORS.consumer + 24 + 4, 5],
    ] as const) {
      const stage = await inputStage();
      const [one, other] = [stage.peer(), stage.peer()];
      one.claim();
      stage.region.view.setUint32((one.end?.stream.at ?? 0) + at, value, true);
      stage.advance(1);
      expect(stage.host.stats.input?.violations, what).toBe(1);
      expect(stage.host.inputOwner, what).toBeUndefined();
      expect(one.send(A), what).not.toBe('ok');
      const { endpoints } = other.look();
      expect(endpoints.some(({ boundClientId }) => boundClientId === one.client.clientId)).toBe(
        false,
      );
      other.claim();
      stage.advance(1);
      expect(stage.host.inputOwner, what).toBe(other.client.clientId);
    }
  });

  it('keeps its stream from others as long as it says that it is at work in it', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    const at = peer.end?.stream.at ?? 0;
    stage.region.view.setUint32(at + CURSORS.producer + 4, 9, true);
    peer.client.unsubscribe();
    stage.advance(1);
    stage.advance(10_000);
    expect(stage.region.view.getUint32(at + StreamShared.state.offsetBytes, true)).toBe(3);
    expect(stage.peer().end?.stream.at).not.toBe(at);
    stage.region.view.setUint32(at + CURSORS.producer + 4, 0, true);
    stage.advance(1);
    expect(stage.region.view.getUint32(at + StreamShared.state.offsetBytes, true)).toBe(0);
  });

  it('cannot change whose stream it is', async () => {
    const stage = await inputStage();
    const peer = stage.peer();
    const at = peer.end?.stream.at ?? 0;
    for (const offset of [64, 68, 72, 12]) stage.region.view.setUint32(at + offset, 0x77, true);
    stage.advance(1);
    peer.claim();
    stage.advance(1);
    expect(stage.host.inputOwner).toBe(peer.client.clientId);
    expect(stage.host.stats.repairs).toBe(4);
  });

  it('never makes it throw, read outside, or hang: 400 streams full of anything', async () => {
    const stage = await inputStage();
    let seed = 0x2545_f491;
    const random = (): number => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return seed >>> 0;
    };
    for (let round = 0; round < 400; round++) {
      const peer = new InputPeer(stage.region, stage.host);
      stage.advance(1);
      // What a client leaves as being at work keeps its stream: it is put away for the next one.
      const ours = peer.look().endpoints.find((one) => one.boundClientId === peer.client.clientId);
      const at = ours?.stream.at;
      if (at === undefined) throw new Error('no stream is left');
      // The parts that never change are nobody's to put right.
      const end = peer.activate();
      if (round % 3 !== 0) peer.claim();
      for (let count = random() % 8; count >= 0; count--) {
        const offset = 64 + ((random() % (random() % 3 === 0 ? 16576 : 400)) & ~3);
        const value = random() % 2 === 0 ? random() : random() % 130;
        stage.region.view.setUint32(at + offset, value, true);
      }
      stage.advance(1);
      if (end.check(true) === 'ok') peer.send(A);
      stage.advance(1);
      peer.client.unsubscribe();
      for (const offset of [132, 136, 196, 200]) stage.region.view.setUint32(at + offset, 0, true);
      stage.advance(1);
    }
    for (const input of stage.heard()) expect(input.clientId).toBeGreaterThan(0);
    const { violations } = stage.host.stats.input ?? { violations: 0 };
    expect(violations).toBeGreaterThan(40);
  });
});
