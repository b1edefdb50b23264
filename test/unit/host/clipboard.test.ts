import { describe, expect, it } from 'vitest';
import {
  type ClipboardBody,
  type ClipboardPiece,
  encodeClipboardRecord,
  StreamShared,
} from '../../../protocol/index.ts';
import { ClipboardPeer, clipboardStage } from './clipboard-stage.ts';
import { hostOnMemory } from './fixture.ts';

const TEXT = Uint8Array.of(1, 2, 3);
const WHOLE: ClipboardPiece = {
  ...{ sequence: 0, offset: 0, size: 3, isFirst: true, isLast: true, bytes: 3 },
};

function requestOf(peer: ClipboardPeer): ClipboardBody & { readonly kind: 'request' } {
  const found = peer.told().find((body) => body.kind === 'request');
  if (found?.kind !== 'request') throw new Error('nothing was asked for');
  return found;
}

function offerOf(peer: ClipboardPeer): ClipboardBody & { readonly kind: 'offer' } {
  const found = peer.told().findLast((body) => body.kind === 'offer');
  if (found?.kind !== 'offer') throw new Error('nothing was offered');
  return found;
}

describe('a host that shares a clipboard', () => {
  it('says so, and one of another wire is refused', async () => {
    const { host } = await clipboardStage();
    expect(host.stats.clipboard).toEqual({ accepted: 0, ignored: 0, violations: 0, expired: 0 });
    await expect(hostOnMemory({ wire: 'B7', clipboard: true })).rejects.toMatchObject({
      code: 'ERR_KVMFR_ARGUMENT',
    });
    const without = await hostOnMemory({ wire: 'dev12', mib: 16 });
    expect(without.host.stats.clipboard).toBeUndefined();
    expect(await without.host.readClipboard('text')).toBeUndefined();
  });

  it('binds both streams to who claims it, and repeats what the guest has', async () => {
    const stage = await clipboardStage();
    stage.host.setClipboard(new Map([['text', TEXT]]));
    const peer = stage.owner();
    const { clientId } = peer.client;
    expect(peer.status).toMatchObject({
      ownerClientId: clientId,
      ownerGeneration: peer.generation,
      formats: 1,
    });
    expect(peer.told()).toEqual([{ kind: 'offer', content: expect.any(BigInt), formats: 1 }]);
    expect(stage.heard()).toEqual([{ kind: 'claim', clientId }]);
    expect(stage.host.clipboardOwner).toBe(clientId);
    const nothing = await clipboardStage();
    expect(nothing.owner().told()).toEqual([{ kind: 'clear', content: expect.any(BigInt) }]);
  });

  it('sends what is asked for as these bytes', async () => {
    const stage = await clipboardStage();
    stage.host.setClipboard(new Map([['text', TEXT]]));
    const peer = stage.owner();
    const { content } = offerOf(peer);
    peer.say({ kind: 'request', content, transfer: 9n, format: 'text' });
    stage.advance(1);
    const at = peer.toClient?.stream.at ?? 0;
    const slot = Buffer.from(stage.region.bytes.subarray(at + 256, at + 256 + 131));
    // Epoch 1, the first ticket, 67 bytes.
    expect(slot.subarray(0, 16).toString('hex')).toBe('01000000000000004300000000000000');
    const long = (value: bigint): string => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes.toString('hex');
    };
    expect(slot.subarray(64).toString('hex')).toBe(
      `04000000070000000110000000000000${long(content)}${long(9n)}${long(0n)}${long(3n)}` +
        '01000000030000000000000003000000010203',
    );
  });

  it('gives nobody else the clipboard until it is given back, and then who asks', async () => {
    const stage = await clipboardStage();
    const [one, other] = [stage.owner(), stage.peer()];
    other.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(one.client.clientId);
    one.say({ kind: 'release' });
    stage.advance(1);
    expect(other.look().ownerClientId).toBe(0);
    other.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(other.client.clientId);
    other.attach();
    expect(stage.heard().map(({ kind }) => kind)).toEqual(['claim', 'release', 'claim']);
  });

  it('keeps an owner for a second after each record, and no longer', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    stage.advance(900);
    peer.look();
    peer.say({ kind: 'keepalive' });
    stage.advance(1);
    stage.advance(1000);
    expect(stage.host.clipboardOwner).toBe(peer.client.clientId);
    stage.advance(10);
    expect(stage.host.clipboardOwner).toBeUndefined();
    expect(stage.host.stats.clipboard?.expired).toBe(1);
  });

  it('does not hold it against its owner that it stood still itself', async () => {
    const { host, region, advance } = await hostOnMemory({
      ...{ wire: 'dev12', clipboard: true, mib: 16, recovery: false },
    });
    const peer = new ClipboardPeer(region, host);
    advance(1);
    peer.look();
    peer.claim();
    advance(1);
    peer.look();
    advance(30_000);
    expect(host.clipboardOwner).toBe(peer.client.clientId);
  });

  it('forgets an owner that has unsubscribed, whatever is left in its streams', async () => {
    const stage = await clipboardStage();
    stage.host.setClipboard(new Map([['text', TEXT]]));
    const peer = stage.owner();
    const { content } = offerOf(peer);
    peer.say({ kind: 'request', content, transfer: 9n, format: 'text' });
    stage.advance(1);
    peer.client.unsubscribe();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBeUndefined();
    const next = stage.peer();
    next.claim();
    stage.advance(1);
    // A second long the piece that nobody read is waited for.
    expect(stage.host.clipboardOwner).toBeUndefined();
    stage.advance(1100);
    next.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(next.client.clientId);
    next.attach();
    expect(next.take()).toBeUndefined();
  });

  it('puts together what it asked for, and lets pass what is of transfers that are over', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    peer.say({ kind: 'offer', content: 77n, formats: 1 });
    stage.advance(1);
    const reading = stage.host.readClipboard('text');
    stage.advance(1);
    const { transfer } = requestOf(peer);
    const data = { kind: 'data', content: 77n, format: 'text' } as const;
    peer.send({ ...data, transfer: transfer - 1n, piece: WHOLE }, TEXT);
    peer.send({ ...data, transfer, piece: WHOLE }, TEXT);
    stage.advance(1);
    expect(await reading).toEqual(TEXT);
    expect(stage.host.clipboardOwner).toBe(peer.client.clientId);
    expect(stage.host.stats.clipboard?.ignored).toBe(1);
  });

  it('ends what is under way when the guest copies something, and tells', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    peer.say({ kind: 'offer', content: 77n, formats: 1 });
    stage.advance(1);
    const reading = stage.host.readClipboard('text');
    stage.advance(1);
    const { transfer } = requestOf(peer);
    stage.host.setClipboard(new Map([['png', TEXT]]));
    expect(await reading).toBeUndefined();
    stage.advance(1);
    expect(peer.told()).toEqual([
      { kind: 'cancel', transfer, reason: 'aborted', content: 0n, format: undefined },
      { kind: 'offer', content: expect.any(BigInt), formats: 2 },
    ]);
    expect(await stage.host.readClipboard('text')).toBeUndefined();
  });

  it('says of files that it has none to give', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    peer.told();
    peer.say({ kind: 'fileAcquire', content: 5n, transfer: 6n });
    const list = { kind: 'fileRequest', content: 5n, transfer: 7n } as const;
    peer.say({ ...list, op: 'list', node: 0n, offset: 0, bytes: 0 });
    stage.advance(1);
    expect(peer.told()).toEqual([
      { kind: 'fileAcquired', content: 5n, transfer: 6n, error: 'notSupported' },
      { kind: 'fileCancel', content: 5n, transfer: 7n, error: 'notSupported' },
    ]);
  });

  it('refuses what is not there any more, and ends what is cancelled', async () => {
    const stage = await clipboardStage();
    const large = new Uint8Array(2 ** 20);
    stage.host.setClipboard(new Map([['text', large]]));
    const peer = stage.owner();
    const { content } = offerOf(peer);
    peer.say({ kind: 'request', content: content - 1n, transfer: 1n, format: 'text' });
    peer.say({ kind: 'request', content, transfer: 2n, format: 'png' });
    peer.say({ kind: 'request', content, transfer: 3n, format: 'text' });
    stage.advance(1);
    expect(peer.told().map((body) => [body.kind, 'transfer' in body && body.transfer])).toEqual([
      ['cancel', 1n],
      ['cancel', 2n],
    ]);
    peer.say({ kind: 'cancel', transfer: 3n, reason: 'aborted', content: 0n, format: undefined });
    stage.advance(1);
    let pieces = 0;
    while (peer.take() !== undefined) {
      pieces++;
      stage.advance(1);
    }
    // What the stream held.
    expect(pieces).toBe(4);
    peer.say({ kind: 'request', content, transfer: 4n, format: 'text' });
    stage.advance(1);
    expect(peer.take()?.body).toMatchObject({ kind: 'data', transfer: 4n });
  });
});

