import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRegionFile } from '../../native/index.ts';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';
import { RunningCommand } from '../support/command.ts';
import { launchChromium, type OpenPage, openPage } from '../support/page-browser.ts';
import { scratchFolder } from '../unit/native/scratch.ts';
import { startInGuest } from './background.ts';
import {
  kvmfrInRoot,
  mountRoot,
  ROOT_DEVICES,
  ROOT_MEMORY_MIB,
  ROOT_MODULES,
} from './machine-root.ts';
import { needsGuest } from './needs-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';
import { VM_LIMIT_MS } from './waits.ts';

const REGION_MIB = 16;
const PATIENCE = { timeout: 240_000, interval: 100 };

needsGuest('chromium').describe('the console of a guest, published from inside it', () => {
  const region = join(scratchFolder(), 'region');
  let machine: VirtualMachine;
  let view: RunningCommand;
  let browser: Browser;
  let open: OpenPage;
  let looks = 0;

  beforeAll(async () => {
    createRegionFile(region, REGION_MIB * 2 ** 20);
    machine = await VirtualMachine.boot({
      limitMs: 2 * VM_LIMIT_MS,
      memoryMib: ROOT_MEMORY_MIB,
      modules: [...ROOT_MODULES, 'virtio_gpu'],
      // What blinks is never the same twice.
      append: 'console=tty0 vt.global_cursor_default=0',
      devices: [
        ...ROOT_DEVICES,
        ...['-vga', 'none', '-device', 'virtio-vga,xres=640,yres=480'],
        ...[
          '-object',
          `memory-backend-file,id=shared,share=on,mem-path=${region},size=${REGION_MIB}M`,
        ],
        ...['-device', 'ivshmem-plain,memdev=shared'],
      ],
    });
    await publish();
    view = new RunningCommand(['view', region, '--listen', '127.0.0.1:0']);
    browser = await launchChromium();
    open = await openPage(browser, await view.firstLine());
  }, 2 * VM_LIMIT_MS);

  afterAll(async () => {
    await browser?.close();
    await view?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  });

  /** As the README says it for a guest. */
  async function publish(): Promise<void> {
    await mountRoot(machine);
    const command = kvmfrInRoot('host pci: --source fbdev --fps 20');
    const said = await startInGuest(machine, command, 'grep -q publishing $log');
    expect(said).toMatch(/publishing the frame buffer \/dev\/fb0 in pci:/);
  }

  function state(): Promise<string | undefined> {
    return open.page.evaluate(() => document.querySelector('kvmfr-view')?.state);
  }

  /** SHA-256 over R, G, B of what the page shows. */
  function shown(): Promise<string> {
    return open.page.evaluate(async () => {
      const view = document.querySelector('kvmfr-view');
      // Before the first one there is nothing to be read.
      if (view?.picture === undefined) return 'no picture';
      const { rgba } = await view.readPixels();
      const rgb = new Uint8Array((rgba.length / 4) * 3);
      for (let i = 0, to = 0; i < rgba.length; i += 4)
        for (let channel = 0; channel < 3; channel++) rgb[to++] = rgba[i + channel] ?? 0;
      const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', rgb));
      return Array.from(sum, (byte) => byte.toString(16).padStart(2, '0')).join('');
    });
  }

  /** "same" when that is what QEMU shows, else what there is to know. */
  async function compared(): Promise<string> {
    const { rgb, widthPx, heightPx } = await machine.screendump();
    const sum = createHash('sha256').update(rgb).digest('hex');
    const seen = await shown();
    if (sum === seen && rgb.some((byte) => byte > 0)) return `same, ${widthPx}x${heightPx}`;
    // A reader that was kept from reading gives a frame up, and has the next one.
    if (++looks % 20 === 0) await machine.run('echo "look again" >/dev/tty1');
    const { output } = await machine.run('cat $log');
    return [seen, await state(), ...open.problems, ...output].join('; ');
  }

  it(
    'is on the page as QEMU has it, exact to the pixel',
    async () => {
      await expect.poll(state, PATIENCE).toBe('showing');
      await machine.run(
        'for i in 1 2 3 4 5 6 7 8 9; do echo "line $i of the console"; done >/dev/tty1',
      );
      await expect.poll(compared, PATIENCE).toBe('same, 640x480');
      const before = await shown();
      await machine.run('echo something new >/dev/tty1');
      await expect.poll(shown, PATIENCE).not.toBe(before);
      await expect.poll(compared, PATIENCE).toBe('same, 640x480');
    },
    VM_LIMIT_MS,
  );

  it(
    'goes stale when the guest is started again, and comes back',
    async () => {
      await machine.qmp.execute('set-action', { reboot: 'reset' });
      await machine.qmp.execute('system_reset');
      await expect.poll(state, PATIENCE).toBe('stale');
      await machine.ready();
      await publish();
      await machine.run('echo "after the start" >/dev/tty1');
      await expect.poll(state, PATIENCE).toBe('showing');
      await expect.poll(compared, PATIENCE).toBe('same, 640x480');
    },
    VM_LIMIT_MS,
  );
});
