import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import type { InputReport } from '../../protocol/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { GuestProcess, temporaryPath } from '../integration/client-guest.ts';
import { RunningCommand } from '../support/command.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, openPage } from '../support/page-browser.ts';

const WIDTH = 320;
const HEIGHT = 200;
const PATIENCE = { timeout: 60_000 };

let browser: Browser;
let folder = '';

/** Whether the page shows a picture and may act on its guest. */
function mayAct(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.input?.keyboard === true && view.picture !== undefined;
  });
}

/** The middle of a pixel of the guest's screen, on the page. */
async function middleOf(page: Page, x: number, y: number): Promise<{ x: number; y: number }> {
  const box = await page.locator('kvmfr-view [part="picture"]').boundingBox();
  if (box === null) throw new Error('the page must show a picture');
  return {
    x: box.x + (box.width * (x + 0.5)) / WIDTH,
    y: box.y + (box.height * (y + 0.5)) / HEIGHT,
  };
}

/**
 * Waits until a report says this. Others may come before it: who is not heard of for half a second
 * loses the input for a moment, and says all that it holds when it has it again.
 */
async function hears(guest: GuestProcess, report: InputReport): Promise<void> {
  for (;;) {
    const heard = (await guest.inputs(report.kind)).at(-1);
    const found: unknown = { ...heard, ...report };
    if (isDeepStrictEqual(found, heard)) return;
  }
}

needs('chromium').describe('a guest that takes input by its region', () => {
  beforeAll(async () => {
    browser = await launchChromium();
    folder = await mkdtemp(join(tmpdir(), 'kvmfr-region-hands-'));
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  needs('chromium').it('gets keys, places and buttons of the page as reports', async () => {
    const path = temporaryPath();
    const guest = await GuestProcess.start(path, { wire: 'dev12', input: true, regionMib: 8 });
    const pixels = new Uint8Array(WIDTH * HEIGHT * 4).fill(120);
    await guest.publish({ pixels, format: 'BGRA', widthPx: WIDTH, heightPx: HEIGHT });
    await using run = new RunningCommand(['view', path, '--listen', '127.0.0.1:0'], {
      XDG_STATE_HOME: folder,
    });
    await using open = await openPage(browser, await run.firstLine());
    const { page, problems } = open;
    await expect.poll(() => mayAct(page), PATIENCE).toBe(true);
    const place = await middleOf(page, 40, 20);
    await page.mouse.move(place.x, place.y);
    // 40.5 / 320 and 20.5 / 200 of 32768.
    await hears(guest, { kind: 'absolute', buttons: 0, x: 4147, y: 3358, wheel: 0 });
    await page.mouse.down({ button: 'right' });
    await hears(guest, { kind: 'relative', buttons: 2, deltaX: 0, deltaY: 0, wheel: 0 });
    await page.mouse.up({ button: 'right' });
    await page.focus('kvmfr-view');
    await page.keyboard.down('ShiftLeft');
    await hears(guest, { kind: 'keyboard', modifiers: 2, keys: [] });
    await page.keyboard.down('KeyQ');
    await page.close();
    await guest.letGo();
    expect(problems).toEqual([]);
  });
});
