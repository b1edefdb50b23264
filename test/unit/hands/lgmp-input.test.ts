import { describe, expect, it } from 'vitest';
import { KEYS, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import { type InputLine, LgmpInput } from '../../../viewer/hands/index.ts';

const SCREEN = { screenWidthPx: 100, screenHeightPx: 50, rotation: 0 };

/** A line that remembers what was reported. */
class Line implements InputLine {
  readonly said: unknown[] = [];
  readonly watchers: Set<() => void> = new Set();
  state: InputLine['state'] = {
    available: true,
    absolute: true,
    owner: 'nobody',
    leds: undefined,
  };

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }
  keyboard(report: { readonly modifiers: number; readonly keys: readonly number[] }): void {
    this.said.push([report.modifiers, ...report.keys]);
  }
  move(report: { buttons: number; deltaX: number; deltaY: number; wheel?: number }): void {
    this.said.push({ ...report });
  }
  moveTo(report: { buttons: number; x: number; y: number }): void {
    this.said.push({ ...report });
  }
  releaseAll(): void {
    this.said.push('release');
  }
}

function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

function told(...events: readonly InputEvent[]): readonly unknown[] {
  const line = new Line();
  const input = new LgmpInput(line, { nowMs: () => 0 });
  for (const event of events) input.apply(event, SCREEN);
  return line.said;
}

describe('input by the region', () => {
  it('reports all keys that are held, modifiers apart', () => {
    expect(
      told(
        key('ShiftLeft', true),
        key('KeyA', true),
        key('KeyB', true),
        key('KeyA', true),
        key('KeyA', false),
        key('ShiftLeft', false),
        key('MetaRight', true),
      ),
    ).toEqual([[2], [2, 4], [2, 4, 5], [2, 4, 5], [2, 5], [0, 5], [128, 5]]);
  });

  it('leaves media keys out, and takes every other key that there is', () => {
    const keyboard = KEYS.filter(({ page }) => page === 7);
    expect(told(...KEYS.map(({ code }) => key(code, true)))).toHaveLength(keyboard.length);
  });

  it('reports buttons in the order of HID, with steps, places and notches', () => {
    expect(
      told(
        { kind: 'button', button: 0, down: true },
        { kind: 'button', button: 1, down: true },
        { kind: 'button', button: 2, down: true },
        { kind: 'button', button: 1, down: false },
        { kind: 'motion', dx: 3, dy: -4 },
        { kind: 'position', x: 99, y: 0 },
        { kind: 'wheel', dx: 0, dy: 60 },
        { kind: 'wheel', dx: 0, dy: 60 },
        { kind: 'button', button: 4, down: true },
      ),
    ).toEqual([
      { buttons: 1, deltaX: 0, deltaY: 0, wheel: 0 },
      { buttons: 5, deltaX: 0, deltaY: 0, wheel: 0 },
      { buttons: 7, deltaX: 0, deltaY: 0, wheel: 0 },
      { buttons: 3, deltaX: 0, deltaY: 0, wheel: 0 },
      { buttons: 3, deltaX: 3, deltaY: -4, wheel: 0 },
      { buttons: 3, x: 32604, y: 327 },
      { buttons: 3, deltaX: 0, deltaY: 0, wheel: -1 },
      { buttons: 19, deltaX: 0, deltaY: 0, wheel: 0 },
    ]);
  });

  it('lets go of everything, and begins with nothing then', () => {
    expect(
      told(
        key('KeyA', true),
        { kind: 'button', button: 0, down: true },
        { kind: 'release' },
        key('KeyB', true),
        { kind: 'motion', dx: 1, dy: 1 },
      ),
    ).toEqual([
      [0, 4],
      { buttons: 1, deltaX: 0, deltaY: 0, wheel: 0 },
      'release',
      [0, 5],
      { buttons: 0, deltaX: 1, deltaY: 1, wheel: 0 },
    ]);
  });

  it('says what reaches the guest, and why it does not', () => {
    const line = new Line();
    const input = new LgmpInput(line);
    expect(input.abilities).toEqual({ keyboard: true, absolute: true, relative: true });
    line.state = { ...line.state, owner: 'other' };
    expect(input.abilities).toMatchObject({ keyboard: false, relative: false });
    expect(input.abilities.reason).toContain('another program');
    line.state = { ...line.state, leds: { numLock: true, capsLock: false, scrollLock: true } };
    expect(input.locks).toEqual({ caps: false, num: true, scroll: true });
    line.state = { available: false, absolute: false, owner: 'nobody', leds: undefined };
    expect(input.abilities.reason).toContain('takes no input');
  });
});
