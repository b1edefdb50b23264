import { createHash } from 'node:crypto';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect } from 'vitest';
import type { ClipboardOptions } from '../../viewer/relay/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { needs } from '../support/machine.ts';
import {
  decodePng,
  launchChromium,
  noisePicture,
  openPage,
  pixelsOff,
} from '../support/page-browser.ts';
import { WrittenClipboard } from '../support/written-clipboard.ts';
import { WrittenInput } from '../support/written-input.ts';
import { noisy, Stage } from '../unit/relay/stage.ts';

const PATIENCE = { timeout: 60_000 };
const TEXT = 'Grüße, 世界 🐟👩‍👩‍👧\n\tand\n\nan end';
const BOTH = ['clipboard-read', 'clipboard-write'];

let browser: Browser;

interface AttachOptions extends Partial<Omit<ClipboardOptions, 'guest'>> {
  /** What the browser lets the page do without asking. */
  readonly permissions?: readonly string[];
  readonly viewOnly?: boolean;
  readonly context?: BrowserContextOptions;
  /** Whether the page is one that browsers give no clipboard: it came without TLS. */
  readonly plain?: boolean;
}

/** A page on a real relay, whose guest has a clipboard. */
async function attach(options: AttachOptions = {}) {
  const { permissions = BOTH, viewOnly, context, plain, ...clipboard } = options;
  const guest = new WrittenClipboard();
  const input = new WrittenInput();
  const stage = await Stage.open({
    input,
    clipboard: { guest, ...clipboard },
    ...(viewOnly === undefined ? {} : { viewOnly }),
  });
  const open = await openPage(browser, `${stage.door.url}?token=secret`, {
    permissions: [...permissions],
    ...context,
    ...(plain === true ? { before: takeClipboardAway } : {}),
  });
  await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
  await stage.show(noisy(1, 320, 200));
  await expect
    .poll(() => open.page.evaluate(() => document.querySelector('kvmfr-view')?.picture), PATIENCE)
    .toBeDefined();
  const dispose = async () => {
    await open[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
  };
  return { guest, input, stage, ...open, [Symbol.asyncDispose]: dispose };
}

async function takeClipboardAway(page: Page): Promise<void> {
  await page.addInitScript(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
  });
}

type Attached = Awaited<ReturnType<typeof attach>>;

/** The page has the input, by a key that is pressed in the view. */
async function hold({ page }: Attached): Promise<void> {
  await page.focus('kvmfr-view');
  await page.keyboard.press('ShiftLeft');
  await expect.poll(() => clipboardOf(page).then((state) => state?.toGuest), PATIENCE).toBe(true);
}

/** Whether the toolbar is in sight just now or not: it stays away while one works in the guest. */
async function openSheet({ page }: Attached): Promise<void> {
  await page.evaluate(() => document.querySelector<HTMLElement>('#clipboard')?.click());
  await page.locator('#clipboards').waitFor();
}

function clipboardOf(page: Page) {
  return page.evaluate(() => document.querySelector('kvmfr-view')?.clipboard);
}

function writeLocal(page: Page, text: string): Promise<void> {
  return page.evaluate((words) => navigator.clipboard.writeText(words), text);
}

