import { expect, it } from 'vitest';
import { Typist } from '../../../../host/pattern/typist.ts';
import { keyOfCode } from '../../../../protocol/keys.ts';

const SHIFT = 2;

/** Presses keys by their codes, each alone; `^` before one holds Shift. */
function type(typist: Typist, ...codes: readonly string[]): void {
  for (const code of codes) {
    const isShifted = code.startsWith('^');
    const usage = keyOfCode(isShifted ? code.slice(1) : code)?.usage;
    if (usage === undefined) throw new Error(`there must be a key ${code}`);
    const modifiers = isShifted ? SHIFT : 0;
    typist.hear({ kind: 'keyboard', modifiers, keys: [usage] });
    typist.hear({ kind: 'keyboard', modifiers, keys: [] });
  }
}

it('shows what is typed, keys without a character by their names', () => {
  const typist = new Typist();
  expect(typist.text).toBe('');
  type(typist, '^KeyH', 'KeyI', 'Comma', 'Space', '^Digit1', 'Digit0', '^Slash', 'F5', 'Escape');
  expect(typist.text).toBe('Hi, !0?[F5][Escape]');
  expect(typist.presses).toBe(9);
});

it('takes back with Backspace, begins anew with Enter, and keeps the end of a long text', () => {
  const typist = new Typist();
  type(typist, 'KeyA', 'KeyB', 'Backspace');
  expect(typist.text).toBe('a');
  type(typist, 'Enter');
  expect(typist.text).toBe('');
  for (let i = 0; i < 40; i++) type(typist, 'KeyX');
  type(typist, 'KeyY');
  expect(typist.text).toBe(`${'x'.repeat(31)}y`);
});

it('counts a key once while it is held, and shows buttons while they are down', () => {
  const typist = new Typist();
  typist.hear({ kind: 'keyboard', modifiers: 0, keys: [4] });
  typist.hear({ kind: 'keyboard', modifiers: 0, keys: [4, 5] });
  typist.hear({ kind: 'absolute', buttons: 5, x: 0, y: 0, wheel: 0 });
  expect(typist.text).toBe('ab  (left, middle)');
  typist.letGo();
  expect(typist.text).toBe('ab');
});

it('takes Ctrl+C and Ctrl+V for the clipboard, once each time, and types what is pasted', () => {
  const typist = new Typist();
  type(typist, 'KeyV', 'KeyC');
  const control = { kind: 'keyboard', modifiers: 1 } as const;
  expect(typist.hear({ ...control, keys: [0x19] })).toBe('paste');
  expect(typist.hear({ ...control, keys: [0x19] })).toBeUndefined();
  typist.paste('grüße\n\u202efrom 🐧');
  expect(typist.hear({ ...control, keys: [0x06] })).toBe('copy');
  expect(typist.typed).toBe('vcgrüße from 🐧');
  typist.paste('x'.repeat(1_000_000));
  expect(typist.typed).toBe('x'.repeat(32));
});
