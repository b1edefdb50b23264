import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { toolPath } from './machine.ts';
import type { RgbPicture } from './page-wire.ts';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts the machine's Chromium, with more flags if given. Ownership: close it. */
export function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  const executablePath = toolPath('chromium');
  if (executablePath === undefined) throw new Error('chromium is not on this machine');
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** An open page, and everything that went wrong on it. */
export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings of the console, exceptions, and violations of the page's policy. */
  readonly problems: string[];
}

/** Opens a page in a context of its own. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { readonly before?: (page: Page) => Promise<unknown> } = {},
): Promise<OpenPage> {
  const { before, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 800, height: 600 }, ...rest });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  await before?.(page);
  await page.goto(url);
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}

/** A picture in which every pixel differs from its neighbours, the same each time. */
export function noisePicture(widthPx: number, heightPx: number, seed: number = 1): RgbPicture {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  let state = seed >>> 0;
  for (let i = 0; i < rgb.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    rgb[i] = state >>> 24;
  }
  return { widthPx, heightPx, rgb };
}

/** A PNG file as R, G, B triples. @throws when it has a pixel that is not opaque */
export async function decodePng(file: Uint8Array): Promise<RgbPicture> {
  const { data, info } = await sharp(file)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return fromRgba({ widthPx: info.width, heightPx: info.height, rgba: data });
}

/** R, G, B, A as R, G, B triples. @throws when a pixel is not opaque */
export function fromRgba(picture: {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: ArrayLike<number>;
}): RgbPicture {
  const { widthPx, heightPx, rgba } = picture;
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let pixel = 0; pixel < widthPx * heightPx; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      rgb[pixel * 3 + channel] = rgba[pixel * 4 + channel] ?? 0;
    if (rgba[pixel * 4 + 3] !== 255) throw new Error(`pixel ${pixel} is not opaque`);
  }
  return { widthPx, heightPx, rgb };
}

/** How many pixels of two pictures differ; all of them when their sizes do. */
export function pixelsOff(a: RgbPicture, b: RgbPicture): number {
  const count = a.widthPx * a.heightPx;
  if (a.widthPx !== b.widthPx || a.heightPx !== b.heightPx)
    return Math.max(count, b.widthPx * b.heightPx);
  let off = 0;
  for (let at = 0; at < count * 3; at += 3)
    if (
      a.rgb[at] !== b.rgb[at] ||
      a.rgb[at + 1] !== b.rgb[at + 1] ||
      a.rgb[at + 2] !== b.rgb[at + 2]
    )
      off += 1;
  return off;
}

/** A picture turned by a quarter clockwise. */
export function quarterTurn(picture: RgbPicture): RgbPicture {
  const { widthPx, heightPx, rgb } = picture;
  const turned = new Uint8Array(rgb.length);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const from = (y * widthPx + x) * 3;
      const to = (x * heightPx + (heightPx - 1 - y)) * 3;
      turned.set(rgb.subarray(from, from + 3), to);
    }
  return { widthPx: heightPx, heightPx: widthPx, rgb: turned };
}

/** A picture with every pixel as a square of several. */
export function magnify(picture: RgbPicture, times: number): RgbPicture {
  const widthPx = picture.widthPx * times;
  const heightPx = picture.heightPx * times;
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) {
      const from = (Math.floor(y / times) * picture.widthPx + Math.floor(x / times)) * 3;
      rgb.set(picture.rgb.subarray(from, from + 3), (y * widthPx + x) * 3);
    }
  return { widthPx, heightPx, rgb };
}

/** A picture with another one put into it; what lies outside is cut off. */
export function putInto(
  picture: RgbPicture,
  part: RgbPicture,
  at: { readonly x: number; readonly y: number },
): RgbPicture {
  const rgb = Uint8Array.from(picture.rgb);
  for (let y = 0; y < part.heightPx; y++)
    for (let x = 0; x < part.widthPx; x++) {
      const toX = at.x + x;
      const toY = at.y + y;
      if (toX < 0 || toY < 0 || toX >= picture.widthPx || toY >= picture.heightPx) continue;
      const from = (y * part.widthPx + x) * 3;
      rgb.set(part.rgb.subarray(from, from + 3), (toY * picture.widthPx + toX) * 3);
    }
  return { ...picture, rgb };
}

/** A picture as a PNG file. */
export function encodePng(picture: RgbPicture): Promise<Buffer> {
  const raw = { width: picture.widthPx, height: picture.heightPx, channels: 3 } as const;
  return sharp(picture.rgb, { raw }).png().toBuffer();
}

/** The pixels on the canvas, as the element reads them back. */
export async function readBack(page: Page): Promise<RgbPicture> {
  const { base64, ...size } = await page.evaluate(async () => {
    const view = document.querySelector('kvmfr-view');
    if (view === null) throw new Error('there is no view on this page');
    const { widthPx, heightPx, rgba } = await view.readPixels();
    // As text: a list of so many numbers takes seconds to be handed over.
    let text = '';
    for (let at = 0; at < rgba.length; at += 8192)
      text += String.fromCharCode(...rgba.subarray(at, at + 8192));
    return { widthPx, heightPx, base64: btoa(text) };
  });
  return fromRgba({ ...size, rgba: Buffer.from(base64, 'base64') });
}

/** The PNG file that the element makes of its picture. */
export async function snapshotOf(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(async () => {
    const file = await document.querySelector('kvmfr-view')?.snapshot();
    const bytes = new Uint8Array((await file?.arrayBuffer()) ?? []);
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192)
      text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  });
  return Buffer.from(base64, 'base64');
}

/** What the display shows where the picture lies. */
export async function screenshotOf(page: Page, part: string = 'screen'): Promise<RgbPicture> {
  return decodePng(await page.locator(`kvmfr-view [part="${part}"]`).screenshot());
}
