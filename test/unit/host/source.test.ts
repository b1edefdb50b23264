import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ImageSource, readImage } from '../../../host/image.ts';
import { openSource, parseSource } from '../../../host/index.ts';
import { PatternSource } from '../../../host/pattern/source.ts';
import { KvmfrError } from '../../../protocol/index.ts';
import { countingPicture, hostOnMemory } from './fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient, POINTER_QUEUE_AT } from './lgmp-client.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-source-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function writeRgb(
  path: string,
  widthPx: number,
  heightPx: number,
  start = 0,
): Promise<Uint8Array> {
  const rgb = countingPicture(widthPx * heightPx * 3, start);
  await sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } })
    .png()
    .toFile(path);
  return rgb;
}

function bgraOf(rgb: Uint8Array): Uint8Array {
  const out = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let i = 0; i < rgb.length / 3; i++)
    out.set([rgb[i * 3 + 2] ?? 0, rgb[i * 3 + 1] ?? 0, rgb[i * 3] ?? 0], i * 4);
  return out;
}

describe('parseSource()', () => {
  it('reads the sources there are', () => {
    expect(parseSource('pattern')).toEqual({ kind: 'pattern' });
    expect(parseSource('image:/a/b.png')).toEqual({ kind: 'image', path: '/a/b.png' });
    expect(parseSource('image:b:c.png')).toEqual({
      kind: 'image',
      path: join(process.cwd(), 'b:c.png'),
    });
  });

  it('reads where a frame buffer is', () => {
    expect(parseSource('fbdev')).toEqual({ kind: 'fbdev', path: '/dev/fb0' });
    expect(parseSource('fbdev:/dev/fb1')).toEqual({ kind: 'fbdev', path: '/dev/fb1' });
  });

  it('reads which X server, as DISPLAY names it', () => {
    expect(parseSource('x11:99')).toEqual({ kind: 'x11', display: ':99' });
    expect(parseSource('x11::0.1')).toEqual({ kind: 'x11', display: ':0.1' });
    expect(parseSource('x11:desk:3')).toEqual({ kind: 'x11', display: 'desk:3' });
    vi.stubEnv('DISPLAY', ':7');
    expect(parseSource('x11')).toEqual({ kind: 'x11', display: ':7' });
    vi.stubEnv('DISPLAY', undefined);
    expect(() => parseSource('x11')).toThrow(
      expect.objectContaining({
        code: 'ERR_KVMFR_USAGE',
        message: 'the source "x11" needs a display, as in x11:0, or one in DISPLAY',
      }),
    );
    vi.unstubAllEnvs();
  });

  it.each([
    '',
    'image',
    'image:',
    'pattern:x',
    'camera',
    'PATTERN',
    'fbdev:',
    'fbdev:fb0',
    'x11:',
    'x11:a/b',
    'x11:70000',
  ])('refuses "%s"', (text) => {
    expect(() => parseSource(text)).toThrow(expect.objectContaining({ code: 'ERR_KVMFR_USAGE' }));
  });
});