describe('an owner of the clipboard', () => {
  const bad = encodeClipboardRecord({ generation: 0x1001, body: { kind: 'keepalive' } });
  bad[63] = 1;

  it.each<[string, (peer: ClipboardPeer, content: bigint) => void]>([
    ['a record that cannot be', (peer) => peer.raw(bad)],
    ['a record that is cut', (peer) => peer.raw(bad.subarray(0, 60))],
    ['another generation', (peer) => peer.say({ kind: 'keepalive' }, 0x999)],
    [
      'contents by the queue',
      (peer) => {
        const place = { content: 77n, transfer: 2n ** 63n + 1n, format: 'text' } as const;
        peer.say({ kind: 'data', ...place, piece: WHOLE });
      },
    ],
    [
      'a second request while one is answered',
      (peer, content) => {
        peer.say({ kind: 'request', content, transfer: 1n, format: 'png' });
        peer.say({ kind: 'request', content, transfer: 2n, format: 'png' });
      },
    ],
    ['half a record in the stream', (peer) => peer.stream(bad.subarray(0, 63))],
    ['a record that cannot be in the stream', (peer) => peer.stream(bad)],
    [
      'a record of the queue in the stream',
      (peer) => peer.send({ kind: 'keepalive' }, new Uint8Array(0)),
    ],
    [
      'other contents than it says',
      (peer) => {
        const place = { content: 77n, transfer: 2n ** 63n + 1n, format: 'text' } as const;
        peer.send({ kind: 'data', ...place, piece: WHOLE }, new Uint8Array(4));
      },
    ],
    [
      'another generation in the stream',
      (peer) => {
        const place = { content: 77n, transfer: 2n ** 63n + 1n, format: 'text' } as const;
        peer.send({ kind: 'data', ...place, piece: WHOLE }, TEXT, 0x999);
      },
    ],
  ])('has it no more after %s, and may claim it anew', async (_, act) => {
    const stage = await clipboardStage();
    stage.host.setClipboard(new Map([['png', new Uint8Array(2 ** 20)]]));
    const peer = stage.owner();
    act(peer, offerOf(peer).content);
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBeUndefined();
    expect(stage.host.stats.clipboard?.violations).toBe(1);
    expect(peer.look().ownerClientId).toBe(0);
    stage.advance(1100);
    peer.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(peer.client.clientId);
  });

  it('has it no more after pieces that do not follow each other, and the guest gets nothing', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    peer.say({ kind: 'offer', content: 77n, formats: 1 });
    stage.advance(1);
    const reading = stage.host.readClipboard('text');
    stage.advance(1);
    const { transfer } = requestOf(peer);
    const data = { kind: 'data', content: 77n, transfer, format: 'text' } as const;
    const first = { ...WHOLE, size: undefined, isLast: false };
    peer.send({ ...data, piece: first }, TEXT);
    const late = { sequence: 1, offset: 4, size: 7, isFirst: false, isLast: true, bytes: 3 };
    peer.send({ ...data, piece: late }, TEXT);
    stage.advance(1);
    expect(await reading).toBeUndefined();
    expect(stage.host.clipboardOwner).toBeUndefined();
  });

  it('does nobody harm who does not own it', async () => {
    const stage = await clipboardStage();
    const [one, other] = [stage.owner(), stage.peer()];
    other.raw(bad);
    other.say({ kind: 'release' }, one.generation);
    other.say({ kind: 'offer', content: 1n, formats: 1 }, one.generation);
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(one.client.clientId);
    expect(stage.host.stats.clipboard).toMatchObject({ ignored: 3, violations: 0 });
    // A claim of another time of the endpoint.
    one.say({ kind: 'release' });
    stage.advance(1);
    other.say({ kind: 'claim', endpoint: 1 });
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBeUndefined();
  });

  it('that writes where only the host may is put right', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    const at = peer.toHost?.stream.at ?? 0;
    const before = stage.host.stats.repairs;
    stage.region.view.setUint32(at + StreamShared.state.offsetBytes, 0, true);
    stage.region.view.setUint32(at + StreamShared.epoch.offsetBytes, 99, true);
    stage.advance(1);
    expect(stage.host.stats.repairs).toBe(before + 2);
    expect(peer.send({ kind: 'keepalive' }, new Uint8Array(0))).toBe('ok');
  });

  it('that says it is at work for ever is waited for a second, and no longer', async () => {
    const stage = await clipboardStage();
    const peer = stage.owner();
    const at = peer.toHost?.stream.at ?? 0;
    stage.region.view.setUint32(at + 128 + 4, 1, true);
    peer.say({ kind: 'release' });
    stage.advance(1);
    const other = stage.peer();
    other.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBeUndefined();
    stage.advance(1100);
    other.claim();
    stage.advance(1);
    expect(stage.host.clipboardOwner).toBe(other.client.clientId);
  });

  it('that reads nothing of what it is told is released, and nothing piles up', async () => {
    const stage = await clipboardStage();
    stage.owner();
    for (let i = 0; i < 100 && stage.host.clipboardOwner !== undefined; i++) {
      stage.host.setClipboard(new Map([['text', TEXT]]));
      stage.advance(1);
    }
    expect(stage.host.clipboardOwner).toBeUndefined();
  });
});

