import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import { launchChromium, noisePicture, openPage } from '../support/page-browser.ts';
import { PageServer } from '../support/page-server.ts';
import {
  helloBytes,
  inputStateBytes,
  pictureBytes,
  stateBytes,
  tilesBytes,
} from '../support/page-wire.ts';
import { WrittenInput } from '../support/written-input.ts';
import { noisy, Stage } from '../unit/relay/stage.ts';

const PATIENCE = { timeout: 60_000 };
const INPUT_WISH = 0xc1;
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };

let browser: Browser;

type PageOptions = BrowserContextOptions & {
  readonly before?: (page: Page) => Promise<unknown>;
};

/** A relay whose guest writes down what it is told, and the page on it. */
async function attach(options: PageOptions = {}) {
  const guest = new WrittenInput();
  const stage = await Stage.open({ input: guest });
  const open = await openPage(browser, `${stage.door.url}?token=secret`, options);
  await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
  await stage.show(noisy(1, 320, 200));
  await isReady(open.page);
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  };
  return { guest, stage, ...open, [Symbol.asyncDispose]: dispose };
}

async function isReady(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.input !== undefined && view.picture !== undefined;
  });
}

/** A page whose relay says what the test has it say. */
async function attachTo(hello: object, options: PageOptions = {}) {
  const server = await PageServer.start();
  const open = await openPage(browser, server.url, options);
  const viewer = await server.viewer();
  viewer.send(helloBytes(hello));
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await server.stop();
  };
  return { server, viewer, ...open, [Symbol.asyncDispose]: dispose };
}

function attribute(page: Page, name: string): Promise<string | null | undefined> {
  return page.evaluate(
    (attributeName) => document.querySelector('kvmfr-view')?.getAttribute(attributeName),
    name,
  );
}

function hasKeyboard(page: Page): Promise<boolean | undefined> {
  return page.evaluate(() => document.querySelector('kvmfr-view')?.captured.keyboard);
}

/** Opens what a button of the toolbar opens, as somebody without a mouse does. */
async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).press('Enter');
}

async function together(page: Page, ...codes: readonly string[]): Promise<void> {
  for (const code of codes) await page.keyboard.down(code);
  for (const code of codes.toReversed()) await page.keyboard.up(code);
}

function wrote(guest: WrittenInput) {
  return expect.poll(() => guest.got.join(' '), PATIENCE);
}

