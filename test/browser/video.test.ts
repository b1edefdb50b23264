import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, noisePicture, openPage, readBack } from '../support/page-browser.ts';
import { type AttachedViewer, PageServer } from '../support/page-server.ts';
import {
  coverBytes,
  helloBytes,
  pictureBytes,
  type RgbPicture,
  stateBytes,
  tilesBytes,
  videoBytes,
  videoStreamBytes,
} from '../support/page-wire.ts';
import { type Chunk, encodeVideo, psnr, softPicture } from '../support/video-chunks.ts';

const WIDTH = 320;
const HEIGHT = 192;
const TILES = 15;
const NOISE = noisePicture(WIDTH, HEIGHT);
/** A picture in wrong colours, or at a wrong place, has less than 25. */
const GOOD_DB = 34;

let browser: Browser;
let pictures: RgbPicture[];
let h264: Chunk[];

async function attach(
  options: BrowserContextOptions & { readonly before?: (page: Page) => Promise<unknown> } = {},
) {
  const server = await PageServer.start();
  const open = await openPage(browser, server.url, options);
  const viewer = await server.viewer();
  viewer.send(
    helloBytes({ encodings: ['lossless', 'video', 'jpeg'], codecs: ['h264', 'vp8'] }),
    stateBytes('showing'),
  );
  await open.page.evaluate(() =>
    document.querySelector('kvmfr-view')?.setAttribute('scale', '1:1'),
  );
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await server.stop();
  };
  return { server, ...open, viewer, [Symbol.asyncDispose]: dispose };
}

async function begin(viewer: AttachedViewer, picture: RgbPicture = NOISE) {
  const { widthPx, heightPx } = picture;
  viewer.send(
    pictureBytes({ epoch: 1, widthPx, heightPx }),
    tilesBytes({ epoch: 1, serial: 1 }, picture, { coding: 'deflate' }),
    videoStreamBytes({
      stream: 1,
      epoch: 1,
      codec: 'h264',
      codedWidthPx: widthPx + (widthPx & 1),
      codedHeightPx: heightPx + (heightPx & 1),
    }),
  );
  await viewer.acknowledged(1);
}

function tileOf(index: number) {
  return { x: (index % 5) * 64, y: Math.floor(index / 5) * 64, width: 64, height: 64 };
}

/** Tiles that show the video well, and how many pixels of the others are not exact. */
function judge(shown: RgbPicture, video: RgbPicture, exact: RgbPicture, cover: readonly number[]) {
  const decibels: number[] = [];
  let off = 0;
  for (let tile = 0; tile < TILES; tile++) {
    const rect = tileOf(tile);
    if (cover.includes(tile)) decibels.push(psnr(shown, video, rect));
    else if (psnr(shown, exact, rect) !== Number.POSITIVE_INFINITY) off += 1;
  }
  return { worstDb: Math.min(...decibels), exactTilesOff: off };
}

needs('chromium').describe('video in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
    pictures = [0, 1, 2, 3].map((phase) => softPicture(WIDTH, HEIGHT, phase));
    h264 = await encodeVideo('h264', pictures, [2]);
  });
  afterAll(async () => {
    await browser?.close();
  });

  it('shows in the tiles that are covered, and the others stay exact', async () => {
    await using at = await attach();
    await begin(at.viewer);
    const cover = [0, 1, 6, 14];
    for (const [index, { key, chunk }] of h264.slice(0, 2).entries()) {
      const update = { epoch: 1, serial: 2 + index };
      at.viewer.send(
        coverBytes(update, { tileCount: TILES, tiles: cover }),
        videoBytes(update, { stream: 1, key, chunk }),
      );
      await at.viewer.acknowledged(2 + index);
      const picture = pictures[index] ?? NOISE;
      const read = judge(await readBack(at.page), picture, NOISE, cover);
      expect(read.worstDb).toBeGreaterThan(GOOD_DB);
      expect(read.exactTilesOff).toBe(0);
    }
    expect(at.problems).toEqual([]);
  });
});
