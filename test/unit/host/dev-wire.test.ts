import { describe, expect, it, vi } from 'vitest';
import { FramePublisher } from '../../../host/frames.ts';
import { HostSession } from '../../../host/session.ts';
import { WIRES } from '../../../host/wire.ts';
import { Region } from '../../../protocol/index.ts';
import { DevClient, queueAt } from './dev-client.ts';
import { countingPicture, hostOnMemory } from './fixture.ts';
import { frame, freshQueue, hexAt, shape, UDATA_BYTES, u32, zeros } from './wire-bytes.ts';

describe('a session of dev12', () => {
  const FRAME_RING = 9856; // 9728 + 126, on the next line of 64 bytes
  const POINTER_RING = FRAME_RING + 3 * 64;
  const POINTERS = POINTER_RING + 32 * 32;
  const SHAPES = POINTERS + 32 * 28;
  const TRANSFORMS = SHAPES + 3 * (28 + 2 ** 20);
  const FRAMES = 3_407_872;
  const SLOT_BYTES = 196_608;
  const start = () => hostOnMemory({ wire: 'dev12', features: 7 });

  it('begins with these bytes', async () => {
    const { region, host } = await start();
    expect(hexAt(region, 0, 64)).toBe(`8813000000000000${zeros(56)}`);
    expect(hexAt(region, 64, 1600)).toBe(freshQueue(2, 2, FRAME_RING));
    expect(hexAt(region, 64 + 1600, 1600)).toBe(freshQueue(3, 2, FRAME_RING + 64));
    expect(hexAt(region, 64 + 3200, 1600)).toBe(freshQueue(4, 2, FRAME_RING + 128));
    expect(hexAt(region, 64 + 4800, 1600)).toBe(freshQueue(1, 32, POINTER_RING));
    expect(hexAt(region, 64 + 6400, 3200)).toBe(zeros(3200));
    expect(hexAt(region, 9664, 20)).toBe(`4c474d50${u32(12, host.sessionId, 4, UDATA_BYTES)}`);
    expect(hexAt(region, 9684, 12)).toBe(`${Buffer.from('KVMFR---').toString('hex')}${u32(34)}`);
    expect(hexAt(region, 9684 + 44, 4)).toBe(u32(7));
  });

  it('hides what was there before anything else, and shows the magic last', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    await hostOnMemory({ region, wire: 'dev12', recovery: false });
    const spy = vi.spyOn(Atomics, 'store');
    await hostOnMemory({ region, wire: 'dev12', recovery: false });
    const calls: readonly (readonly unknown[])[] = spy.mock.calls;
    spy.mockRestore();
    const stores = calls
      .filter(([array]) => array === region.words)
      .map(([, index]) => Number(index) * 4);
    expect(stores.slice(0, 2)).toEqual([9664, 9672]);
    expect(stores.slice(-2)).toEqual([9672, 9664]);
    expect(stores.slice(2, -2)).not.toContain(9664);
    expect(stores.slice(2, -2)).not.toContain(9672);
  });

  it('posts a frame as these bytes', async () => {
    const { region, host } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 0 });
    const hdr = {
      displayPrimaries: [1, 2, 3, 4, 5, 6],
      whitePoint: [7, 8],
      maxDisplayLuminance: 1000,
      minDisplayLuminance: 50,
      maxContentLightLevel: 900,
      maxFrameAverageLightLevel: 400,
    };
    host.publish({
      ...frame,
      sdrWhiteLevel: 240,
      hdr,
      scheduleGeneration: 9,
      scheduleEpoch: 8,
      scheduleDeadlineSerial: 7,
      timing: { captureNs: 1, postProcessNs: 2, copyNs: 3, readyNs: 4, holdNs: 5, readyLeadNs: 6 },
    });
    expect(hexAt(region, FRAME_RING, 32)).toBe(
      `${zeros(8)}${u32(SLOT_BYTES, FRAMES, 1)}${zeros(12)}`,
    );
    expect(client.read()).toEqual({ udata: 0n, size: SLOT_BYTES, offset: FRAMES });
    const long = (value: number): string => u32(value, 0);
    expect(hexAt(region, FRAMES, 192)).toBe(
      [
        // flags: request activation, and the metadata
        u32(0, 1, 2, 14, 12, 7, 6, 7, 6, 3, 8, 32, 65532, 0x22, 0, 240),
        [1, 2, 3, 4, 5, 6].map(long).join(''),
        // timing: serial, valid, flags, --
        u32(1, 1, 0, 0),
        '010002000300040005000600',
        '07000800',
        u32(1000, 50, 900, 400),
        u32(9, 8, 7),
        zeros(20),
      ].join(''),
    );
    expect(hexAt(region, FRAMES + 65532, 4)).toBe(u32(6 * 32));
    expect(hexAt(region, FRAMES + 65536, 6 * 32)).toBe(Buffer.from(frame.pixels).toString('hex'));
  });

  it('tells the times of a frame after its last pixel, and the one before them nobody', async () => {
    const { region, host } = await start();
    DevClient.subscribe(region, 12, { queue: 0 });
    const spy = vi.spyOn(Atomics, 'store');
    host.publish(frame);
    const calls: readonly (readonly unknown[])[] = spy.mock.calls;
    spy.mockRestore();
    const order = calls
      .filter(([array]) => array === region.words)
      .map(([, index, value]) => [Number(index) * 4 - FRAMES, Number(value)] as const)
      .filter(([at]) => at === 116 || at === 65532);
    expect(order).toEqual([
      [116, 0],
      [65532, 0],
      [65532, 192],
      [65532, 192],
      [116, 1],
    ]);
  });

  it('tells the times of a frame that is written step by step when it ends', async () => {
    const { region, host } = await start();
    DevClient.subscribe(region, 12, { queue: 0 });
    const open = host.openFrame(frame);
    expect(region.view.getUint32(FRAMES + 116, true)).toBe(0);
    open?.end();
    expect(hexAt(region, FRAMES + 112, 8)).toBe(u32(1, 1));
  });

  it('counts frames from 1 and leaves 0 out', async () => {
    const { region, host } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 0 });
    const serials = [1, 2, 3].map(() => {
      host.publish(frame);
      return region.view.getUint32((client.take()?.offset ?? 0) + 4, true);
    });
    expect(serials).toEqual([1, 2, 3]);
  });

  it('goes from the highest serial to 1', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    const facts = { hostVersion: '', features: 0, vm: undefined, os: undefined };
    const session = new HostSession(region, WIRES.dev12, facts, 0);
    const frames = new FramePublisher(region, WIRES.dev12, session, {
      counters: { published: 0, dropped: 0, repeated: 0, truncated: 0 },
      serial: 0xffffffff,
      clock: () => 0,
    });
    frames.publish(frame, 0);
    expect(frames.serial).toBe(1);
  });

  it('says that half floats are HDR, and that other colours are another format', async () => {
    const { region, host } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 0 });
    const seen = [
      { format: 'RGBA10' },
      { format: 'RGBA10', sdrWhiteLevel: 200 },
      { format: 'RGBA10', sdrWhiteLevel: 200, flags: 0x18 },
      { format: 'RGBA10', sdrWhiteLevel: 200, flags: 0x18 },
      { format: 'RGBA16F', sdrWhiteLevel: 200 },
    ].map((change) => {
      const format = change.format === 'RGBA16F' ? 'RGBA16F' : 'RGBA10';
      host.publish({
        ...change,
        format,
        pixels: new Uint8Array(128),
        widthPx: 4,
        heightPx: 4,
        damage: [{ x: 1, y: 1, width: 1, height: 1 }],
      });
      const at = client.take()?.offset ?? 0;
      // formatVer, flags, damageRectsCount
      return [0, 52, 56].map((field) => region.view.getUint32(at + field, true));
    });
    expect(seen).toEqual([
      [0, 0, 0],
      [1, 0, 0],
      [2, 0x18, 0],
      [2, 0x18, 1],
      [3, 8, 0],
    ]);
  });

  it('leaves the next owner of a slot none of what the one before did not read', async () => {
    const { region, host, advance } = await start();
    const gone = DevClient.subscribe(region, 12, { queue: 3, clientId: 70 });
    const stays = DevClient.subscribe(region, 12, { queue: 3, clientId: 71 });
    advance(10);
    for (const client of [gone, stays]) client.take();
    for (let x = 1; x <= 3; x++) host.setCursor({ position: { x, y: 0 }, visible: true });
    stays.done();
    advance(1001);
    expect([gone.bad, stays.bad]).toEqual([true, false]);
    advance(990);
    stays.done();
    advance(11);
    advance(1);
    expect(gone.on).toBe(false);
    expect(region.view.getUint32(POINTER_RING + 3 * 32 + 16, true)).toBe(1 << stays.id);
  });

  it('keeps one frame on its way, and sends the newest when that was read', async () => {
    const { region, host, advance } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 0 });
    advance(10);
    for (let i = 0; i < 7; i++)
      expect(host.publish({ ...frame, pixels: countingPicture(192, i) })).toBe(true);
    expect(region.view.getUint32(queueAt(0) + 8, true)).toBe(1);
    const first = client.take()?.offset ?? 0;
    expect([region.view.getUint32(first + 4, true), region.bytes[first + 65536]]).toEqual([1, 0]);
    advance(10);
    const second = client.take()?.offset ?? 0;
    expect([region.view.getUint32(second + 4, true), region.bytes[second + 65536]]).toEqual([7, 6]);
    advance(10);
    expect(client.read()).toBeUndefined();
    expect(host.stats).toMatchObject({ framesPosted: 7, framesDropped: 0, framesRepeated: 0 });
  });

  it('sends a frame to who has not had it, and to nobody else', async () => {
    const { region, host, advance } = await start();
    const a = DevClient.subscribe(region, 12, { queue: 0 });
    host.publish(frame);
    expect(a.take()).toBeDefined();
    const b = DevClient.subscribe(region, 12, { queue: 0 });
    advance(10);
    const pending = region.view.getUint32(FRAME_RING + 32 + 16, true);
    expect(pending).toBe(1 << b.id);
    expect(a.read()).toBeUndefined();
    expect(region.view.getUint32((b.take()?.offset ?? 0) + 4, true)).toBe(1);
    advance(10);
    expect([a.read(), b.read()]).toEqual([undefined, undefined]);
    expect(host.stats.framesRepeated).toBe(1);
  });

  it('sends the newest frame again to a client that left and came back between two turns', async () => {
    const { region, host, advance } = await start();
    const before = DevClient.subscribe(region, 12, { queue: 0, clientId: 5 });
    host.publish(frame);
    before.take();
    advance(10);
    before.unsubscribe();
    const after = DevClient.subscribe(region, 12, { queue: 0, clientId: 5 });
    expect(after.id).toBe(before.id);
    advance(10);
    expect(after.take()).toBeDefined();
  });

  it('takes a pointer message back when nobody is there: the position moves back', async () => {
    const { region, host, advance } = await start();
    host.setCursor({ position: { x: 1, y: 2 }, visible: true });
    const at = queueAt(3);
    expect(hexAt(region, at, 12)).toBe(u32(1, 0, 1));
    const late = DevClient.subscribe(region, 12, { queue: 3 });
    expect(late.read()).toBeUndefined();
    advance(10);
    // It was taken back, and then sent again, because somebody subscribed.
    expect(hexAt(region, at, 12)).toBe(u32(1, 0, 1));
    expect(late.take()?.udata).toBe(0x13n);
    late.unsubscribe();
    host.setCursor({ position: { x: 3, y: 4 } });
    expect(hexAt(region, at, 12)).toBe(u32(2, 1, 1));
    advance(10);
    expect(hexAt(region, at, 12)).toBe(u32(1, 1, 0));
    expect(host.stats.repairs).toBe(0);
  });

  it('takes back only what is newer than what somebody waits for', async () => {
    const { region, host, advance } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 3 });
    advance(10);
    expect(client.take()?.offset).toBe(POINTERS);
    host.setCursor({ position: { x: 1, y: 2 }, visible: true });
    const pendingAt = POINTER_RING + 2 * 32 + 16;
    host.setCursor({ position: { x: 3, y: 4 } });
    host.setCursor({ position: { x: 5, y: 6 } });
    // Messages two and three are done with out of order.
    region.view.setUint32(pendingAt, 0, true);
    region.view.setUint32(pendingAt + 32, 0, true);
    advance(10);
    expect(hexAt(region, queueAt(3), 12)).toBe(u32(2, 1, 1));
    expect(client.take()?.offset).toBe(POINTERS + 28);
  });

  it('gives a client up on every queue when it missed a message on one', async () => {
    const { region, host, advance } = await start();
    const slow = DevClient.subscribe(region, 12, { queue: 0, clientId: 70 });
    const others = [1, 2, 3].map((queue) =>
      DevClient.subscribe(region, 12, { queue, clientId: 70 }),
    );
    const quick = DevClient.subscribe(region, 12, { queue: 3, clientId: 71 });
    host.publish(frame);
    advance(1000);
    expect([slow, ...others].map(({ bad }) => bad)).toEqual([false, false, false, false]);
    advance(1);
    expect([slow, ...others].map(({ bad }) => bad)).toEqual([true, true, true, true]);
    expect(quick.bad).toBe(false);
    // T + maxTime, on the pointer queue as well
    expect(region.view.getBigUint64(queueAt(3) + 232, true)).toBe(7001n);
    advance(1001);
    expect([slow, ...others].map(({ on }) => on)).toEqual([false, false, false, false]);
  });

  it('hears clients by their ids, and acknowledges who is not subscribed without hearing', async () => {
    const { region, host, advance } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 3 });
    const heard: unknown[] = [];
    host.on('client-message', (message, queue, clientId) => heard.push([message, queue, clientId]));
    const size = Buffer.from(u32(1, 1280, 720), 'hex');
    client.send(size);
    client.send(size, 999);
    client.send(Buffer.from(u32(0, 5, 6), 'hex'));
    // The right type with a wrong size is nothing that is known.
    client.send(Buffer.from(u32(1, 2, 3, 4), 'hex'));
    advance(10);
    expect(heard).toEqual([
      [{ type: 'window-size', widthPx: 1280, heightPx: 720 }, 'pointer', 1],
      [{ type: 'set-cursor-pos', x: 5, y: 6 }, 'pointer', 1],
      [expect.objectContaining({ type: 'unknown', wireType: 1 }), 'pointer', 1],
    ]);
    expect(client.acknowledged).toBe(4);
    expect(host.stats).toMatchObject({ clientMessages: 3, clientMessagesRefused: 1, repairs: 0 });
  });

  it('posts the pointer as these bytes', async () => {
    const { region, host } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 3 });
    host.setCursor({ shape, sdrWhiteLevel: 203 });
    expect(client.take()).toEqual({ udata: 0x14n, size: 28 + 2 ** 20, offset: SHAPES });
    expect(hexAt(region, SHAPES, 28 + 16)).toBe(
      `${zeros(4)}${u32(0)}01ff0000${u32(2, 2, 8, 203)}${Buffer.from(shape.bytes).toString('hex')}`,
    );
    // Hidden: where it is tells nobody anything, until it is shown.
    host.setCursor({ position: { x: 9, y: -9 } });
    expect(client.read()).toBeUndefined();
    host.setCursor({ visible: true });
    expect(client.take()).toEqual({ udata: 0x13n, size: 28, offset: POINTERS });
    expect(hexAt(region, POINTERS, 28)).toBe(`0900f7ff${zeros(20)}${u32(203)}`);
    host.setCursor({ visible: false });
    expect(client.take()?.udata).toBe(0x10n);
  });

  it('posts what the guest does to its colours in a message of its own', async () => {
    const { region, host, advance } = await start();
    const client = DevClient.subscribe(region, 12, { queue: 3 });
    advance(10);
    while (client.take() !== undefined);
    const lut = Float32Array.from({ length: 4096 * 4 }, (_, i) => i / 8);
    const matrix = [1, 0, 0, 0.5, 0, 1, 0, 0, 0, 0, 1, -2];
    host.setCursor({ colorTransform: { matrix, scalar: 2, lut } });
    expect(client.take()).toEqual({ udata: 8n, size: 28 + 65592, offset: TRANSFORMS });
    const at = TRANSFORMS + 28;
    expect(region.view.getUint32(at, true)).toBe(3);
    const floats = (from: number, count: number): number[] =>
      Array.from({ length: count }, (_, i) => region.view.getFloat32(at + from + i * 4, true));
    expect(floats(4, 13)).toEqual([...matrix, 2]);
    expect(floats(56, 4096 * 4)).toEqual([...lut]);
    // Who comes later gets it as well, before the pointer.
    const late = DevClient.subscribe(region, 12, { queue: 3 });
    advance(10);
    const seen = [late.take()?.udata, late.take()?.udata];
    expect(seen).toEqual([8n, 0x10n]);
  });

  it.each([
    ['a matrix of eleven', { matrix: new Array(11).fill(0) }, 'must have 12 numbers, but has 11'],
    ['half a table', { lut: new Float32Array(4096 * 2) }, 'must have 16384 numbers, but has 8192'],
    ['no number', { matrix: new Array(12).fill(Number.NaN) }, 'finite in 32 bits'],
    ['an infinite scalar', { scalar: Infinity }, 'finite in 32 bits'],
    ['a number too large for 32 bits', { scalar: 1e39 }, 'finite in 32 bits'],
    ['a table without end', { lut: new Float32Array(16384).fill(-Infinity) }, 'finite in 32 bits'],
  ])('refuses a colour transform with %s', async (_, colorTransform, message) => {
    const { host } = await start();
    expect(() => host.setCursor({ colorTransform })).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_ARGUMENT',
        message: expect.stringContaining(message),
      }),
    );
  });

  it('keeps a copy of a colour transform for those who come later', async () => {
    const { region, host, advance } = await start();
    const lut = new Float32Array(4096 * 4).fill(0.5);
    host.setCursor({ colorTransform: { lut } });
    lut.fill(9);
    const late = DevClient.subscribe(region, 12, { queue: 3 });
    advance(10);
    const { offset } = late.take() ?? { offset: 0 };
    expect(region.view.getFloat32(offset + 28 + 56, true)).toBe(0.5);
  });

  it('refuses a colour transform where no version has one', async () => {
    const { host } = await hostOnMemory({ wire: 'B7' });
    expect(() => host.setCursor({ colorTransform: {} })).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_UNSUPPORTED' }),
    );
  });
});
