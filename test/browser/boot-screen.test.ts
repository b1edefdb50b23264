import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, openPage, readBack } from '../support/page-browser.ts';
import { FakeGuest, SESSION } from '../unit/relay/fake-guest.ts';
import { noisy, Stage } from '../unit/relay/stage.ts';
import type { Screen } from '../unit/tiles/guest.ts';

const PATIENCE = { timeout: 60_000 };

let browser: Browser;

/** Where the page says that its picture comes from, and whether that is exactly a screen. */
async function seen(page: Page, screen: Screen): Promise<string> {
  const source = await page.evaluate(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.picture === undefined ? undefined : (view.source ?? 'nothing');
  });
  if (source === undefined) return 'no picture';
  const { widthPx, heightPx, rgb } = await readBack(page);
  if (widthPx !== screen.widthPx || heightPx !== screen.heightPx) return 'another size';
  return Buffer.compare(rgb, screen.rgb) === 0 ? source : 'other pixels';
}

needs('chromium').describe('the boot screen on the page', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  needs('chromium').it('is named, gives way to the guest, and comes back', async () => {
    const [main, boot] = [new FakeGuest(), new FakeGuest()];
    boot.session = undefined;
    boot.state = { name: 'showing', source: 'spice', message: 'showing a test by SPICE' };
    main.session = undefined;
    main.state = { name: 'waiting', message: 'no Looking Glass host runs in /r' };
    const text = noisy(1, 160, 90);
    const desk = noisy(2, 200, 120);
    boot.current = () => text.frame();
    await using stage = await Stage.open({ source: main, bootScreen: boot });
    await using open = await openPage(browser, `${stage.door.url}?token=secret`);
    const { page } = open;
    const chip = page.locator('#source');
    await expect.poll(() => seen(page, text), PATIENCE).toBe('spice');
    expect(await chip.textContent()).toBe('Boot screen by SPICE');
    expect(await page.title()).toBe('Boot screen by SPICE · kvmfr');
    await page.getByRole('button', { name: 'Guest and picture quality' }).press('Enter');
    expect(await page.locator('#guest').textContent()).toContain(
      'Boot screen by SPICE. No Looking Glass host runs in /r.',
    );
    main.session = SESSION;
    main.current = () => desk.frame();
    main.tell({ name: 'showing', message: 'showing a test' });
    main.publish(desk.frame());
    await expect.poll(() => seen(page, desk), PATIENCE).toBe('lgmp');
    expect(await chip.textContent()).toBe('Screen by Looking Glass');
    expect(await page.title()).toBe('Test OS <b>"& · kvmfr');
    main.tell({ name: 'stale', message: 'the guest does not answer' });
    await expect.poll(() => seen(page, text), PATIENCE).toBe('spice');
    expect(await page.title()).toBe('Boot screen by SPICE · kvmfr');
    expect(open.problems).toEqual([]);
  });

  needs('chromium').it('that is refused says by whom', async () => {
    const boot = new FakeGuest();
    boot.session = undefined;
    boot.state = {
      name: 'denied',
      source: 'spice',
      code: 'ERR_KVMFR_PASSWORD',
      message: 'the SPICE server at s must take the password, but does not',
    };
    await using stage = await Stage.open({ source: boot });
    await using open = await openPage(browser, `${stage.door.url}?token=secret`);
    const panel = open.page.locator('kvmfr-view [part=message]');
    await panel.getByText('The SPICE server wants another password').waitFor(PATIENCE);
    expect(await panel.textContent()).toContain('The SPICE server at s must take the password');
  });
});
