import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, openPage } from '../support/page-browser.ts';
import { WrittenInput } from '../support/written-input.ts';
import { noisy, Stage } from '../unit/relay/stage.ts';

const WIDTH = 320;
const HEIGHT = 200;
const PATIENCE = { timeout: 60_000 };

let browser: Browser;

/** A page on a real relay, whose guest writes down what it is told. */
async function attach() {
  const guest = new WrittenInput();
  const stage = await Stage.open({ input: guest });
  const open = await openPage(browser, `${stage.door.url}?token=secret`);
  await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
  await stage.show(noisy(1, WIDTH, HEIGHT));
  await expect.poll(() => hasInput(open.page), PATIENCE).toBe(true);
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  };
  return { guest, stage, ...open, [Symbol.asyncDispose]: dispose };
}

function hasInput(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.input !== undefined && view.picture !== undefined;
  });
}

function set(page: Page, name: string, value: string): Promise<void> {
  return page.evaluate(
    ([attribute, text]) => document.querySelector('kvmfr-view')?.setAttribute(attribute, text),
    [name, value] as const,
  );
}

/** The middle of a pixel of the guest's screen, on the page. */
async function middleOf(page: Page, x: number, y: number) {
  const place = await page.evaluate(
    ([across, down]) => {
      const shadow = document.querySelector('kvmfr-view')?.shadowRoot;
      const canvas = shadow?.querySelector<HTMLElement>('[part="picture"]');
      if (canvas == null) return undefined;
      // Where the browser itself draws that point, by the transform it uses.
      const dot = document.createElement('div');
      dot.style.cssText = `position:absolute;left:${across * 100}%;top:${down * 100}%;width:0;height:0`;
      canvas.parentElement?.append(dot);
      // Where the picture is larger than its place, as a person would scroll.
      dot.scrollIntoView({ block: 'center', inline: 'center' });
      const { left, top } = dot.getBoundingClientRect();
      dot.remove();
      return { left, top };
    },
    [(x + 0.5) / WIDTH, (y + 0.5) / HEIGHT] as const,
  );
  if (place === undefined) throw new Error('the page must show a picture');
  return place;
}

