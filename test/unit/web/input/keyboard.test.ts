import { beforeEach, describe, expect, it } from 'vitest';
import type { InputEvent } from '../../../../protocol/wire/index.ts';
import { Keyboard, type KeyboardSystem } from '../../../../viewer/web/input/keyboard.ts';

const ESCAPE = ['ControlLeft', 'AltLeft'];

let sent: string[];
let escapes: number;
let timers: { readonly run: () => void; cancelled: boolean }[];
let nowMs: number;

beforeEach(() => {
  sent = [];
  escapes = 0;
  timers = [];
  nowMs = 0;
});

function nameOf(event: InputEvent): string {
  if (event.kind !== 'key') return event.kind;
  return `${event.key.code}${event.down ? '+' : '-'}`;
}

function keyboardOf(system: KeyboardSystem): Keyboard {
  return new Keyboard({
    system,
    send: (events) => sent.push(...events.map(nameOf)),
    after: (_, run) => {
      const timer = { run, cancelled: false };
      timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
    escapeCodes: ESCAPE,
    escaped: () => escapes++,
  });
}

function pass(): void {
  for (const timer of timers.splice(0)) if (!timer.cancelled) timer.run();
}

/** Presses as `KeyA+ KeyA-`; `*` repeats. */
function press(keyboard: Keyboard, keys: string): boolean[] {
  return keys.split(' ').map((each) =>
    keyboard.handle({
      type: each.endsWith('-') ? 'keyup' : 'keydown',
      code: each.slice(0, -1),
      key: '',
      repeat: each.endsWith('*'),
      timeStamp: nowMs,
    }),
  );
}

describe('a keyboard', () => {
  it('sends each key by its place, down once and up once', () => {
    const keyboard = keyboardOf('other');
    press(keyboard, 'KeyA+ KeyA* KeyA* IntlRo+ KeyA- IntlRo- IntlRo-');
    expect(sent).toEqual(['KeyA+', 'IntlRo+', 'KeyA-', 'IntlRo-']);
    expect(keyboard.holdsAny).toBe(false);
  });

  it('leaves to the browser what no guest has', () => {
    expect(press(keyboardOf('other'), 'Fn+ + KeyA+')).toEqual([false, false, true]);
    expect(sent).toEqual(['KeyA+']);
  });

  it('lets everything go when the page is left, and says nothing when nothing is held', () => {
    const keyboard = keyboardOf('other');
    press(keyboard, 'ShiftLeft+ KeyA+');
    keyboard.release();
    keyboard.release();
    expect(sent).toEqual(['ShiftLeft+', 'KeyA+', 'release']);
    // What goes up afterwards went down before.
    press(keyboard, 'KeyA- ShiftLeft-');
    expect(sent).toHaveLength(3);
  });

  it('presses chords in order, and lets them go the other way round', () => {
    keyboardOf('other').chord(['ControlLeft', 'AltLeft', 'Delete']);
    expect(sent.join(' ')).toBe('ControlLeft+ AltLeft+ Delete+ Delete- AltLeft- ControlLeft-');
  });

  it('does not send the Control that Windows presses for AltGr, and sends every other one', () => {
    const keyboard = keyboardOf('windows');
    press(keyboard, 'ControlLeft+ AltRight+ KeyQ+ KeyQ- AltRight- ControlLeft-');
    pass();
    expect(sent.join(' ')).toBe('AltRight+ KeyQ+ KeyQ- AltRight-');
    sent = [];
    press(keyboard, 'ControlLeft+ KeyC+');
    expect(sent.join(' ')).toBe('ControlLeft+ KeyC+');
    press(keyboard, 'KeyC- ControlLeft-');
    sent = [];
    press(keyboard, 'ControlLeft+');
    pass();
    expect(sent).toEqual(['ControlLeft+']);
    nowMs += 100;
    press(keyboard, 'AltRight+ AltRight- ControlLeft-');
    expect(sent.join(' ')).toBe('ControlLeft+ AltRight+ AltRight- ControlLeft-');
    // Control and AltGr by two fingers.
    sent = [];
    press(keyboard, 'ControlLeft+');
    nowMs += 100;
    press(keyboard, 'AltRight+');
    expect(sent.join(' ')).toBe('ControlLeft+ AltRight+');
  });

  it('presses what Windows only lets go', () => {
    press(keyboardOf('windows'), 'PrintScreen-');
    expect(sent).toEqual(['PrintScreen+', 'PrintScreen-']);
  });

  it('lets keys go that a Mac holds with Meta, and taps Caps Lock there', () => {
    const keyboard = keyboardOf('mac');
    press(keyboard, 'MetaLeft+ ShiftLeft+ KeyC+ MetaLeft-');
    expect(sent.join(' ')).toBe('MetaLeft+ ShiftLeft+ KeyC+ MetaLeft- KeyC-');
    sent = [];
    press(keyboard, 'CapsLock+');
    expect(sent.join(' ')).toBe('CapsLock+ CapsLock-');
    press(keyboard, 'CapsLock-');
    expect(sent.join(' ')).toBe('CapsLock+ CapsLock- CapsLock+ CapsLock-');
  });

  it('is escaped by its keys alone, whichever goes up first, and lets them go', () => {
    const keyboard = keyboardOf('other');
    press(keyboard, 'AltLeft+ ControlLeft+ AltLeft-');
    expect(escapes).toBe(1);
    expect(sent.at(-1)).toBe('release');
    press(keyboard, 'ControlLeft-');
    // With another key it is a chord of the guest.
    sent = [];
    press(keyboard, 'ControlLeft+ AltLeft+ Delete+ Delete- AltLeft- ControlLeft-');
    expect(escapes).toBe(1);
    expect(sent).toHaveLength(6);
    press(keyboard, 'ControlLeft+ ControlLeft-');
    expect(escapes).toBe(1);
  });

  it('is escaped on Windows, too, where Control waits for what comes', () => {
    const keyboard = keyboardOf('windows');
    press(keyboard, 'ControlLeft+ AltLeft+ AltLeft-');
    expect(escapes).toBe(1);
  });
});
