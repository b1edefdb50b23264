import { afterEach, describe, expect, it } from 'vitest';
import { encodeInputWish, MAX_INPUT_EVENTS, WIRE_TYPES } from '../../protocol/wire/index.ts';
import { MAX_PRESSES_PER_SECOND } from '../../viewer/relay/input-desk.ts';
import { eventually } from '../support/eventually.ts';
import { WrittenInput } from '../support/written-input.ts';
import { act, join, key } from '../unit/relay/hands.ts';
import { closeStages, PING, Stage } from '../unit/relay/stage.ts';

afterEach(closeStages);

/** An input message: its envelope, no time, and these records in hex. */
function raw(...records: readonly string[]): Buffer {
  const envelope = Buffer.of(WIRE_TYPES.input, 0, 0, 0);
  return Buffer.concat([envelope, Buffer.alloc(8), Buffer.from(records.join(''), 'hex')]);
}

/** A wish in this text. */
function wish(text: string): Buffer {
  return Buffer.concat([Buffer.of(WIRE_TYPES.inputWish, 0, 0, 0), Buffer.from(text)]);
}

describe('input that no page sends', () => {
  it.each([
    ['kind 0', raw('0000000000000000'), /kinds 1 to 6, but this one has 0/],
    ['kind 7', raw('0700000000000000'), /kinds 1 to 6, but this one has 7/],
    ['a key that is half down', raw('0102040007000000'), /down .* must be 0 or 1, but is 2/],
    ['a key of page 1', raw('0101040001000000'), /page 7 or 12, but this is 1/],
    ['a sixth button', raw('0201050000000000'), /button must be 0 to 4, but is 5/],
    ['a place far out', raw('03000000ffff0000'), /position must be within \d+, but is 65535, 0/],
    ['a place far down', raw('030000000000ffff'), /position must be within \d+, but is 0, 65535/],
    ['no event', raw(), /1 to 256 events of 8 bytes after 8, but this one has 8 bytes/],
    ['half an event', raw('01010400'), /but this one has 12 bytes/],
    ['no time', Buffer.of(WIRE_TYPES.input, 0, 0, 0, 1, 2), /but this one has 2 bytes/],
    ['too many events', raw(...Array(MAX_INPUT_EVENTS + 1).fill('0600000000000000')), /1 to 256/],
    ['a wish to steal', wish('{"want":"steal"}'), /want of an input wish is take or give/],
    ['a wish of nothing', wish('{}'), /want of an input wish is take or give/],
    ['a wish that is a list', wish('["take"]'), /input wish/],
    ['a wish that is no JSON', wish('{"want":'), /input wish/],
  ])(
    'ends the connection with a reason, and lets go of what was held: %s',
    async (_, bytes, why) => {
      const guest = new WrittenInput();
      const stage = await Stage.open({ input: guest });
      const viewer = await join(stage);
      act(viewer, key('KeyA', true), { kind: 'button', button: 4, down: true });
      viewer.send(bytes);
      await viewer.until(() => viewer.closeCode !== undefined);
      expect(viewer.bye).toMatchObject({ code: 'ERR_KVMFR_WIRE', retry: false });
      expect(viewer.bye?.message).toMatch(why);
      expect(guest.got).toEqual(['KeyA+', 'button 4+', 'KeyA-', 'button 4-']);
    },
  );

  it('does nothing for keys that nobody knows, and all for those beside them', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const viewer = await join(stage);
    // Usages 0xffff and 0 of keyboards, 0x3ff of media keys; Escape.
    viewer.send(
      raw('0101ffff07000000', '0101000007000000', '0101ff030c000000', '0101290007000000'),
    );
    viewer.send(raw('0100ffff07000000', '0100290007000000'));
    await viewer.settle(PING);
    expect(guest.got).toEqual(['Escape+', 'Escape-']);
  });

  it('is done so often in a second that a person could do it, and what goes down comes up', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const viewer = await join(stage);
    const startMs = performance.now();
    const codes = ['KeyA', 'KeyB', 'KeyC', 'KeyD'];
    for (let press = 0; press < 1000; press += 4) {
      act(viewer, ...codes.map((code) => key(code, true)));
      act(viewer, ...codes.map((code) => key(code, false)));
    }
    await viewer.settle(PING);
    const seconds = Math.ceil((performance.now() - startMs) / 1000) + 1;
    const presses = guest.got.filter((event) => event.endsWith('+')).length;
    expect(presses).toBeGreaterThanOrEqual(MAX_PRESSES_PER_SECOND);
    expect(presses).toBeLessThanOrEqual(MAX_PRESSES_PER_SECOND * seconds);
    expect(guest.holdsAny).toBe(false);
    expect(guest.got.filter((event) => event.endsWith('-'))).toHaveLength(presses);
    const session = await fetch(`${stage.door.url}api/session?token=secret`);
    expect((await session.json()).input).toMatchObject({ dropped: 1000 - presses });
  });

  it('wishes by the thousand tell who has the input of one, and change nothing', async () => {
    const guest = new WrittenInput();
    const stage = await Stage.open({ input: guest });
    const first = await join(stage);
    const second = await join(stage);
    act(first, key('KeyA', true));
    await first.settle(PING);
    const told = first.inputs.length;
    for (let i = 0; i < 1500; i++) second.send(encodeInputWish('take'));
    for (let i = 0; i < 1500; i++) second.send(encodeInputWish('give'));
    await second.settle(PING);
    await first.settle(PING);
    expect(first.inputs.slice(told)).toMatchObject([{ holder: 'you', askedBy: '127.0.0.1' }]);
    expect(guest.got).toEqual(['KeyA+']);
    act(first, key('KeyA', false));
    await eventually(() => !guest.holdsAny);
  });

  it('of who takes and gives the input without end is told to others as it is at last', async () => {
    const stage = await Stage.open({ input: new WrittenInput() });
    const first = await join(stage);
    const second = await join(stage);
    for (let i = 0; i < 1000; i++) {
      second.send(encodeInputWish('take'));
      second.send(encodeInputWish('give'));
    }
    await second.settle(PING);
    await first.settle(PING);
    expect(first.inputs.at(-1)).toMatchObject({ holder: 'nobody', free: true });
    act(first, key('KeyA', true));
    await first.settle(PING);
    expect(first.inputs.at(-1)?.holder).toBe('you');
  });
});
