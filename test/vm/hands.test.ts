import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SpiceSession } from '../../client/spice/index.ts';
import { KEYS, keyOfCode } from '../../protocol/keys.ts';
import { EitherInput, QmpInput, SpiceInput } from '../../viewer/hands/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { launchChromium, type OpenPage, openPage } from '../support/page-browser.ts';
import { closeStages, noisy, Stage } from '../unit/relay/stage.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';
import { bootSpiceGuest, spiceOf } from './spice-guest.ts';
import type { VirtualMachine } from './virtual-machine.ts';
import { awaited, firstOf, VM_LIMIT_MS } from './waits.ts';

const PATIENCE = { timeout: 240_000 };
const KEY = 1;
const REL = 2;
const ABS = 3;
const REPEATED = /^1 \d+ 2$/;
/** The picture on the page; another size than the screen of QEMU. */
const WIDTH = 1024;
const HEIGHT = 768;
/** The largest place of a tablet. */
const FAR = 32767;

/** Keys that QEMU has a name for: it knows no others, whoever presses them. */
const MADE = KEYS.filter(({ qcode }) => qcode !== undefined);

needsGuest('chromium').describe('a page, and the guest that it acts on', () => {
  let machine: VirtualMachine;
  let spice: SpiceSession;
  let input: SpiceInput;
  let browser: Browser;
  let stage: Stage;
  let open: OpenPage;

  beforeAll(async () => {
    machine = await bootSpiceGuest({
      files: [guestProgram('events')],
      devices: ['-qmp', 'unix:hands.sock,server=on,wait=off'],
    });
    spice = await spiceOf(machine);
    // The mouse is found some time after its driver was loaded.
    const mouse = 'until grep -q Mouse /proc/bus/input/devices; do usleep 20000; done';
    await awaited('a mouse in the guest', machine, machine.run(mouse));
    await machine.run('events &');
    await machine.events.take(/^input ready [1-9]/);
    input = new SpiceInput(spice);
    stage = await Stage.open({ input });
    browser = await launchChromium();
    open = await openPage(browser, `${stage.door.url}?token=secret`);
  }, VM_LIMIT_MS);

  afterAll(async () => {
    await closeStages();
    await browser?.close();
    input?.close();
    await spice?.close();
    await machine?.[Symbol.asyncDispose]();
  }, VM_LIMIT_MS);

  /** The next events of the guest, `TYPE CODE VALUE`, of whichever device. */
  async function events(count: number): Promise<readonly string[]> {
    const list: string[] = [];
    const coming = async (): Promise<void> => {
      while (list.length < count) {
        const event = (await machine.events.next()).replace(/^input \S+ /, '');
        // A guest that is slow repeats a key that is held by itself.
        if (!REPEATED.test(event)) list.push(event);
      }
    };
    await awaited(`${count} events of the guest`, machine, coming());
    return list;
  }

  it(
    'a person at the page has the keyboard and the pointer of the guest',
    async () => {
      await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
      await stage.show(noisy(1, WIDTH, HEIGHT));
      await expect.poll(() => mayAct(open.page), PATIENCE).toBe(true);
      await open.page.focus('kvmfr-view');
    },
    VM_LIMIT_MS,
  );

  it(
    'every key that QEMU can make arrives by its number, down and up',
    async () => {
      expect(MADE.length).toBeGreaterThan(140);
      for (const { code, evdev } of MADE) {
        await strike(open.page, code);
        expect([code, ...(await events(2))]).toEqual([
          ...[code, `${KEY} ${evdev} 1`, `${KEY} ${evdev} 0`],
        ]);
      }
    },
    VM_LIMIT_MS,
  );

  it(
    'the pointer is put below the one of the page, and clicks and turns there',
    async () => {
      const { widthPx, heightPx } = await machine.screendump();
      const box = await pictureBox(open.page);
      const seen: string[] = [];
      for (const [x, y] of [
        [300, 200],
        [801, 650],
      ] as const) {
        const clientX = box.left + ((x + 0.5) * box.width) / WIDTH;
        const clientY = box.top + ((y + 0.5) * box.height) / HEIGHT;
        await open.page.mouse.move(clientX, clientY);
        await open.page.mouse.down({ button: 'right' });
        await open.page.mouse.up({ button: 'right' });
        do seen.push(...(await events(1)));
        while (seen.at(-1) !== `${KEY} 273 0`);
        const last = (axis: number): string | undefined =>
          seen.filter((event) => event.startsWith(`${ABS} ${axis} `)).at(-1);
        const place = (part: number, sidePx: number): number =>
          Math.floor((Math.floor(part * sidePx) * FAR) / sidePx);
        expect([last(0), last(1)]).toEqual([
          `${ABS} 0 ${place((x + 0.5) / WIDTH, widthPx)}`,
          `${ABS} 1 ${place((y + 0.5) / HEIGHT, heightPx)}`,
        ]);
        expect(seen.slice(-2)).toEqual([`${KEY} 273 1`, `${KEY} 273 0`]);
      }
      await open.page.mouse.wheel(0, 100);
      await open.page.mouse.wheel(0, -100);
      // A tablet tells of the wheel's button as well.
      const turns: string[] = [];
      while (turns.length < 2)
        turns.push(...(await events(1)).filter((event) => event.startsWith(`${REL} 8 `)));
      expect(turns).toEqual([`${REL} 8 -1`, `${REL} 8 1`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'what is held comes up when the page is killed',
    async () => {
      await open.page.keyboard.down('ControlLeft');
      await open.page.keyboard.down('KeyC');
      expect(await events(2)).toEqual([`${KEY} 29 1`, `${KEY} 46 1`]);
      await open.page.close();
      expect([...(await events(2))].sort()).toEqual([`${KEY} 29 0`, `${KEY} 46 0`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'a button comes up that was held when another viewer took the server',
    async () => {
      input.apply({ kind: 'button', button: 0, down: true });
      expect(await events(1)).toEqual([`${KEY} 272 1`]);
      const other = await spiceOf(machine);
      const taken = firstOf('taken', spice.states(), ({ name }) => name === 'taken');
      await awaited('a session that is taken', machine, taken);
      await other.close();
      input.wanted();
      expect(await events(1)).toEqual([`${KEY} 272 0`]);
      // By the control socket at once, where there is one.
      const qmp = new QmpInput(`${machine.folder}/hands.sock`);
      const both = new EitherInput(input, qmp);
      await awaited('a tablet by the control socket', machine, absolute(qmp));
      both.apply({ kind: 'button', button: 2, down: true });
      expect(await events(1)).toEqual([`${KEY} 273 1`]);
      await using _another = await spiceOf(machine);
      expect(await events(1)).toEqual([`${KEY} 273 0`]);
      both.close();
      await qmp.close();
    },
    VM_LIMIT_MS,
  );

  it(
    'the same comes by the control socket, and goes up when that is closed',
    async () => {
      const screen = { screenWidthPx: WIDTH, screenHeightPx: HEIGHT, rotation: 0 };
      const qmp = new QmpInput(`${machine.folder}/hands.sock`);
      await awaited('a tablet by the control socket', machine, absolute(qmp));
      for (const key of MADE) {
        qmp.apply({ kind: 'key', key, down: true });
        qmp.apply({ kind: 'key', key, down: false });
        expect([key.code, ...(await events(2))]).toEqual([
          ...[key.code, `${KEY} ${key.evdev} 1`, `${KEY} ${key.evdev} 0`],
        ]);
      }
      qmp.apply({ kind: 'position', x: 300, y: 200 }, screen);
      qmp.apply({ kind: 'button', button: 3, down: true }, screen);
      qmp.apply({ kind: 'button', button: 3, down: false }, screen);
      expect(await events(4)).toEqual([
        `${ABS} 0 ${Math.floor((300.5 * (FAR + 1)) / WIDTH)}`,
        `${ABS} 1 ${Math.floor((200.5 * (FAR + 1)) / HEIGHT)}`,
        ...[`${KEY} 275 1`, `${KEY} 275 0`],
      ]);
      qmp.apply({ kind: 'motion', dx: 12, dy: -5 }, screen);
      expect(await events(2)).toEqual([`${REL} 0 12`, `${REL} 1 -5`]);
      const shift = keyOfCode('ShiftLeft');
      if (shift === undefined) throw new Error('there must be a Shift');
      qmp.apply({ kind: 'key', key: shift, down: true });
      expect(await events(1)).toEqual([`${KEY} 42 1`]);
      await qmp.close();
      expect(await events(1)).toEqual([`${KEY} 42 0`]);
    },
    VM_LIMIT_MS,
  );
});

/** Resolves when places go by the control socket. */
function absolute(qmp: QmpInput): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (qmp.abilities.absolute) resolve();
    };
    qmp.watch(look);
    look();
  });
}

function mayAct(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const view = document.querySelector('kvmfr-view');
    return view?.picture !== undefined && view.input?.absolute === true;
  });
}

/** A key of any keyboard: the browser's driver has those of one layout only. */
function strike(page: Page, code: string): Promise<void> {
  return page.evaluate((name) => {
    const view = document.querySelector('kvmfr-view');
    for (const kind of ['keydown', 'keyup'])
      view?.dispatchEvent(new KeyboardEvent(kind, { code: name, bubbles: true, cancelable: true }));
  }, code);
}

async function pictureBox(page: Page) {
  const box = await page.evaluate(() => {
    const shadow = document.querySelector('kvmfr-view')?.shadowRoot;
    const picture = shadow?.querySelector('[part="picture"]')?.getBoundingClientRect();
    return picture === undefined
      ? undefined
      : { left: picture.left, top: picture.top, width: picture.width, height: picture.height };
  });
  if (box === undefined) throw new Error('the page must show a picture');
  return box;
}
