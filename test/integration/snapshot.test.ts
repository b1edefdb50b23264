import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHost } from '../../host/index.ts';
import { lutOf, NIGHT_LIGHT, onHdr, onSdr } from '../support/color-reference.ts';
import { kvmfr } from '../support/command.ts';
import {
  beyondRounding,
  leastPitch,
  ReferenceScreen,
  turnedBy,
} from '../support/picture-reference.ts';

// A publisher here, `kvmfr snapshot` in a process of its own.

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-snapshot-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function rgb(png: Buffer): Promise<Buffer> {
  return sharp(png).removeAlpha().raw().toBuffer();
}

describe('kvmfr snapshot', () => {
  it.each([
    ['B6', 'RGBA', 1],
    ['B7', 'BGR_32', 2],
    ['B7', 'RGB_24', 3],
    ['dev12', 'RGBA10', 1],
    ['dev12', 'BGRA', 0],
  ] as const)('of %s, %s: turned by %i quarters', async (wire, format, rotation) => {
    const region = join(folder, `turned-${wire}-${format}`);
    await using host = await createHost(region, { wire, regionMib: 8 });
    const screen = new ReferenceScreen(format, 67, 35);
    screen.paint({ x: 0, y: 0, width: 67, height: 35 }, 3);
    const pitchBytes = leastPitch(format, 67) + 24;
    const pixels = screen.bytes(pitchBytes);
    host.on('subscriber', () => {
      host.publish({ pixels, format, widthPx: 67, heightPx: 35, pitchBytes, rotation });
    });
    const file = `${region}.png`;
    const run = await kvmfr(['snapshot', region, '-o', file]);
    const seen = turnedBy(screen.seen(), rotation);
    expect(run.stderr).toContain(`${seen.widthPx} x ${seen.heightPx}`);
    expect(run.status).toBe(0);
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: seen.widthPx, height: seen.heightPx, channels: 3 });
    expect(beyondRounding(data, seen)).toBe(0);
  });

  it('--cursor turns and shrinks the pointer with the picture', async () => {
    const region = join(folder, 'turned-cursor');
    await using host = await createHost(region, { regionMib: 8 });
    // 20 x 12 pixels of a screen of 40 x 24.
    const grey = Buffer.alloc(20 * 12 * 4, 100);
    const shape = new Uint8Array(4 * 2 * 4);
    // Its four right upper pixels are red, the others blue.
    for (let i = 0; i < 8; i++) shape.set(i % 4 >= 2 ? [0, 0, 255, 255] : [255, 0, 0, 255], i * 4);
    host.on('subscriber', () => {
      host.publish({
        pixels: grey,
        format: 'BGRA',
        widthPx: 20,
        heightPx: 12,
        screenWidthPx: 40,
        screenHeightPx: 24,
        rotation: 1,
      });
      host.setCursor({
        position: { x: 10, y: 6 },
        visible: true,
        shape: {
          ...{ kind: 'color', widthPx: 4, heightPx: 2, hotspotX: 0, hotspotY: 0 },
          pitchBytes: 16,
          bytes: shape,
        },
      });
    });
    const file = `${region}.png`;
    expect((await kvmfr(['snapshot', region, '--cursor', '-o', file])).status).toBe(0);
    // 2 x 1 pixels at 5,3, a blue and a red one; then a quarter clockwise.
    const seen = new Float64Array(20 * 12 * 3).fill(100);
    seen.set([0, 0, 255, 255, 0, 0], (3 * 20 + 5) * 3);
    const turned = turnedBy({ widthPx: 20, heightPx: 12, rgb: seen }, 1);
    expect(Buffer.compare(await rgb(await readFile(file)), Buffer.from(turned.rgb))).toBe(0);
  });

  it('--cursor of dev12 shows the pointer in the colours of the guest’s display', async () => {
    const region = join(folder, 'colors');
    await using host = await createHost(region, { wire: 'dev12', regionMib: 8 });
    const grey = Buffer.alloc(40 * 30 * 4, 100);
    const pixels = [
      [255, 255, 255],
      [200, 100, 50],
      [10, 20, 30],
    ] as const;
    const colorTransform = {
      matrix: NIGHT_LIGHT,
      scalar: 0.75,
      lut: lutOf(
        (v) => v ** 0.8,
        (v) => v / 2,
        (v) => 1 - v,
      ),
    };
    host.setCursor({
      position: { x: 7, y: 5 },
      visible: true,
      shape: {
        ...{ kind: 'color', widthPx: 3, heightPx: 1, hotspotX: 0, hotspotY: 0, pitchBytes: 12 },
        bytes: Uint8Array.from(pixels.flatMap(([r, g, b]) => [b, g, r, 255])),
      },
      colorTransform,
    });
    const formats = [
      ['BGRA', 0, (pixel: (typeof pixels)[number]) => onSdr(colorTransform, pixel)],
      ['RGBA10', 0x18, (pixel: (typeof pixels)[number]) => onHdr(colorTransform, pixel, 203)],
    ] as const;
    for (const [format, flags, reference] of formats) {
      host.publish({ pixels: grey, format, widthPx: 40, heightPx: 30, flags });
      const file = join(folder, `colors-${format}.png`);
      const run = await kvmfr(['snapshot', region, '--cursor', '-o', file]);
      expect(run.status).toBe(0);
      const found = await rgb(await readFile(file));
      const at = (5 * 40 + 7) * 3;
      expect([...found.subarray(at, at + 9)]).toEqual(
        pixels.flatMap((p) => reference(p).map(Math.round)),
      );
      // Beside it is the frame alone: each pixel like the first.
      const before = [...found.subarray(at - 3, at), ...found.subarray(at + 9, at + 12)];
      expect(before).toEqual([...found.subarray(0, 3), ...found.subarray(0, 3)]);
    }
  });
});