needs('chromium').describe('keyboard and pointer in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  needs('chromium').it('reach the guest by the place of the key, and are let go of', async () => {
    await using at = await attach();
    await at.page.focus('kvmfr-view');
    await at.page.keyboard.down('ShiftLeft');
    await at.page.keyboard.press('KeyQ');
    await at.page.keyboard.press('F5');
    await at.page.keyboard.press('Tab');
    await at.page.keyboard.up('ShiftLeft');
    await expect
      .poll(() => at.guest.got.join(' '), PATIENCE)
      .toBe('ShiftLeft+ KeyQ+ KeyQ- F5+ F5- Tab+ Tab- ShiftLeft-');
    // The page is still there, and the focus is where it was.
    await at.page.keyboard.down('KeyW');
    await expect.poll(() => at.guest.keys.has('KeyW'), PATIENCE).toBe(true);
    await at.page.evaluate(() => document.querySelector('kvmfr-view')?.blur());
    await expect.poll(() => at.guest.holdsAny, PATIENCE).toBe(false);
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('are let go of when the page closes in the middle of a key', async () => {
    await using at = await attach();
    await at.page.focus('kvmfr-view');
    await at.page.keyboard.down('KeyA');
    await expect.poll(() => at.guest.keys.has('KeyA'), PATIENCE).toBe(true);
    await at.page.close();
    await expect.poll(() => at.guest.holdsAny, PATIENCE).toBe(false);
  });

  needs('chromium').it(
    'point at exactly the pixel below the pointer, at every scale and rotation',
    async () => {
      await using at = await attach();
      for (const scale of ['1:1', 'fit', 'fill'])
        for (const rotation of ['0', '90', '180', '270']) {
          await set(at.page, 'scale', scale);
          await set(at.page, 'rotation', rotation);
          for (const [x, y] of [
            [160, 100],
            [200, 63],
          ] as const) {
            const { left, top } = await middleOf(at.page, x, y);
            await at.page.mouse.move(left, top);
            await expect
              .poll(() => at.guest.got.at(-1), { ...PATIENCE, message: `${scale} ${rotation}` })
              .toBe(`at ${x},${y}`);
          }
        }
    },
  );

  needs('chromium').it('press five buttons and turn the wheel where the pointer is', async () => {
    await using at = await attach();
    await set(at.page, 'scale', '1:1');
    const { left, top } = await middleOf(at.page, 20, 30);
    await at.page.mouse.move(left, top);
    for (const button of ['left', 'middle', 'right'] as const)
      await at.page.mouse.click(left, top, { button });
    await at.page.mouse.wheel(0, 100);
    await at.page.mouse.wheel(0, -200);
    const expected = [
      ...[0, 1, 2].flatMap((button) => [`button ${button}+`, `button ${button}-`]),
      ...['wheel 0,120', 'wheel 0,-240'],
    ];
    await expect
      .poll(() => at.guest.got.filter((each) => !each.startsWith('at')), PATIENCE)
      .toEqual(expected);
    expect(at.guest.got[0]).toBe('at 20,30');
    // Dragged out of the window it is still held, and let go outside.
    await at.page.mouse.down();
    await at.page.mouse.move(-50, -50);
    await expect.poll(() => at.guest.got.at(-1), PATIENCE).toBe('at 0,0');
    await at.page.mouse.up();
    await expect.poll(() => at.guest.holdsAny, PATIENCE).toBe(false);
  });

  needs('chromium').it('send chords and type text', async () => {
    await using at = await attach();
    await at.page.evaluate(() =>
      document.querySelector('kvmfr-view')?.sendKeys(['ControlLeft', 'AltLeft', 'Delete']),
    );
    await expect
      .poll(() => at.guest.got.join(' '), PATIENCE)
      .toBe('ControlLeft+ AltLeft+ Delete+ Delete- AltLeft- ControlLeft-');
    at.guest.clear();
    const missing = await at.page.evaluate(() =>
      document.querySelector('kvmfr-view')?.typeText('Ab€'),
    );
    expect(missing).toEqual(['€']);
    await expect
      .poll(() => at.guest.got.join(' '), PATIENCE)
      .toBe('ShiftLeft+ KeyA+ KeyA- ShiftLeft- KeyB+ KeyB-');
  });

  needs('chromium').it('are given back to the page by the escape', async () => {
    await using at = await attach();
    await at.page.focus('kvmfr-view');
    await at.page.keyboard.down('ControlLeft');
    await at.page.keyboard.down('AltLeft');
    await at.page.keyboard.up('AltLeft');
    await at.page.keyboard.up('ControlLeft');
    await expect
      .poll(() => at.page.evaluate(() => document.activeElement?.localName), PATIENCE)
      .toBe('body');
    expect(at.guest.holdsAny).toBe(false);
    at.guest.clear();
    await at.page.keyboard.press('KeyA');
    await at.page.focus('kvmfr-view');
    await at.page.keyboard.press('KeyB');
    await expect.poll(() => at.guest.got, PATIENCE).toEqual(['KeyB+', 'KeyB-']);
  });

  needs('chromium').it('stay with the page where the view only looks', async () => {
    await using at = await attach();
    await set(at.page, 'view-only', '');
    const { left, top } = await middleOf(at.page, 20, 30);
    await at.page.mouse.click(left, top);
    await at.page.keyboard.press('KeyA');
    await at.page.evaluate(() =>
      document.querySelector('kvmfr-view')?.removeAttribute('view-only'),
    );
    const below = await middleOf(at.page, 20, 31);
    await at.page.mouse.move(below.left, below.top);
    await expect.poll(() => at.guest.got.at(-1), PATIENCE).toBe('at 20,31');
    expect(at.guest.got.filter((each) => !each.startsWith('at'))).toEqual([]);
  });
});
