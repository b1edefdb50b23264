import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttachedPage,
  type AttachOptions,
  attachPage,
  part,
  setAttribute as set,
  show,
  shows,
} from '../support/attached-page.ts';
import { needs } from '../support/machine.ts';
import {
  decodePng,
  encodePng,
  launchChromium,
  magnify,
  noisePicture,
  pixelsOff,
  putInto,
  quarterTurn,
  readBack,
  snapshotOf,
} from '../support/page-browser.ts';
import {
  cursorBytes,
  cursorShapeBytes,
  helloBytes,
  imageBytes,
  pictureBytes,
  stateBytes,
  tilePixels,
  tilesBytes,
} from '../support/page-wire.ts';

// Not a multiple of the tile in either direction.
const NOISE = noisePicture(300, 200);

let browser: Browser;

function attach(options: AttachOptions = {}): Promise<AttachedPage> {
  return attachPage(browser, options, [helloBytes()]);
}

needs('chromium').describe('the picture in the page, in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  describe('pixels', () => {
    it.each(['raw', 'deflate', 'ops'] as const)('are exact for %s tiles', async (coding) => {
      await using at = await attach();
      const { viewer, page } = at;
      await set(page, 'scale', '1:1');
      viewer.send(
        stateBytes('showing'),
        pictureBytes({ epoch: 1, widthPx: 300, heightPx: 200 }),
        tilesBytes({ epoch: 1, serial: 1 }, NOISE, { coding }),
      );
      const ack = await viewer.acknowledged(1);
      expect(ack.epoch).toBe(1);
      expect(pixelsOff(await readBack(page), NOISE)).toBe(0);
      await shows(page, NOISE);
      expect(at.problems).toEqual([]);
    });

    it('are exact for every value of a channel', async () => {
      await using at = await attach();
      const rgb = new Uint8Array(256 * 256 * 3);
      for (let i = 0; i < 256 * 256; i++) {
        rgb[i * 3] = i;
        rgb[i * 3 + 1] = i >> 8;
        rgb[i * 3 + 2] = i * 7;
      }
      const all = { widthPx: 256, heightPx: 256, rgb };
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, all);
      expect(pixelsOff(await readBack(at.page), all)).toBe(0);
      await shows(at.page, all);
    });

    it('are exact for ops of every kind, in some tiles over others', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      const desk = { ...NOISE, rgb: NOISE.rgb.slice() };
      // Flat, then rows alike, then slow steps, and the noise that is left.
      for (let i = 0; i < 300 * 200; i++) {
        const [x, y] = [i % 300, Math.floor(i / 300)];
        if (y < 80) desk.rgb.set(x < 90 ? [20, 30, 40] : [x, x >> 1, 255 - x], i * 3);
        else if (y < 150) desk.rgb.set([x + y, (x * 5) >> 1, (x + y) % 7], i * 3);
      }
      const tiles = Array.from({ length: 20 }, (_, index) => index).filter(
        (index) => index % 6 > 0,
      );
      at.viewer.send(tilesBytes({ epoch: 1, serial: 2 }, desk, { coding: 'ops', tiles }));
      await at.viewer.acknowledged(2);
      let expected = NOISE;
      for (const index of tiles) {
        const rect = { x: (index % 5) * 64, y: Math.floor(index / 5) * 64 };
        const [width, height] = [Math.min(64, 300 - rect.x), Math.min(64, 200 - rect.y)];
        const rgb = tilePixels(desk, [index]);
        expected = putInto(expected, { widthPx: width, heightPx: height, rgb }, rect);
      }
      expect(pixelsOff(await readBack(at.page), expected)).toBe(0);
      await shows(at.page, expected);
      expect(at.problems).toEqual([]);
    });

    it('are exact for PNG images, with tiles over them in the same update', async () => {
      await using at = await attach();
      const { viewer, page } = at;
      await set(page, 'scale', '1:1');
      const under = noisePicture(300, 200, 2);
      const small = noisePicture(50, 40, 3);
      viewer.send(
        stateBytes('showing'),
        pictureBytes({ epoch: 1, widthPx: 300, heightPx: 200 }),
        imageBytes(
          { epoch: 1, serial: 1, last: false },
          {
            kind: 'png',
            rect: { x: 0, y: 0, width: 300, height: 200 },
            file: await encodePng(under),
          },
        ),
        imageBytes(
          { epoch: 1, serial: 1, last: false },
          {
            kind: 'png',
            rect: { x: 131, y: 57, width: 50, height: 40 },
            file: await encodePng(small),
          },
        ),
        tilesBytes({ epoch: 1, serial: 1 }, NOISE, { coding: 'deflate', tiles: [0, 4, 19] }),
      );
      await viewer.acknowledged(1);
      let expected = putInto(under, small, { x: 131, y: 57 });
      for (const index of [0, 4, 19]) {
        const [x, y] = [(index % 5) * 64, Math.floor(index / 5) * 64];
        const [width, height] = [Math.min(64, 300 - x), Math.min(64, 200 - y)];
        const rows = Array.from({ length: height }, (_, row) => {
          const from = ((y + row) * 300 + x) * 3;
          return NOISE.rgb.subarray(from, from + width * 3);
        });
        const tile = { widthPx: width, heightPx: height, rgb: Buffer.concat(rows) };
        expected = putInto(expected, tile, { x, y });
      }
      expect(pixelsOff(await readBack(page), expected)).toBe(0);
      await shows(page, expected);
      expect(at.problems).toEqual([]);
    });

    it('of a JPEG land in its rect and nowhere else', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const create = { width: 64, height: 48, channels: 3, background: '#3264c8' } as const;
      const file = await sharp({ create }).jpeg({ quality: 90 }).toBuffer();
      const rect = { x: 100, y: 60, width: 64, height: 48 };
      at.viewer.send(imageBytes({ epoch: 1, serial: 2 }, { kind: 'jpeg', rect, file }));
      await at.viewer.acknowledged(2);
      const seen = await readBack(at.page);
      const middle = ((60 + 24) * 300 + 100 + 32) * 3;
      for (const [channel, value] of [0x32, 0x64, 0xc8].entries())
        expect(Math.abs((seen.rgb[middle + channel] ?? 0) - value)).toBeLessThanOrEqual(3);
      expect(pixelsOff(seen, NOISE)).toBeLessThanOrEqual(64 * 48);
    });

    it('of an update appear only with its last message', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const next = noisePicture(300, 200, 9);
      const tiles = Array.from({ length: 20 }, (_, index) => index);
      const half = { epoch: 1, serial: 2, last: false };
      at.viewer.send(tilesBytes(half, next, { coding: 'raw', tiles: tiles.slice(0, 10) }));
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      const rest = { epoch: 1, serial: 2 };
      at.viewer.send(tilesBytes(rest, next, { coding: 'deflate', tiles: tiles.slice(10) }));
      await at.viewer.acknowledged(2);
      expect(pixelsOff(await readBack(at.page), next)).toBe(0);
    });

    it('follow the guest to another size', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const other = noisePicture(129, 310, 4);
      at.viewer.send(
        pictureBytes({ epoch: 2, widthPx: 129, heightPx: 310 }),
        tilesBytes({ epoch: 2, serial: 7 }, other, { coding: 'raw' }),
      );
      await at.viewer.acknowledged(7, 2);
      expect(pixelsOff(await readBack(at.page), other)).toBe(0);
      await set(at.page, 'scale', '1:1');
      await shows(at.page, other);
    });

    it('are exact without workers and without OffscreenCanvas', async () => {
      await using at = await attach({
        before: (page) =>
          page.addInitScript(() => {
            Reflect.deleteProperty(globalThis, 'Worker');
            Reflect.deleteProperty(globalThis, 'OffscreenCanvas');
          }),
      });
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE, { rotation: 3 });
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      const upright = quarterTurn(quarterTurn(quarterTurn(NOISE)));
      expect(pixelsOff(await decodePng(await snapshotOf(at.page)), upright)).toBe(0);
      await shows(at.page, upright);
      expect(at.problems).toEqual([]);
    });

    it.each([0, 1, 2, 3])(
      'go into a snapshot file turned by the guest’s %i quarters',
      async (rotation) => {
        await using at = await attach({ acceptDownloads: true });
        await show(at.viewer, NOISE, { rotation });
        // How the picture is looked at is of no matter.
        await set(at.page, 'scale', '1:1');
        await set(at.page, 'rotation', '90');
        const [download] = await Promise.all([
          at.page.waitForEvent('download'),
          at.page.click('#snapshot'),
        ]);
        expect(download.suggestedFilename()).toMatch(/^kvmfr-\d{4}-\d\d-\d\d-\d{6}\.png$/);
        const file = await readFile(await download.path());
        let upright = NOISE;
        for (let turn = 0; turn < rotation; turn++) upright = quarterTurn(upright);
        expect(pixelsOff(await decodePng(file), upright)).toBe(0);
        expect(at.problems).toEqual([]);
      },
    );
  });

  describe('scaling', () => {
    it('fits the picture into the window, and follows the window', async () => {
      await using at = await attach();
      await show(at.viewer, noisePicture(400, 200));
      const screen = part(at.page, 'screen');
      await expect
        .poll(() => screen.boundingBox())
        .toEqual({ x: 0, y: 100, width: 800, height: 400 });
      await at.page.setViewportSize({ width: 500, height: 600 });
      await expect
        .poll(() => screen.boundingBox())
        .toEqual({ x: 0, y: 175, width: 500, height: 250 });
    });

    it('makes sharp squares at whole ratios', async () => {
      await using at = await attach({ viewport: { width: 600, height: 400 } });
      await show(at.viewer, NOISE);
      // The toolbar lies over the picture.
      await at.page.waitForSelector('html.idle', { state: 'attached' });
      await shows(at.page, magnify(NOISE, 2));
    });

    it('shows a pixel per pixel of a dense display at 1:1', async () => {
      await using at = await attach({ deviceScaleFactor: 2 });
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      await expect
        .poll(() => part(at.page, 'screen').boundingBox())
        .toEqual({ x: 325, y: 250, width: 150, height: 100 });
      await shows(at.page, NOISE);
    });

    it('scrolls a picture that is larger than the window at 1:1, by keyboard too', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, noisePicture(1000, 900));
      const viewport = part(at.page, 'viewport');
      await expect.poll(() => viewport.getAttribute('tabindex')).toBe('0');
      const room = await viewport.evaluate((box) => [box.scrollWidth, box.scrollHeight]);
      expect(room).toEqual([1000, 900]);
      await viewport.focus();
      await at.page.keyboard.press('End');
      await expect
        .poll(() => viewport.evaluate((box) => box.scrollTop + box.clientHeight))
        .toBeGreaterThan(880);
    });

    it('fills the window without a border', async () => {
      await using at = await attach();
      await at.page.click('[data-scale="fill"]');
      await show(at.viewer, noisePicture(400, 200));
      await expect
        .poll(() => part(at.page, 'screen').boundingBox())
        .toEqual({ x: 0, y: 0, width: 1200, height: 600 });
    });

    it('turns the picture by the guest and by the view, exactly', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE, { rotation: 1 });
      await shows(at.page, quarterTurn(NOISE));
      await at.page.click('#rotate');
      await shows(at.page, quarterTurn(quarterTurn(NOISE)));
      await at.page.click('#rotate');
      await shows(at.page, quarterTurn(quarterTurn(quarterTurn(NOISE))));
    });
  });

  describe('the cursor', () => {
    const dot = noisePicture(10, 6, 5);
    const rgba = new Uint8Array(10 * 6 * 4).fill(255);
    for (let i = 0; i < 60; i++) rgba.set(dot.rgb.subarray(i * 3, i * 3 + 3), i * 4);
    const shape = cursorShapeBytes({ shapeId: 4, widthPx: 10, heightPx: 6, hotspotX: 3, rgba });

    it('lies where the guest says, and moves without a frame', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      at.viewer.send(shape, cursorBytes({ visible: true, x: 20, y: 30, shapeId: 4 }));
      await shows(at.page, putInto(NOISE, dot, { x: 20, y: 30 }));
      at.viewer.send(cursorBytes({ visible: true, x: 251, y: 111, shapeId: 4 }));
      await shows(at.page, putInto(NOISE, dot, { x: 251, y: 111 }));
      at.viewer.send(cursorBytes({ visible: false, x: 251, y: 111, shapeId: 4 }));
      await shows(at.page, NOISE);
    });

    it('is cut off at the edges of the screen', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      at.viewer.send(shape, cursorBytes({ visible: true, x: -7, y: -2, shapeId: 4 }));
      await shows(at.page, putInto(NOISE, dot, { x: -7, y: -2 }));
      at.viewer.send(cursorBytes({ visible: true, x: 295, y: 198, shapeId: 4 }));
      await shows(at.page, putInto(NOISE, dot, { x: 295, y: 198 }));
    });

    it('turns and grows with the picture, in pixels of the guest’s screen', async () => {
      await using at = await attach({ viewport: { width: 800, height: 600 } });
      // The guest sends half of its size, turned by a quarter.
      const sizes = { screenWidthPx: 600, screenHeightPx: 400, rotation: 1 };
      await show(at.viewer, NOISE, sizes);
      at.viewer.send(shape, cursorBytes({ visible: true, x: 60, y: 40, shapeId: 4 }));
      // 200 x 300 of the turned picture become 400 x 600 in the middle of 800 x 600: ratio 2, and
      // a pixel of the guest's screen is one of the display.
      await expect
        .poll(() => part(at.page, 'cursor').boundingBox())
        .toEqual({ x: 600 - 40 - 6, y: 60, width: 6, height: 10 });
    });

    it('waits for its shape instead of showing a wrong one', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      at.viewer.send(shape, cursorBytes({ visible: true, x: 5, y: 5, shapeId: 4 }));
      await part(at.page, 'cursor').waitFor({ state: 'visible' });
      at.viewer.send(cursorBytes({ visible: true, x: 5, y: 5, shapeId: 5 }));
      await part(at.page, 'cursor').waitFor({ state: 'hidden' });
    });
  });
});
