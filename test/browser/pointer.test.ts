import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
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

/** A point in the middle of a pixel of the guest's screen. Units: CSS pixels of the page. */
async function middleOf(page: Page, x: number, y: number) {
  const { left, top, width, height } = await boxOf(page);
  return { x: left + ((x + 0.5) * width) / WIDTH, y: top + ((y + 0.5) * height) / HEIGHT };
}

/** A finger may lie still for as long as a loaded machine needs for what is done with it, or may not. */
function delayLongPress(page: Page, endlessly: boolean): Promise<void> {
  return page.evaluate((isEndless) => {
    const kept: unknown = Reflect.get(window, 'ownSetTimeout');
    const own = typeof kept === 'function' ? kept : window.setTimeout;
    Reflect.set(window, 'ownSetTimeout', own);
    const longPress = (run: () => void, ms: number) => (ms === 500 ? 0 : own(run, ms));
    Reflect.set(window, 'setTimeout', isEndless ? longPress : own);
  }, endlessly);
}

/** What a wheel was turned by, all in all. */
function turned(guest: WrittenInput): readonly [number, number] {
  const turns = guest.events.filter((event) => event.kind === 'wheel');
  const sum = (side: 'dx' | 'dy'): number => turns.reduce((all, turn) => all + turn[side], 0);
  return [sum('dx'), sum('dy')];
}

needs('chromium').describe('hands on a view in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  needs('chromium').it(
    'are fingers that tap, drag, lie still and scroll',
    async () => {
      await using at = await attach(browser, { hasTouch: true });
      const phone = await at.page.context().newCDPSession(at.page);
      const touch = (
        type: 'touchStart' | 'touchMove' | 'touchEnd',
        ...touchPoints: readonly { readonly x: number; readonly y: number }[]
      ) => phone.send('Input.dispatchTouchEvent', { type, touchPoints: [...touchPoints] });
      const wrote = () => expect.poll(() => at.guest.got.join(' '), PATIENCE);
      await delayLongPress(at.page, true);
      const from = await middleOf(at.page, 40, 30);
      const to = await middleOf(at.page, 90, 70);
      await touch('touchStart', from);
      await touch('touchEnd');
      await wrote().toBe('at 40,30 button 0+ button 0-');
      at.guest.clear();
      await touch('touchStart', from);
      await touch('touchMove', to);
      await wrote().toBe('at 40,30 button 0+ at 90,70');
      await touch('touchEnd');
      await expect.poll(() => at.guest.got.at(-1), PATIENCE).toBe('button 0-');
      at.guest.clear();
      await delayLongPress(at.page, false);
      await touch('touchStart', to);
      await wrote().toBe('at 90,70 button 2+ button 2-');
      await touch('touchEnd');
      at.guest.clear();
      await delayLongPress(at.page, true);
      const beside = { x: to.x + 60, y: to.y };
      await touch('touchStart', to, beside);
      // Up by 40, and what is seen goes with them: the wheel turns towards the person.
      await touch('touchMove', { ...to, y: to.y - 40 }, { ...beside, y: beside.y - 40 });
      await touch('touchEnd');
      await expect.poll(() => turned(at.guest), PATIENCE).toEqual([0, 120]);
      expect(at.guest.got.filter((event) => event.startsWith('button'))).toEqual([]);
      expect(at.guest.holdsAny).toBe(false);
    },
    LIMIT_MS,
  );

  needs('chromium').it(
    'have five buttons, and turn a wheel by parts of a notch',
    async () => {
      await using at = await attach(browser);
      const mouse = await at.page.context().newCDPSession(at.page);
      const place = await middleOf(at.page, 80, 50);
      await at.page.mouse.move(place.x, place.y);
      for (const button of ['left', 'middle', 'right', 'back', 'forward'] as const)
        for (const type of ['mousePressed', 'mouseReleased'] as const)
          await mouse.send('Input.dispatchMouseEvent', { type, button, ...place, clickCount: 1 });
      const buttons = [0, 1, 2, 3, 4].flatMap((each) => [`button ${each}+`, `button ${each}-`]);
      await expect.poll(() => at.guest.got, PATIENCE).toEqual(['at 80,50', ...buttons]);
      at.guest.clear();
      for (let part = 0; part < 8; part++) await at.page.mouse.wheel(0, 12.5);
      await at.page.mouse.wheel(-100, 0);
      await expect.poll(() => turned(at.guest), PATIENCE).toEqual([-120, 120]);
      expect(at.guest.events.length).toBeGreaterThan(2);
      // None of them has left the page.
      expect(at.page.url()).toContain(at.stage.door.url);
      expect(at.problems).toEqual([]);
    },
    LIMIT_MS,
  );

  needs('chromium').it(
    'hold the pointer for steps as they are seen, and let go of all when it is lost',
    async () => {
      await using at = await attach(browser);
      await set(at.page, 'pointer', 'relative');
      await set(at.page, 'rotation', '90');
      await set(at.page, 'sensitivity', '0.5');
      const place = await middleOf(at.page, 80, 50);
      await at.page.mouse.click(place.x, place.y);
      const locked = () =>
        at.page.evaluate(() => document.querySelector('kvmfr-view')?.captured.pointerLocked);
      await expect.poll(locked, PATIENCE).toBe(true);
      expect(at.guest.got).toEqual([]);
      await at.page.mouse.move(place.x + 20, place.y + 8);
      // To the right on a view that is turned clockwise is up on the guest's screen.
      await expect.poll(() => at.guest.got, PATIENCE).toEqual(['motion 4,-10']);
      await at.page.mouse.down({ button: 'right' });
      await expect.poll(() => at.guest.buttons.has(2), PATIENCE).toBe(true);
      // As by Escape, or another window.
      await at.page.evaluate(() => document.exitPointerLock());
      await expect.poll(() => at.guest.holdsAny, PATIENCE).toBe(false);
      expect(await locked()).toBe(false);
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
