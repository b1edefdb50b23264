import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttachedPage,
  type AttachOptions,
  attachPage,
  setAttribute as set,
} from '../support/attached-page.ts';
import { needs } from '../support/machine.ts';
import {
  decodePng,
  launchChromium,
  magnify,
  openPage,
  pixelsOff,
  putInto,
  quarterTurn,
  readBack,
  screenshotOf,
  snapshotOf,
} from '../support/page-browser.ts';
import { PageServer } from '../support/page-server.ts';
import {
  ALL,
  begin,
  check,
  displays,
  goodEverywhere,
  HEIGHT,
  NOISE,
  PATIENCE,
  play,
  stream,
  TILES,
  tileOf,
  WIDTH,
} from '../support/page-video.ts';
import {
  coverBytes,
  helloBytes,
  pictureBytes,
  type RgbPicture,
  stateBytes,
  tilesBytes,
  timesBytes,
  videoBytes,
} from '../support/page-wire.ts';
import { type Chunk, encodeVideo, softPicture } from '../support/video-chunks.ts';

const NEED_KEY = 0x87;

function sinkOf(page: Page): Promise<string> {
  return page.evaluate(() => {
    const shadow = document.querySelector('kvmfr-view')?.shadowRoot;
    return shadow?.querySelector('[part="video"]') == null ? 'canvas' : 'track';
  });
}

let browser: Browser;
let pictures: RgbPicture[];
/** Picture 2 is a key picture, too. */
let h264: Chunk[];
let vp8: Chunk[];
/** One picture more to the right and below than even sides have room for. */
const ODD = { widthPx: 301, heightPx: 193 };

async function attach(options: AttachOptions = {}): Promise<AttachedPage> {
  const at = await attachPage(browser, options, [
    helloBytes({ encodings: ['lossless', 'video', 'jpeg'], codecs: ['h264', 'vp8'] }),
    stateBytes('showing'),
  ]);
  await set(at.page, 'scale', '1:1');
  return at;
}

/** Who draws the video: a `<video>` below the canvas, or the canvas where a browser has no tracks. */
const SINKS = ['track', 'canvas'] as const;

async function withoutTracks(page: Page): Promise<void> {
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'MediaStreamTrackGenerator'));
}

