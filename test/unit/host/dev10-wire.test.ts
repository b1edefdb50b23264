import { describe, expect, it } from 'vitest';
import { DevClient, queueAt } from './dev-client.ts';
import { hostOnMemory } from './fixture.ts';
import { frame, freshQueue, hexAt, shape, UDATA_BYTES, u32, zeros } from './wire-bytes.ts';

describe('a session of dev10', () => {
  // 8128 + 126, on the next line of 64 bytes
  const FRAME_RING = 8256;
  const POINTER_RING = FRAME_RING + 64;
  const POINTERS = POINTER_RING + 32 * 16;
  const SHAPES = POINTERS + 32 * 24;
  const FRAMES = 3_158_016;
  const SLOT_BYTES = 516_096;

  it('begins with these bytes', async () => {
    const { region, host } = await hostOnMemory({ wire: 'dev10', features: 1 });
    expect(hexAt(region, 0, 64)).toBe(`8813000000000000${zeros(56)}`);
    expect(hexAt(region, 64, 1600)).toBe(freshQueue(2, 2, FRAME_RING));
    expect(hexAt(region, 64 + 1600, 1600)).toBe(freshQueue(1, 32, POINTER_RING));
    expect(hexAt(region, 64 + 3200, 3 * 1600)).toBe(zeros(3 * 1600));
    expect(hexAt(region, 8064, 20)).toBe(`4c474d50${u32(10, host.sessionId, 2, UDATA_BYTES)}`);
    expect(hexAt(region, 8084, 12)).toBe(`${Buffer.from('KVMFR---').toString('hex')}${u32(20)}`);
  });

  it('posts a frame as these bytes', async () => {
    const { region, host } = await hostOnMemory({ wire: 'dev10' });
    const client = DevClient.subscribe(region, 10, { queue: 0 });
    expect(host.publish(frame)).toBe(true);
    expect(hexAt(region, FRAME_RING, 16)).toBe(u32(0, SLOT_BYTES, FRAMES, 1));
    // position start count --, msgTimeout
    expect(hexAt(region, 64, 24)).toBe(`${u32(1, 0, 1, 0)}7017000000000000`);
    expect(hexAt(region, FRAMES, 56)).toBe(u32(0, 0, 2, 14, 12, 7, 6, 7, 6, 3, 8, 32, 4092, 0));
    expect(hexAt(region, FRAMES + 4092, 4)).toBe(u32(6 * 32));
    expect(client.take()).toEqual({ udata: 0n, size: SLOT_BYTES, offset: FRAMES });
  });

  it('uses every slot of its ring, and is found empty where it began', async () => {
    const { region, host, advance } = await hostOnMemory({ wire: 'dev10' });
    const client = DevClient.subscribe(region, 10, { queue: 0 });
    expect([1, 2, 3].map(() => host.publish(frame))).toEqual([true, true, false]);
    // Full: position and start are the same.
    expect(hexAt(region, 64, 12)).toBe(u32(0, 0, 2));
    client.done();
    client.done();
    expect(hexAt(region, 64, 12)).toBe(u32(0, 0, 0));
    advance(10);
    expect(host.publish(frame)).toBe(true);
    expect(host.stats.repairs).toBe(0);
  });

  it('posts the pointer as B7 does', async () => {
    const { region, host } = await hostOnMemory({ wire: 'dev10' });
    const client = DevClient.subscribe(region, 10, { queue: 1 });
    host.setCursor({ position: { x: -3, y: 500 } });
    expect(client.take()).toEqual({ udata: 1n, size: 24, offset: POINTERS });
    expect(hexAt(region, POINTERS, 24)).toBe(`fdfff401${zeros(20)}`);
    host.setCursor({ shape });
    expect(client.take()).toEqual({ udata: 4n, size: 24 + 2 ** 20, offset: SHAPES });
  });

  it('divides 16 MiB exactly as the real development publisher does', async () => {
    // From a region that one wrote: 197 bytes of session blob.
    const { region, host } = await hostOnMemory({
      wire: 'dev10',
      mib: 16,
      vm: { model: 'AMD EPYC' },
      os: { kind: 'linux', name: 'x'.repeat(71) },
    });
    expect(region.view.getUint32(8080, true)).toBe(197);
    expect(region.view.getUint32(queueAt(0) + 304, true)).toBe(8384);
    expect(region.view.getUint32(queueAt(1) + 304, true)).toBe(8448);
    const frames = DevClient.subscribe(region, 10, { queue: 0 });
    const pointers = DevClient.subscribe(region, 10, { queue: 1 });
    host.publish(frame);
    host.publish(frame);
    expect([frames.take(), frames.take()]).toEqual([
      { udata: 0n, size: 6807552, offset: 3158016 },
      { udata: 0n, size: 6807552, offset: 9965568 },
    ]);
    host.setCursor({ position: { x: 0, y: 0 } });
    host.setCursor({ shape });
    expect([pointers.take(), pointers.take()]).toEqual([
      { udata: 1n, size: 24, offset: 8960 },
      { udata: 4n, size: 1048600, offset: 9728 },
    ]);
  });

  it('writes its heartbeat when it is a quarter of a second old, not sooner', async () => {
    const { region, advance } = await hostOnMemory({ wire: 'dev10' });
    const beats: bigint[] = [];
    for (let i = 0; i < 6; i++) {
      advance(100);
      beats.push(region.view.getBigUint64(0, true));
    }
    expect(beats).toEqual([5000n, 5000n, 5300n, 5300n, 5300n, 5600n]);
  });
});
