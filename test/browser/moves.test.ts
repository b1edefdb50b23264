import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type {} from '../../viewer/web/index.ts';
import { eventually } from '../support/eventually.ts';
import { needs } from '../support/machine.ts';
import {
  launchChromium,
  noisePicture,
  openPage,
  pixelsOff,
  putInto,
  screenshotOf,
} from '../support/page-browser.ts';
import { PageServer } from '../support/page-server.ts';
import { helloBytes, pictureBytes, stateBytes, tilesBytes } from '../support/page-wire.ts';
import { closeStages, Stage } from '../unit/relay/stage.ts';
import { Screen } from '../unit/tiles/guest.ts';

let browser: Browser;

/** A moves message as docs/wire.md draws it. */
function movesBytes(serial: number, ...moves: readonly (readonly number[])[]): Buffer {
  const words = [1, serial, moves.length, ...moves.flat()];
  const bytes = Buffer.alloc(4 + words.length * 4);
  bytes[0] = 0x0f;
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 + i * 4);
  return bytes;
}

/** The picture with a part of it put elsewhere. */
function moved(
  picture: ReturnType<typeof noisePicture>,
  [x = 0, y = 0, width = 0, height = 0, fromX = 0, fromY = 0]: readonly number[],
): ReturnType<typeof noisePicture> {
  const rgb = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const at = ((fromY + row) * picture.widthPx + fromX) * 3;
    rgb.set(picture.rgb.subarray(at, at + width * 3), row * width * 3);
  }
  return putInto(picture, { widthPx: width, heightPx: height, rgb }, { x, y });
}

/** A digest of R, G, B, 255 of all pixels. */
function digest(rgb: Uint8Array): string {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let i = 0; i * 3 < rgb.length; i++) rgba.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
  return createHash('sha256').update(rgba).digest('hex');
}

/** The same of what a page shows: to hand over every pixel would take seconds each time. */
function digestOf(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const view = document.querySelector('kvmfr-view');
    if (view === null) throw new Error('there is no view on this page');
    const { rgba } = await view.readPixels();
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', rgba));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  });
}

needs('chromium').describe('moves in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });
  afterEach(closeStages);

  it('are made before the tiles of their update, and one after the other', async () => {
    const server = await PageServer.start();
    await using open = await openPage(browser, server.url);
    const viewer = await server.viewer();
    let picture = noisePicture(320, 192);
    viewer.send(
      helloBytes({ encodings: ['lossless'] }),
      stateBytes('showing'),
      pictureBytes({ epoch: 1, ...picture }),
      tilesBytes({ epoch: 1, serial: 1 }, picture, { coding: 'ops' }),
    );
    await viewer.acknowledged(1);
    const steps = [
      [[20, 10, 250, 150, 20, 22]],
      [[20, 40, 250, 150, 20, 10]],
      [
        [7, 0, 300, 100, 9, 50],
        [0, 3, 320, 188, 0, 0],
        [11, 30, 99, 99, 0, 31],
      ],
    ];
    for (const [at, moves] of steps.entries()) {
      const serial = at + 2;
      for (const move of moves) picture = moved(picture, move);
      const fresh = noisePicture(320, 192, serial);
      picture = putInto(
        picture,
        { ...fresh, widthPx: 64, heightPx: 64, rgb: fresh.rgb.slice(0, 64 * 64 * 3) },
        { x: 64, y: 128 },
      );
      viewer.send(
        movesBytes(serial, ...moves),
        tilesBytes({ epoch: 1, serial }, picture, { coding: 'ops', tiles: [11] }),
      );
      await viewer.acknowledged(serial);
      expect(await digestOf(open.page)).toBe(digest(picture.rgb));
    }
    await open.page.evaluate(() =>
      document.querySelector('kvmfr-view')?.setAttribute('scale', '1:1'),
    );
    await expect
      .poll(async () => pixelsOff(await screenshotOf(open.page), picture), { timeout: 60_000 })
      .toBe(0);
    expect(open.problems).toEqual([]);
    await server.stop();
  }, 120_000);

  it('show a guest that scrolls exactly, at rest and at each moment before', async () => {
    // Whatever the machine is busy with, nothing is to be blurred.
    const stage = await Stage.open({ encode: 'lossless' });
    const screen = new Screen(448, 320);
    screen.noise(1);
    const pane = { x: 37, y: 21, width: 391, height: 280 };
    /** Who has presented which picture last. */
    const acked = new Map<number, number>();
    const hear = (message: unknown): void => {
      const { viewer, serial } = message as { readonly viewer: number; readonly serial: number };
      acked.set(viewer, serial);
    };
    subscribe('kvmfr:relay:acknowledged', hear);
    try {
      await using open = await openPage(browser, `${stage.door.url}?token=secret`);
      await eventually(() => stage.guest.watched);
      // A viewer beside it tells how the pictures travel.
      const beside = stage.join({ hello: { moves: true, tileCodings: ['ops'] } });
      await stage.show(screen);
      for (let serial = 2; serial < 9; serial++) {
        screen.scroll(pane, serial % 3 === 0 ? -17 : 12, serial);
        await stage.show(screen);
        await expect
          .poll(() => [...acked.values()], { timeout: 60_000, interval: 5 })
          .toEqual([serial, serial]);
        expect(await digestOf(open.page)).toBe(digest(screen.rgb));
      }
      await beside.untilShows(screen.rgb);
      expect(beside.updates.at(-1)?.moves).toBe(1);
      expect(open.problems).toEqual([]);
    } finally {
      unsubscribe('kvmfr:relay:acknowledged', hear);
    }
  }, 120_000);
});