function turnPage(page: Page, visibility: string): Promise<void> {
  return page.evaluate((value) => {
    Object.defineProperty(document, 'visibilityState', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visibility);
}

needs('chromium').describe('video in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
    pictures = [0, 1, 2, 3].map((phase) => softPicture(WIDTH, HEIGHT, phase));
    h264 = await encodeVideo('h264', pictures, [2]);
    vp8 = await encodeVideo('vp8', pictures);
  });
  afterAll(async () => {
    await browser?.close();
  });

  describe.each(SINKS)('drawn by the %s', (sink) => {
    const before = (page: Page) => (sink === 'canvas' ? withoutTracks(page) : Promise.resolve());

    it.each(['h264', 'vp8'] as const)(
      'shows %s in the tiles that are covered, and the others stay exact',
      async (codec) => {
        await using at = await attach({ before });
        await begin(at.viewer, codec);
        const cover = [0, 1, 6, 14];
        const coded = codec === 'h264' ? h264 : vp8;
        await play(at.viewer, 2, coded[0], cover);
        check(await readBack(at.page), pictures[0], cover);
        // No cover: it is that of the picture before.
        await play(at.viewer, 3, coded[1]);
        check(await readBack(at.page), pictures[1], cover);
        check(await screenshotOf(at.page), pictures[1], cover);
        // Tile 5 is new, tile 14 has been sent exactly in the same update.
        const next = { epoch: 1, serial: 4 };
        at.viewer.send(
          tilesBytes({ ...next, last: false }, NOISE, { coding: 'deflate', tiles: [14] }),
        );
        await play(at.viewer, 4, coded[2], [0, 1, 5, 6]);
        check(await readBack(at.page), pictures[2], [0, 1, 5, 6]);
        await displays(at.page, (shown) => {
          check(shown, pictures[2], [0, 1, 5, 6]);
          return true;
        });
        expect(await sinkOf(at.page)).toBe(sink);
        expect(at.problems).toEqual([]);
      },
    );

    it('lies below the part of the picture that it shows, and moves with the next stream', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], ALL);
      let below: RgbPicture | undefined = pictures[0];
      for (const [turn, region] of [
        { x: 64, y: 0, width: 192, height: 128 },
        { x: 128, y: 64, width: 192, height: 128 },
        { x: 0, y: 0, width: 64, height: 192 },
      ].entries()) {
        const part = softPicture(region.width, region.height, turn + 7);
        const [key] = await encodeVideo('h264', [part]);
        const within = ALL.filter((tile) => {
          const { x, y } = tileOf(tile);
          const across = x >= region.x && x < region.x + region.width;
          return across && y >= region.y && y < region.y + region.height;
        });
        const serial = 3 + turn * 2;
        const size = { widthPx: region.width, heightPx: region.height };
        at.viewer.send(stream(size, { stream: 2 + turn, region }));
        await play(at.viewer, serial, key, within, 2 + turn);
        if (below === undefined) throw new Error('there is no such picture');
        const expected = putInto(below, part, region);
        // What the video shows no more stays as it was seen.
        await displays(at.page, (shown) => goodEverywhere(shown, expected));
        expect(goodEverywhere(await readBack(at.page), expected)).toBe(true);
        below = expected;
      }
      // Scaled and turned it lies there, too.
      await at.page.setViewportSize({ width: 500, height: 400 });
      await set(at.page, 'scale', 'fit');
      const places = await at.page.evaluate(() => {
        const shadow = document.querySelector('kvmfr-view')?.shadowRoot;
        const canvas = shadow?.querySelector('[part="picture"]')?.getBoundingClientRect();
        const video = shadow?.querySelector('[part="video"]')?.getBoundingClientRect();
        if (canvas === undefined || video === undefined) return undefined;
        return [(video.left - canvas.left) / canvas.width, video.width / canvas.width];
      });
      if (sink === 'track') expect(places).toEqual([0, expect.closeTo(0.2, 5)]);
      expect(at.problems).toEqual([]);
    });

    it.each([
      ['half a tile', { x: 32, y: 0, width: 64, height: 64 }],
      ['more than the picture', { x: 64, y: 0, width: 320, height: 192 }],
    ])('ends with a relay whose stream shows %s', async (_, region) => {
      await using at = await attach({ before });
      await begin(at.viewer);
      const part = softPicture(region.width, region.height, 1);
      const [key] = await encodeVideo('h264', [part]);
      const size = { widthPx: region.width, heightPx: region.height };
      const update = { epoch: 1, serial: 2 };
      if (key === undefined) throw new Error('nothing was coded');
      at.viewer.send(
        stream(size, { stream: 2, region }),
        coverBytes(update, { tileCount: TILES, tiles: ALL }),
        videoBytes(update, { stream: 2, ...key }),
      );
      await at.server.viewer();
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
    });

    it('is hidden by what a later message draws, until the next picture covers it', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], ALL);
      await displays(at.page, (shown) => goodEverywhere(shown, pictures[0]));
      at.viewer.send(tilesBytes({ epoch: 1, serial: 3 }, NOISE, { coding: 'raw' }));
      await at.viewer.acknowledged(3);
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      await displays(at.page, (shown) => pixelsOff(shown, NOISE) === 0);
      await play(at.viewer, 4, h264[1]);
      await displays(at.page, (shown) => goodEverywhere(shown, pictures[1]));
      expect(goodEverywhere(await readBack(at.page), pictures[1])).toBe(true);
    });

    it('goes on with the next epoch, cropped where its sides are odd', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], [0, 7]);
      const odd = softPicture(ODD.widthPx, ODD.heightPx, 5);
      const [key] = await encodeVideo('h264', [odd]);
      if (key === undefined) throw new Error('nothing was coded');
      const update = { epoch: 2, serial: 3 };
      const tileCount = 20;
      const tiles = Array.from({ length: tileCount }, (_, index) => index);
      at.viewer.send(
        pictureBytes({ epoch: 2, ...ODD }),
        stream(ODD, { stream: 2, epoch: 2 }),
        coverBytes(update, { tileCount, tiles }),
        videoBytes(update, { stream: 2, ...key }),
      );
      await at.viewer.acknowledged(3, 2);
      expect(goodEverywhere(await readBack(at.page), odd)).toBe(true);
      await displays(at.page, (shown) => goodEverywhere(shown, odd));
      expect(at.problems).toEqual([]);
    });

    it('lies where the canvas lies: scaled, turned, and in a snapshot', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      const cover = [2, 3, 4, 7, 8, 9];
      await play(at.viewer, 2, h264[0], cover);
      const whole = await readBack(at.page);
      check(whole, pictures[0], cover);
      expect(pixelsOff(await decodePng(await snapshotOf(at.page)), whole)).toBe(0);
      await set(at.page, 'rotation', '90');
      await displays(at.page, (shown) => pixelsOff(shown, quarterTurn(whole)) === 0);
      await set(at.page, 'rotation', '0');
      await at.page.setViewportSize({ width: 2 * WIDTH, height: 2 * HEIGHT });
      await set(at.page, 'scale', 'fit');
      await displays(at.page, (shown) => pixelsOff(shown, magnify(whole, 2)) === 0);
    });

    it('asks for a key picture once when a chunk is bad, and goes on from it', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], [0, 1]);
      const bad = { key: true, chunk: new Uint8Array(500).fill(0xa5) };
      await play(at.viewer, 3, bad, [0, 1, 3, 4]);
      await at.viewer.said(NEED_KEY);
      // It cannot be decoded: what was seen stays, and its credit comes back.
      check(await readBack(at.page), pictures[0], [0, 1]);
      await play(at.viewer, 4, h264[1]);
      check(await readBack(at.page), pictures[0], [0, 1]);
      await play(at.viewer, 5, h264[2]);
      check(await readBack(at.page), pictures[2], [0, 1, 3, 4]);
      await play(at.viewer, 6, h264[3]);
      check(await readBack(at.page), pictures[3], [0, 1, 3, 4]);
      const asked = at.viewer.messages.filter(({ type }) => type === NEED_KEY);
      expect(asked.map(({ body }) => body.toString('hex'))).toEqual(['01000000']);
    });

    it('gives its credit back while the page is hidden, and is right when it is seen again', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], [0, 1]);
      await turnPage(at.page, 'hidden');
      await play(at.viewer, 3, h264[1], ALL);
      expect(goodEverywhere(await readBack(at.page), pictures[1])).toBe(true);
      await turnPage(at.page, 'visible');
      await play(at.viewer, 4, h264[2]);
      await displays(at.page, (shown) => goodEverywhere(shown, pictures[2]));
    });

    it('stays as it was when the connection is lost, and begins anew on the next', async () => {
      await using at = await attach({ before });
      await begin(at.viewer);
      await play(at.viewer, 2, h264[0], ALL);
      at.viewer.cut();
      const viewer = await at.server.viewer();
      expect(goodEverywhere(await readBack(at.page), pictures[0])).toBe(true);
      viewer.send(helloBytes(), stateBytes('showing'));
      await begin(viewer);
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      await play(viewer, 2, h264[0], [4]);
      check(await readBack(at.page), pictures[0], [4]);
    });
  });

  it('works without workers as well', async () => {
    const before = (page: Page) =>
      page.addInitScript(() => Reflect.deleteProperty(globalThis, 'Worker'));
    await using at = await attach({ before });
    await begin(at.viewer);
    await play(at.viewer, 2, h264[0], [0, 1]);
    await play(at.viewer, 3, h264[1]);
    check(await readBack(at.page), pictures[1], [0, 1]);
    await displays(at.page, (shown) => {
      check(shown, pictures[1], [0, 1]);
      return true;
    });
    expect(await sinkOf(at.page)).toBe('track');
    expect(at.problems).toEqual([]);
  });

  it('is told of in the statistics, stage by stage', async () => {
    await using at = await attach();
    await begin(at.viewer);
    await at.page.getByRole('button', { name: 'Statistics' }).press('Enter');
    const panel = at.page.locator('#stats');
    await panel.waitFor();
    const stagesUs = [0xffff_ffff, 70, 300, 1200, 400, 5600, 90];
    const value = (stage: string) =>
      panel.locator('dl div', { has: at.page.locator('dt', { hasText: stage }) }).locator('dd');
    let serial = 2;
    await expect
      .poll(async () => {
        const update = { epoch: 1, serial };
        at.viewer.send(timesBytes(update, { stagesUs, sentMs: performance.now() }));
        await play(at.viewer, serial, h264[0], ALL);
        serial += 1;
        return value('encode').textContent();
      }, PATIENCE)
      .toBe('5.6 / 5.6');
    expect(await value('producer').textContent()).toBe('–');
    expect(await value('network').textContent()).toMatch(/^\d+(\.\d)? \/ \d+(\.\d)? ±\d+(\.\d)?$/);
    expect(await panel.locator('.total').textContent()).toMatch(
      /^Published to shown: [\d.]+ \/ [\d.]+$/,
    );
    await expect
      .poll(() => panel.locator('.path').textContent(), PATIENCE)
      .toMatch(/H\.264 .* its own layer/);
    const isDrawn = () =>
      panel.locator('canvas').evaluate((canvas) => {
        if (!(canvas instanceof HTMLCanvasElement)) return 0;
        const pen = canvas.getContext('2d');
        const { data } = pen?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
        // The colour of `encode`, which is most of each column.
        let found = 0;
        for (let at = 0; at < data.length; at += 4)
          if (data[at] === 0xa4 && data[at + 1] === 0x5b && data[at + 2] === 0xe6) found += 1;
        return found;
      });
    await expect.poll(isDrawn, PATIENCE).toBeGreaterThan(0);
    await at.page.getByRole('button', { name: 'Statistics' }).press('Enter');
    expect(await panel.isVisible()).toBe(false);
    expect(await at.page.evaluate(() => document.querySelector('kvmfr-view')?.tracing)).toBe(false);
    expect(at.problems).toEqual([]);
  });
});

