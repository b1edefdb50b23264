import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Rect } from '../../protocol/rect.ts';
import { noisePicture, pixelsOff, putInto, screenshotOf } from './page-browser.ts';
import type { AttachedViewer } from './page-server.ts';
import {
  coverBytes,
  pictureBytes,
  type RgbPicture,
  tilesBytes,
  videoBytes,
  videoStreamBytes,
} from './page-wire.ts';
import { type Chunk, psnr } from './video-chunks.ts';

/** Sides of a picture of 5 x 3 tiles. */
export const WIDTH = 320;
export const HEIGHT = 192;
export const TILES = 15;
/** What is exact where no video is. */
export const NOISE: RgbPicture = noisePicture(WIDTH, HEIGHT);
/** For what comes by itself: it may take a while on a busy machine. */
export const PATIENCE: { readonly timeout: number } = { timeout: 60_000 };
/** The codec keeps these pictures at 34 and better; a picture of the wrong moment has below 15. */
const GOOD_DB = 30;

/** All tiles. */
export const ALL: readonly number[] = Array.from({ length: TILES }, (_, index) => index);

/** What a test's video is coded in. */
export type Codec = 'h264' | 'vp8';

/** Announces a stream of a picture. */
export function stream(
  picture: { readonly widthPx: number; readonly heightPx: number },
  change: {
    readonly stream?: number;
    readonly epoch?: number;
    readonly codec?: Codec;
    readonly region?: Rect;
  } = {},
): Buffer {
  const { widthPx, heightPx } = picture;
  return videoStreamBytes({
    stream: 1,
    epoch: 1,
    codec: 'h264',
    codedWidthPx: widthPx + (widthPx & 1),
    codedHeightPx: heightPx + (heightPx & 1),
    ...change,
  });
}

/** The noise, exact, and a stream to come. */
export async function begin(viewer: AttachedViewer, codec: Codec = 'h264'): Promise<void> {
  viewer.send(
    pictureBytes({ epoch: 1, ...NOISE }),
    tilesBytes({ epoch: 1, serial: 1 }, NOISE, { coding: 'deflate' }),
    stream(NOISE, { codec }),
  );
  await viewer.acknowledged(1);
}

/** Sends a coded picture, and waits until it is presented. */
export async function play(
  viewer: AttachedViewer,
  serial: number,
  coded: Chunk | undefined,
  cover?: readonly number[],
  streamNumber = 1,
): Promise<void> {
  if (coded === undefined) throw new Error('there is no such picture');
  const update = { epoch: 1, serial };
  if (cover !== undefined) viewer.send(coverBytes(update, { tileCount: TILES, tiles: cover }));
  viewer.send(videoBytes(update, { stream: streamNumber, ...coded }));
  await viewer.acknowledged(serial);
}

/** Where a tile lies. */
export function tileOf(index: number): Rect {
  return { x: (index % 5) * 64, y: Math.floor(index / 5) * 64, width: 64, height: 64 };
}

/** Whether covered tiles show a picture of the video well, and the others are exact. */
export function check(
  shown: RgbPicture,
  picture: RgbPicture | undefined,
  cover: readonly number[],
): void {
  expect(pixelsOff(onlyTiles(shown, cover, false), onlyTiles(NOISE, cover, false))).toBe(0);
  if (picture === undefined) throw new Error('there is no such picture');
  const decibels = cover.map((tile) => psnr(shown, picture, tileOf(tile)));
  expect(Math.min(...decibels)).toBeGreaterThan(GOOD_DB);
}

/** A picture with some of its tiles black: those named, or all others. */
function onlyTiles(picture: RgbPicture, tiles: readonly number[], named: boolean): RgbPicture {
  const black = { widthPx: 64, heightPx: 64, rgb: new Uint8Array(64 * 64 * 3) };
  return ALL.filter((tile) => tiles.includes(tile) !== named).reduce(
    (left, tile) => putInto(left, black, tileOf(tile)),
    picture,
  );
}

/** What the display shows, once it is that: it may be a refresh behind the acknowledgement. */
export async function displays(page: Page, right: (shown: RgbPicture) => boolean): Promise<void> {
  await expect.poll(async () => right(await screenshotOf(page)), PATIENCE).toBe(true);
}

/** Whether all of a picture of the video is shown well. */
export function goodEverywhere(shown: RgbPicture, picture: RgbPicture | undefined): boolean {
  if (picture === undefined || shown.widthPx !== picture.widthPx) return false;
  const { widthPx: width, heightPx: height } = picture;
  return psnr(shown, picture, { x: 0, y: 0, width, height }) > GOOD_DB;
}
