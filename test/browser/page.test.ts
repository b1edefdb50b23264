import { readFile } from 'node:fs/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import {
  decodePng,
  encodePng,
  launchChromium,
  magnify,
  noisePicture,
  openPage,
  pixelsOff,
  putInto,
  quarterTurn,
  readBack,
  screenshotOf,
  snapshotOf,
} from '../support/page-browser.ts';
import { type AttachedViewer, DIST_FOLDER, PageServer } from '../support/page-server.ts';
import {
  byeBytes,
  cursorBytes,
  cursorShapeBytes,
  helloBytes,
  imageBytes,
  pictureBytes,
  type RgbPicture,
  stateBytes,
  tilePixels,
  tilesBytes,
} from '../support/page-wire.ts';

// Not a multiple of the tile in either direction.
const NOISE = noisePicture(300, 200);
const VIEW = 0x83;

let browser: Browser;

/** A page with a relay of the test's own behind it. */
async function attach(
  options: BrowserContextOptions & { readonly before?: (page: Page) => Promise<unknown> } = {},
) {
  const server = await PageServer.start();
  const open = await openPage(browser, server.url, options);
  const viewer = await server.viewer();
  viewer.send(helloBytes());
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await server.stop();
  };
  return { server, ...open, viewer, [Symbol.asyncDispose]: dispose };
}

async function show(viewer: AttachedViewer, picture: RgbPicture, change: object = {}) {
  const { widthPx, heightPx } = picture;
  viewer.send(
    stateBytes('showing'),
    pictureBytes({ epoch: 1, widthPx, heightPx, ...change }),
    tilesBytes({ epoch: 1, serial: 1 }, picture, { coding: 'deflate' }),
  );
  await viewer.acknowledged(1);
}

function set(page: Page, name: string, value: string): Promise<void> {
  return page.evaluate(
    ([attribute, text]) => document.querySelector('kvmfr-view')?.setAttribute(attribute, text),
    [name, value] as const,
  );
}

// The display may be a refresh behind the acknowledgement.
function shows(page: Page, picture: RgbPicture): Promise<void> {
  return expect
    .poll(async () => pixelsOff(await screenshotOf(page), picture), { timeout: 60_000 })
    .toBe(0);
}

function part(page: Page, name: string) {
  return page.locator(`kvmfr-view [part="${name}"]`);
}

function hasState(page: Page, state: string) {
  return page.waitForFunction(
    (name) => document.querySelector('kvmfr-view')?.state === name,
    state,
  );
}

