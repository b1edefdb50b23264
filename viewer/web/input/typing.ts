/** A key and whether Shift goes with it. */
export interface Stroke {
  readonly code: string;
  readonly shift: boolean;
}

const PLAIN = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ";
const SHIFTED = '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>? ';
const CODES = [
  'Backquote',
  ...['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'].map((digit) => `Digit${digit}`),
  ...['Minus', 'Equal'],
  ...[...'QWERTYUIOP'].map((letter) => `Key${letter}`),
  ...['BracketLeft', 'BracketRight', 'Backslash'],
  ...[...'ASDFGHJKL'].map((letter) => `Key${letter}`),
  ...['Semicolon', 'Quote'],
  ...[...'ZXCVBNM'].map((letter) => `Key${letter}`),
  ...['Comma', 'Period', 'Slash', 'Space'],
];

const STROKES: ReadonlyMap<string, Stroke> = new Map([
  ...[...SHIFTED].map((char, at): [string, Stroke] => [
    char,
    { code: CODES[at] ?? '', shift: true },
  ]),
  ...[...PLAIN].map((char, at): [string, Stroke] => [
    char,
    { code: CODES[at] ?? '', shift: false },
  ]),
  ['\n', { code: 'Enter', shift: false }],
  ['\t', { code: 'Tab', shift: false }],
]);

/**
 * How text is typed on a US keyboard, for guests that take no clipboard.
 *
 * @returns the strokes, and the characters that such a keyboard has not
 */
export function strokesOf(text: string): {
  readonly strokes: readonly Stroke[];
  readonly missing: readonly string[];
} {
  const strokes: Stroke[] = [];
  const missing = new Set<string>();
  for (const char of text.replaceAll('\r\n', '\n').replaceAll('\r', '\n')) {
    const stroke = STROKES.get(char);
    if (stroke === undefined) missing.add(char);
    else strokes.push(stroke);
  }
  return { strokes, missing: [...missing] };
}
