import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectSpice } from '../../client/spice/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { RunningCommand } from '../support/command.ts';
import { launchChromium, type OpenPage, openPage } from '../support/page-browser.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';
import { PASSWORD, SPICE_DEVICES, SPICE_MODULES } from './spice-guest.ts';
import { type Screendump, VirtualMachine } from './virtual-machine.ts';

/** Of each test. */
const LIMIT_MS = 300_000;
const PATIENCE = { timeout: LIMIT_MS, interval: 200 };

/** As the guest's program draws it, from 1,2 on. */
const SHAPE = '64x64: 1 2 7 255 2 2 7 255';

let folder = '';
let browser: Browser;

/** The address of the SPICE server of every machine here: another one has the same. */
function address(): string {
  return `unix:${join(folder, 'spice.sock')}`;
}

function start(options: { readonly kernel?: false } = {}): Promise<VirtualMachine> {
  const devices = SPICE_DEVICES.map((word) =>
    word.replace('addr=spice.sock', `addr=${join(folder, 'spice.sock')}`),
  );
  return VirtualMachine.start({
    ...options,
    limitMs: 2 * LIMIT_MS,
    devices: [...devices, '-S'],
    modules: SPICE_MODULES,
    ...(options.kernel === false ? {} : { files: [guestProgram('pointer')] }),
    append: 'console=tty0 vt.global_cursor_default=0',
  });
}

async function view(password: string): Promise<RunningCommand> {
  const file = join(folder, 'password');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return new RunningCommand(
    ['view', '--spice', address(), '--spice-password-file', file, '--listen', '127.0.0.1:0'],
    { XDG_STATE_HOME: folder },
  );
}

/** Sizes that the picture has had, in the order in which they came. */
async function open(command: RunningCommand): Promise<OpenPage> {
  return openPage(browser, await command.firstLine(), {
    before: (page) =>
      page.addInitScript(() => {
        const sizes: string[] = [];
        Object.assign(window, { sizes });
        addEventListener('DOMContentLoaded', () => {
          document.querySelector('kvmfr-view')?.addEventListener('picture', ({ detail }) => {
            sizes.push(`${detail.widthPx}x${detail.heightPx}`);
          });
        });
      }),
  });
}

function sizesOf(page: Page): Promise<unknown> {
  return page.evaluate(() => Reflect.get(window, 'sizes'));
}

/** R, G, B of the picture on the page; nothing while there is none. */
async function pixelsOf(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(async () => {
    const view = document.querySelector('kvmfr-view');
    if (view?.picture === undefined) return '';
    const { rgba } = await view.readPixels();
    const rgb = new Uint8Array((rgba.length / 4) * 3);
    for (let at = 0; at < rgba.length; at += 4) rgb.set(rgba.subarray(at, at + 3), (at / 4) * 3);
    let text = '';
    for (let at = 0; at < rgb.length; at += 8192)
      text += String.fromCharCode(...rgb.subarray(at, at + 8192));
    return btoa(text);
  });
  return Buffer.from(base64, 'base64');
}

/** The screen, which does not change any more. */
async function frozen(machine: VirtualMachine): Promise<Screendump> {
  await machine.qmp.execute('stop');
  return machine.screendump();
}

/** Whether it is the driver's screen, and there is light on it. */
function isWritten({ widthPx, rgb }: Screendump): boolean {
  return widthPx !== 720 && rgb.some((value) => value > 100);
}

/** The text screen of the firmware, at some moment, at which the machine stands still. */
async function firmware(machine: VirtualMachine): Promise<Screendump> {
  await machine.qmp.execute('cont');
  const isText = async (): Promise<boolean> => (await machine.screendump()).widthPx === 720;
  await expect.poll(isText, { ...PATIENCE, interval: 20 }).toBe(true);
  return frozen(machine);
}

async function showsExactly(page: Page, dump: Screendump): Promise<void> {
  await expect.poll(async () => (await pixelsOf(page)).equals(dump.rgb), PATIENCE).toBe(true);
}

/** A part of the view. Units: CSS pixels of the page. */
async function boxOf(page: Page, part: string) {
  const box = await page.locator(`kvmfr-view [part=${part}]`).boundingBox();
  if (box === null) throw new Error(`${part} must be on the page`);
  return box;
}

