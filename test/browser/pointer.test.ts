import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { decodePng, launchChromium, openPage } from '../support/page-browser.ts';
import { WrittenInput } from '../support/written-input.ts';
import { noisy, Stage } from '../unit/relay/stage.ts';

const WIDTH = 160;
const HEIGHT = 100;
/** Of a place into which the picture fits twice, whichever way it is turned. Units: pixels of the display. */
const SIDE = 324;
const PATIENCE = { timeout: 120_000, interval: 5 };
/** For tests that ask a real browser for hundreds of things, one after the other. */
const LIMIT_MS = 300_000;

/** A page on a real relay, whose guest writes down what it is told. */
async function attach(browser: Browser, options: BrowserContextOptions = {}) {
  const guest = new WrittenInput();
  const stage = await Stage.open({ input: guest });
  const open = await openPage(browser, `${stage.door.url}?token=secret`, options);
  await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
  const screen = noisy(1, WIDTH, HEIGHT);
  await stage.show(screen);
  await open.page.waitForFunction(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.input !== undefined && view.picture !== undefined;
  });
  // Nothing of the page lies above the picture, or is drawn there.
  await open.page.evaluate(() => {
    for (const each of document.body.querySelectorAll<HTMLElement>(':scope > :not(kvmfr-view)'))
      each.style.display = 'none';
  });
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  };
  return { guest, stage, screen, ...open, [Symbol.asyncDispose]: dispose };
}

async function launch(flags: readonly string[] = []) {
  const browser = await launchChromium(flags);
  return { browser, [Symbol.asyncDispose]: () => browser.close() };
}

function set(page: Page, name: string, value: string): Promise<void> {
  return page.evaluate(
    ([attribute, text]) => document.querySelector('kvmfr-view')?.setAttribute(attribute, text),
    [name, value] as const,
  );
}

/** The picture's box on the display. Units: pixels of the display. */
async function boxOf(page: Page) {
  const box = await page.evaluate(() => {
    const canvas = document.querySelector('kvmfr-view')?.shadowRoot?.querySelector('.picture');
    const { left, top, width, height } = canvas?.getBoundingClientRect() ?? new DOMRect();
    return [left, top, width, height].map((each) => Math.round(each * window.devicePixelRatio));
  });
  const [left = 0, top = 0, width = 0, height = 0] = box;
  return { left, top, width, height };
}

needs('chromium').describe('the pointer in Chromium', () => {
  for (const deviceScaleFactor of [1, 1.5, 2])
    needs('chromium').it(
      `is on exactly the pixel that is seen below it, corners too, with ${deviceScaleFactor} pixels to a CSS pixel`,
      async () => {
        // The display itself has such pixels: where they are only emulated, edges lie otherwise.
        const flag = `--force-device-scale-factor=${deviceScaleFactor}`;
        await using launched = await launch([flag]);
        await using at = await attach(launched.browser, { viewport: null });
        expect(await at.page.evaluate(() => window.devicePixelRatio)).toBe(deviceScaleFactor);
        await at.page.evaluate((side) => {
          const view = document.querySelector('kvmfr-view');
          Object.assign(view?.style ?? {}, { position: 'fixed', left: '0', top: '0' });
          Object.assign(view?.style ?? {}, { width: `${side}px`, height: `${side}px` });
        }, SIDE / deviceScaleFactor);
        for (const scale of ['1:1', 'fit'])
          for (const rotation of ['0', '90', '180', '270']) {
            await set(at.page, 'scale', scale);
            await set(at.page, 'rotation', rotation);
            const { left, top, width, height } = await boxOf(at.page);
            expect([width, height].sort((a, b) => b - a)).toEqual(
              scale === 'fit' ? [2 * WIDTH, 2 * HEIGHT] : [WIDTH, HEIGHT],
            );
            const seen = await decodePng(await at.page.screenshot({ scale: 'device' }));
            for (const [across, down] of [
              [0, 0],
              [width - 1, 0],
              [0, height - 1],
              [width - 1, height - 1],
              [1, 1],
              [width - 2, height - 2],
              [Math.floor(width / 3), Math.floor(height / 3)],
            ] as const) {
              at.guest.clear();
              const [x, y] = [left + across, top + down];
              await at.page.mouse.move(x / deviceScaleFactor, y / deviceScaleFactor);
              await expect
                .poll(() => at.guest.events.at(-1)?.kind, {
                  ...PATIENCE,
                  message: `${scale} turned by ${rotation}: a place for ${across}, ${down}`,
                })
                .toBe('position');
              const place = at.guest.events.at(-1);
              if (place?.kind !== 'position') throw new Error('it was one');
              expect([
                scale,
                rotation,
                across,
                down,
                ...colorAt(at.screen.rgb, WIDTH, place),
              ]).toEqual([
                ...[scale, rotation, across, down],
                ...colorAt(seen.rgb, seen.widthPx, { x, y }),
              ]);
            }
          }
        expect(at.problems).toEqual([]);
      },
      LIMIT_MS,
    );
});

function colorAt(
  rgb: ArrayLike<number>,
  widthPx: number,
  place: { readonly x: number; readonly y: number },
): readonly (number | undefined)[] {
  const at = (place.y * widthPx + place.x) * 3;
  return [rgb[at], rgb[at + 1], rgb[at + 2]];
}