describe('readImage()', () => {
  it('gives exactly the pixels of a PNG', async () => {
    const path = join(folder, 'a.png');
    const rgb = await writeRgb(path, 37, 23);
    expect(await readImage(path)).toEqual({ widthPx: 37, heightPx: 23, bgra: bgraOf(rgb) });
  });

  it('applies no colour profile', async () => {
    const path = join(folder, 'p3.png');
    const rgb = countingPicture(64 * 3, 90);
    await sharp(rgb, { raw: { width: 8, height: 8, channels: 3 } })
      .withIccProfile('p3', { attach: true })
      .png()
      .toFile(path);
    expect((await sharp(path).metadata()).icc).toBeDefined();
    const stored = await sharp(path, { ignoreIcc: true }).raw().toBuffer();
    expect((await readImage(path)).bgra).toEqual(bgraOf(stored));
    // As a viewer with colour management would not show it.
    expect(
      Buffer.compare(await sharp(path).toColourspace('srgb').raw().toBuffer(), stored),
    ).not.toBe(0);
  });

  it('lays transparent pixels over black', async () => {
    const path = join(folder, 'a.png');
    const rgba = Uint8Array.from([200, 100, 50, 0, 200, 100, 50, 255, 255, 255, 255, 51]);
    await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toFile(path);
    const { bgra } = await readImage(path);
    expect([...bgra]).toEqual([0, 0, 0, 255, 50, 100, 200, 255, 51, 51, 51, 255]);
  });

  it('reads grey, palette, 16-bit, JPEG and WebP', async () => {
    const flat = sharp({
      create: { width: 16, height: 16, channels: 3, background: { r: 90, g: 90, b: 90 } },
    });
    const files: [string, Promise<Buffer>][] = [
      ['grey.png', flat.clone().toColourspace('b-w').png().toBuffer()],
      ['palette.png', flat.clone().png({ palette: true }).toBuffer()],
      ['deep.png', flat.clone().toColourspace('rgb16').png().toBuffer()],
      ['a.jpg', flat.clone().jpeg({ quality: 100 }).toBuffer()],
      ['a.webp', flat.clone().webp({ lossless: true }).toBuffer()],
    ];
    for (const [name, bytes] of files) {
      await writeFile(join(folder, name), await bytes);
      const { bgra, widthPx } = await readImage(join(folder, name));
      expect([name, widthPx, ...bgra.subarray(0, 4)]).toEqual([name, 16, 90, 90, 90, 255]);
    }
  });

  it.each([
    ['nothing', undefined],
    ['an empty file', new Uint8Array()],
    ['text', Buffer.from('hello')],
    [
      'another kind of picture',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ],
    ['half a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
  ])('refuses %s with the path', async (_what, bytes) => {
    const path = join(folder, 'x.png');
    if (bytes !== undefined) await writeFile(path, bytes);
    await expect(readImage(path)).rejects.toMatchObject({
      code: 'ERR_KVMFR_IMAGE',
      path,
      message: expect.stringContaining(path),
    });
  });
});

describe('the image source', () => {
  it('publishes the picture once, and a subscriber that comes later gets it', async () => {
    const path = join(folder, 'a.png');
    const rgb = await writeRgb(path, 20, 10);
    const { region, host, advance } = await hostOnMemory();
    const source = await openSource({ kind: 'image', path });
    const running = source.run(host);
    expect(host.stats.framesPosted).toBe(1);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    const at = client.take()?.offset ?? 0;
    expect(region.copyOut(at + 4096, 800)).toEqual(bgraOf(rgb));
    await source.close();
    await running;
  });

  it.each(['written over', 'replaced'] as const)('follows a file that is %s', async (how) => {
    const path = join(folder, 'a.png');
    await writeRgb(path, 20, 10);
    const { region, host, advance } = await hostOnMemory();
    await using source = await ImageSource.open(path);
    void source.run(host);
    const next = join(folder, 'next');
    const rgb = await writeRgb(next, 31, 17, 100);
    if (how === 'replaced') await rename(next, path);
    else await copyFile(next, path);
    await vi.waitUntil(() => host.stats.framesPosted === 2, { timeout: 60_000, interval: 5 });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    const at = client.take()?.offset ?? 0;
    expect(region.view.getUint32(at + 28, true)).toBe(31);
    expect(region.copyOut(at + 4096, 31 * 17 * 4)).toEqual(bgraOf(rgb));
  });

  it('keeps the last picture and tells when the file cannot be read any more', async () => {
    const path = join(folder, 'a.png');
    await writeRgb(path, 20, 10);
    const { host } = await hostOnMemory();
    await using source = await ImageSource.open(path);
    void source.run(host);
    const failed = new Promise<KvmfrError>((resolve) => host.once('error', resolve));
    await writeFile(path, 'not a picture');
    expect(await failed).toMatchObject({ code: 'ERR_KVMFR_IMAGE', path });
    expect(KvmfrError.is(await failed)).toBe(true);
    expect(host.stats.framesPosted).toBe(1);
  });

  it('publishes again into a new session', async () => {
    const path = join(folder, 'a.png');
    await writeRgb(path, 20, 10);
    const { region, host, advance } = await hostOnMemory();
    await using source = await ImageSource.open(path, { format: 'BGR_32' });
    void source.run(host);
    region.bytes.fill(0);
    advance(10);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    expect(region.view.getUint32((client.take()?.offset ?? 0) + 8, true)).toBe(5);
  });

  it('ends with an error that publishing gives', async () => {
    const path = join(folder, 'a.png');
    await writeRgb(path, 20, 10);
    const { host } = await hostOnMemory({ wire: 'B6' });
    const source = await ImageSource.open(path, { format: 'RGB_24' });
    await expect(source.run(host)).rejects.toMatchObject({ code: 'ERR_KVMFR_FORMAT' });
  });

  it('ends when its host is closed', async () => {
    const path = join(folder, 'a.png');
    await writeRgb(path, 20, 10);
    const { host } = await hostOnMemory();
    const source = await ImageSource.open(path);
    const running = source.run(host);
    await host.close();
    await running;
  });

  it('names the region that its picture needs', async () => {
    const path = join(folder, 'a.png');
    await sharp({ create: { width: 1920, height: 1080, channels: 3, background: '#123' } })
      .png()
      .toFile(path);
    expect((await ImageSource.open(path)).regionMib).toBe(32);
  });
});

describe('the pattern source', () => {
  const size = { widthPx: 320, heightPx: 200 } as const;

  it.each(['BGRA', 'RGBA', 'BGR_32', 'RGB_24'] as const)(
    'publishes frames of %s with damage while somebody looks',
    async (format) => {
      const { region, host } = await hostOnMemory();
      await using source = new PatternSource({ ...size, format, fps: 500 });
      const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
      void source.run(host);
      const counts: number[] = [];
      const serials: number[] = [];
      await vi.waitUntil(
        () => {
          const message = client.take();
          if (message === undefined) return false;
          serials.push(region.view.getUint32(message.offset + 4, true));
          counts.push(region.view.getUint32(message.offset + 52, true));
          return serials.length === 5;
        },
        { timeout: 60_000, interval: 1 },
      );
      expect(serials).toEqual([0, 1, 2, 3, 4]);
      expect(counts[0]).toBe(0);
      expect(Math.min(...counts.slice(1))).toBeGreaterThan(0);
    },
  );

  it('publishes the same pixels in every format', async () => {
    const pictures = await Promise.all(
      (['BGRA', 'BGR_32'] as const).map(async (format) => {
        const { region, host } = await hostOnMemory();
        await using source = new PatternSource({ ...size, format, wallClock: () => 0, fps: 1 });
        const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
        void source.run(host);
        const at = client.take()?.offset ?? 0;
        const step = format === 'BGRA' ? 4 : 3;
        const pitch = region.view.getUint32(at + 44, true);
        return Array.from({ length: 320 * 200 }, (_, i) => {
          const from = at + 4096 + Math.floor(i / 320) * pitch + (i % 320) * step;
          return region.view.getUint32(from, true) & 0xffffff;
        });
      }),
    );
    expect(pictures[1]).toEqual(pictures[0]);
  });

  it('rests after one picture while nobody looks, and wakes for a subscriber', async () => {
    const { region, host, advance } = await hostOnMemory();
    await using source = new PatternSource({ ...size, fps: 500 });
    void source.run(host);
    expect(host.stats.framesPosted).toBe(1);
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    advance(10);
    await vi.waitUntil(() => client.take() !== undefined && host.stats.framesPosted > 3, {
      timeout: 60_000,
      interval: 1,
    });
  });

  it('changes its size when told to', async () => {
    const { region, host } = await hostOnMemory({ mib: 16 });
    await using source = new PatternSource({ ...size, fps: 500 });
    const client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
    void source.run(host);
    source.resize(640, 480);
    await vi.waitUntil(
      () => {
        const at = client.take()?.offset;
        return at !== undefined && region.view.getUint32(at + 28, true) === 640;
      },
      { timeout: 60_000, interval: 1 },
    );
  });

  it('moves the pointer where a client wants it', async () => {
    const { region, host, advance } = await hostOnMemory();
    await using source = new PatternSource({ ...size, fps: 500 });
    const client = LgmpClient.subscribe(region, POINTER_QUEUE_AT);
    void source.run(host);
    const wish = Buffer.alloc(12);
    wish.writeInt32LE(200, 4);
    wish.writeInt32LE(150, 8);
    client.send(wish);
    advance(10);
    let hotspot = [0, 0];
    await vi.waitUntil(
      () => {
        const message = client.take();
        if (message === undefined) return false;
        const { view } = region;
        if ((message.udata & 4) !== 0)
          hotspot = [view.getInt8(message.offset + 8), view.getInt8(message.offset + 9)];
        const x = view.getInt16(message.offset, true) + (hotspot[0] ?? 0);
        const y = view.getInt16(message.offset + 2, true) + (hotspot[1] ?? 0);
        return x === 200 && y === 150;
      },
      { timeout: 60_000, interval: 1 },
    );
  });

  it('ends with an error that publishing gives', async () => {
    const { host } = await hostOnMemory({ wire: 'B6' });
    const source = new PatternSource({ ...size, format: 'RGB_24' });
    await expect(source.run(host)).rejects.toMatchObject({ code: 'ERR_KVMFR_FORMAT' });
  });
});