needs('chromium').describe('the controls of keyboard and pointer on the page', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  needs('chromium').it('let one type without a click, and say how to stop', async () => {
    await using at = await attach();
    const chip = at.page.locator('#capture');
    await expect.poll(() => hasKeyboard(at.page), PATIENCE).toBe(true);
    expect(await chip.textContent()).toBe('Keyboard goes to the guest · Ctrl + Alt gives it back');
    await at.page.keyboard.press('KeyA');
    await wrote(at.guest).toBe('KeyA+ KeyA-');
    // Somebody at work in the guest does without the toolbar, until the keyboard is given back.
    await at.page.waitForSelector('html.idle', { state: 'attached' });
    const awake = at.page.waitForSelector('html:not(.idle)', { state: 'attached' });
    await together(at.page, 'ControlLeft', 'AltLeft');
    await awake;
    expect(await hasKeyboard(at.page)).toBe(false);
    expect(await chip.getAttribute('class')).not.toContain('shown');
    const shown = at.page.waitForSelector('#capture.shown', { state: 'attached' });
    await at.page.focus('kvmfr-view');
    await shown;
    await at.page.waitForSelector('#capture:not(.shown)', { state: 'attached' });
    expect(await hasKeyboard(at.page)).toBe(true);
    await together(at.page, 'ControlLeft', 'AltLeft');
    await at.page.keyboard.press('Tab');
    const bar = at.page.getByRole('toolbar', { name: 'Viewer' });
    await expect
      .poll(() => bar.evaluate((box) => box.contains(document.activeElement)), PATIENCE)
      .toBe(true);
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('give the keyboard back by the keys that were chosen', async () => {
    await using at = await attach();
    await press(at.page, 'Keyboard');
    await at.page.getByLabel('Leave the guest with').selectOption('Right Ctrl');
    await at.page.reload();
    await isReady(at.page);
    await expect.poll(() => hasKeyboard(at.page), PATIENCE).toBe(true);
    expect(await at.page.locator('#capture').textContent()).toContain('Right Ctrl gives it back');
    await together(at.page, 'ControlLeft', 'AltLeft');
    expect(await hasKeyboard(at.page)).toBe(true);
    await at.page.keyboard.press('ControlRight');
    await expect.poll(() => hasKeyboard(at.page), PATIENCE).toBe(false);
  });

  needs('chromium').it('send what browsers keep for themselves', async () => {
    await using at = await attach();
    const menu = at.page.locator('#keys');
    await press(at.page, 'Keyboard');
    await menu.getByRole('button', { name: 'Ctrl + Alt + Del' }).click();
    await wrote(at.guest).toBe('ControlLeft+ AltLeft+ Delete+ Delete- AltLeft- ControlLeft-');
    expect(await menu.isVisible()).toBe(false);
    at.guest.clear();
    // The next key is the guest's, as the password after Ctrl+Alt+Del.
    await at.page.keyboard.press('KeyP');
    await wrote(at.guest).toBe('KeyP+ KeyP-');
    for (const [name, expected] of [
      ['Ctrl + Alt + F2', 'ControlLeft+ AltLeft+ F2+ F2- AltLeft- ControlLeft-'],
      ['Alt + Tab', 'AltLeft+ Tab+ Tab- AltLeft-'],
      ['Alt + F4', 'AltLeft+ F4+ F4- AltLeft-'],
      ['Ctrl + Esc', 'ControlLeft+ Escape+ Escape- ControlLeft-'],
      ['Super', 'MetaLeft+ MetaLeft-'],
      ['Print Screen', 'PrintScreen+ PrintScreen-'],
    ] as const) {
      at.guest.clear();
      await press(at.page, 'Keyboard');
      // By keyboard: the key that presses the button is not the guest's.
      await menu.getByRole('button', { name, exact: true }).press('Enter');
      await wrote(at.guest).toBe(expected);
    }
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('type a text, and say what has no key', async () => {
    await using at = await attach();
    await press(at.page, 'Keyboard');
    await at.page.getByRole('button', { name: 'Type text…' }).click();
    const field = at.page.getByRole('textbox', { name: 'Text to type in the guest' });
    expect(await field.evaluate((box) => box === document.activeElement)).toBe(true);
    await field.fill('aé€\n');
    await at.page.getByRole('button', { name: 'Type it' }).click();
    const note = at.page.locator('#typing-note');
    await expect.poll(() => note.textContent(), PATIENCE).toBe('Left out, for want of a key: é €');
    await wrote(at.guest).toBe('KeyA+ KeyA- Enter+ Enter-');
    at.guest.clear();
    await field.fill('A');
    await field.press('Control+Enter');
    await wrote(at.guest).toBe('ShiftLeft+ KeyA+ KeyA- ShiftLeft-');
    await expect.poll(() => at.page.locator('#typing').isVisible(), PATIENCE).toBe(false);
    await expect.poll(() => hasKeyboard(at.page), PATIENCE).toBe(true);
  });

  needs('chromium').it('show the lights of the guest, where it tells of them', async () => {
    await using at = await attach();
    await press(at.page, 'Keyboard');
    const lights = at.page.getByRole('list', { name: "Lights of the guest's keyboard" });
    expect(await lights.isVisible()).toBe(false);
    at.guest.turn(at.guest.abilities, { caps: true, num: false, scroll: false });
    await expect
      .poll(
        () =>
          lights
            .locator('li')
            .evaluateAll((all) => all.map((light) => light.getAttribute('aria-label'))),
        PATIENCE,
      )
      .toEqual(['Caps Lock on', 'Num Lock off', 'Scroll Lock off']);
  });

  needs('chromium').it('say why a guest takes no keys', async () => {
    await using at = await attach();
    await press(at.page, 'Keyboard');
    const reason = 'the guest has no keyboard yet';
    at.guest.turn({ keyboard: false, absolute: false, relative: false, reason });
    const menu = at.page.locator('#keys');
    await expect.poll(() => menu.locator('.reason').textContent(), PATIENCE).toBe(reason);
    expect(await menu.getByRole('button', { name: 'Super' }).isDisabled()).toBe(true);
  });

  needs('chromium').it('type with the keyboard of a phone, corrections and all', async () => {
    await using at = await attach(PHONE);
    await expect.poll(() => at.page.locator('#mouse').isVisible()).toBe(false);
    await at.page.locator('#handle').tap();
    const toggle = at.page.getByRole('button', { name: 'Keyboard of this device' });
    await toggle.tap();
    await expect.poll(() => toggle.getAttribute('aria-pressed'), PATIENCE).toBe('true');
    await at.page.keyboard.insertText('Hi');
    await at.page.keyboard.press('Backspace');
    await at.page.keyboard.press('Enter');
    await at.page.keyboard.press('ArrowUp');
    await wrote(at.guest).toBe(
      'ShiftLeft+ KeyH+ KeyH- ShiftLeft- KeyI+ KeyI- Backspace+ Backspace- Enter+ Enter- ArrowUp+ ArrowUp-',
    );
    at.guest.clear();
    const phone = await at.page.context().newCDPSession(at.page);
    for (const text of ['t', 'te', 'teh'])
      await phone.send('Input.imeSetComposition', {
        text,
        selectionStart: text.length,
        selectionEnd: text.length,
      });
    await phone.send('Input.insertText', { text: 'the' });
    await wrote(at.guest).toBe(
      'KeyT+ KeyT- KeyE+ KeyE- KeyH+ KeyH- Backspace+ Backspace- Backspace+ Backspace- KeyH+ KeyH- KeyE+ KeyE-',
    );
    // A finger on the picture points, and leaves the keyboard open.
    at.guest.clear();
    await at.page.touchscreen.tap(195, 390);
    await expect.poll(() => at.guest.got.slice(-2), PATIENCE).toEqual(['button 0+', 'button 0-']);
    expect(await toggle.getAttribute('aria-pressed')).toBe('true');
    await toggle.tap();
    await expect.poll(() => toggle.getAttribute('aria-pressed'), PATIENCE).toBe('false');
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('hold the pointer for steps, and remember it', async () => {
    await using at = await attach();
    await press(at.page, 'Pointer');
    await at.page.getByRole('radio', { name: /^Steps/ }).check();
    const slider = at.page.getByRole('slider', { name: 'Step length' });
    await slider.fill('1');
    expect(await at.page.locator('#factor').textContent()).toBe('2×');
    await at.page.reload();
    await isReady(at.page);
    expect(await attribute(at.page, 'pointer')).toBe('relative');
    expect(await attribute(at.page, 'sensitivity')).toBe('2');
    await at.page.mouse.click(400, 300);
    await expect
      .poll(() => at.page.locator('#capture').textContent(), PATIENCE)
      .toBe('The guest holds the pointer · Ctrl + Alt lets it go');
    at.guest.clear();
    await at.page.mouse.move(410, 305);
    await expect.poll(() => at.guest.got.at(-1), PATIENCE).toBe('motion 20,10');
    await together(at.page, 'ControlLeft', 'AltLeft');
    await expect
      .poll(
        () => at.page.evaluate(() => document.querySelector('kvmfr-view')?.captured.pointerLocked),
        PATIENCE,
      )
      .toBe(false);
  });

  needs('chromium').it('hand keyboard and mouse over to a viewer that asks', async () => {
    await using at = await attach();
    // Who holds a key is at work, however long the test takes.
    await at.page.keyboard.down('KeyA');
    await wrote(at.guest).toBe('KeyA+');
    await using second = await openPage(browser, `${at.stage.door.url}?token=secret`);
    await isReady(second.page);
    const holder = second.page.locator('#holder');
    await expect
      .poll(() => holder.locator('span').textContent(), PATIENCE)
      .toBe('The viewer at 127.0.0.1 has keyboard and mouse');
    expect(await hasKeyboard(second.page)).toBe(false);
    expect(await second.page.locator('#keys .chords button').first().isDisabled()).toBe(true);
    await holder.getByRole('button', { name: 'Ask for it' }).click();
    const asker = at.page.locator('#asker');
    await asker.waitFor();
    expect(await asker.locator('span').textContent()).toBe(
      'The viewer at 127.0.0.1 asks for keyboard and mouse',
    );
    expect(await holder.getByRole('button', { name: 'Asked' }).isDisabled()).toBe(true);
    await asker.getByRole('button', { name: 'Hand over' }).click();
    // It has the keyboard at once, without a click on the picture.
    await expect.poll(() => hasKeyboard(second.page), PATIENCE).toBe(true);
    expect(await holder.isVisible()).toBe(false);
    await at.page.locator('#holder').waitFor();
    expect(await asker.isVisible()).toBe(false);
    expect(at.guest.holdsAny).toBe(false);
    at.guest.clear();
    await at.page.keyboard.press('KeyB');
    await second.page.keyboard.press('KeyC');
    await wrote(at.guest).toBe('KeyC+ KeyC-');
    expect([...at.problems, ...second.problems]).toEqual([]);
  });

  needs('chromium').it('put a wish aside that is dismissed, and show the next one', async () => {
    await using at = await attachTo({ viewOnly: false });
    const asker = at.page.locator('#asker');
    at.viewer.send(inputStateBytes({ holder: 'you', askedBy: '10.0.0.7' }));
    await asker.getByRole('button', { name: 'Dismiss' }).click();
    expect(await asker.isVisible()).toBe(false);
    const locks = { caps: true, num: false, scroll: false };
    at.viewer.send(inputStateBytes({ holder: 'you', askedBy: '10.0.0.7', locks }));
    await at.page.waitForFunction(
      () => document.querySelector('kvmfr-view')?.input?.locks?.caps === true,
    );
    expect(await asker.isVisible()).toBe(false);
    at.viewer.send(
      inputStateBytes({ holder: 'you' }),
      inputStateBytes({ holder: 'you', askedBy: '10.0.0.7' }),
    );
    await asker.waitFor();
  });

  needs('chromium').it('take what its holder does not use', async () => {
    await using at = await attachTo({ viewOnly: false });
    const holderName = '<b>mallory</b>';
    at.viewer.send(inputStateBytes({ holder: 'other', holderName, free: true }));
    const holder = at.page.locator('#holder');
    await holder.getByRole('button', { name: 'Take it' }).click();
    expect(await at.viewer.saidJson(INPUT_WISH)).toEqual({ want: 'take' });
    expect(await holder.locator('span').textContent()).toBe(
      'The viewer at <b>mallory</b> has keyboard and mouse',
    );
  });

  needs('chromium').it(
    'say who has them below a strip and the statistics, on a phone',
    async () => {
      await using at = await attachTo({ viewOnly: false }, PHONE);
      const picture = noisePicture(96, 64);
      at.viewer.send(
        stateBytes('showing'),
        inputStateBytes({ holder: 'other', holderName: '10.0.0.7', free: true }),
        pictureBytes({ epoch: 1, widthPx: 96, heightPx: 64 }),
        tilesBytes({ epoch: 1, serial: 1 }, picture, { coding: 'deflate' }),
      );
      await at.viewer.acknowledged(1);
      const holder = at.page.locator('#holder');
      await press(at.page, 'Statistics');
      for (const part of ['#stats', 'kvmfr-view [part="banner"]']) {
        const other = at.page.locator(part);
        await other.waitFor();
        const [above, below] = [await other.boundingBox(), await holder.boundingBox()];
        if (above === null || below === null) throw new Error(`${part} or the chip is not shown`);
        expect(below.y).toBeGreaterThanOrEqual(above.y + above.height);
        at.viewer.send(stateBytes('stale', { message: 'The guest does not answer.' }));
      }
    },
  );

  needs('chromium').it(
    'have the edge above the toolbar: a click there is not the guest’s',
    async () => {
      await using at = await attach();
      const reached = await at.page.evaluate(() => {
        document.documentElement.classList.remove('idle');
        const bar = document.querySelector('#bar');
        for (const moving of bar?.getAnimations() ?? []) moving.finish();
        return document.elementFromPoint(innerWidth / 2, 2)?.id;
      });
      expect(reached).toBe('bar');
    },
  );

  needs('chromium').it('are out of sight where one may only look, which is said', async () => {
    await using at = await attachTo({ viewOnly: true });
    const bar = at.page.getByRole('toolbar', { name: 'Viewer' });
    await bar.getByText('view only').waitFor();
    for (const id of ['keyboard', 'touch-keyboard', 'mouse', 'handle'])
      expect(await at.page.locator(`#${id}`).isVisible()).toBe(false);
  });

  needs('chromium').it('ask for the keys of the system in full screen', async () => {
    await using at = await attach({
      before: (page) =>
        page.addInitScript(() => {
          const keyboard: unknown = Reflect.get(navigator, 'keyboard');
          if (typeof keyboard !== 'object' || keyboard === null) return;
          Object.defineProperties(keyboard, {
            lock: {
              value: async () => {
                document.documentElement.dataset['lock'] = 'locked';
              },
            },
            unlock: {
              value: () => {
                document.documentElement.dataset['lock'] = 'unlocked';
              },
            },
          });
        }),
    });
    const button = at.page.getByRole('button', { name: 'Full screen' });
    const root = at.page.locator('html');
    await button.press('Enter');
    await expect.poll(() => root.getAttribute('data-lock'), PATIENCE).toBe('locked');
    await button.press('Enter');
    await expect.poll(() => root.getAttribute('data-lock'), PATIENCE).toBe('unlocked');
  });
});
