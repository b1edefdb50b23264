import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { createHost } from '../../host/index.ts';
import type { KvmfrClientMessage } from '../../protocol/index.ts';
import { eventually } from '../support/eventually.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-wish-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const WIRES = ['B6', 'B7', 'dev10', 'dev12'] as const;

describe.each(WIRES)('a wish to move the pointer of a %s guest', (wire) => {
  it('is heard, once the loop over the cursor runs', async () => {
    const region = join(folder, `takes-${wire}`);
    // SETCURSORPOS, the first bit.
    await using host = await createHost(region, { wire, regionMib: 8, features: 1 });
    await using client = await connect(region);
    const cursor = client.cursor();
    expect(cursor.moveTo({ x: 1, y: 2 })).toBe(false);
    const subscribed = once(host, 'subscriber');
    const next = cursor.next();
    await subscribed;
    const heard = once(host, 'client-message');
    expect(cursor.moveTo({ x: 300, y: -4 })).toBe(true);
    const [message, queue] = await heard;
    expect(message).toEqual({ type: 'set-cursor-pos', x: 300, y: -4 });
    expect(queue).toBe('pointer');
    await cursor.return();
    await next;
    expect(cursor.moveTo({ x: 1, y: 2 })).toBe(false);
  });

  it('is not sent to a guest that does not take it', async () => {
    const region = join(folder, `refuses-${wire}`);
    await using host = await createHost(region, { wire, regionMib: 8, features: 0 });
    await using client = await connect(region);
    const cursor = client.cursor();
    const subscribed = once(host, 'subscriber');
    const next = cursor.next();
    await subscribed;
    expect(cursor.moveTo({ x: 300, y: 200 })).toBe(false);
    await cursor.return();
    await next;
    expect(host.stats.clientMessages).toBe(0);
  });
});

describe.each(WIRES)('places of the pointer of a %s guest', (wire) => {
  it('go one at a time, and of those that wait only the newest', async () => {
    const region = join(folder, `places-${wire}`);
    // By hand: what is sent waits until the guest looks.
    await using host = await createHost(region, {
      ...{ wire, regionMib: 8, features: 1, housekeepingMs: 0 },
    });
    const heard: KvmfrClientMessage[] = [];
    host.on('client-message', (message) => heard.push(message));
    const beating = setInterval(() => host.housekeep(), 5);
    await using client = await connect(region);
    await using pointer = client.pointer();
    const rests = async (): Promise<void> => {
      await eventually(() => !pointer.isBusy);
    };
    pointer.moveTo({ x: 1, y: 1 });
    await rests();
    clearInterval(beating);
    for (let x = 2; x <= 100; x++) pointer.moveTo({ x, y: -x });
    // One went, the newest waits for its turn.
    expect(pointer.counters).toEqual({ sent: 2, dropped: 97 });
    expect(pointer.isBusy).toBe(true);
    const again = setInterval(() => host.housekeep(), 5);
    await rests();
    clearInterval(again);
    expect(heard.map((message) => (message.type === 'set-cursor-pos' ? message.x : -1))).toEqual([
      1, 2, 100,
    ]);
    expect(pointer.counters).toEqual({ sent: 3, dropped: 97 });
  });
});

it('places of the pointer come to nothing where they are not taken, and nobody waits for them', async () => {
  const region = join(folder, 'places-refused');
  await using host = await createHost(region, { wire: 'B7', regionMib: 8, features: 0 });
  await using client = await connect(region);
  const pointer = client.pointer();
  expect(() => pointer.moveTo({ x: 0.5, y: 0 })).toThrow(/must be a whole number/);
  pointer.moveTo({ x: 1, y: 1 });
  await eventually(() => !pointer.isBusy);
  expect(pointer.counters).toEqual({ sent: 0, dropped: 1 });
  pointer.moveTo({ x: 2, y: 2 });
  const settled = new Promise<void>((resolve) => pointer.whenSettled(resolve));
  await pointer.close();
  await settled;
  pointer.moveTo({ x: 3, y: 3 });
  expect(pointer.isBusy).toBe(false);
  expect(host.stats.clientMessages).toBe(0);
});