needs('chromium').describe('a page that came over plain http from another machine', () => {
  it('shows the picture without video, and says why and what to do', async () => {
    const flags = ['--host-resolver-rules=MAP relay.test 127.0.0.1'];
    await using elsewhere = await launchChromium(flags);
    await using server = await PageServer.start();
    await using open = await openPage(elsewhere, `http://relay.test:${server.port}/`);
    const viewer = await server.viewer();
    viewer.send(
      helloBytes({ encodings: ['lossless', 'video', 'jpeg'], codecs: ['h264'] }),
      stateBytes('showing'),
      pictureBytes({ epoch: 1, ...NOISE }),
      tilesBytes({ epoch: 1, serial: 1 }, NOISE, { coding: 'deflate' }),
    );
    expect(await viewer.saidJson(0x81)).toMatchObject({
      encodings: ['lossless', 'jpeg'],
      codecs: [],
    });
    await viewer.acknowledged(1);
    expect(pixelsOff(await readBack(open.page), NOISE)).toBe(0);
    const why = /over https, or through an SSH tunnel as http:\/\/localhost/;
    await expect.poll(() => open.page.locator('#toast').textContent(), PATIENCE).toMatch(why);
    await open.page.getByRole('button', { name: 'Guest and picture quality' }).press('Enter');
    const video = open.page.getByRole('radio', { name: /^Video/ });
    expect(await video.isDisabled()).toBe(true);
    expect(await open.page.locator('#sheet label', { has: video }).textContent()).toMatch(why);
  });
});
