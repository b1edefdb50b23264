import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttachedPage,
  type AttachOptions,
  attachPage,
  part,
  setAttribute as set,
  show,
  shows,
} from '../support/attached-page.ts';
import { needs } from '../support/machine.ts';
import {
  launchChromium,
  noisePicture,
  openPage,
  pixelsOff,
  readBack,
  screenshotOf,
} from '../support/page-browser.ts';
import { DIST_FOLDER, PageServer } from '../support/page-server.ts';
import { byeBytes, helloBytes, stateBytes, tilesBytes } from '../support/page-wire.ts';

// Not a multiple of the tile in either direction.
const NOISE = noisePicture(300, 200);
const VIEW = 0x83;

let browser: Browser;

function attach(options: AttachOptions = {}): Promise<AttachedPage> {
  return attachPage(browser, options, [helloBytes()]);
}

function hasState(page: Page, state: string) {
  return page.waitForFunction(
    (name) => document.querySelector('kvmfr-view')?.state === name,
    state,
  );
}

needs('chromium').describe('the page in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  describe('states', () => {
    it.each([
      ['waiting', 'Waiting for the guest'],
      ['stale', 'The guest has stopped answering'],
      ['incompatible', 'The versions do not match'],
      ['too-small', 'The shared memory is too small'],
      ['denied', 'No permission to read the shared memory'],
      ['failed', 'Something went wrong'],
    ])('%s says what is the matter and what to do', async (state, title) => {
      await using at = await attach();
      at.viewer.send(stateBytes(state, { message: 'What is.', hint: 'What to do.', code: 'CODE' }));
      const message = part(at.page, 'message');
      await message.waitFor();
      await expect.poll(() => message.getByRole('heading').textContent()).toBe(title);
      expect(await message.getByText('What is.').isVisible()).toBe(true);
      expect(await message.getByText('What to do.').isVisible()).toBe(true);
      expect(await part(at.page, 'screen').isVisible()).toBe(false);
      expect(at.problems).toEqual([]);
    });

    it('stale keeps the last picture, marks it and says since when', async () => {
      await using at = await attach();
      await set(at.page, 'scale', '1:1');
      await show(at.viewer, NOISE);
      at.viewer.send(stateBytes('stale', { message: 'The heartbeat has stopped.' }));
      const banner = part(at.page, 'banner');
      await banner.waitFor();
      await expect.poll(() => banner.textContent()).toContain('The heartbeat has stopped.');
      expect(await banner.textContent()).toMatch(/Last picture from .*\d/);
      expect(await part(at.page, 'screen').isVisible()).toBe(true);
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      // It grows pale by and by.
      await expect
        .poll(async () => pixelsOff(await screenshotOf(at.page), NOISE))
        .toBeGreaterThan(50_000);
      at.viewer.send(stateBytes('showing'));
      await banner.waitFor({ state: 'hidden' });
      await shows(at.page, NOISE);
    });

    it('the first picture is announced while it is on its way', async () => {
      await using at = await attach();
      at.viewer.send(stateBytes('showing'));
      await part(at.page, 'message').getByText('Receiving the picture').waitFor();
    });

    it('text of the guest is shown as text', async () => {
      await using at = await attach();
      const hostile = '<img src=x onerror="document.title=1"><b>bold</b>`<i>x</i>`';
      const session = {
        release: hostile,
        lgmpVersion: 6,
        kvmfrVersion: 20,
        hostVersion: hostile,
        os: hostile,
        capture: hostile,
        cpu: hostile,
      };
      at.viewer.send(
        stateBytes('denied', { message: hostile, hint: hostile, code: hostile, session }),
      );
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('<b>bold</b>');
      expect(await message.locator('img, b, i').count()).toBe(0);
      await at.page.click('#details');
      expect(await at.page.locator('#guest').textContent()).toContain(hostile);
      expect(await at.page.locator('#guest img, #guest b, #guest i').count()).toBe(0);
      expect(await at.page.title()).toBe(`${hostile} · kvmfr`);
      expect(at.problems).toEqual([]);
    });
  });

  describe('the connection', () => {
    it('comes back by itself when the relay does, without a reload', async () => {
      await using at = await attach();
      const { server, page } = at;
      const { port } = server;
      await show(at.viewer, NOISE);
      await page.evaluate(() => Reflect.set(globalThis, 'sameDocument', true));
      await server.stop();
      await hasState(page, 'disconnected');
      await part(page, 'banner').getByText('Connection lost, reconnecting').waitFor();
      expect(await part(page, 'screen').isVisible()).toBe(true);
      await using again = await PageServer.start({ port });
      const viewer = await again.viewer();
      const next = noisePicture(300, 200, 8);
      viewer.send(helloBytes());
      await show(viewer, next);
      await hasState(page, 'showing');
      expect(pixelsOff(await readBack(page), next)).toBe(0);
      expect(await page.evaluate(() => Reflect.get(globalThis, 'sameDocument'))).toBe(true);
    });

    it('asks for the token when the relay refuses without it', async () => {
      await using at = await attach();
      at.server.locked = true;
      at.viewer.cut();
      await hasState(at.page, 'unauthorized');
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('This address needs its token');
      expect(await message.textContent()).toContain('Open the URL that kvmfr view printed');
      at.server.locked = false;
      // The network is back: no reason to wait for the next attempt.
      await at.page.evaluate(() => window.dispatchEvent(new Event('online')));
      const viewer = await at.server.viewer();
      viewer.send(helloBytes(), stateBytes('waiting'));
      await hasState(at.page, 'waiting');
    });

    it('ends with the reason and a button when the relay says goodbye for good', async () => {
      await using at = await attach();
      at.viewer.send(
        byeBytes({ code: 'ERR_KVMFR_BUSY', message: 'Too many viewers.', retry: false }),
      );
      const message = part(at.page, 'message');
      await message.getByText('Too many viewers.').waitFor();
      await at.viewer.closed;
      await message.getByRole('button', { name: 'Connect again' }).click();
      const viewer = await at.server.viewer();
      viewer.send(helloBytes(), stateBytes('waiting'));
      await hasState(at.page, 'waiting');
    });

    it('ends when the relay breaks the rules, and says so', async () => {
      await using at = await attach();
      at.viewer.send(Uint8Array.of(0x04, 1, 0, 0));
      expect(await at.viewer.closed).toEqual({ code: 4002, reason: 'ERR_KVMFR_WIRE' });
      await hasState(at.page, 'failed');
      await part(at.page, 'message').getByRole('button', { name: 'Reload the page' }).waitFor();
    });

    it('names its subprotocol, sends its cookies and tells what it can decode', async () => {
      await using at = await attach({
        before: async (page) => {
          const url = 'http://127.0.0.1/';
          await page
            .context()
            .addCookies([{ name: 'kvmfr', value: 'secret', url, sameSite: 'Strict' }]);
        },
      });
      const { headers, url } = at.viewer.request;
      expect(headers['sec-websocket-protocol']).toBe('kvmfr.1');
      expect(headers.cookie).toBe('kvmfr=secret');
      expect(url).toBe('/ws');
      expect(await at.viewer.saidJson(0x81)).toEqual({
        wire: 1,
        encodings: ['lossless', 'video', 'jpeg'],
        codecs: expect.arrayContaining(['vp8']),
        tileCodings: ['ops'],
        moves: true,
        videoRegions: true,
        visible: true,
      });
    });

    it('tells when the page is hidden, and gives credit back meanwhile', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const turn = (state: string) =>
        at.page.evaluate((value) => {
          Object.defineProperty(document, 'visibilityState', { value, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }, state);
      await turn('hidden');
      const told = at.viewer.saidJson(VIEW, (text) => text.includes('visible'));
      expect(await told).toEqual({ visible: false });
      at.viewer.send(tilesBytes({ epoch: 1, serial: 2 }, NOISE, { coding: 'raw', tiles: [3] }));
      await at.viewer.acknowledged(2);
      await turn('visible');
      await at.viewer.saidJson(VIEW, (text) => text.includes('true'));
    });
  });

  describe('the toolbar', () => {
    it('is reached and used by keyboard, and comes back into sight for it', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.waitForSelector('html.idle', { state: 'attached' });
      const bar = at.page.getByRole('toolbar', { name: 'Viewer' });
      await expect.poll(() => bar.evaluate((box) => getComputedStyle(box).opacity)).toBe('0');
      await at.page.keyboard.press('Tab');
      await expect.poll(() => bar.evaluate((box) => getComputedStyle(box).opacity)).toBe('1');
      const names: string[] = [];
      for (let step = 0; step < 8; step++) {
        names.push(
          await at.page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? ''),
        );
        await at.page.keyboard.press('ArrowRight');
      }
      expect(names).toEqual([
        'Fit to the window',
        'One to one: a pixel for each pixel',
        'Fill the window',
        'Rotate the view by a quarter turn',
        'Save a snapshot as PNG',
        'Statistics',
        'Guest and picture quality',
        'Full screen',
      ]);
      await at.page.keyboard.press('ArrowRight');
      await at.page.keyboard.press('Enter');
      await expect
        .poll(() => at.page.evaluate(() => document.querySelector('kvmfr-view')?.scale))
        .toBe('1:1');
      expect(
        await at.page.getByRole('button', { name: 'One to one' }).getAttribute('aria-pressed'),
      ).toBe('true');
      expect(at.problems).toEqual([]);
    });

    it('opens particulars of the guest and the choice of encoding, and closes them by Escape', async () => {
      await using at = await attach();
      const session = {
        release: 'B7',
        lgmpVersion: 6,
        kvmfrVersion: 20,
        hostVersion: 'B7-1-g0',
        os: 'Windows 11',
      };
      at.viewer.send(stateBytes('showing', { session }));
      await show(at.viewer, NOISE);
      const details = at.page.getByRole('button', { name: 'Guest and picture quality' });
      await details.press('Enter');
      const sheet = at.page.locator('#sheet');
      await expect
        .poll(() => sheet.locator('dl').textContent(), { timeout: 60_000 })
        .toMatch(/Windows 11.*B7-1-g0.*LGMP 6, KVMFR 20.*300 × 200/s);
      await sheet.getByRole('radio', { name: /^Lossless/ }).check();
      const asked = at.viewer.saidJson(VIEW, (text) => text.includes('encoding'));
      expect(await asked).toEqual({ encoding: 'lossless' });
      await at.page.keyboard.press('Escape');
      expect(await sheet.isVisible()).toBe(false);
      expect(await details.evaluate((button) => button === document.activeElement)).toBe(true);
    });

    it('shows statistics on request, and remembers it', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.getByRole('button', { name: 'Statistics' }).press('Enter');
      const panel = at.page.locator('#stats');
      await panel.waitFor();
      await expect
        .poll(() => panel.locator('.line').textContent(), { timeout: 60_000 })
        .toMatch(/^\d+ fps .* Mbit\/s .* 300 × 200$/);
      await at.page.reload();
      const viewer = await at.server.viewer();
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      await panel.waitFor();
    });

    it('offers what both sides can, and says why it does not offer the rest', async () => {
      await using at = await attach();
      at.viewer.send(stateBytes('showing'));
      await at.page.getByRole('button', { name: 'Guest and picture quality' }).press('Enter');
      const video = at.page.getByRole('radio', { name: /^Video/ });
      await expect.poll(() => video.isDisabled(), { timeout: 60_000 }).toBe(true);
      const label = at.page.locator('#sheet label', { has: video });
      expect(await label.textContent()).toContain('The relay does not offer it.');
      expect(await at.page.getByRole('radio', { name: /^JPEG/ }).isDisabled()).toBe(false);
    });

    it('goes to full screen and back', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      const button = at.page.getByRole('button', { name: 'Full screen' });
      await button.click();
      await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
      await button.click();
      await expect.poll(() => button.getAttribute('aria-pressed')).toBe('false');
    });
  });

  describe('the element in a page of somebody else', () => {
    const EMBED = {
      '/embed.html':
        '<!doctype html><link rel="stylesheet" href="/embed.css"><script type="module" src="/embed.js"></script><kvmfr-view token="a b" scale="1:1"></kvmfr-view>',
      '/embed.css': 'kvmfr-view { width: 500px; height: 400px; }',
      '/embed.js': "import { defineKvmfrView } from '/viewer/web/index.js';\ndefineKvmfrView();",
    };

    it('works from the compiled package without a bundler, under the same strict policy', async () => {
      await using server = await PageServer.start({ folder: DIST_FOLDER, pages: EMBED });
      await using open = await openPage(browser, `${server.url}embed.html`, {
        before: (page) =>
          page.addInitScript(() => {
            const seen: string[] = [];
            Reflect.set(globalThis, 'seen', seen);
            addEventListener('DOMContentLoaded', () => {
              const view = document.querySelector('kvmfr-view');
              for (const type of ['statechange', 'picture', 'presented', 'stats', 'error'])
                view?.addEventListener(type, () => seen.push(type));
            });
          }),
      });
      const viewer = await server.viewer();
      expect(viewer.request.url).toBe('/ws?token=a+b');
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      expect(pixelsOff(await readBack(open.page), NOISE)).toBe(0);
      const seen = () => open.page.evaluate(() => Reflect.get(globalThis, 'seen'));
      await expect
        .poll(seen)
        .toEqual(expect.arrayContaining(['statechange', 'picture', 'presented']));
      await open.page.evaluate(() => document.querySelector('kvmfr-view')?.disconnect());
      await viewer.closed;
      await hasState(open.page, 'disconnected');
    });

    it('does without its worker when that cannot be loaded', async () => {
      const broken = { '/viewer/web/worker/main.js': "throw new Error('not here');" };
      await using server = await PageServer.start({
        folder: DIST_FOLDER,
        pages: { ...EMBED, ...broken },
      });
      await using open = await openPage(browser, `${server.url}embed.html`);
      const viewer = await server.viewer();
      viewer.send(helloBytes());
      await show(viewer, NOISE);
      expect(pixelsOff(await readBack(open.page), NOISE)).toBe(0);
      await shows(open.page, NOISE);
    });

    it('keeps its connection when it is moved, and ends it when it is removed', async () => {
      await using at = await attach();
      await show(at.viewer, NOISE);
      await at.page.evaluate(() => {
        const view = document.querySelector('kvmfr-view');
        const home = document.createElement('div');
        document.body.append(home);
        if (view !== null) home.append(view);
      });
      expect(pixelsOff(await readBack(at.page), NOISE)).toBe(0);
      await at.page.evaluate(() => document.querySelector('kvmfr-view')?.remove());
      await at.viewer.closed;
      expect(at.problems).toEqual([]);
    });

    it('refuses an address that is none, in words', async () => {
      await using at = await attach();
      await set(at.page, 'src', 'ftp://relay/ws');
      await at.viewer.closed;
      const message = part(at.page, 'message');
      await expect.poll(() => message.textContent()).toContain('but is ftp://relay/ws');
    });
  });
});
