import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText, encodeText, guestString, MAX_GUEST_STRING } from '../../../protocol/index.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
const text = (value: string): Uint8Array => encodeText(value);

describe('guestString', () => {
  it('ends at the first NUL', () => {
    expect(guestString(text('B7\0secret'))).toBe('B7');
    expect(guestString(bytes(0, 65))).toBe('');
  });

  it('needs no NUL', () => {
    expect(guestString(text('B7-247-gbc96319b94+'))).toBe('B7-247-gbc96319b94+');
    expect(guestString(bytes())).toBe('');
  });

  it('keeps at most the characters that are kept', () => {
    expect(guestString(text('x'.repeat(MAX_GUEST_STRING)))).toHaveLength(MAX_GUEST_STRING);
    expect(guestString(text('x'.repeat(MAX_GUEST_STRING + 1)))).toHaveLength(MAX_GUEST_STRING);
    expect(guestString(text('é'.repeat(70_000)))).toBe('é'.repeat(MAX_GUEST_STRING));
  });

  it.each([
    ['an escape sequence', '\u001b[2J'],
    ['a bell', '\u0007'],
    ['a carriage return', '\r'],
    ['a line feed', '\n'],
    ['a delete', '\u007f'],
    ['a C1 control', '\u009b'],
    ['a right-to-left override', '\u202e'],
    ['a right-to-left mark', '\u200f'],
    ['an Arabic letter mark', '\u061c'],
    ['an isolate', '\u2066'],
    ['a line separator', '\u2028'],
  ])('replaces %s', (_, hostile) => {
    const shown = guestString(text(`a${hostile}b`));
    expect(shown).toBe(`a\ufffd${hostile.slice(1)}b`);
  });

  it('replaces what is not UTF-8', () => {
    expect(guestString(bytes(0x41, 0xff, 0x42))).toBe('A\ufffdB');
    expect(guestString(bytes(0x41, 0xc3))).toBe('A\ufffd');
    // An overlong NUL is no NUL.
    expect(guestString(bytes(0x41, 0xc0, 0x80, 0x42))).toBe('A\ufffd\ufffdB');
  });

  it('keeps what people write', () => {
    const names = 'Windows 11 “Pro” – Ωmega, 東京, عربي, emoji 🐧';
    expect(guestString(text(names))).toBe(names);
  });

  it('is short and free of controls whatever the guest wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (hostile) => {
        const shown = guestString(hostile);
        expect(shown.length).toBeLessThanOrEqual(MAX_GUEST_STRING);
        expect(shown).not.toMatch(CONTROLS);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (hostile) => {
        const shown = guestString(text(hostile));
        expect(shown).not.toMatch(CONTROLS);
      }),
    );
  });

  it('never ends in half a character', () => {
    const shown = guestString(text(`x${'🐧'.repeat(MAX_GUEST_STRING)}`));
    expect(decodeText(text(shown))).toBe(shown);
  });
});

it('decodeText and encodeText are inverses for text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (value) => {
      // A byte order mark at the start is no text.
      fc.pre(!value.startsWith('\ufeff'));
      expect(decodeText(encodeText(value))).toBe(value);
    }),
  );
});
