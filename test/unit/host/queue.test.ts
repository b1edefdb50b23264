import { describe, expect, it } from 'vitest';
import type { KvmfrClientMessage } from '../../../protocol/index.ts';
import { countingPicture, hostOnMemory } from './fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient, POINTER_QUEUE_AT } from './lgmp-client.ts';

const frame = {
  pixels: countingPicture(4 * 4 * 4),
  format: 'BGRA',
  widthPx: 4,
  heightPx: 4,
} as const;

function positions(count: number): { readonly x: number; readonly y: number }[] {
  return Array.from({ length: count }, (_, index) => ({ x: index, y: 0 }));
}

describe('posting', () => {
  it('succeeds and leaves the ring empty while nobody listens', async () => {
    const { region, host } = await hostOnMemory();
    for (let i = 0; i < 5; i++) expect(host.publish(frame)).toBe(true);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 440, true)).toBe(0);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 16, true)).toBe(0);
    expect(host.watchers).toBe(0);
  });

  it('fails while two frames are unread, and goes on when one is done', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    expect([1, 2, 3].map(() => host.publish(frame))).toEqual([true, true, false]);
    expect(host.stats).toMatchObject({ framesPosted: 2, framesDropped: 1 });
    client.done();
    expect(host.publish(frame)).toBe(true);
    expect(host.publish(frame)).toBe(false);
  });

  it('waits for the slowest of several subscribers', async () => {
    const { region, host, advance } = await hostOnMemory();
    const quick = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const slow = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    host.publish(frame);
    host.publish(frame);
    quick.done();
    quick.done();
    advance(10);
    expect(host.publish(frame)).toBe(false);
    slow.done();
    expect(host.publish(frame)).toBe(true);
  });

  it('keeps the order of messages over many turns of the ring', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    let sent = 0;
    let seen = 0;
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i <= round % 20; i++)
        expect(host.setCursor({ position: { x: sent++, y: 0 } })).toBe(true);
      for (let message = client.read(); message !== undefined; message = client.read()) {
        expect(region.view.getInt16(message.offset, true)).toBe(seen++);
        client.done();
      }
    }
    expect(seen).toBe(sent);
    expect(host.stats).toMatchObject({ repairs: 0, cursorsDelayed: 0 });
  });

  it('keeps the newest position when the ring is full, and sends it later', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const sent = positions(25).map((position) => host.setCursor({ position }));
    expect(sent.filter(Boolean)).toHaveLength(20);
    for (let i = 0; i < 20; i++) client.done();
    advance(10);
    const message = client.take();
    expect(region.view.getInt16(message?.offset ?? 0, true)).toBe(24);
    expect(client.read()).toBeUndefined();
  });

  it('never reuses the memory of a message that is still queued', async () => {
    const { region, host, advance } = await hostOnMemory();
    const shape = (fill: number) => ({
      kind: 'color' as const,
      widthPx: 8,
      heightPx: 8,
      hotspotX: 0,
      hotspotY: 0,
      pitchBytes: 32,
      bytes: new Uint8Array(256).fill(fill),
    });
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const sent = [1, 2, 3, 4, 5].map((fill) => host.setCursor({ shape: shape(fill) }));
    expect(sent).toEqual([true, true, true, false, false]);
    const fills: number[] = [];
    for (let i = 0; i < 4; i++) {
      const message = client.take();
      if (message !== undefined) fills.push(region.bytes[message.offset + 24] ?? 0);
      advance(10);
    }
    expect(fills).toEqual([1, 2, 3, 5]);
  });
});

