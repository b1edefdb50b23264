import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { CHROMIUM_FLAGS, chromiumPath } from '../support/chromium.ts';

/** What a browser says of itself when the relay is gone for a while. */
const EXPECTED = /WebSocket connection to|ERR_CONNECTION_|ERR_EMPTY_RESPONSE/;

/** One page of the relay in a real browser, which is never loaded anew while it is watched. */
export class SoakBrowser implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly #browser: Browser;
  readonly #url: string;
  #page: Page;
  #session: CDPSession | undefined;

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser;
    this.#page = page;
    this.#url = url;
  }

  /** Starts the machine's Chromium and opens the page. */
  static async open(url: string): Promise<SoakBrowser> {
    const executablePath = chromiumPath();
    if (executablePath === undefined) throw new Error('--browser needs a Chromium in PATH');
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
    const soak = new SoakBrowser(browser, await browser.newPage(), url);
    await soak.#load();
    return soak;
  }

  /** Waits until the canvas holds exactly the picture with this hash. */
  async exact(hash: number): Promise<void> {
    await this.#page.evaluate(`(async () => {
      const view = document.querySelector('kvmfr-view');
      for (;;) {
        const next = new Promise((resolve) => {
          for (const name of ['presented', 'picture', 'statechange'])
            view.addEventListener(name, resolve, { once: true });
          setTimeout(resolve, 250);
        });
        const read = await view.readPixels().catch(() => undefined);
        if (read !== undefined) {
          const rgb = new Uint8Array((read.rgba.length / 4) * 3);
          for (let from = 0, to = 0; from < read.rgba.length; from += 4, to += 3)
            rgb.set(read.rgba.subarray(from, from + 3), to);
          const digest = new DataView(await crypto.subtle.digest('SHA-256', rgb));
          if (digest.getUint32(0) * 65536 + digest.getUint16(4) === ${hash}) return;
        }
        await next;
      }
    })()`);
  }

  /** What its view says of itself, and how what it shows is other than R, G, B of a picture; for a person. */
  async facts(rgb: Uint8Array): Promise<string> {
    const base64 = Buffer.from(rgb).toString('base64');
    return await this.#page.evaluate(
      `(async () => {
      const view = document.querySelector('kvmfr-view');
      const { state, stats } = view;
      const { rgba, widthPx, heightPx } = await view.readPixels();
      const wanted = Uint8Array.from(atob('${base64}'), (char) => char.charCodeAt(0));
      const tiles = new Map();
      for (let at = 0; at < widthPx * heightPx; at++) {
        let by = 0;
        for (let sample = 0; sample < 3; sample++)
          by = Math.max(by, Math.abs(rgba[at * 4 + sample] - wanted[at * 3 + sample]));
        if (by === 0) continue;
        const column = Math.floor((at % widthPx) / 64);
        const tile = column + Math.ceil(widthPx / 64) * Math.floor(at / widthPx / 64);
        const told = tiles.get(tile) ?? { pixels: 0, most: 0 };
        tiles.set(tile, { pixels: told.pixels + 1, most: Math.max(told.most, by) });
      }
      const other = [...tiles].map(([tile, { pixels, most }]) => tile + ': ' + pixels + ' by ' + most);
      return JSON.stringify({ state, stats, widthPx, heightPx, tilesOther: tiles.size, other });
    })()`,
    );
  }

  /** How many updates the page has presented, and how many were loaded: 1 as long as all is well. */
  async shown(): Promise<number> {
    return await this.#page.evaluate('window.presentedCount');
  }

  /** The tab sleeps, and wakes up. */
  async nap(ms: number): Promise<void> {
    this.#session ??= await this.#page.context().newCDPSession(this.#page);
    await this.#session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await sleep(ms);
    await this.#session.send('Page.setWebLifecycleState', { state: 'active' });
  }

  /** Leaves the page. */
  async leave(): Promise<void> {
    await this.#session?.detach();
    this.#session = undefined;
    await this.#page.close();
  }

  /** Comes back in a new tab. */
  async enter(): Promise<void> {
    this.#page = await this.#browser.newPage();
    await this.#load();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }

  async #load(): Promise<void> {
    this.#page.on('console', (message) => {
      if (message.type() === 'error' && !EXPECTED.test(message.text()))
        this.problems.push(message.text());
    });
    this.#page.on('pageerror', (error) => this.problems.push(`exception: ${error.message}`));
    this.#page.on('crash', () => this.problems.push('the page has crashed'));
    await this.#page.goto(this.#url);
    await this.#page.evaluate(`
      window.presentedCount = 0;
      document.querySelector('kvmfr-view')
        .addEventListener('presented', () => { window.presentedCount += 1; });
    `);
  }
}
