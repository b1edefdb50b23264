import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import { CHROMIUM_FLAGS, chromiumPath } from '../support/chromium.ts';

const READY_MS = 30_000;
const READY = `document.querySelector('kvmfr-view')?.stats?.sound?.behindPictureMs !== undefined`;
/**
 * Notes when what is played is loud, by the time of the audio output: an ear that knows nothing of
 * the pieces and their times.
 */
const EAR = `registerProcessor('ear', class extends AudioWorkletProcessor {
  quietUntil = 0;
  process([[heard] = []]) {
    for (let frame = 0; frame < (heard?.length ?? 0); frame++) {
      if (Math.abs(heard[frame]) < 0.4) continue;
      const at = currentFrame + frame;
      if (at >= this.quietUntil) this.port.postMessage(at / sampleRate);
      this.quietUntil = at + 0.1 * sampleRate;
    }
    return true;
  }
})`;
const LISTEN = `(async () => {
  const view = document.querySelector('kvmfr-view');
  globalThis.heard = { clicks: [], sound: [], outputs: 0 };
  let output;
  const attach = async () => {
    if (view.soundOutput === undefined || view.soundOutput === output) return;
    output = view.soundOutput;
    globalThis.heard.outputs += 1;
    await listenTo(output);
  };
  view.addEventListener('soundchange', attach);
  view.addEventListener('stats', () => globalThis.heard.sound.push(view.stats.sound));
  await attach();
})();
async function listenTo(output) {
  const { context } = output;
  await context.audioWorklet.addModule('data:text/javascript,' + encodeURIComponent(${JSON.stringify(EAR)}));
  const ear = new AudioWorkletNode(context, 'ear', { numberOfOutputs: 0 });
  ear.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    globalThis.heard.clicks.push(
      performance.timeOrigin + performanceTime + (data - contextTime) * 1000,
    );
  };
  output.connect(ear);
}`;

/** Takes away what tells of an output that runs out: the page asks for a steady one then. */
const STEADY = 'delete AudioContext.prototype.playbackStats';

/** What one has heard who listened at a page. */
export interface Heard {
  /** When each click came out. Units: milliseconds since 1970. */
  readonly clicks: readonly number[];
  /** Outputs that were listened to: each but the first took the place of one that ran out too often. */
  readonly outputs: number;
  /** What the page told of its sound, once a second. */
  readonly sound: readonly {
    readonly codec: string;
    readonly latencyMs?: number;
    readonly behindPictureMs?: number;
    readonly bufferMs: number;
    readonly underruns: number;
    readonly skipped: number;
    readonly concealed: number;
  }[];
}

/** One page of a relay in a real browser, whose sound is listened to. */
export class Listener implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  /**
   * Opens the page and does what browsers want to be done before they play; done when it plays.
   *
   * @param steady whether its output is to keep as much in advance as the browser holds to be safe
   */
  static async open(url: string, steady: boolean): Promise<Listener> {
    const executablePath = chromiumPath();
    if (executablePath === undefined)
      throw new Error('this case needs a Chromium in PATH (Debian: apt install chromium)');
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
    try {
      // What listens comes from here, and a page's policy lets nothing in from elsewhere.
      const page = await browser.newPage({
        ...{ viewport: { width: 1280, height: 720 }, bypassCSP: true },
      });
      if (steady) await page.addInitScript(STEADY);
      await page.goto(url);
      await page.mouse.click(640, 360);
      const limit = performance.now() + READY_MS;
      while (!(await page.evaluate(READY))) {
        if (performance.now() > limit)
          throw new Error('the page must play the sound beside the picture, but does not');
        await sleep(50);
      }
      return new Listener(browser, page);
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Listens for so long. */
  async listen(ms: number): Promise<Heard> {
    await this.#page.evaluate(LISTEN);
    await sleep(ms);
    return (await this.#page.evaluate('globalThis.heard')) as Heard;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#browser.close();
  }
}