describe('a slow subscriber', () => {
  it('is given up when the oldest message is older than a second, not sooner', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    host.publish(frame);
    advance(1000);
    expect(client.bad).toBe(false);
    expect(host.watchers).toBe(1);
    advance(1);
    expect(client.bad).toBe(true);
    expect(client.on).toBe(true);
    expect(host.watchers).toBe(0);
    expect(host.stats.subscribersTimedOut).toBe(1);
    // T + maxTime, for the clients that reap
    expect(region.view.getBigUint64(FRAME_QUEUE_AT + 24, true)).toBe(7001n);
    expect(host.publish(frame)).toBe(true);
  });

  it('has a second for each message, not for all of them', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    host.publish(frame);
    advance(900);
    client.done();
    advance(100);
    advance(900);
    expect(client.bad).toBe(false);
    advance(101);
    expect(client.bad).toBe(true);
  });

  it('does not take a quick one down with it', async () => {
    const { region, host, advance } = await hostOnMemory();
    const slow = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const quick = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    for (let i = 0; i < 130; i++) {
      host.publish(frame);
      while (quick.take() !== undefined);
      advance(10);
    }
    expect([slow.bad, quick.bad]).toEqual([true, false]);
    expect(host.watchers).toBe(1);
  });

  it('that was killed is reaped a second later, and its slot is used again', async () => {
    const { region, host, advance } = await hostOnMemory();
    const killed = LgmpClient.subscribe(region, FRAME_QUEUE_AT, 77);
    host.publish(frame);
    advance(1001);
    expect(killed.bad).toBe(true);
    advance(1000);
    expect(killed.on).toBe(true);
    advance(1);
    expect([killed.on, killed.bad]).toEqual([false, false]);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 280, true)).toBe(0);
    expect(host.stats.subscribersReaped).toBe(1);
    expect(LgmpClient.subscribe(region, FRAME_QUEUE_AT).id).toBe(killed.id);
  });

  it('whose slot a client reaped and took is not reaped again', async () => {
    const { region, host, advance } = await hostOnMemory();
    const killed = LgmpClient.subscribe(region, FRAME_QUEUE_AT, 77);
    host.publish(frame);
    advance(1001);
    advance(999);
    // The client compares with the heartbeat, so it may be faster than the host's next turn.
    region.view.setBigUint64(16, 8000n, true);
    const next = LgmpClient.subscribe(region, FRAME_QUEUE_AT, 88);
    expect(next.id).toBe(killed.id);
    advance(100);
    advance(1000);
    expect(next.on).toBe(true);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 280, true)).toBe(88);
  });

  it('that unsubscribes leaves no message behind', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    host.publish(frame);
    client.unsubscribe();
    advance(10);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 440, true)).toBe(0);
    expect(host.stats.subscribersTimedOut).toBe(0);
    expect(host.publish(frame)).toBe(true);
  });
});

describe('client messages', () => {
  const move = (x: number, y: number): Uint8Array => {
    const bytes = Buffer.alloc(12);
    bytes.writeInt32LE(x, 4);
    bytes.writeInt32LE(y, 8);
    return bytes;
  };

  it('arrive in order, and are acknowledged after the listener returned', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const seen: unknown[] = [];
    host.on('client-message', (message, queue) => {
      seen.push([message, queue, client.acknowledged]);
    });
    expect(client.send(move(7, -8))).toBe(1);
    expect(client.send(move(9, 10))).toBe(2);
    advance(10);
    expect(seen).toEqual([
      [{ type: 'set-cursor-pos', x: 7, y: -8 }, 'pointer', 0],
      [{ type: 'set-cursor-pos', x: 9, y: 10 }, 'pointer', 1],
    ]);
    expect(client.acknowledged).toBe(2);
  });

  it('go on over many turns of their ring', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const seen: number[] = [];
    host.on('client-message', (message) => {
      if (message.type === 'set-cursor-pos') seen.push(message.x);
    });
    for (let i = 0; i < 95; i++) {
      client.send(move(i, 0));
      if (i % 7 === 0) advance(10);
    }
    advance(10);
    expect(seen).toEqual(Array.from({ length: 95 }, (_, index) => index));
    expect(client.acknowledged).toBe(95);
    expect(host.stats).toMatchObject({ clientMessages: 95, repairs: 0 });
  });

  it('that are full take no more until they were read', async () => {
    const { region, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    for (let i = 0; i < 10; i++) expect(client.send(move(i, 0))).toBe(i + 1);
    expect(client.send(move(99, 0))).toBeUndefined();
    advance(10);
    expect(client.send(move(11, 0))).toBe(11);
  });

  it('that claim more than 64 bytes are cut to 64', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const seen: KvmfrClientMessage[] = [];
    host.on('client-message', (message) => seen.push(message));
    client.send(new Uint8Array(64).fill(0xee), 0xffff_ffff);
    advance(10);
    expect(seen).toEqual([
      { type: 'unknown', wireType: 0xeeeeeeee, bytes: new Uint8Array(64).fill(0xee) },
    ]);
  });

  it('are acknowledged also when a listener throws', async () => {
    const { region, host, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    host.once('client-message', () => {
      throw new Error('from the listener');
    });
    client.send(move(1, 1));
    expect(() => advance(10)).toThrow('from the listener');
    expect(client.acknowledged).toBe(1);
  });
});

