import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SpiceSession } from '../../client/spice/index.ts';
import { SpiceClipboard, SpiceInput } from '../../viewer/hands/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { launchChromium, type OpenPage, openPage } from '../support/page-browser.ts';
import { closeStages, noisy, Stage } from '../unit/relay/stage.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';
import { bootSpiceGuest, spiceOf } from './spice-guest.ts';
import type { VirtualMachine } from './virtual-machine.ts';
import { awaited, VM_LIMIT_MS } from './waits.ts';

const PATIENCE = { timeout: 240_000 };
/** Of the text that is copied in the guest. */
const TEXT_BYTES = 300_000;
const DEVICES = [
  ...['-device', 'virtio-serial-pci', '-chardev', 'spicevmc,id=agent,name=vdagent'],
  ...['-device', 'virtserialport,chardev=agent,name=com.redhat.spice.0'],
];

needsGuest('chromium').describe("a page's clipboard, and that of the guest", () => {
  let machine: VirtualMachine;
  let spice: SpiceSession;
  let clipboard: SpiceClipboard;
  let input: SpiceInput;
  let browser: Browser;
  let stage: Stage;
  let open: OpenPage;

  beforeAll(async () => {
    machine = await bootSpiceGuest({
      devices: DEVICES,
      modules: ['virtio_console'],
      files: [guestProgram('agent')],
    });
    spice = await spiceOf(machine);
    clipboard = new SpiceClipboard(spice);
    input = new SpiceInput(spice);
    stage = await Stage.open({ input, clipboard: { guest: clipboard } });
    browser = await launchChromium();
    open = await openPage(browser, `${stage.door.url}?token=secret`, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
  }, VM_LIMIT_MS);

  afterAll(async () => {
    await closeStages();
    await browser?.close();
    clipboard?.close();
    input?.close();
    await spice?.close();
    await machine?.[Symbol.asyncDispose]();
  }, VM_LIMIT_MS);

  it(
    'are one: texts go both ways, once an agent runs there',
    async () => {
      const { page } = open;
      await expect.poll(() => stage.guest.watched, PATIENCE).toBe(true);
      await stage.show(noisy(1));
      const clipboardOf = () =>
        page.evaluate(() => document.querySelector('kvmfr-view')?.clipboard);
      await expect.poll(async () => (await clipboardOf())?.policy, PATIENCE).toBe('both');
      await page.focus('kvmfr-view');
      await page.keyboard.press('ShiftLeft');
      await expect
        .poll(async () => (await clipboardOf())?.reason, PATIENCE)
        .toMatch(/no SPICE agent runs in the guest/);
      const port = await machine.run('grep -l com.redhat.spice.0 /sys/class/virtio-ports/*/name');
      const name = port.output[0]?.split('/').at(-2);
      await machine.run(`agent /dev/${name} ${TEXT_BYTES} &`);
      const copied = 'abcdefghijklmnopqrstuvwxyz'
        .repeat(Math.ceil(TEXT_BYTES / 26))
        .slice(0, TEXT_BYTES);
      await expect
        .poll(() => page.evaluate(() => navigator.clipboard.readText()), PATIENCE)
        .toBe(copied);

      const ours = 'Grüße, 你好 🐟\n'.repeat(20_000);
      await page.evaluate((text) => navigator.clipboard.writeText(text), ours);
      await page.keyboard.press('Control+KeyV');
      const bytes = Buffer.from(ours);
      const sum = bytes.reduce((total, byte) => total + byte, 0);
      const told = awaited('a text in the guest', machine, machine.events.take(/^agent/));
      expect(await told).toBe(`agent text ${bytes.length} ${sum}`);
      expect(open.problems).toEqual([]);
    },
    VM_LIMIT_MS,
  );
});