/** The guest's pointer on the page: its corner in pixels of the guest, and its first pixels. */
async function pointerOf(page: Page) {
  const cursor = page.locator('kvmfr-view [part=cursor]');
  if (!(await cursor.isVisible())) return undefined;
  const [screen, box] = [await boxOf(page, 'screen'), await boxOf(page, 'cursor')];
  const widthPx = await page.evaluate(() => document.querySelector('kvmfr-view')?.picture?.widthPx);
  const scale = screen.width / (widthPx ?? 0);
  const shape = await cursor.evaluate((canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) return '';
    const copy = new OffscreenCanvas(2, 1).getContext('2d', { willReadFrequently: true });
    copy?.drawImage(canvas, -1, -2);
    const pixels = copy?.getImageData(0, 0, 2, 1).data ?? [];
    return `${canvas.width}x${canvas.height}: ${[...pixels].join(' ')}`;
  });
  const place = (px: number): number => Math.round(px / scale);
  return { x: place(box.x - screen.x), y: place(box.y - screen.y), shape };
}

async function says(page: Page, part: 'message' | 'banner', text: string): Promise<void> {
  await page
    .locator(`kvmfr-view [part=${part}]`)
    .getByText(text)
    .first()
    .waitFor({ timeout: LIMIT_MS });
}

needsGuest('chromium').describe('kvmfr view --spice, and a person at its page', () => {
  let machine: VirtualMachine;
  let command: RunningCommand;
  let at: OpenPage;
  let dump: Screendump;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kvmfr-boot-'));
    browser = await launchChromium();
    machine = await start();
  }, LIMIT_MS);

  afterAll(async () => {
    await at?.[Symbol.asyncDispose]();
    await command?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it(
    'a password that is wrong is told of on the page',
    async () => {
      await using wrong = await view('guess');
      await using refused = await open(wrong);
      await says(refused.page, 'message', 'The SPICE server wants another password');
      expect(await refused.page.content()).not.toContain('guess');
    },
    LIMIT_MS,
  );

  it(
    'the machine is seen from its firmware to its console, each pixel as QEMU has it',
    async () => {
      command = await view(PASSWORD);
      at = await open(command);
      await command.says(/connected to the SPICE server/);
      await showsExactly(at.page, await firmware(machine));
      await machine.qmp.execute('cont');
      await machine.ready();
      await machine.run('clear > /dev/tty1');
      await machine.run('for i in $(seq 1 20); do echo "line $i of the console" > /dev/tty1; done');
      // The driver draws a little later.
      await expect.poll(async () => isWritten(await machine.screendump()), PATIENCE).toBe(true);
      dump = await frozen(machine);
      expect(isWritten(dump)).toBe(true);
      await showsExactly(at.page, dump);
      const sizes = await sizesOf(at.page);
      expect(sizes).toContain('720x400');
      expect(sizes).toContain(`${dump.widthPx}x${dump.heightPx}`);
      expect(await at.page.title()).toBe('Screen by SPICE · kvmfr');
    },
    LIMIT_MS,
  );

  it(
    "the guest's pointer is where this side puts it, in its own shape",
    async () => {
      await machine.qmp.execute('cont');
      await machine.run('pointer &');
      const { x, y, width, height } = await boxOf(at.page, 'screen');
      // In the middle of the picture its hot spot is at the middle.
      await at.page.mouse.move(x + width / 2, y + height / 2);
      const corner = { x: dump.widthPx / 2 - 3, y: dump.heightPx / 2 - 5 };
      const pointer = expect.poll(() => pointerOf(at.page), PATIENCE);
      await pointer.toEqual({ ...corner, shape: SHAPE });
      await machine.run('kill $!');
      await expect.poll(() => pointerOf(at.page), PATIENCE).toBeUndefined();
      dump = await frozen(machine);
      await showsExactly(at.page, dump);
    },
    LIMIT_MS,
  );

  it(
    'somebody else takes it, and it is taken back by loading the page again',
    async () => {
      const other = await connectSpice(address(), { password: PASSWORD, linkTimeoutMs: LIMIT_MS });
      await says(at.page, 'message', 'Another viewer has the screen');
      expect(other.state.name).toBe('connected');
      await at.page.reload();
      await showsExactly(at.page, dump);
      for await (const { name } of other.states()) if (name === 'taken') break;
      await other.close();
    },
    LIMIT_MS,
  );

  it(
    'QEMU is killed, and the page goes on with the next one',
    async () => {
      await machine.kill();
      await says(at.page, 'banner', 'The SPICE server does not answer');
      // What was there last stays below the words.
      await showsExactly(at.page, dump);
      await machine[Symbol.asyncDispose]();
      machine = await start({ kernel: false });
      await showsExactly(at.page, await firmware(machine));
      expect(at.problems.filter((problem) => !problem.includes('ERR_CONNECTION'))).toEqual([]);
    },
    LIMIT_MS,
  );
});
