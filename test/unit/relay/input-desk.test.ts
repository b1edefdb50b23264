import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { KEYS, type Key, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import {
  ASK_MS,
  HELD_IDLE_MS,
  IDLE_MS,
  InputDesk,
  MAX_PRESSES_PER_SECOND,
  type Seat,
} from '../../../viewer/relay/input-desk.ts';
import { WrittenInput } from '../../support/written-input.ts';

function key(code: string, down: boolean): InputEvent {
  return { kind: 'key', key: keyOfCode(code) as Key, down };
}

const button = (index: number, down: boolean): InputEvent => ({
  kind: 'button',
  button: index,
  down,
});
const PLACE: InputEvent = { kind: 'position', x: 1, y: 2 };

let guest: WrittenInput;
let desk: InputDesk;
let nowMs: number;

beforeEach(() => {
  nowMs = 1000;
  guest = new WrittenInput();
  desk = new InputDesk({ guest, nowMs: () => nowMs });
});

interface Visitor extends Seat {
  readonly told: () => number;
}

function come(name: string): Visitor {
  let told = 0;
  const seat = desk.seat({ name, changed: () => told++ });
  // As a viewer does, which is told when it comes.
  seat.state;
  return Object.assign(seat, { told: () => told });
}

function send(seat: Seat, ...events: readonly InputEvent[]): void {
  seat.receive({ atMs: undefined, events });
}

describe('the desk', () => {
  it('hands the input to who acts first, and lets nobody else act', () => {
    const first = come('first');
    const second = come('second');
    expect(first.state).toMatchObject({ holder: 'nobody', free: true, keyboard: true });
    send(first, key('KeyA', true), PLACE, key('KeyA', false));
    send(second, key('KeyB', true), PLACE);
    expect(guest.got).toEqual(['KeyA+', 'at 1,2', 'KeyA-']);
    expect(desk.counts).toEqual({ applied: 3, ignored: 2, dropped: 0 });
    expect(first.state).toMatchObject({ holder: 'you' });
    expect(second.state).toMatchObject({ holder: 'other', holderName: 'first', free: false });
    expect(second.told()).toBeGreaterThan(0);
  });

  it('lets go of all that is held when its holder goes, rests, or says so', () => {
    for (const end of ['leave', 'rest', 'release', 'give'] as const) {
      const seat = come(end);
      guest.clear();
      send(seat, key('ShiftLeft', true), key('KeyA', true), button(0, true), button(4, true));
      expect(desk.holdsAny).toBe(true);
      if (end === 'release') send(seat, { kind: 'release' });
      else if (end === 'give') seat.wish('give');
      else seat[end]();
      expect(guest.keys.size + guest.buttons.size).toBe(0);
      expect(desk.holdsAny).toBe(false);
      expect(guest.got.slice(4).sort()).toEqual(['KeyA-', 'ShiftLeft-', 'button 0-', 'button 4-']);
      seat.leave();
    }
  });

  it('is taken from who holds a key for ever, which comes up', () => {
    const first = come('first');
    const second = come('second');
    send(first, key('KeyA', true));
    nowMs += HELD_IDLE_MS - 1;
    second.wish('take');
    expect(second.state).toMatchObject({ holder: 'other', free: false });
    nowMs += 1;
    second.wish('take');
    expect(second.state.holder).toBe('you');
    expect(guest.got).toEqual(['KeyA+', 'KeyA-']);
  });

  it('is taken from who does nothing, not from who drags something', () => {
    const first = come('first');
    const second = come('second');
    send(first, button(0, true));
    nowMs += IDLE_MS * 5;
    second.wish('take');
    expect(second.state).toMatchObject({ holder: 'other', free: false });
    expect(first.state).toMatchObject({ holder: 'you', askedBy: 'second' });
    send(first, button(0, false));
    nowMs += IDLE_MS - 1;
    second.wish('take');
    expect(second.state.holder).toBe('other');
    nowMs += 1;
    const told = second.told();
    second.look();
    expect(second.told()).toBeGreaterThan(told);
    expect(second.state.free).toBe(true);
    second.wish('take');
    expect(second.state.holder).toBe('you');
    send(first, key('KeyA', true));
    expect(guest.keys.size).toBe(0);
  });

  it('goes to who asked when its holder gives it or goes, and forgets who asked long ago', () => {
    const first = come('first');
    const second = come('second');
    const third = come('third');
    send(first, PLACE);
    second.wish('take');
    expect(first.state.askedBy).toBe('second');
    first.wish('give');
    expect(second.state.holder).toBe('you');
    third.wish('take');
    second.leave();
    expect(third.state.holder).toBe('you');
    first.wish('take');
    nowMs += ASK_MS + 1;
    send(third, PLACE);
    expect(third.state.askedBy).toBeUndefined();
    third.leave();
    expect(first.state.holder).toBe('nobody');
  });

  it('gives nothing to who has left', () => {
    const seat = come('gone');
    seat.leave();
    seat.leave();
    send(seat, key('KeyA', true));
    seat.wish('take');
    expect(guest.got).toEqual([]);
    expect(come('next').state.holder).toBe('nobody');
  });

  it('drops what goes up without having been down, and what is down already of a button', () => {
    const seat = come('odd');
    send(seat, key('KeyA', false), button(2, false), button(1, true), button(1, true));
    expect(guest.got).toEqual(['button 1+']);
    // A key that repeats is another matter.
    send(seat, key('KeyA', true), key('KeyA', true), key('KeyA', false), key('KeyA', false));
    expect(guest.got.slice(1)).toEqual(['KeyA+', 'KeyA+', 'KeyA-']);
  });

  it('drops presses that nobody could make, never a release', () => {
    const seat = come('flood');
    for (let press = 0; press < 1000; press++) send(seat, key('KeyA', true), key('KeyA', false));
    expect(guest.got).toHaveLength(MAX_PRESSES_PER_SECOND * 2);
    expect(desk.counts.dropped).toBe(1000 - MAX_PRESSES_PER_SECOND);
    expect(guest.keys.size).toBe(0);
    nowMs += 1000;
    send(seat, key('KeyB', true));
    expect(guest.got.at(-1)).toBe('KeyB+');
  });

  it('tells what the guest takes, and its lights', () => {
    const seat = come('looks');
    const told = seat.told();
    guest.turn({ keyboard: false, absolute: false, relative: false, reason: 'no SPICE server' });
    expect(seat.told()).toBe(told + 1);
    expect(seat.state).toMatchObject({ keyboard: false, reason: 'no SPICE server' });
    const locks = { caps: true, num: false, scroll: false };
    guest.turn({ keyboard: true, absolute: true, relative: true }, locks);
    expect(seat.state.locks).toEqual(locks);
  });

  it('lets go of everything when it closes', () => {
    send(come('late'), key('KeyA', true), button(1, true));
    desk.close();
    expect(guest.keys.size + guest.buttons.size).toBe(0);
  });

  it('never leaves a key behind, whatever comes', () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.oneof(
        fc.record({
          key: fc.constantFrom(...KEYS.slice(0, 6).map(({ code }) => code)),
          down: fc.boolean(),
        }),
        fc.record({ button: fc.nat(4), down: fc.boolean() }),
        fc.constantFrom('take' as const, 'give' as const, 'rest' as const, 'leave' as const),
        fc.constant('wait' as const),
      ),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        guest = new WrittenInput();
        desk = new InputDesk({ guest, nowMs: () => nowMs });
        const seats = [come('a'), come('b'), come('c')];
        for (const { who, what } of steps) {
          const seat = seats[who] as Seat;
          if (what === 'wait') nowMs += IDLE_MS;
          else if (what === 'take' || what === 'give') seat.wish(what);
          else if (what === 'rest') seat.rest();
          else if (what === 'leave') {
            seat.leave();
            seats[who] = come('again');
          } else if ('key' in what) send(seat, key(what.key, what.down));
          else send(seat, button(what.button, what.down));
          const holders = seats.filter(({ state }) => state.holder === 'you');
          expect(holders.length).toBeLessThanOrEqual(1);
          // Whatever is held is somebody's who has the input.
          if (holders.length === 0) expect(guest.keys.size + guest.buttons.size).toBe(0);
          expect(desk.holdsAny).toBe(guest.keys.size + guest.buttons.size > 0);
        }
        for (const seat of seats) seat.leave();
        expect(guest.keys.size + guest.buttons.size).toBe(0);
      }),
    );
  });
});