describe('a client that writes anything', () => {
  it.each([1, 2, 3])(
    'makes a host neither throw nor wait, and the next is served: %i',
    async (seed) => {
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const stage = await clipboardStage();
      stage.host.setClipboard(new Map([['text', new Uint8Array(500_000)]]));
      let peer = stage.owner();
      const places = [peer.toClient?.stream.at ?? 0, peer.toHost?.stream.at ?? 0];
      const reads: Promise<unknown>[] = [];
      for (let step = 0; step < 1500; step++) {
        const at = (places[random(2)] ?? 0) + (16 + random(64)) * 4;
        if (random(3) === 0)
          stage.region.view.setUint32(at, random(3) === 0 ? random(2 ** 31) : random(6), true);
        const bytes = encodeClipboardRecord({
          generation: random(4) === 0 ? 1 : peer.generation,
          body: (
            [
              { kind: 'offer', content: 5n, formats: 1 },
              { kind: 'request', content: BigInt(random(9) + 1), transfer: 7n, format: 'text' },
              { kind: 'cancel', transfer: 7n, reason: 'aborted', content: 0n, format: undefined },
              { kind: 'keepalive' },
            ] as const
          )[random(4)] ?? { kind: 'release' },
        });
        if (random(10) === 0) bytes[random(64)] = random(256);
        if (random(4) === 0) peer.client.send(bytes);
        if (random(20) === 0) reads.push(stage.host.readClipboard('text'));
        if (stage.host.clipboardOwner === undefined && random(10) === 0) peer.claim();
        stage.advance(random(50) + 1);
        peer.told();
      }
      peer.client.unsubscribe();
      stage.advance(1);
      await Promise.all(reads);
      // Whatever it said of being at work is over after a second.
      stage.advance(1200);
      for (const at of places)
        for (const word of [33, 34, 49, 50]) stage.region.view.setUint32(at + word * 4, 0, true);
      stage.host.setClipboard(new Map([['text', TEXT]]));
      peer = stage.owner();
      const { content } = offerOf(peer);
      peer.say({ kind: 'request', content, transfer: 1n, format: 'text' });
      stage.advance(1);
      expect(peer.take()?.contents).toEqual(TEXT);
    },
  );
});
