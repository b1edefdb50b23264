import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { createViewer, type Listening, listen, type Viewer } from '../../viewer/relay/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, openPage } from '../support/page-browser.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { FakeGuest } from '../unit/relay/fake-guest.ts';

// What browsers really send with a form, and what they really do with its policy and its cookie.

const PASSWORD = 'correct horse & battery';

interface Served {
  readonly relay: Viewer;
  readonly door: Listening;
}

needs('chromium').describe('signing in with a browser', () => {
  const it = needs('chromium').it;
  const served: Served[] = [];
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
  });

  afterEach(async () => {
    for (const { relay, door } of served.splice(0)) {
      await relay.close();
      await door.close();
    }
  });

  async function open(tls: boolean): Promise<Served> {
    const relay = createViewer({ source: new FakeGuest(), password: PASSWORD, idleGraceMs: 0 });
    const keys = tls ? { tls: { cert: CERT, key: KEY } } : {};
    const door = await listen(relay, { host: '127.0.0.1', port: 0, ...keys });
    served.push({ relay, door });
    return { relay, door };
  }

  for (const tls of [false, true])
    it(`works without JavaScript, over ${tls ? 'https' : 'http'}, and signs out again`, async () => {
      const { door } = await open(tls);
      const options = { javaScriptEnabled: false, ignoreHTTPSErrors: true };
      await using opened = await openPage(browser, door.url, options);
      const { page, problems } = opened;
      expect(await page.title()).toBe('Sign in – kvmfr');
      const field = page.getByLabel('Password');
      expect(await field.evaluate((input) => input === document.activeElement)).toBe(true);
      await field.fill('wrong horse');
      await page.getByRole('button', { name: 'Sign in' }).click();
      expect(await page.getByRole('alert').textContent()).toBe('That is not the password.');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.keyboard.press('Enter');
      await page.waitForURL(door.url);
      expect(await page.locator('kvmfr-view').count()).toBe(1);
      const [cookie] = await page.context().cookies();
      expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', secure: tls, path: '/' });
      await page.goto(`${door.url}sign-out`);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.waitForURL(door.url);
      expect(await page.title()).toBe('Sign in – kvmfr');
      // The status of a wrong password, and of a form that is asked for, is told by the console as well.
      expect(problems.filter((problem) => !/status of 401/.test(problem))).toEqual([]);
    });

  it('then shows the page, whose socket comes by the cookie, until it is signed out', async () => {
    const { relay, door } = await open(false);
    await using opened = await openPage(browser, door.url);
    const { page } = opened;
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => document.querySelector('kvmfr-view')?.getAttribute('data-state') === 'showing',
    );
    expect(relay.viewers).toHaveLength(1);
    const other = await page.context().newPage();
    await other.goto(`${door.url}sign-out`);
    await other.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForFunction(
      () => document.querySelector('kvmfr-view')?.getAttribute('data-state') !== 'showing',
    );
    await other.goto(door.url);
    expect(await other.title()).toBe('Sign in – kvmfr');
  });

  it('is not possible from a form on a foreign page', async () => {
    const { door } = await open(false);
    await using opened = await openPage(browser, 'about:blank');
    const { page } = opened;
    await page.setContent(
      `<form method="post" action="${door.url}sign-in"><input name="password" value="${PASSWORD.replace('&', '&amp;')}"><button>Go</button></form>`,
    );
    const answer = page.waitForResponse(/sign-in$/);
    await page.getByRole('button').click();
    expect((await answer).status()).toBe(403);
    expect(await page.context().cookies()).toEqual([]);
  });
});
