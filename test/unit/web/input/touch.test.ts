import { beforeEach, describe, expect, it } from 'vitest';
import type { InputEvent } from '../../../../protocol/wire/index.ts';
import { Touch } from '../../../../viewer/web/input/touch.ts';
import { strokesOf } from '../../../../viewer/web/input/typing.ts';

let sent: string[];
let felt: number;
let timer: (() => void) | undefined;
let touch: Touch;

function nameOf(event: InputEvent): string {
  if (event.kind === 'position') return `${event.x},${event.y}`;
  if (event.kind === 'button') return `${event.button}${event.down ? '+' : '-'}`;
  if (event.kind === 'wheel') return `wheel ${event.dx},${event.dy}`;
  return event.kind;
}

beforeEach(() => {
  sent = [];
  felt = 0;
  timer = undefined;
  touch = new Touch({
    placeOf: ({ clientX, clientY }) => ({ x: clientX, y: clientY }),
    send: (events) => sent.push(...events.map(nameOf)),
    after: (_, run) => {
      timer = run;
      return () => {
        timer = undefined;
      };
    },
    felt: () => felt++,
  });
});

const finger = (id: number, clientX: number, clientY: number) => ({ id, clientX, clientY });

describe('fingers', () => {
  it('click where they tap', () => {
    touch.down(finger(1, 10, 20));
    touch.move(finger(1, 13, 22));
    touch.up(1);
    expect(sent).toEqual(['10,20', '0+', '0-']);
    expect(timer).toBeUndefined();
  });

  it('drag from where they came down', () => {
    touch.down(finger(1, 10, 20));
    touch.move(finger(1, 40, 20));
    touch.move(finger(1, 60, 30));
    expect(timer).toBeUndefined();
    // A second finger does not end it.
    touch.down(finger(2, 0, 0));
    touch.up(1);
    touch.up(2);
    expect(sent).toEqual(['10,20', '0+', '40,20', '60,30', '60,30', '0-']);
  });

  it('click with the right button when they lie still', () => {
    touch.down(finger(1, 10, 20));
    timer?.();
    touch.move(finger(1, 90, 90));
    touch.up(1);
    expect(sent).toEqual(['10,20', '2+', '2-']);
    expect(felt).toBe(1);
  });

  it('turn the wheel by two, against their direction, and click nothing', () => {
    touch.down(finger(1, 100, 100));
    touch.down(finger(2, 150, 100));
    touch.move(finger(1, 100, 140));
    touch.move(finger(2, 150, 140));
    touch.up(1);
    touch.up(2);
    expect(sent).toEqual(['wheel 0,-60', 'wheel 0,-60']);
  });

  it('let go of what they drag when the browser takes them', () => {
    touch.down(finger(1, 10, 20));
    touch.move(finger(1, 40, 20));
    touch.cancel();
    expect(sent.at(-1)).toBe('0-');
    touch.up(1);
    touch.down(finger(3, 5, 5));
    touch.cancel();
    expect(sent.filter((each) => each === '0+')).toHaveLength(1);
    expect(timer).toBeUndefined();
  });
});

describe('text that is typed', () => {
  it('is the strokes of a US keyboard', () => {
    const { strokes, missing } = strokesOf('aZ~1!\r\n"/\tü€ü');
    expect(strokes.map(({ code, shift }) => `${shift ? 'S-' : ''}${code}`).join(' ')).toBe(
      'KeyA S-KeyZ S-Backquote Digit1 S-Digit1 Enter S-Quote Slash Tab',
    );
    expect(missing).toEqual(['ü', '€']);
  });

  it('has every printable character', () => {
    const all = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('');
    const { strokes, missing } = strokesOf(all);
    expect(missing).toEqual([]);
    expect(new Set(strokes.map(({ code, shift }) => `${code}${shift}`)).size).toBe(95);
  });
});
