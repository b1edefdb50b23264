import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeInputWish, encodeSound, encodeSoundState } from '../../protocol/wire/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, type OpenPage, openPage } from '../support/page-browser.ts';
import { PageServer } from '../support/page-server.ts';
import { heard, soundOf } from '../support/page-sound.ts';
import { helloBytes } from '../support/page-wire.ts';
import { WrittenInput } from '../support/written-input.ts';
import { frequencyOf, WrittenMicrophone, WrittenSound } from '../support/written-sound.ts';
import { closeStages, Stage } from '../unit/relay/stage.ts';

const TONE_HZ = 1000;
const PIECE = 960;
const PIECE_MS = 20;
const SOUND_WISH = 0x88;
const PATIENCE = { timeout: 60_000 };

let browser: Browser;

/** A guest that plays a tone as fast as time passes, until it is stopped. */
class Tone implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #playedMs = 0;

  constructor(sound: WrittenSound, hz: number = TONE_HZ) {
    const beganMs = performance.now();
    this.#timer = setInterval(() => {
      // After a standstill it goes on from now, as sound devices do.
      const nowMs = performance.now() - beganMs;
      if (nowMs - this.#playedMs > 200) this.#playedMs = nowMs - PIECE_MS;
      for (; this.#playedMs + PIECE_MS <= nowMs; this.#playedMs += PIECE_MS)
        sound.playTone(hz, PIECE);
    }, 5);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function open(stage: Stage): Promise<OpenPage> {
  const opened = await openPage(browser, `${stage.door.url}?token=secret`);
  await expect.poll(() => soundOf(opened.page), PATIENCE).not.toBe('none');
  return opened;
}

/** Has a page say on its console how its sound stands. */
function tellSound(): void {
  const tell = ({ target }: Event): void => {
    if (target instanceof HTMLElement && target.localName === 'kvmfr-view')
      console.debug(`sound: ${document.querySelector('kvmfr-view')?.sound.state}`);
  };
  window.addEventListener('soundchange', tell, true);
}

/** Has the audio output of a page run out at each look, once a test says so. */
function runOut(): void {
  let underrunEvents = 0;
  Object.defineProperty(AudioContext.prototype, 'playbackStats', {
    get: () => {
      if (Reflect.get(window, 'outputRunsOut') === true) underrunEvents += 1;
      return { underrunEvents };
    },
  });
}

needs('chromium').describe('sound in Chromium', () => {
  beforeAll(async () => {
    browser = await launchChromium([
      ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    ]);
  });

  afterAll(() => browser?.close());
  afterEach(closeStages);

  describe('the sound of the guest on a page', () => {
    it('is heard after the first gesture, at its frequency and loudness', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound, input: new WrittenInput() });
      using _tone = new Tone(sound);
      // Who asks a page by its driver has done something on it: so the page tells by itself.
      let told: Promise<unknown> | undefined;
      await using opened = await openPage(browser, `${stage.door.url}?token=secret`, {
        before: async (page) => {
          await page.addInitScript(tellSound);
          told = page.waitForEvent('console', {
            predicate: (message) => message.text() === 'sound: blocked',
            ...PATIENCE,
          });
        },
      });
      const { page, problems } = opened;
      await told;
      expect(sound.listeners).toBe(0);
      await page.mouse.click(400, 300);
      await expect.poll(() => soundOf(page), PATIENCE).toBe('on');
      await expect
        .poll(async () => {
          const { hz, level } = await heard(page);
          return Math.abs(hz - TONE_HZ) < 12 && level > 0.2 && level < 0.3;
        }, PATIENCE)
        .toBe(true);
      const stats = () => page.evaluate(() => document.querySelector('kvmfr-view')?.stats?.sound);
      await expect.poll(async () => (await stats())?.latencyMs !== undefined, PATIENCE).toBe(true);
      // Until the encoder has started samples come as they are.
      await expect.poll(async () => (await stats())?.codec, PATIENCE).toBe('opus');
      expect(problems).toEqual([]);
    });

    it('goes on by a steadier output where the least in advance is too little', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound });
      using _tone = new Tone(sound);
      await using opened = await openPage(browser, `${stage.door.url}?token=secret`, {
        before: (page) => page.addInitScript(runOut),
      });
      const { page, problems } = opened;
      const baseS = () =>
        page.evaluate(() => {
          const context = document.querySelector('kvmfr-view')?.soundOutput?.context;
          return context instanceof AudioContext ? context.baseLatency : 0;
        });
      await expect.poll(() => soundOf(page), PATIENCE).not.toBe('none');
      await page.mouse.click(400, 300);
      await expect.poll(baseS, PATIENCE).toBeGreaterThan(0);
      const leastS = await baseS();
      await page.evaluate(() => Reflect.set(window, 'outputRunsOut', true));
      await expect.poll(baseS, PATIENCE).toBeGreaterThan(leastS);
      await expect
        .poll(async () => {
          const { hz, level } = await heard(page);
          return Math.abs(hz - TONE_HZ) < 12 && level > 0.2 && level < 0.3;
        }, PATIENCE)
        .toBe(true);
      expect([await soundOf(page), sound.listeners]).toEqual(['on', 1]);
      expect(problems).toEqual([]);
    });

    it('is said to be muted in the guest where it is', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound });
      await using opened = await open(stage);
      const button = opened.page.getByRole('button', { name: 'Sound', exact: true });
      const note = opened.page.locator('#sound-note');
      await button.press('Enter');
      await expect.poll(() => note.textContent(), PATIENCE).toBe('');
      sound.set(0);
      await expect.poll(() => note.textContent(), PATIENCE).toContain('The guest has muted');
      expect(await button.getAttribute('title')).toBe('Sound: muted in the guest');
      expect(await button.getAttribute('data-quiet')).toBe('true');
      sound.set(0.4);
      await expect.poll(() => note.textContent(), PATIENCE).toBe('');
      expect(await button.getAttribute('data-quiet')).toBe('false');
    });

    it('loses nothing on the page', async () => {
      await using server = await PageServer.start();
      await using opened = await openPage(browser, server.url);
      const viewer = await server.viewer();
      viewer.send(
        helloBytes({}),
        encodeSoundState({
          ...{ available: true, codec: 'opus', microphone: 'none', recording: false },
          guestVolume: 1,
        }),
      );
      await expect.poll(() => soundOf(opened.page), PATIENCE).not.toBe('none');
      await opened.page.mouse.click(400, 300);
      await viewer.said(SOUND_WISH);
      // 800 ms of silence, and a piece that is ten further on, so that there is an end to see.
      const sequences = [...Array.from({ length: 40 }, (_, sequence) => sequence), 50];
      for (const sequence of sequences)
        viewer.send(
          encodeSound({
            ...{
              stream: 1,
              sequence,
              atMs: 20 * sequence,
              frames: PIECE,
              codec: 'opus',
              last: false,
            },
            data: Uint8Array.of(0xfc, 0xff, 0xfe),
          }),
        );
      const concealed = () =>
        opened.page.evaluate(() => document.querySelector('kvmfr-view')?.stats?.sound?.concealed);
      await expect.poll(concealed, PATIENCE).toBeGreaterThanOrEqual(10);
      expect(await concealed()).toBe(10);
    });

    it('is not even sent while the page is muted', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound });
      using _tone = new Tone(sound);
      await using opened = await open(stage);
      const { page } = opened;
      await page.mouse.click(400, 300);
      await expect.poll(() => sound.listeners, PATIENCE).toBe(1);
      await page.evaluate(() => {
        const view = document.querySelector('kvmfr-view');
        if (view !== null) view.muted = true;
      });
      await expect.poll(() => sound.listeners, PATIENCE).toBe(0);
      expect(await soundOf(page)).toBe('muted');
      await page.evaluate(() => {
        const view = document.querySelector('kvmfr-view');
        if (view !== null) view.muted = false;
      });
      await expect.poll(async () => (await heard(page)).level > 0.2, PATIENCE).toBe(true);
    });

    it('is silent when the guest stops, and comes back with it', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound });
      await using opened = await open(stage);
      const { page } = opened;
      await page.mouse.click(400, 300);
      await expect.poll(() => sound.listeners, PATIENCE).toBe(1);
      for (const hz of [TONE_HZ, 2000]) {
        {
          using _tone = new Tone(sound, hz);
          await expect
            .poll(async () => Math.abs((await heard(page)).hz - hz) < 12, PATIENCE)
            .toBe(true);
        }
        sound.stop();
        await expect.poll(async () => (await heard(page)).level, PATIENCE).toBeLessThan(0.001);
      }
    });

    it('is set on the toolbar, and the choice is remembered', async () => {
      const sound = new WrittenSound();
      const stage = await Stage.open({ sound });
      using _tone = new Tone(sound);
      await using opened = await open(stage);
      const { page, problems } = opened;
      await page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      await expect.poll(() => sound.listeners, PATIENCE).toBe(1);
      await page.getByRole('slider', { name: 'Volume' }).fill('0.5');
      await expect
        .poll(async () => {
          const { level } = await heard(page);
          return level > 0.1 && level < 0.15;
        }, PATIENCE)
        .toBe(true);
      await page.getByRole('button', { name: 'Mute' }).click();
      await expect.poll(() => soundOf(page), PATIENCE).toBe('muted');
      await page.reload();
      await expect.poll(() => soundOf(page), PATIENCE).toBe('muted');
      expect(await page.evaluate(() => document.querySelector('kvmfr-view')?.volume)).toBe(0.5);
      await page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      await page.getByRole('button', { name: 'Unmute' }).click();
      await expect.poll(() => soundOf(page), PATIENCE).toBe('on');
      expect(problems).toEqual([]);
    });

    it('that cannot be heard says why', async () => {
      const sound = new WrittenSound();
      sound.ability = { available: false, reason: 'there is no sound device' };
      const stage = await Stage.open({ sound });
      await using opened = await open(stage);
      const told = await opened.page.evaluate(() => document.querySelector('kvmfr-view')?.sound);
      expect(told).toMatchObject({ state: 'unavailable', reason: 'there is no sound device' });
      await opened.page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      expect(await opened.page.locator('#sound-note').textContent()).toBe(
        'There is no sound device.',
      );
    });
  });

  describe('a microphone on a page', () => {
    it('is heard in the guest while its page has the input, and is seen', async () => {
      const microphone = new WrittenMicrophone();
      const input = new WrittenInput();
      const stage = await Stage.open({ input, microphone, sound: new WrittenSound() });
      await using opened = await open(stage);
      const { page, problems } = opened;
      const state = () =>
        page.evaluate(() => document.querySelector('kvmfr-view')?.sound.microphone);
      expect(await state()).toBe('off');
      await page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      await page.getByRole('button', { name: 'Speak to the guest' }).click();
      await expect.poll(state, PATIENCE).toBe('on');
      // The browser's false microphone beeps about once a second.
      const isBeep = (piece: Int16Array): boolean =>
        piece.some((sample) => Math.abs(sample) > 500) && frequencyOf(piece) > 100;
      await expect.poll(() => microphone.heard.some(isBeep), PATIENCE).toBe(true);
      await page.keyboard.press('Escape');
      expect(await page.locator('#heard').isVisible()).toBe(true);
      await page.getByRole('button', { name: 'Turn it off' }).click();
      await expect.poll(state, PATIENCE).toBe('off');
      expect(await page.locator('#heard').isVisible()).toBe(false);
      expect(problems).toEqual([]);
    });

    it('that is refused says why, and is not listened to', async () => {
      const microphone = new WrittenMicrophone();
      const stage = await Stage.open({ input: new WrittenInput(), microphone });
      const other = stage.join();
      await other.until(() => other.inputs.length > 0);
      other.send(encodeInputWish('take'));
      await other.until(() => other.inputs.at(-1)?.holder === 'you');
      await using opened = await open(stage);
      const { page } = opened;
      await page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      const button = page.getByRole('button', { name: 'Speak to the guest' });
      await button.press('Enter');
      const note = page.locator('#microphone-note');
      await expect
        .poll(() => note.textContent(), PATIENCE)
        .toBe('Only who has keyboard and mouse is heard.');
      await expect.poll(() => button.isVisible(), PATIENCE).toBe(true);
      expect(microphone.heard).toEqual([]);
    });

    it('goes off when the page loses the input', async () => {
      const microphone = new WrittenMicrophone();
      const stage = await Stage.open({ input: new WrittenInput(), microphone });
      await using opened = await open(stage);
      const { page } = opened;
      const state = () =>
        page.evaluate(() => document.querySelector('kvmfr-view')?.sound.microphone);
      await page.mouse.click(400, 300);
      await page.evaluate(async () => {
        const view = document.querySelector('kvmfr-view');
        view?.takeInput();
        await view?.startMicrophone();
      });
      await expect.poll(state, PATIENCE).toBe('on');
      await page.evaluate(() => document.querySelector('kvmfr-view')?.giveInput());
      await expect.poll(state, PATIENCE).toBe('off');
    });
  });
});