describe('new subscribers', () => {
  it('are told once each', async () => {
    const { region, host, advance } = await hostOnMemory();
    const queues: string[] = [];
    host.on('subscriber', ({ queue }) => queues.push(queue));
    LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    advance(10);
    LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    advance(10);
    expect(queues).toEqual(['pointer', 'frame']);
    expect(host.stats.subscribers).toBe(2);
  });

  it('get the newest frame again, with its serial and from its slot', async () => {
    const { region, host, advance } = await hostOnMemory();
    host.publish(frame);
    host.publish({ ...frame, pixels: countingPicture(64, 50) });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    expect(client.read()).toBeUndefined();
    advance(10);
    const message = client.take();
    expect(region.view.getUint32((message?.offset ?? 0) + 4, true)).toBe(1);
    expect(region.bytes[(message?.offset ?? 0) + 4096]).toBe(50);
    expect(host.stats.framesRepeated).toBe(1);
    advance(10);
    expect(client.read()).toBeUndefined();
  });

  it('get a repeat only after those before them made room', async () => {
    const { region, host, advance } = await hostOnMemory();
    const first = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    host.publish(frame);
    advance(10);
    const late = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    expect(late.read()).toBeUndefined();
    first.done();
    advance(10);
    expect(region.view.getUint32((late.take()?.offset ?? 0) + 4, true)).toBe(1);
  });

  it('get no repeat when a newer frame reached them first', async () => {
    const { region, host, advance } = await hostOnMemory();
    host.publish(frame);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    host.publish(frame);
    client.done();
    advance(10);
    // The publisher learnt of the subscription only now, and repeats what is the newest.
    expect(region.view.getUint32((client.take()?.offset ?? 0) + 4, true)).toBe(1);
    advance(10);
    expect(client.read()).toBeUndefined();
  });

  it('get nothing while there is no frame', async () => {
    const { region, advance } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    expect(client.read()).toBeUndefined();
  });

  it('get the last shape with the position of now', async () => {
    const { region, host, advance } = await hostOnMemory();
    const bytes = countingPicture(16);
    const shape = {
      kind: 'color',
      widthPx: 2,
      heightPx: 2,
      hotspotX: 1,
      hotspotY: 1,
      pitchBytes: 8,
      bytes,
    } as const;
    host.setCursor({ position: { x: 1, y: 1 }, visible: true, shape });
    host.setCursor({ position: { x: 30, y: 40 } });
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    advance(10);
    const message = client.take();
    const at = message?.offset ?? 0;
    expect(message?.udata).toBe(7);
    expect([region.view.getInt16(at, true), region.view.getInt16(at + 2, true)]).toEqual([30, 40]);
    expect(region.copyOut(at + 24, 16)).toEqual(bytes);
    expect(client.read()).toBeUndefined();
  });
});