needs('chromium').describe('the page in Chromium', () => {
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

  describe('states', () => {
    it.each([
      ['waiting', 'Waiting for the guest'],
      ['stale', 'The guest has stopped answering'],
      ['incompatible', 'The versions do not match'],
      ['too-small', 'The shared memory is too small'],
      ['denied', 'No permission to read the shared memory'],
      ['failed', 'Something went wrong'],
    ])('%s says what is the matter and what to do', async (state, title) => {
      await using at = await attach();
      at.viewer.send(stateBytes(state, { message: 'What is.', hint: 'What to do.', code: 'CODE' }));
      const message = part(at.page, 'message');
      await message.waitFor();
      await expect.poll(() => message.getByRole('heading').textContent()).toBe(title);
      expect(await message.getByText('What is.').isVisible()).toBe(true);
      expect(await message.getByText('What to do.').isVisible()).toBe(true);
      expect(await part(at.page, 'screen').isVisible()).toBe(false);
      expect(at.problems).toEqual([]);
    });

    it('stale keeps the last picture, marks it and says since when', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      at.viewer.send(stateBytes('stale', { message: 'The heartbeat has stopped.' }));
      const banner = part(at.page, 'banner');
      await banner.waitFor();
      await expect.poll(() => banner.textContent()).toContain('The heartbeat has stopped.');
      expect(await banner.textContent()).toMatch(/Last picture from .*\d/);
      expect(await part(at.page, 'screen').isVisible()).toBe(true);
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      // It grows pale by and by.
      await expect
        .poll(async () => pixelsOff(await screenshotOf(at.page), NOISE))
        .toBeGreaterThan(50_000);
      at.viewer.send(stateBytes('showing'));
      await banner.waitFor({ state: 'hidden' });
      await shows(at.page, NOISE);
    });

    it('the first picture is announced while it is on its way', async () => {
      await using at = await attach();
      at.viewer.send(stateBytes('showing'));
      await part(at.page, 'message').getByText('Receiving the picture').waitFor();
    });

    it('text of the guest is shown as text', async () => {
      await using at = await attach();
      const hostile = '<img src=x onerror="document.title=1"><b>bold</b>`<i>x</i>`';
      const session = {
        release: hostile,
        lgmpVersion: 6,
        kvmfrVersion: 20,
        hostVersion: hostile,
        os: hostile,
        capture: hostile,
        cpu: hostile,
      };
      at.viewer.send(
        stateBytes('denied', { message: hostile, hint: hostile, code: hostile, session }),
      );
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('<b>bold</b>');
      expect(await message.locator('img, b, i').count()).toBe(0);
      await at.page.click('#details');
      expect(await at.page.locator('#guest').textContent()).toContain(hostile);
      expect(await at.page.locator('#guest img, #guest b, #guest i').count()).toBe(0);
      expect(await at.page.title()).toBe(`${hostile} · kvmfr`);
      expect(at.problems).toEqual([]);
    });
  });

  describe('the connection', () => {
    it('comes back by itself when the relay does, without a reload', async () => {
      await using at = await attach();
      const { server, page } = at;
      const { port } = server;
      await show(at.viewer, NOISE);
      await page.evaluate(() => Reflect.set(globalThis, 'sameDocument', true));
      await server.stop();
      await hasState(page, 'disconnected');
      await part(page, 'banner').getByText('Connection lost, reconnecting').waitFor();
      expect(await part(page, 'screen').isVisible()).toBe(true);
      await using again = await PageServer.start({ port });
      const viewer = await again.viewer();
      const next = noisePicture(300, 200, 8);
      viewer.send(helloBytes());
      await show(viewer, next);
      await hasState(page, 'showing');
      expect(pixelsOff(await readBack(page), next)).toBe(0);
      expect(await page.evaluate(() => Reflect.get(globalThis, 'sameDocument'))).toBe(true);
    });

    it('asks for the token when the relay refuses without it', async () => {
      await using at = await attach();
      at.server.locked = true;
      at.viewer.cut();
      await hasState(at.page, 'unauthorized');
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('This address needs its token');
      expect(await message.textContent()).toContain('Open the URL that kvmfr view printed');
      at.server.locked = false;
      // The network is back: no reason to wait for the next attempt.
      await at.page.evaluate(() => window.dispatchEvent(new Event('online')));
      const viewer = await at.server.viewer();
      viewer.send(helloBytes(), stateBytes('waiting'));
      await hasState(at.page, 'waiting');
    });

    it('ends with the reason and a button when the relay says goodbye for good', async () => {
      await using at = await attach();
      at.viewer.send(
        byeBytes({ code: 'ERR_KVMFR_BUSY', message: 'Too many viewers.', retry: false }),
      );
      const message = part(at.page, 'message');
      await message.getByText('Too many viewers.').waitFor();
      await at.viewer.closed;
      await message.getByRole('button', { name: 'Connect again' }).click();
      const viewer = await at.server.viewer();
      viewer.send(helloBytes(), stateBytes('waiting'));
      await hasState(at.page, 'waiting');
    });

    it('ends when the relay breaks the rules, and says so', async () => {
      await using at = await attach();
      at.viewer.send(Uint8Array.of(0x04, 1, 0, 0));
      expect(await at.viewer.closed).toEqual({ code: 4002, reason: 'ERR_KVMFR_WIRE' });
      await hasState(at.page, 'failed');
      await part(at.page, 'message').getByRole('button', { name: 'Reload the page' }).waitFor();
    });

    it('names its subprotocol, sends its cookies and tells what it can decode', async () => {
      await using at = await attach({
        before: async (page) => {
          const url = 'http://127.0.0.1/';
          await page
            .context()
            .addCookies([{ name: 'kvmfr', value: 'secret', url, sameSite: 'Strict' }]);
        },
      });
      const { headers, url } = at.viewer.request;
      expect(headers['sec-websocket-protocol']).toBe('kvmfr.1');
      expect(headers.cookie).toBe('kvmfr=secret');
      expect(url).toBe('/ws');
      expect(await at.viewer.saidJson(0x81)).toEqual({
        wire: 1,
        encodings: ['lossless', 'video', 'jpeg'],
        codecs: expect.arrayContaining(['vp8']),
        tileCodings: ['ops'],
        moves: true,
        videoRegions: true,
        visible: true,
      });
    });

    it('tells when the page is hidden, and gives credit back meanwhile', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const turn = (state: string) =>
        at.page.evaluate((value) => {
          Object.defineProperty(document, 'visibilityState', { value, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }, state);
      await turn('hidden');
      const told = at.viewer.saidJson(VIEW, (text) => text.includes('visible'));
      expect(await told).toEqual({ visible: false });
      at.viewer.send(tilesBytes({ epoch: 1, serial: 2 }, NOISE, { coding: 'raw', tiles: [3] }));
      await at.viewer.acknowledged(2);
      await turn('visible');
      await at.viewer.saidJson(VIEW, (text) => text.includes('true'));
    });
  });

  describe('the toolbar', () => {
    it('is reached and used by keyboard, and comes back into sight for it', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.waitForSelector('html.idle', { state: 'attached' });
      const bar = at.page.getByRole('toolbar', { name: 'Viewer' });
      await expect.poll(() => bar.evaluate((box) => getComputedStyle(box).opacity)).toBe('0');
      await at.page.keyboard.press('Tab');
      await expect.poll(() => bar.evaluate((box) => getComputedStyle(box).opacity)).toBe('1');
      const names: string[] = [];
      for (let step = 0; step < 8; step++) {
        names.push(
          await at.page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? ''),
        );
        await at.page.keyboard.press('ArrowRight');
      }
      expect(names).toEqual([
        'Fit to the window',
        'One to one: a pixel for each pixel',
        'Fill the window',
        'Rotate the view by a quarter turn',
        'Save a snapshot as PNG',
        'Statistics',
        'Guest and picture quality',
        'Full screen',
      ]);
      await at.page.keyboard.press('ArrowRight');
      await at.page.keyboard.press('Enter');
      await expect
        .poll(() => at.page.evaluate(() => document.querySelector('kvmfr-view')?.scale))
        .toBe('1:1');
      expect(
        await at.page.getByRole('button', { name: 'One to one' }).getAttribute('aria-pressed'),
      ).toBe('true');
      expect(at.problems).toEqual([]);
    });

    it('opens particulars of the guest and the choice of encoding, and closes them by Escape', async () => {
      await using at = await attach();
      const session = {
        release: 'B7',
        lgmpVersion: 6,
        kvmfrVersion: 20,
        hostVersion: 'B7-1-g0',
        os: 'Windows 11',
      };
      at.viewer.send(stateBytes('showing', { session }));
      await show(at.viewer, NOISE);
      const details = at.page.getByRole('button', { name: 'Guest and picture quality' });
      await details.press('Enter');
      const sheet = at.page.locator('#sheet');
      await expect
        .poll(() => sheet.locator('dl').textContent(), { timeout: 60_000 })
        .toMatch(/Windows 11.*B7-1-g0.*LGMP 6, KVMFR 20.*300 × 200/s);
      await sheet.getByRole('radio', { name: /^Lossless/ }).check();
      const asked = at.viewer.saidJson(VIEW, (text) => text.includes('encoding'));
      expect(await asked).toEqual({ encoding: 'lossless' });
      await at.page.keyboard.press('Escape');
      expect(await sheet.isVisible()).toBe(false);
      expect(await details.evaluate((button) => button === document.activeElement)).toBe(true);
    });

    it('shows statistics on request, and remembers it', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.getByRole('button', { name: 'Statistics' }).press('Enter');
      const panel = at.page.locator('#stats');
      await panel.waitFor();
      await expect
        .poll(() => panel.locator('.line').textContent(), { timeout: 60_000 })
        .toMatch(/^\d+ fps .* Mbit\/s .* 300 × 200$/);
      await at.page.reload();
      const viewer = await at.server.viewer();
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      await panel.waitFor();
    });

    it('offers what both sides can, and says why it does not offer the rest', async () => {
      await using at = await attach();
      at.viewer.send(stateBytes('showing'));
      await at.page.getByRole('button', { name: 'Guest and picture quality' }).press('Enter');
      const video = at.page.getByRole('radio', { name: /^Video/ });
      await expect.poll(() => video.isDisabled(), { timeout: 60_000 }).toBe(true);
      const label = at.page.locator('#sheet label', { has: video });
      expect(await label.textContent()).toContain('The relay does not offer it.');
      expect(await at.page.getByRole('radio', { name: /^JPEG/ }).isDisabled()).toBe(false);
    });

    it('goes to full screen and back', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const button = at.page.getByRole('button', { name: 'Full screen' });
      await button.click();
      await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
      await button.click();
      await expect.poll(() => button.getAttribute('aria-pressed')).toBe('false');
    });
  });

  describe('the element in a page of somebody else', () => {
    const EMBED = {
      '/embed.html':
        '<!doctype html><link rel="stylesheet" href="/embed.css"><script type="module" src="/embed.js"></script><kvmfr-view token="a b" scale="1:1"></kvmfr-view>',
      '/embed.css': 'kvmfr-view { width: 500px; height: 400px; }',
      '/embed.js': "import { defineKvmfrView } from '/viewer/web/index.js';\ndefineKvmfrView();",
    };

    it('works from the compiled package without a bundler, under the same strict policy', async () => {
      await using server = await PageServer.start({ folder: DIST_FOLDER, pages: EMBED });
      await using open = await openPage(browser, `${server.url}embed.html`, {
        before: (page) =>
          page.addInitScript(() => {
            const seen: string[] = [];
            Reflect.set(globalThis, 'seen', seen);
            addEventListener('DOMContentLoaded', () => {
              const view = document.querySelector('kvmfr-view');
              for (const type of ['statechange', 'picture', 'presented', 'stats', 'error'])
                view?.addEventListener(type, () => seen.push(type));
            });
          }),
      });
      const viewer = await server.viewer();
      expect(viewer.request.url).toBe('/ws?token=a+b');
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      expect(pixelsOff(await readBack(open.page), NOISE)).toBe(0);
      const seen = () => open.page.evaluate(() => Reflect.get(globalThis, 'seen'));
      await expect
        .poll(seen)
        .toEqual(expect.arrayContaining(['statechange', 'picture', 'presented']));
      await open.page.evaluate(() => document.querySelector('kvmfr-view')?.disconnect());
      await viewer.closed;
      await hasState(open.page, 'disconnected');
    });

    it('does without its worker when that cannot be loaded', async () => {
      const broken = { '/viewer/web/worker/main.js': "throw new Error('not here');" };
      await using server = await PageServer.start({
        folder: DIST_FOLDER,
        pages: { ...EMBED, ...broken },
      });
      await using open = await openPage(browser, `${server.url}embed.html`);
      const viewer = await server.viewer();
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      expect(pixelsOff(await readBack(open.page), NOISE)).toBe(0);
      await shows(open.page, NOISE);
    });

    it('keeps its connection when it is moved, and ends it when it is removed', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.evaluate(() => {
        const view = document.querySelector('kvmfr-view');
        const home = document.createElement('div');
        document.body.append(home);
        if (view !== null) home.append(view);
      });
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      await at.page.evaluate(() => document.querySelector('kvmfr-view')?.remove());
      await at.viewer.closed;
      expect(at.problems).toEqual([]);
    });

    it('refuses an address that is none, in words', async () => {
      await using at = await attach();
      await set(at.page, 'src', 'ftp://relay/ws');
      await at.viewer.closed;
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('but is ftp://relay/ws');
    });
  });
});
