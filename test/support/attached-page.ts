import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { type OpenPage, openPage, pixelsOff, screenshotOf } from './page-browser.ts';
import { type AttachedViewer, PageServer } from './page-server.ts';
import { pictureBytes, type RgbPicture, stateBytes, tilesBytes } from './page-wire.ts';

/** How a page is opened. */
export type AttachOptions = BrowserContextOptions & {
  /** Called before anything of the page is loaded. */
  readonly before?: (page: Page) => Promise<unknown>;
};

/** A page with a relay of the test's own behind it. */
export interface AttachedPage extends OpenPage {
  readonly server: PageServer;
  readonly viewer: AttachedViewer;
}

/** Opens a page, and says these messages when it has connected. */
export async function attachPage(
  browser: Browser,
  options: AttachOptions,
  messages: readonly (Uint8Array | string)[],
): Promise<AttachedPage> {
  const server = await PageServer.start();
  const open = await openPage(browser, server.url, options);
  const viewer = await server.viewer();
  viewer.send(...messages);
  const dispose = async (): Promise<void> => {
    await open[Symbol.asyncDispose]();
    await server.stop();
  };
  return { server, ...open, viewer, [Symbol.asyncDispose]: dispose };
}

/** Shows the page a picture, and waits until it is presented. */
export async function show(
  viewer: AttachedViewer,
  picture: RgbPicture,
  change: object = {},
): Promise<void> {
  const { widthPx, heightPx } = picture;
  viewer.send(
    stateBytes('showing'),
    pictureBytes({ epoch: 1, widthPx, heightPx, ...change }),
    tilesBytes({ epoch: 1, serial: 1 }, picture, { coding: 'deflate' }),
  );
  await viewer.acknowledged(1);
}

/** Sets an attribute of the view. */
export function setAttribute(page: Page, name: string, value: string): Promise<void> {
  return page.evaluate(
    ([attribute, text]) => document.querySelector('kvmfr-view')?.setAttribute(attribute, text),
    [name, value] as const,
  );
}

/** A part of the view, by its name. */
export function part(page: Page, name: string): Locator {
  return page.locator(`kvmfr-view [part="${name}"]`);
}

/** Settles when a screenshot is this picture: the display may be a refresh behind the acknowledgement. */
export function shows(page: Page, picture: RgbPicture): Promise<void> {
  return expect
    .poll(async () => pixelsOff(await screenshotOf(page), picture), { timeout: 60_000 })
    .toBe(0);
}
