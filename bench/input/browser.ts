import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { CHROMIUM_FLAGS, chromiumPath } from '../support/chromium.ts';

const READY_MS = 30_000;
const READY = `(() => {
  const view = document.querySelector('kvmfr-view');
  return view?.picture !== undefined && view.input?.absolute === true;
})()`;

/** One page of a relay in a real browser, whose keyboard and mouse are moved as by a person. */
export class InputBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #session: CDPSession;

  private constructor(browser: Browser, page: Page, session: CDPSession) {
    this.#browser = browser;
    this.#page = page;
    this.#session = session;
  }

  /** Starts the machine's Chromium and opens the page; done when what is pressed there goes to the guest. */
  static async open(url: string): Promise<InputBrowser> {
    const executablePath = chromiumPath();
    if (executablePath === undefined)
      throw new Error('this case needs a Chromium in PATH (Debian: apt install chromium)');
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
      await page.goto(url);
      const limit = performance.now() + READY_MS;
      while (!(await page.evaluate(READY))) {
        if (performance.now() > limit)
          throw new Error('the page must show a picture and have the input, but does not');
        await sleep(50);
      }
      await page.focus('kvmfr-view');
      return new InputBrowser(browser, page, await page.context().newCDPSession(page));
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Has the page work something out. */
  async evaluate(expression: string): Promise<unknown> {
    return await this.#page.evaluate(expression);
  }

  /** Presses a key, or lets it go; settled when the page has had it. */
  async key(code: string, down: boolean): Promise<void> {
    await this.#session.send('Input.dispatchKeyEvent', {
      type: down ? 'rawKeyDown' : 'keyUp',
      code,
      windowsVirtualKeyCode: 65,
    });
  }

  /** Moves the mouse; settled when the page has had it. */
  async move(x: number, y: number): Promise<void> {
    await this.#session.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#browser.close();
  }
}
