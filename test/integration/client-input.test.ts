import { expect, it, onTestFinished } from 'vitest';
import { connect, type GuestInputLine, type InputState } from '../../client/index.ts';
import { keyOfCode } from '../../protocol/keys.ts';
import { LgmpInput } from '../../viewer/hands/index.ts';
import { GuestProcess, temporaryPath } from './client-guest.ts';

const MIB = 8;

/** Waits until the guest's input is in a state. */
async function when(input: GuestInputLine, holds: (state: InputState) => boolean): Promise<void> {
  while (!holds(input.state))
    await new Promise<void>((resolve) => {
      const end = input.watch(() => {
        end();
        resolve();
      });
    });
}

async function guestWithInput(): Promise<GuestProcess> {
  return GuestProcess.start(temporaryPath(), { wire: 'dev12', input: true, regionMib: MIB });
}

it('keys and pointer reach a guest in another process, and are let go when we go', async () => {
  const guest = await guestWithInput();
  const client = await connect(guest.path);
  onTestFinished(() => client.close());
  const input = client.input();
  await when(input, ({ available }) => available);
  expect(input.state).toEqual({
    available: true,
    absolute: true,
    owner: 'nobody',
    leds: undefined,
  });
  input.keyboard({ modifiers: 2, keys: [4, 5] });
  input.move({ buttons: 1, deltaX: 300_000, deltaY: -7, wheel: 1 });
  input.moveTo({ buttons: 1, x: 32767, y: 0 });
  const told = await guest.inputs('absolute');
  expect(told.map(({ clientId: _, ...rest }) => rest)).toEqual([
    { kind: 'claim' },
    { kind: 'keyboard', modifiers: 2, keys: [4, 5] },
    { kind: 'relative', buttons: 1, deltaX: 131068, deltaY: -7, wheel: 1 },
    { kind: 'relative', buttons: 1, deltaX: 131068, deltaY: 0, wheel: 0 },
    { kind: 'relative', buttons: 1, deltaX: 37864, deltaY: 0, wheel: 0 },
    { kind: 'absolute', buttons: 1, x: 32767, y: 0, wheel: 0 },
  ]);
  await when(input, ({ owner }) => owner === 'us');
  await input.close();
  expect(await guest.inputs('release')).toHaveLength(1);
  expect(input.state.available).toBe(false);
});

it('more keys than six are told as too many, and what is no key is refused', async () => {
  const guest = await guestWithInput();
  const client = await connect(guest.path);
  onTestFinished(() => client.close());
  const input = client.input();
  await when(input, ({ available }) => available);
  for (const keys of [[3], [0xe8], [4.5], [-4]])
    expect(() => input.keyboard({ modifiers: 0, keys })).toThrow(/must be a whole number/);
  expect(() => input.moveTo({ buttons: 0, x: 32768, y: 0 })).toThrow(/must be a whole number/);
  input.keyboard({ modifiers: 0, keys: [4, 5, 6, 7, 8, 9, 10] });
  expect((await guest.inputs('keyboard')).at(-1)).toMatchObject({ keys: [1, 1, 1, 1, 1, 1] });
});

it('one client has it at a time, all see who, and the lights of the keyboard', async () => {
  const guest = await guestWithInput();
  const [one, other] = [await connect(guest.path), await connect(guest.path)];
  onTestFinished(() => one.close());
  onTestFinished(() => other.close());
  const [first, second] = [one.input(), other.input()];
  await when(first, ({ available }) => available);
  await when(second, ({ available }) => available);
  first.keyboard({ modifiers: 0, keys: [4] });
  await when(first, ({ owner }) => owner === 'us');
  await when(second, ({ owner }) => owner === 'other');
  second.keyboard({ modifiers: 0, keys: [5] });
  await guest.lights(2);
  const caps = { numLock: false, capsLock: true, scrollLock: false };
  await when(first, ({ leds }) => leds?.capsLock === true);
  await when(second, ({ leds }) => leds?.capsLock === true);
  expect(first.state.leds).toEqual(caps);
  await first.close();
  await when(second, ({ owner }) => owner === 'nobody');
  expect((await guest.inputs('release')).map(({ kind }) => kind)).toEqual([
    'claim',
    'keyboard',
    'release',
  ]);
  second.keyboard({ modifiers: 0, keys: [6] });
  expect((await guest.inputs('keyboard')).at(-1)).toMatchObject({ keys: [6] });
});

it('what is held is claimed for again when the guest has begun anew', async () => {
  const path = temporaryPath();
  const options = { wire: 'dev12', input: true, regionMib: MIB } as const;
  const before = await GuestProcess.start(path, options);
  const client = await connect(path);
  onTestFinished(() => client.close());
  const input = client.input();
  await when(input, ({ available }) => available);
  input.keyboard({ modifiers: 1, keys: [4] });
  await before.inputs('keyboard');
  await before.kill();
  const after = await GuestProcess.start(path, options);
  expect((await after.inputs('keyboard')).map(({ clientId: _, ...rest }) => rest)).toEqual([
    { kind: 'claim' },
    { kind: 'keyboard', modifiers: 1, keys: [4] },
  ]);
});

it('the hands of a viewer use it as any other way into the guest', async () => {
  const guest = await guestWithInput();
  const client = await connect(guest.path);
  onTestFinished(() => client.close());
  const line = client.input();
  const hands = new LgmpInput(line);
  while (!hands.abilities.keyboard)
    await new Promise<void>((resolve) => {
      const end = hands.watch(() => {
        end();
        resolve();
      });
    });
  const screen = { screenWidthPx: 2, screenHeightPx: 2, rotation: 0 };
  const key = keyOfCode('KeyQ');
  if (key === undefined) throw new Error('there must be a key KeyQ');
  hands.apply({ kind: 'key', key, down: true }, screen);
  hands.apply({ kind: 'button', button: 2, down: true }, screen);
  hands.apply({ kind: 'position', x: 1, y: 0 }, screen);
  const told = await guest.inputs('absolute');
  expect(told.map(({ clientId: _, ...rest }) => rest)).toEqual([
    { kind: 'claim' },
    { kind: 'keyboard', modifiers: 0, keys: [20] },
    { kind: 'relative', buttons: 2, deltaX: 0, deltaY: 0, wheel: 0 },
    { kind: 'absolute', buttons: 2, x: 24576, y: 8192, wheel: 0 },
  ]);
  hands.close();
  await line.close();
  const rest = await guest.inputs('release');
  expect(rest.map(({ kind }) => kind)).toEqual(['keyboard', 'absolute', 'release']);
});
