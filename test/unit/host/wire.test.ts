import { describe, expect, it, vi } from 'vitest';
import type { WireName } from '../../../host/index.ts';
import { Region } from '../../../protocol/index.ts';
import { countingPicture, hostOnMemory } from './fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient, POINTER_QUEUE_AT } from './lgmp-client.ts';
import { frame, hexAt, UDATA_BYTES, u32, zeros } from './wire-bytes.ts';

const RINGS_AT = 5760 + UDATA_BYTES + 2; // the next multiple of 4
const POINTER_RING_AT = RINGS_AT + 3 * 16;
const POINTERS_AT = POINTER_RING_AT + 21 * 16;
const SHAPES_AT = POINTERS_AT + 20 * 24;
const FRAMES_AT = 3_153_920;

const WIRES: readonly (readonly [WireName, lgmp: number, kvmfr: number])[] = [
  ['B6', 5, 19],
  ['B7', 6, 20],
];

describe.each(WIRES)('a session of %s', (wire, lgmp, kvmfr) => {
  it('begins with these bytes', async () => {
    const { region, host } = await hostOnMemory({ wire, features: 1 });
    expect(hexAt(region, 0, 32)).toBe(
      `4c474d50${u32(lgmp, host.sessionId, 0)}8813000000000000${u32(2, 0)}`,
    );
    const queue = (id: number, slots: number, ringAt: number): string =>
      `${u32(id, slots, 0, 1000, 0, ringAt)}${zeros(256 + 128 + 8 + 8 + 8 + 8 + 4 + 4)}` +
      `${u32(10, 0, 0, 0)}${zeros(680)}`;
    expect(hexAt(region, 32, 1144)).toBe(queue(2, 3, RINGS_AT));
    expect(hexAt(region, 32 + 1144, 1144)).toBe(queue(1, 21, POINTER_RING_AT));
    expect(hexAt(region, 32 + 2 * 1144, 3 * 1144)).toBe(zeros(3 * 1144));
    expect(hexAt(region, 5752, 4)).toBe(u32(UDATA_BYTES));
    expect(hexAt(region, RINGS_AT, 24 * 16)).toBe(zeros(24 * 16));
  });

  it('tells of itself with these bytes', async () => {
    const { region } = await hostOnMemory({ wire, features: 1 });
    const text = (value: string, bytes: number): string =>
      Buffer.concat([Buffer.from(value), Buffer.alloc(bytes - value.length)]).toString('hex');
    expect(hexAt(region, 5756, UDATA_BYTES)).toBe(
      [
        text('KVMFR---', 8),
        u32(kvmfr),
        text('host 1', 32),
        u32(1),
        `01000000${u32(56)}${zeros(16)}${text('test', 32)}040201${text('Unit', 5)}`,
        `02000000${u32(6)}00${text('Test', 5)}`,
      ].join(''),
    );
  });

  it('moves its heartbeat, and nothing else, while nothing happens', async () => {
    const { region, advance } = await hostOnMemory({ wire });
    const before = region.copyOut(0, region.byteLength);
    advance(10);
    advance(10);
    expect(region.view.getBigUint64(16, true)).toBe(5020n);
    before.set(region.bytes.subarray(16, 24), 16);
    expect(Buffer.compare(before, region.bytes)).toBe(0);
  });

  it('posts a frame as these bytes', async () => {
    const { region, host } = await hostOnMemory({ wire });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    expect(host.publish(frame)).toBe(true);
    const slotBytes = (4 * 2 ** 20 - FRAMES_AT) / 2;
    expect(client.read()).toEqual({ udata: 0, size: slotBytes, offset: FRAMES_AT });
    expect(hexAt(region, RINGS_AT, 16)).toBe(u32(0, slotBytes, FRAMES_AT, 1));
    // position, then: start, --, msgTimeout, count
    expect(hexAt(region, FRAME_QUEUE_AT + 16, 4)).toBe(u32(1));
    expect(hexAt(region, FRAME_QUEUE_AT + 424, 20)).toBe(`${u32(0, 0)}7017000000000000${u32(1)}`);
    const header =
      kvmfr === 19
        ? `${u32(0, 0, 2, 14, 12, 7, 6, 3, 8, 32, 4092, 0)}${zeros(1024)}${u32(2)}`
        : `${u32(0, 0, 2, 14, 12, 7, 6, 7, 6, 3, 8, 32, 4092, 0)}${zeros(1024)}${u32(2)}`;
    expect(hexAt(region, FRAMES_AT, header.length / 2)).toBe(header);
    expect(hexAt(region, FRAMES_AT + 4092, 4)).toBe(u32(6 * 32));
    expect(hexAt(region, FRAMES_AT + 4096, 6 * 32)).toBe(Buffer.from(frame.pixels).toString('hex'));
  });

  it('counts serials and lists damage in the second slot', async () => {
    const { region, host } = await hostOnMemory({ wire });
    LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const frame = {
      pixels: countingPicture(64 * 4),
      format: 'BGRA',
      widthPx: 8,
      heightPx: 8,
    } as const;
    host.publish(frame);
    const damage = [
      { x: 1, y: 2, width: 3, height: 4 },
      { x: 6, y: 7, width: 50, height: 60 },
    ];
    host.publish({ ...frame, damage });
    const at = FRAMES_AT + (4 * 2 ** 20 - FRAMES_AT) / 2;
    expect(hexAt(region, at, 12)).toBe(u32(0, 1, 1));
    const countAt = kvmfr === 19 ? 44 : 52;
    expect(hexAt(region, at + countAt, 4 + 32)).toBe(u32(2, 1, 2, 3, 4, 6, 7, 2, 1));
  });

  it('posts the pointer as these bytes', async () => {
    const { region, host } = await hostOnMemory({ wire });
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    host.setCursor({ position: { x: -3, y: 500 }, visible: true });
    expect(client.read()).toEqual({ udata: 3, size: 24, offset: POINTERS_AT });
    expect(hexAt(region, POINTERS_AT, 24)).toBe(`fdfff401${zeros(20)}`);
    client.done();
    const bytes = countingPicture(2 * 3 * 4, 9);
    host.setCursor({
      shape: {
        kind: 'monochrome',
        widthPx: 9,
        heightPx: 3,
        hotspotX: -1,
        hotspotY: 2,
        pitchBytes: 4,
        bytes,
      },
    });
    expect(client.read()).toEqual({ udata: 6, size: 24 + 2 ** 20, offset: SHAPES_AT });
    expect(hexAt(region, SHAPES_AT, 24 + bytes.length)).toBe(
      `fdfff401${u32(1)}ff020000${u32(9, 6, 4)}${Buffer.from(bytes).toString('hex')}`,
    );
    client.done();
    host.setCursor({ visible: false });
    expect(client.read()).toEqual({ udata: 0, size: 24, offset: POINTERS_AT + 24 });
  });
});

