import type { InputReport } from '../../protocol/index.ts';
import { keyOfUsage, PAGE_KEYBOARD } from '../../protocol/keys.ts';

/** Characters of the keys from the usage 0x1e on, plain and with Shift, as on a keyboard of the US. */
const PLAIN = "1234567890\n\u001b\b\t -=[]\\\0;'`,./";
const SHIFTED = '!@#$%^&*()\n\u001b\b\t _+{}|\0:"~<>?';
const FIRST_PLAIN = 0x1e;
const FIRST_LETTER = 0x04;
/** Left and right among the modifiers. */
const SHIFT = 0x22;
const CONTROL = 0x11;
const KEY_C = 0x06;
const KEY_V = 0x19;
/** What is kept of a text: its end. */
const MAX_TEXT = 32;
const BUTTONS: readonly string[] = ['left', 'right', 'middle', 'back', 'forward'];

/**
 * What a person does to the synthetic guest, in words that its desktop shows: the end of what was typed,
 * keys without a character by their names, and the buttons that are down.
 */
export class Typist {
  #text = '';
  #keys: ReadonlySet<number> = new Set();
  #buttons = 0;
  #presses = 0;

  /** What was typed, its end. */
  get typed(): string {
    return this.#text;
  }

  /** Empty until something was done. */
  get text(): string {
    const held = BUTTONS.filter((_, bit) => (this.#buttons & (1 << bit)) !== 0);
    const buttons = held.length === 0 ? '' : `  (${held.join(', ')})`;
    return this.#presses === 0 && buttons === '' ? '' : `${this.#text}${buttons}`;
  }

  /** How often a key has gone down. */
  get presses(): number {
    return this.#presses;
  }

  /** Gives what is to be done with the clipboard: Ctrl+C and Ctrl+V are no letters. */
  hear(report: InputReport): 'copy' | 'paste' | undefined {
    if (report.kind !== 'keyboard') {
      this.#buttons = report.buttons;
      return undefined;
    }
    let wish: 'copy' | 'paste' | undefined;
    const isControl = (report.modifiers & CONTROL) !== 0;
    for (const usage of report.keys) {
      if (this.#keys.has(usage)) continue;
      if (isControl && usage === KEY_C) wish = 'copy';
      else if (isControl && usage === KEY_V) wish = 'paste';
      else this.#press(usage, (report.modifiers & SHIFT) !== 0);
    }
    this.#keys = new Set(report.keys);
    return wish;
  }

  /** Adds a text as if it had been typed. */
  paste(text: string): void {
    this.#presses += 1;
    this.#keep(text.replace(/[\p{Cc}\p{Cf}]+/gu, ' '));
  }

  /** Everything has gone up. */
  letGo(): void {
    this.#keys = new Set();
    this.#buttons = 0;
  }

  #press(usage: number, shift: boolean): void {
    const key = keyOfUsage(PAGE_KEYBOARD, usage);
    if (key === undefined) return;
    this.#presses += 1;
    const character = characterOf(usage, shift);
    if (character === '\b') this.#text = this.#text.slice(0, -1);
    else if (character === '\n') this.#text = '';
    else this.#keep(character ?? `[${key.code}]`);
  }

  #keep(text: string): void {
    this.#text = [...this.#text, ...text.slice(-4 * MAX_TEXT)].slice(-MAX_TEXT).join('');
  }
}

function characterOf(usage: number, shift: boolean): string | undefined {
  if (usage >= FIRST_LETTER && usage < FIRST_PLAIN) {
    const letter = String.fromCharCode(0x61 + usage - FIRST_LETTER);
    return shift ? letter.toUpperCase() : letter;
  }
  const character = (shift ? SHIFTED : PLAIN)[usage - FIRST_PLAIN];
  return character === undefined || '\0\t\u001b'.includes(character) ? undefined : character;
}
