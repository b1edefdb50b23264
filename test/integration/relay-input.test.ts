import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import {
  encodeInput,
  encodeInputWish,
  encodeView,
  type InputEvent,
  WIRE_TYPES,
} from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { parseExposition } from '../support/exposition.ts';
import { WrittenInput } from '../support/written-input.ts';
import { act, join, key } from '../unit/relay/hands.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';

afterEach(closeStages);

const PLACE: InputEvent = { kind: 'position', x: 7, y: 9 };

describe('input through the relay', () => {
  it('reaches the guest in order, from the one viewer that has it', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const first = await join(stage);
    const second = await join(stage);
    expect(first.hello?.viewOnly).toBe(false);
    expect(first.inputs).toMatchObject([{ holder: 'nobody', free: true, keyboard: true }]);
    act(first, key('KeyA', true), PLACE, key('KeyA', false));
    await first.settle(PING);
    act(second, key('KeyB', true));
    await second.settle(PING);
    expect(guest.got).toEqual(['KeyA+', 'at 7,9', 'KeyA-']);
    expect(second.inputs.at(-1)).toMatchObject({ holder: 'other', holderName: '127.0.0.1' });
    second.send(encodeInputWish('take'));
    await second.settle(PING);
    await first.settle(PING);
    expect(first.inputs.at(-1)?.askedBy).toBe('127.0.0.1');
    first.send(encodeInputWish('give'));
    await first.settle(PING);
    await second.settle(PING);
    expect(second.inputs.at(-1)?.holder).toBe('you');
  });

  it.each([
    'the socket breaks',
    'it is hidden',
    'it breaks the rules',
    'the relay closes',
  ] as const)('lets go of what a viewer holds when %s', async (end) => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const viewer = await join(stage);
    act(viewer, key('ControlLeft', true), key('KeyC', true), {
      ...{ kind: 'button', button: 2, down: true },
    });
    await eventually(() => guest.buttons.size === 1);
    expect(guest.keys.size).toBe(2);
    if (end === 'the socket breaks') viewer.socket.terminate();
    else if (end === 'it is hidden') viewer.send(encodeView({ visible: false }));
    else if (end === 'it breaks the rules') viewer.send(Uint8Array.of(WIRE_TYPES.input, 0, 0, 0));
    else await stage.relay.close();
    await eventually(() => !guest.holdsAny);
    expect(guest.got.slice(3).sort()).toEqual(['ControlLeft-', 'KeyC-', 'button 2-']);
  });

  it('lets go of what a viewer holds that does not answer any more', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const viewer = await join(stage);
    act(viewer, key('KeyW', true));
    await eventually(() => guest.keys.has('KeyW'));
    // As when its cable is pulled: nothing comes, and nothing is closed.
    viewer.socket.pause();
    await eventually(() => !guest.holdsAny);
    viewer.socket.resume();
    act(viewer, key('KeyW', false), key('KeyD', true), key('KeyD', false));
    await viewer.settle(PING);
    expect(guest.got).toEqual(['KeyW+', 'KeyW-', 'KeyD+', 'KeyD-']);
  });

  it('is refused from a viewer that may only look, and where there is nothing to take it', async () => {
    const guest = new WrittenInput();
    const looking = await Stage.open({ input: guest, viewOnly: true });
    const viewer = await join(looking);
    expect(viewer.hello?.viewOnly).toBe(true);
    expect(viewer.inputs).toEqual([]);
    act(viewer, key('KeyA', true));
    await viewer.until(() => viewer.closeCode !== undefined);
    expect(viewer.bye?.code).toBe('ERR_KVMFR_DENIED');
    const bare = await Stage.open({ viewOnly: false });
    const other = await join(bare);
    act(other, key('KeyA', true));
    await other.until(() => other.closeCode !== undefined);
    expect(other.bye?.code).toBe('ERR_KVMFR_WIRE');
    expect(guest.events).toEqual([]);
  });

  it('tells what the guest takes, and its lights, when they change', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const viewer = await join(stage);
    guest.turn(
      { keyboard: true, absolute: false, relative: true },
      { caps: true, num: false, scroll: false },
    );
    await viewer.settle(PING);
    expect(viewer.inputs.at(-1)).toMatchObject({ absolute: false, locks: { caps: true } });
  });

  it('tells the guest which screen a place is on, and everybody how much came', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const first = await join(stage);
    await stage.show(noisy(1, 320, 200));
    await first.until(() => first.updates.length > 0);
    act(first, PLACE, key('KeyA', true));
    await first.settle(PING);
    expect(guest.screens.at(-1)).toMatchObject({
      ...{ screenWidthPx: 320, screenHeightPx: 200, rotation: 0 },
    });
    const second = await join(stage);
    act(second, PLACE);
    await second.settle(PING);
    const ask = async (path: string): Promise<string> =>
      (await fetch(`${stage.door.url}${path}?token=secret`)).text();
    expect(JSON.parse(await ask('api/session')).input).toEqual({
      ...{ applied: 2, ignored: 1, dropped: 0 },
    });
    const samples = parseExposition(await ask('metrics')).get('kvmfr_input_events_total')?.samples;
    expect(samples?.get('kvmfr_input_events_total')).toEqual([
      { labels: { outcome: 'applied' }, value: 2 },
      { labels: { outcome: 'ignored' }, value: 1 },
      { labels: { outcome: 'dropped' }, value: 0 },
    ]);
  });

  it('tells a program when it was done and when it was applied', async () => {
    const told: unknown[] = [];
    const listener = (message: unknown): void => {
      told.push(message);
    };
    const stage = await Stage.open({ input: new WrittenInput() });
    const viewer = await join(stage);
    subscribe('kvmfr:relay:input', listener);
    try {
      viewer.send(encodeInput({ atMs: 1234.5, events: [PLACE] }));
      await viewer.settle(PING);
    } finally {
      unsubscribe('kvmfr:relay:input', listener);
    }
    act(viewer, PLACE);
    await viewer.settle(PING);
    expect(told).toEqual([{ doneMs: 1234.5, appliedMs: expect.any(Number), events: [PLACE] }]);
  });
});
