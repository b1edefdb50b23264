import { beforeEach, describe, expect, it } from 'vitest';
import { type Key, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import { EitherInput } from '../../../viewer/hands/index.ts';
import { WrittenInput } from '../../support/written-input.ts';

const ALL = { keyboard: true, absolute: true, relative: true };
const NOTHING = { keyboard: false, absolute: false, relative: false };
const PLACE: InputEvent = { kind: 'position', x: 1, y: 2 };

function key(code: string, down: boolean): InputEvent {
  return { kind: 'key', key: keyOfCode(code) as Key, down };
}

let first: WrittenInput;
let second: WrittenInput;
let either: EitherInput;
let told: number;

beforeEach(() => {
  first = new WrittenInput();
  second = new WrittenInput();
  either = new EitherInput(first, second);
  told = 0;
  either.watch(() => told++);
});

describe('two ways into a guest', () => {
  it('are the first one while it brings anything there', () => {
    either.apply(key('KeyA', true));
    either.apply(key('KeyA', false));
    expect([first.got, second.got]).toEqual([['KeyA+', 'KeyA-'], []]);
    second.turn({ ...ALL, absolute: false });
    expect(either.abilities.absolute).toBe(true);
  });

  it('are the second one while the first is away, and the first again when it is back', () => {
    first.turn({ ...NOTHING, reason: 'the server is away' });
    either.apply(PLACE);
    expect(second.got).toEqual(['at 1,2']);
    second.turn({ ...ALL, absolute: false, reason: 'no tablet' });
    expect(either.abilities).toMatchObject({ absolute: false, reason: 'no tablet' });
    first.turn(ALL, { caps: true, num: false, scroll: false });
    expect(either.abilities).toEqual(ALL);
    expect(either.locks?.caps).toBe(true);
    either.apply(key('KeyB', true));
    expect(first.got.at(-1)).toBe('KeyB+');
    expect(told).toBe(3);
  });

  it('let go of what is held by the way by which it went down, also when that cannot be seen to go', () => {
    either.apply(key('KeyA', true));
    first.turn(NOTHING);
    expect([first.got, second.got]).toEqual([['KeyA+', 'release'], []]);
    either.apply(key('KeyB', true));
    // Without a word, as when a screen goes.
    first.abilities = ALL;
    either.apply(key('KeyC', true));
    expect([first.got, second.got]).toEqual([
      ['KeyA+', 'release', 'KeyC+'],
      ['KeyB+', 'release'],
    ]);
    either.close();
    expect(first.got.at(-1)).toBe('release');
  });

  it('let a button go by the other way as well, which the lost one may have kept', () => {
    either.apply({ kind: 'button', button: 0, down: true });
    either.apply({ kind: 'button', button: 3, down: true });
    either.apply({ kind: 'button', button: 0, down: false });
    first.turn(NOTHING);
    expect(second.got).toEqual(['button 3+', 'button 3-']);
    either.apply({ kind: 'button', button: 1, down: true });
    first.turn(ALL);
    expect(second.got.at(-1)).toBe('release');
    expect(first.got.slice(-2)).toEqual(['button 1+', 'button 1-']);
  });

  it('say of the first why nothing goes where neither does, and take that one back', () => {
    let wanted = 0;
    Object.assign(first, { wanted: () => wanted++ });
    first.turn({ ...NOTHING, reason: 'another viewer has it' });
    either.wanted();
    expect(wanted).toBe(0);
    second.turn({ ...NOTHING, reason: 'no socket' });
    expect(either.abilities.reason).toBe('another viewer has it');
    either.wanted();
    expect(wanted).toBe(1);
    either.apply(key('KeyA', true));
    expect(first.got.at(-1)).toBe('KeyA+');
  });
});
