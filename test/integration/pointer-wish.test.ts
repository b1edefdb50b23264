import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { createHost } from '../../host/index.ts';

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