describe('a new session', () => {
  it('works over memory that is full of garbage', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    for (let i = 0; i < region.words.length; i++) region.words[i] = Math.imul(i, 0x9e3779b1);
    const { host } = await hostOnMemory({ region });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const pixels = countingPicture(16 * 16 * 4);
    host.publish({ pixels, format: 'BGRA', widthPx: 16, heightPx: 16 });
    const at = client.read()?.offset ?? 0;
    expect(hexAt(region, at + 4096, 16 * 16 * 4)).toBe(Buffer.from(pixels).toString('hex'));
  });

  it('has another id than the one before, and never 0', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    const ids = new Set<number>();
    for (let i = 0; i < 50; i++) ids.add((await hostOnMemory({ region })).host.sessionId);
    expect(ids.size).toBe(50);
    expect(ids.has(0)).toBe(false);
  });

  it('leaves no header of another generation of LGMP to be found', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    for (const at of [8, 8064, 9664]) region.view.setUint32(at, 0x504d474c, true);
    await hostOnMemory({ region });
    expect([8, 8064, 9664].map((at) => region.view.getUint32(at, true))).not.toContain(0x504d474c);
  });

  it('shows magic and session id last of all', async () => {
    const region = new Region(new ArrayBuffer(4 * 2 ** 20));
    await hostOnMemory({ region });
    const spy = vi.spyOn(Atomics, 'store');
    await hostOnMemory({ region });
    const calls: readonly (readonly unknown[])[] = spy.mock.calls;
    spy.mockRestore();
    const stores = calls
      .filter(([array]) => array === region.words)
      .map(([, index]) => Number(index) * 4);
    expect(stores.slice(0, 2)).toEqual([0, 8]);
    expect(stores.slice(-2)).toEqual([8, 0]);
    expect(stores.slice(2, -2)).not.toContain(0);
    expect(stores.slice(2, -2)).not.toContain(8);
  });

  it.each([
    [0, 4],
    [16 * 1024, 4],
    [2 ** 20, 4],
    [3 * 2 ** 20, 4],
  ])('refuses a region of %i bytes and names the size that would do', async (bytes, mib) => {
    const region = new Region(new ArrayBuffer(bytes));
    await expect(hostOnMemory({ region })).rejects.toMatchObject({
      code: 'ERR_KVMFR_SIZE',
      message: expect.stringContaining(`${mib} MiB`),
    });
    expect(region.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('divides 16 MiB exactly as the real publisher of B7 does', async () => {
    // Sizes and places from a region that Looking Glass B7 wrote: 197 bytes of session blob.
    const { region, host } = await hostOnMemory({
      mib: 16,
      vm: { model: 'AMD EPYC' },
      os: { kind: 'linux', name: 'x'.repeat(71) },
    });
    expect(region.view.getUint32(5752, true)).toBe(197);
    const frames = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    const pointers = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    expect(region.view.getUint32(FRAME_QUEUE_AT + 20, true)).toBe(5960);
    expect(region.view.getUint32(POINTER_QUEUE_AT + 20, true)).toBe(6008);
    const frame = {
      pixels: new Uint8Array(16),
      format: 'BGRA',
      widthPx: 2,
      heightPx: 2,
    } as const;
    host.publish(frame);
    host.publish(frame);
    expect([frames.take(), frames.take()]).toEqual([
      { udata: 0, size: 6811648, offset: 3153920 },
      { udata: 0, size: 6811648, offset: 9965568 },
    ]);
    host.setCursor({ position: { x: 0, y: 0 } });
    const shape = {
      kind: 'color',
      widthPx: 1,
      heightPx: 1,
      hotspotX: 0,
      hotspotY: 0,
      pitchBytes: 4,
      bytes: new Uint8Array(4),
    } as const;
    host.setCursor({ shape });
    expect([pointers.take(), pointers.take()]).toEqual([
      { udata: 1, size: 24, offset: 6344 },
      { udata: 4, size: 1048600, offset: 6824 },
    ]);
  });
});
