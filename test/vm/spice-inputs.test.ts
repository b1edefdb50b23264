import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SpiceSession } from '../../client/spice/index.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';
import { bootSpiceGuest, spiceOf } from './spice-guest.ts';
import type { VirtualMachine } from './virtual-machine.ts';
import { awaited, firstOf, VM_LIMIT_MS } from './waits.ts';

const KEY = 1;
const REL = 2;
const ABS = 3;
const REPEATED = /^1 \d+ 2$/;

needsGuest().describe('input by SPICE, as the guest gets it', () => {
  let machine: VirtualMachine;
  let spice: SpiceSession;

  beforeAll(async () => {
    machine = await bootSpiceGuest({ files: [guestProgram('events')] });
    spice = await spiceOf(machine);
    // The mouse is found some time after its driver was loaded.
    const mouse = 'until grep -q Mouse /proc/bus/input/devices; do usleep 20000; done';
    await awaited('a mouse in the guest', machine, machine.run(mouse));
    await machine.run('events &');
    await machine.events.take(/^input ready [1-9]/);
  }, VM_LIMIT_MS);

  afterAll(() => machine?.[Symbol.asyncDispose](), VM_LIMIT_MS);

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

  async function absolute(): Promise<void> {
    const mode = firstOf('mouse mode client', spice.infos(), (info) => info.mouseMode === 'client');
    await awaited('mouse mode client', machine, mode);
  }

  it(
    'keys arrive as they were pressed, each with its code, down and up',
    async () => {
      const keys = [
        [0x01, 1], // Escape
        [0x1e, 30], // A
        [0x56, 86], // the key beside the left Shift of European keyboards
        [0x58, 88], // F12
        [0xe01d, 97], // right Control
        [0xe038, 100], // AltGr
        [0xe04b, 105], // Left
        [0xe05b, 125], // the left Windows key
      ] as const;
      for (const [scancode, code] of keys) {
        spice.inputs.keyDown(scancode);
        spice.inputs.keyUp(scancode);
        expect(await events(2)).toEqual([`${KEY} ${code} 1`, `${KEY} ${code} 0`]);
      }
      spice.inputs.sendScancodes(Uint8Array.of(0x2e, 0xae));
      expect(await events(2)).toEqual([`${KEY} 46 1`, `${KEY} 46 0`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'the pointer comes to where it was put, and its buttons and wheel with it',
    async () => {
      await absolute();
      const { widthPx, heightPx } = await machine.screendump();
      const x = 333;
      const y = 222;
      spice.inputs.moveTo(x, y);
      const tablet = (value: number, size: number): number => Math.floor((value * 32767) / size);
      expect(await events(2)).toEqual([
        `${ABS} 0 ${tablet(x, widthPx)}`,
        `${ABS} 1 ${tablet(y, heightPx)}`,
      ]);
      for (const [button, code] of [
        ['left', 0x110],
        ['right', 0x111],
        ['middle', 0x112],
        ['side', 0x113],
        ['extra', 0x114],
      ] as const) {
        spice.inputs.press(button);
        spice.inputs.release(button);
        expect(await events(2)).toEqual([`${KEY} ${code} 1`, `${KEY} ${code} 0`]);
      }
      spice.inputs.wheel(1);
      spice.inputs.wheel(-2);
      const wheel = (await events(3)).filter((event) => event.startsWith(`${REL} 8 `));
      expect(wheel).toEqual([`${REL} 8 1`, `${REL} 8 -1`, `${REL} 8 -1`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'a thousand places end in the newest, and the click after them is there',
    async () => {
      await absolute();
      const { widthPx } = await machine.screendump();
      for (let i = 0; i <= 1000; i++) spice.inputs.moveTo(100 + (i % 500), 50);
      spice.inputs.moveTo(640, 50);
      spice.inputs.press('left');
      spice.inputs.release('left');
      const seen: string[] = [];
      do seen.push(...(await events(1)));
      while (seen.at(-1) !== `${KEY} 272 0`);
      const places = seen.filter((event) => event.startsWith(`${ABS} 0 `));
      expect(places.at(-1)).toBe(`${ABS} 0 ${Math.floor((640 * 32767) / widthPx)}`);
      expect(seen.slice(-3)).toEqual([places.at(-1), `${KEY} 272 1`, `${KEY} 272 0`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'the pointer moves by steps, all of them, where it is asked to',
    async () => {
      spice.requestMouseMode('server');
      const server = firstOf('mode server', spice.infos(), (info) => info.mouseMode === 'server');
      await awaited('mouse mode server', machine, server);
      spice.inputs.move(300, -200);
      const sum = { 0: 0, 1: 0 };
      while (sum[0] !== 300 || sum[1] !== -200) {
        const [type, code, value] = (await events(1))[0]?.split(' ').map(Number) ?? [];
        expect([type, code === 0 || code === 1]).toEqual([REL, true]);
        sum[code === 0 ? 0 : 1] += value ?? 0;
        expect(Math.abs(sum[0])).toBeLessThanOrEqual(300);
      }
      spice.requestMouseMode('client');
      await absolute();
    },
    VM_LIMIT_MS,
  );

  it(
    'lock keys are told by the guest, and set',
    async () => {
      const changes = spice.inputs.lockChanges();
      spice.inputs.setLocks({ scroll: false, num: false, caps: true });
      const on = firstOf('Caps Lock', changes, (locks) => locks.caps);
      await awaited('Caps Lock on', machine, on);
      expect(spice.inputs.locks).toMatchObject({ caps: true });
      expect(await events(2)).toEqual([`${KEY} 58 1`, `${KEY} 58 0`]);
      spice.inputs.setLocks({ scroll: false, num: false, caps: false });
      const off = firstOf('no Caps Lock', spice.inputs.lockChanges(), (locks) => !locks.caps);
      await awaited('Caps Lock off', machine, off);
      expect(await events(2)).toEqual([`${KEY} 58 1`, `${KEY} 58 0`]);
    },
    VM_LIMIT_MS,
  );

  it(
    'what is held is let go when the session ends',
    async () => {
      spice.inputs.keyDown(0x2a);
      spice.inputs.keyDown(0x1e);
      expect(await events(2)).toEqual([`${KEY} 42 1`, `${KEY} 30 1`]);
      await spice.close();
      expect([...(await events(2))].sort()).toEqual([`${KEY} 30 0`, `${KEY} 42 0`]);
    },
    VM_LIMIT_MS,
  );
});