function readLocal(page: Page): Promise<string> {
  return page.evaluate(() => navigator.clipboard.readText());
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

async function hashOfLocal(): Promise<string> {
  const bytes = new TextEncoder().encode(await navigator.clipboard.readText());
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

needs('chromium').describe('the clipboards of browser and guest', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  needs('chromium').it('are one for who may read and write them', async () => {
    await using at = await attach();
    await hold(at);
    at.guest.copy({ text: Buffer.from(TEXT) });
    await expect.poll(() => readLocal(at.page), PATIENCE).toBe(TEXT);
    // What came from the guest is not given back to it.
    await at.page.evaluate(() => document.querySelector('kvmfr-view')?.blur());
    await at.page.focus('kvmfr-view');
    await writeLocal(at.page, `${TEXT} of the page\r\n`);
    await at.page.evaluate(() => document.querySelector('kvmfr-view')?.blur());
    await at.page.focus('kvmfr-view');
    await expect.poll(() => at.guest.holdsOurs, PATIENCE).toBe(true);
    expect(at.guest.offers).toEqual([['text']]);
    expect(textOf(await at.guest.paste('text'))).toBe(`${TEXT} of the page\n`);
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it(
    'are one at Ctrl+V, and the guest knows before it gets the key',
    async () => {
      // No permission: the paste itself brings what is pasted.
      await using at = await attach({ permissions: ['clipboard-write'] });
      await hold(at);
      await writeLocal(at.page, TEXT);
      at.input.clear();
      const order: string[] = [];
      at.guest.watch(() => order.push(`offer after ${at.input.got.join(' ')}`));
      await at.page.keyboard.press('Control+KeyV');
      await expect
        .poll(() => at.input.got, PATIENCE)
        .toEqual(['ControlLeft+', 'KeyV+', 'KeyV-', 'ControlLeft-']);
      expect(order).toEqual(['offer after ControlLeft+']);
      expect(textOf(await at.guest.paste('text'))).toBe(TEXT);
      // The same again is no other offer, and the key goes at once.
      at.input.clear();
      await at.page.keyboard.press('Control+KeyV');
      await expect.poll(() => at.input.got.length, PATIENCE).toBe(4);
      expect(at.guest.offers).toEqual([['text']]);
      expect(at.problems).toEqual([]);
    },
  );

  needs('chromium').it('need a click where the browser gives the page none', async () => {
    await using at = await attach({ plain: true });
    await hold(at);
    at.guest.copy({ text: Buffer.from(TEXT) });
    const chip = at.page.locator('#copied');
    await chip.waitFor();
    expect(await chip.textContent()).toContain('The guest copied text');
    await chip.getByText('Take it').click();
    await chip.waitFor({ state: 'hidden' });
    // The keyboard is the guest's again.
    await expect
      .poll(() => at.page.evaluate(() => document.activeElement?.localName), PATIENCE)
      .toBe('kvmfr-view');
    // It is where any program pastes from: in a field of the page, for one.
    await openSheet(at);
    await at.page.fill('#clipboard-text', '');
    await at.page.press('#clipboard-text', 'Control+KeyV');
    expect(await at.page.inputValue('#clipboard-text')).toBe(TEXT);
    at.guest.copy({ text: Buffer.from('another') });
    await at.page.keyboard.press('Escape');
    await chip.waitFor();
    await chip.getByText('Dismiss').click();
    await chip.waitFor({ state: 'hidden' });
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('meet in the sheet, both ways, whatever the browser allows', async () => {
    await using at = await attach({ plain: true, limits: { text: 1000 } });
    await hold(at);
    at.guest.copy({ text: Buffer.from(TEXT) });
    await at.page.locator('#copied').waitFor();
    await openSheet(at);
    await expect.poll(() => at.page.inputValue('#clipboard-text'), PATIENCE).toBe(TEXT);
    // What is copied while the sheet is open takes its place.
    at.guest.copy({ text: Buffer.from('newer') });
    await expect.poll(() => at.page.inputValue('#clipboard-text'), PATIENCE).toBe('newer');
    // What a person writes stays, and goes to the guest.
    await at.page.fill('#clipboard-text', 'x'.repeat(1001));
    await at.page.click('#clipboard-give');
    await expect
      .poll(() => at.page.textContent('#clipboard-note'), PATIENCE)
      .toMatch(/The text has 0\.0 MiB, and at most 0\.0 pass/);
    await at.page.fill('#clipboard-text', TEXT.toUpperCase());
    await at.page.click('#clipboard-give');
    await at.page.locator('#clipboards').waitFor({ state: 'hidden' });
    expect(at.guest.offers).toEqual([['text']]);
    expect(textOf(await at.guest.paste('text'))).toBe(TEXT.toUpperCase());
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('hold pictures, to the pixel', async () => {
    await using at = await attach();
    await hold(at);
    const picture = noisePicture(93, 57, 5);
    const raw = { width: 93, height: 57, channels: 3 } as const;
    const file = await sharp(picture.rgb, { raw }).png().toBuffer();
    at.guest.copy({ png: file });
    const read = () =>
      at.page.evaluate(async () => {
        const [item] = await navigator.clipboard.read();
        if (item?.types.includes('image/png') !== true) return undefined;
        const png = await item.getType('image/png');
        return [...new Uint8Array(await png.arrayBuffer())];
      });
    await expect.poll(async () => (await read()) !== undefined, PATIENCE).toBe(true);
    const local = await decodePng(Uint8Array.from((await read()) ?? []));
    expect(pixelsOff(local, picture)).toBe(0);
    // The browser has written it anew; it is the guest's all the same, and not given back.
    const refocus = () =>
      at.page.evaluate(() => {
        const view = document.querySelector('kvmfr-view');
        view?.blur();
        view?.focus();
      });
    await refocus();
    const other = noisePicture(93, 57, 6);
    const otherFile = await sharp(other.rgb, { raw }).png().toBuffer();
    await at.page.evaluate(
      async (bytes) => {
        const png = new Blob([Uint8Array.from(bytes)], { type: 'image/png' });
        await navigator.clipboard.write([new ClipboardItem({ 'image/png': png })]);
      },
      [...otherFile],
    );
    await refocus();
    await expect.poll(() => at.guest.holdsOurs, PATIENCE).toBe(true);
    expect(at.guest.offers).toEqual([['png']]);
    const pasted = await at.guest.paste('png');
    expect(pixelsOff(await decodePng(pasted ?? new Uint8Array()), other)).toBe(0);
    // In the sheet what the guest has is seen.
    at.guest.copy({ png: file });
    await openSheet(at);
    const image = at.page.locator('#clipboard-picture img');
    await image.waitFor();
    await expect
      .poll(() => image.evaluate((shown) => Reflect.get(shown, 'naturalWidth')), PATIENCE)
      .toBe(93);
    expect(at.problems).toEqual([]);
  });

  needs('chromium').it('hold ten million bytes, byte for byte, both ways', async () => {
    await using at = await attach();
    await hold(at);
    const line = (_: unknown, at: number): string => `${at}: Grüße 🐟 ${(at * 7919) % 1_000_003}\n`;
    const bytes = Buffer.from(Array.from({ length: 380_000 }, line).join(''));
    expect(bytes.length).toBeGreaterThan(10_000_000);
    at.guest.copy({ text: bytes });
    const hash = createHash('sha256').update(bytes).digest('hex');
    await expect
      .poll(() => at.page.evaluate(hashOfLocal), { ...PATIENCE, interval: 500 })
      .toBe(hash);
    await at.page.evaluate(async () => {
      const text = await navigator.clipboard.readText();
      await navigator.clipboard.writeText(`the page's: ${text}`);
      document.querySelector('kvmfr-view')?.blur();
      document.querySelector('kvmfr-view')?.focus();
    });
    await expect.poll(() => at.guest.holdsOurs, PATIENCE).toBe(true);
    const pasted = Buffer.from((await at.guest.paste('text')) ?? []);
    expect(pasted.length).toBe(bytes.length + 12);
    expect(pasted.subarray(0, 12).toString()).toBe("the page's: ");
    expect(pasted.subarray(12).equals(bytes)).toBe(true);
    expect(at.problems).toEqual([]);
  });

  for (const policy of ['to-guest', 'from-guest'] as const)
    needs('chromium').it(`pass one way where the policy is ${policy}`, async () => {
      const [toGuest, fromGuest] = [policy === 'to-guest', policy === 'from-guest'];
      await using at = await attach({ policy, permissions: ['clipboard-write', 'clipboard-read'] });
      await writeLocal(at.page, 'of the page');
      await at.page.focus('kvmfr-view');
      await at.page.keyboard.press('Control+KeyV');
      await expect.poll(() => at.input.got.at(-1), PATIENCE).toBe('ControlLeft-');
      expect(at.guest.offers).toHaveLength(toGuest ? 1 : 0);
      at.guest.copy({ text: Buffer.from('of the guest') });
      // A key goes the same way after it: what had to be told has been.
      await at.page.keyboard.press('KeyA');
      await expect.poll(() => at.input.got.at(-1), PATIENCE).toBe('KeyA-');
      if (fromGuest) await expect.poll(() => readLocal(at.page), PATIENCE).toBe('of the guest');
      expect(at.guest.reads).toHaveLength(fromGuest ? 1 : 0);
      await openSheet(at);
      expect(await at.page.isVisible('#clipboard-give')).toBe(toGuest);
      expect(await at.page.isVisible('#clipboard-copy')).toBe(fromGuest);
      expect(at.problems).toEqual([]);
    });

  for (const why of ['off', 'view only'] as const)
    needs('chromium').it(`stay apart when ${why}`, async () => {
      const options = why === 'off' ? ({ policy: 'off' } as const) : { viewOnly: true };
      await using at = await attach(options);
      await writeLocal(at.page, 'of the page');
      await at.page.click('kvmfr-view');
      await at.page.keyboard.press('Control+KeyV');
      at.guest.copy({ text: Buffer.from('of the guest') });
      if (why === 'off') await expect.poll(() => at.input.got, PATIENCE).toContain('ControlLeft-');
      expect(await clipboardOf(at.page)).toBeUndefined();
      expect(await at.page.isVisible('#clipboard')).toBe(false);
      expect(await readLocal(at.page)).toBe('of the page');
      expect([...at.guest.offers, ...at.guest.reads]).toEqual([]);
      expect(at.problems).toEqual([]);
    });
});
