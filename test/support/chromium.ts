import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { toolPath } from './machine.ts';

/** Chromium without a display, a GPU, or a word to anybody outside this machine. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a profile of its own, which goes with it. */
export class TestBrowser implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly #profile: string;

  private constructor(context: BrowserContext, profile: string) {
    this.context = context;
    this.#profile = profile;
  }

  /** Starts it. */
  static async start(): Promise<TestBrowser> {
    const executablePath = toolPath('chromium');
    if (executablePath === undefined) throw new Error('chromium is not on this machine');
    const profile = await mkdtemp(join(tmpdir(), 'kvmfr-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      args: FLAGS,
      viewport: { width: 1440, height: 900 },
    });
    return new TestBrowser(context, profile);
  }

  /** Opens an address; what the page complains about is collected. */
  async open(url: string): Promise<ViewPage> {
    const page = await this.context.newPage();
    const view = new ViewPage(page);
    await page.goto(url);
    return view;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }
}

/** What a page shows, read back from its canvas. */
export interface PagePixels {
  readonly widthPx: number;
  readonly heightPx: number;
  /** R, G, B, A. */
  readonly rgba: Buffer;
}

/** A page with the viewer in it. */
export class ViewPage {
  readonly page: Page;
  /** Errors on the console and exceptions, oldest first. */
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  /** Waits until the view is in a state. */
  async inState(state: string): Promise<void> {
    await this.#when('statechange', `view.state === ${JSON.stringify(state)}`);
  }

  /** Waits until a picture of this size has been presented. */
  async hasPicture(size: { readonly widthPx: number; readonly heightPx: number }): Promise<void> {
    const { widthPx, heightPx } = size;
    await this.#when(
      'picture',
      `view.picture?.widthPx === ${widthPx} && view.picture?.heightPx === ${heightPx}`,
    );
  }

  /** Waits for an event of the view after which a condition on `view` holds; it may hold already. */
  async #when(event: string, condition: string): Promise<void> {
    // Not waitForFunction: it evaluates text in the page, which the page's policy forbids.
    await this.page.evaluate(`new Promise((resolve) => {
      const view = document.querySelector('kvmfr-view');
      const look = () => {
        if (!(${condition})) return;
        view.removeEventListener('${event}', look);
        resolve();
      };
      view.addEventListener('${event}', look);
      look();
    })`);
  }

  /** The canvas, read back. */
  async pixels(): Promise<PagePixels> {
    const found: { widthPx: number; heightPx: number; base64: string } = await this.page.evaluate(
      `(async () => {
        const { widthPx, heightPx, rgba } = await document.querySelector('kvmfr-view').readPixels();
        let text = '';
        for (let at = 0; at < rgba.length; at += 32768)
          text += String.fromCharCode(...rgba.subarray(at, at + 32768));
        return { widthPx, heightPx, base64: btoa(text) };
      })()`,
    );
    return {
      widthPx: found.widthPx,
      heightPx: found.heightPx,
      rgba: Buffer.from(found.base64, 'base64'),
    };
  }

  /** Reads the canvas back until it holds what is expected; gives the last reading. */
  async pixelsOnce(matches: (pixels: PagePixels) => boolean): Promise<PagePixels> {
    for (;;) {
      const presented = this.page.evaluate(
        `new Promise((resolve) => document.querySelector('kvmfr-view')
          .addEventListener('presented', () => resolve(), { once: true }))`,
      );
      presented.catch(() => undefined);
      const pixels = await this.pixels();
      if (matches(pixels)) return pixels;
      await presented;
    }
  }
}
