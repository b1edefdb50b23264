import { describe, expect, it } from 'vitest';
import { makePointerShapes } from '../../../host/pattern/pointer-shapes.ts';
import { readCursorShape } from '../../../protocol/index.ts';
import { hostOnMemory } from './fixture.ts';
import { LgmpClient, POINTER_QUEUE_AT } from './lgmp-client.ts';

const shape = {
  kind: 'color',
  widthPx: 2,
  heightPx: 2,
  hotspotX: 1,
  hotspotY: 1,
  pitchBytes: 8,
  bytes: new Uint8Array(16),
} as const;

describe('setCursor()', () => {
  it.each([
    [{ widthPx: 0 }, '0 x 2'],
    [{ heightPx: 513 }, '512'],
    [{ pitchBytes: 7 }, 'pitch'],
    [{ bytes: new Uint8Array(15) }, '16 bytes'],
    [{ hotspotX: 128 }, 'hotspot'],
    [{ hotspotY: 0.5 }, 'hotspot'],
    [{ widthPx: 512, heightPx: 512, pitchBytes: 4096, bytes: new Uint8Array(2 ** 21) }, '1048576'],
  ])('refuses the shape %j', async (change, named) => {
    const { host } = await hostOnMemory();
    expect(() => host.setCursor({ shape: { ...shape, ...change } })).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_ARGUMENT',
        message: expect.stringContaining(named),
      }),
    );
  });

  it('sends the largest shape there is', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const bytes = new Uint8Array(2 ** 20).fill(7);
    const large = { ...shape, widthPx: 512, heightPx: 512, pitchBytes: 2048, bytes };
    expect(host.setCursor({ shape: large })).toBe(true);
    const message = client.take() ?? { offset: 0, size: 0 };
    const read = readCursorShape(region, message.offset, message.size);
    expect(Buffer.compare(read.bytes, bytes)).toBe(0);
  });

  it('keeps a copy: what the caller does to its bytes later is not sent', async () => {
    const { region, host, advance } = await hostOnMemory();
    const bytes = new Uint8Array(16).fill(1);
    host.setCursor({ shape: { ...shape, bytes } });
    bytes.fill(2);
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    advance(10);
    expect(region.bytes[(client.take()?.offset ?? 0) + 24]).toBe(1);
  });

  it('keeps positions that 16 bits cannot hold at the border', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    host.setCursor({ position: { x: 40_000, y: -40_000 } });
    const at = client.take()?.offset ?? 0;
    expect([region.view.getInt16(at, true), region.view.getInt16(at + 2, true)]).toEqual([
      32767, -32768,
    ]);
  });

  it('says nothing when nothing changed', async () => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    host.setCursor({ visible: false });
    expect(client.read()).toBeUndefined();
  });

  it('survives a new session: a subscriber of it gets shape, position and visibility', async () => {
    const { region, host, advance } = await hostOnMemory();
    host.setCursor({ position: { x: 3, y: 4 }, visible: true, shape });
    region.view.setUint32(0, 0, true);
    advance(10);
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    advance(10);
    expect(client.take()?.udata).toBe(7);
  });
});

describe('the shapes of the synthetic guest', () => {
  it.each([1, 2, 3])('of scale %i are read as they were made', async (scale) => {
    const { region, host } = await hostOnMemory();
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    const shapes = Object.values(makePointerShapes(scale));
    for (const made of shapes) {
      host.setCursor({ shape: made });
      const message = client.take() ?? { offset: 0, size: 0 };
      expect(readCursorShape(region, message.offset, message.size)).toEqual(made);
    }
    expect(new Set(shapes.map(({ kind }) => kind))).toEqual(
      new Set(['color', 'monochrome', 'masked-color']),
    );
  });

  it('invert the screen with the beam, and leave it alone around it', () => {
    const { beam } = makePointerShapes(1);
    const and = beam.bytes.subarray(0, 128);
    const xor = beam.bytes.subarray(128);
    expect(and.every((byte) => byte === 0xff)).toBe(true);
    // Its stem is the seventeenth column.
    expect([...xor.subarray(16 * 4, 17 * 4)]).toEqual([0, 0, 0x80, 0]);
  });
});
