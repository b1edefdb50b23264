import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findCookie } from '../../../../host/x11/authority.ts';
import { gatherBoxes } from '../../../../host/x11/boxes.ts';
import { addressesOf, parseDisplay } from '../../../../host/x11/display.ts';
import {
  decodeCursor,
  decodeFault,
  decodePointer,
  decodeRegion,
  decodeSetup,
  encodeSetup,
  pair,
  queryExtension,
  refusalOf,
  request,
} from '../../../../host/x11/wire.ts';
import { KvmfrError, type Rect } from '../../../../protocol/index.ts';
import { fuzzed } from '../../../fuzz/runs.ts';

/** A reply: its first 32 bytes with some of them set, and what follows. */
function reply(head: { readonly [at: number]: number }, rest: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(32 + rest.length);
  bytes[0] = 1;
  for (const [at, value] of Object.entries(head)) bytes[Number(at)] = value;
  bytes.set(rest, 32);
  return bytes;
}

/** How a server with one screen of depth 24 introduces itself. */
function introduction(): Uint8Array {
  const bytes = new Uint8Array(8 + 32 + 4 + 8 + 40 + 8 + 24);
  const view = new DataView(bytes.buffer);
  bytes[0] = 1;
  view.setUint16(2, 11, true);
  view.setUint16(6, (bytes.length - 8) / 4, true);
  view.setUint32(12, 0x0020_0000, true);
  view.setUint32(16, 0x001f_ffff, true);
  view.setUint16(24, 3, true);
  bytes.set([1, 1, 0], 28);
  bytes.set(Buffer.from('abc'), 40);
  bytes.set([24, 32, 32], 44);
  view.setUint32(52, 0x4d7, true);
  view.setUint32(52 + 32, 0x21, true);
  bytes.set([24, 1], 52 + 38);
  bytes.set([24, 0, 1, 0], 92);
  view.setUint32(100, 0x21, true);
  view.setUint32(108, 0xff_0000, true);
  view.setUint32(112, 0xff00, true);
  view.setUint32(116, 0xff, true);
  return bytes;
}

describe('what is sent to an X server', () => {
  it('asks to be let in, with a cookie and without', () => {
    expect(Buffer.from(encodeSetup(undefined)).toString('hex')).toBe('6c000b000000000000000000');
    expect(Buffer.from(encodeSetup(Uint8Array.of(1, 2, 3))).toString('hex')).toBe(
      `6c000b000000120003000000${Buffer.from('MIT-MAGIC-COOKIE-1').toString('hex')}000001020300`,
    );
  });

  it('has requests of whole words', () => {
    expect([...request(73, 2, 0x4d7, pair(-1, 2), Uint8Array.of(7))]).toEqual([
      ...[73, 2, 4, 0],
      ...[0xd7, 4, 0, 0],
      ...[0xff, 0xff, 2, 0],
      ...[7, 0, 0, 0],
    ]);
    expect(Buffer.from(queryExtension('DAMAGE')).toString('hex')).toBe(
      `6200040006000000${Buffer.from('DAMAGE').toString('hex')}0000`,
    );
  });
});

describe('what an X server says', () => {
  it('introduces its screens', () => {
    expect(decodeSetup(introduction())).toEqual({
      idBase: 0x0020_0000,
      idMask: 0x001f_ffff,
      isLeastByteFirst: true,
      bitsPerPixel: new Map([[24, 32]]),
      screens: [{ root: 0x4d7, depth: 24, redMask: 0xff_0000, greenMask: 0xff00, blueMask: 0xff }],
    });
  });

  it.each([39, 44, 51, 60, 95, 110])('is refused when its introduction ends at byte %i', (end) => {
    expect(() => decodeSetup(introduction().subarray(0, end))).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_CORRUPT' }),
    );
  });

  it('gives its reason in words that can be shown', () => {
    const words = Buffer.from('No protocol specified\n\u001b[31m');
    const refusal = Buffer.concat([Buffer.of(0, words.length, 11, 0, 0, 0, 7, 0), words]);
    expect(refusalOf(refusal)).toBe('No protocol specified [31m');
    expect(refusalOf(introduction())).toBeUndefined();
  });

  it('tells where the pointer is', () => {
    expect(decodePointer(reply({ 1: 1, 16: 0xfe, 17: 0xff, 18: 5 }))).toEqual({
      ...{ isHere: true, x: -2, y: 5 },
    });
  });

  it('tells boxes, and of very many only the one around them', () => {
    const box = [0xff, 0xff, 2, 0, 3, 0, 4, 0];
    expect(decodeRegion(reply({}, box))).toEqual([{ x: -1, y: 2, width: 3, height: 4 }]);
    const extents = { 8: 9, 10: 8, 12: 7, 14: 6 };
    const many = Array.from({ length: 1025 }, () => box).flat();
    expect(decodeRegion(reply(extents, many))).toEqual([{ x: 9, y: 8, width: 7, height: 6 }]);
    expect(decodeRegion(reply({}))).toEqual([]);
  });

  it('has cursors whose colours are multiplied by alpha, and are not afterwards', () => {
    const pixels = [
      ...[0, 64, 128, 128],
      ...[255, 255, 255, 255],
      ...[9, 9, 9, 0],
      ...[200, 0, 0, 100],
    ];
    const head = { 8: 50, 10: 60, 12: 2, 14: 2, 16: 1, 18: 1 };
    expect(decodeCursor(reply(head, pixels))).toEqual({
      ...{ x: 50, y: 60, widthPx: 2, heightPx: 2, hotspotX: 1, hotspotY: 1 },
      bgra: Uint8Array.of(0, 128, 255, 128, 255, 255, 255, 255, 0, 0, 0, 0, 255, 0, 0, 100),
    });
    expect(() => decodeCursor(reply(head, pixels.slice(0, 15)))).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_CORRUPT' }),
    );
  });

  it('says which request it refused', () => {
    const bytes = reply({ 0: 0, 1: 8, 4: 0xd7, 5: 4, 8: 4, 10: 130 });
    expect(decodeFault(bytes)).toEqual({ code: 8, value: 0x4d7, minor: 4, opcode: 130 });
  });

  it('may say anything: it is read, or refused as broken', () => {
    const refusedOrRead = (read: () => unknown): void => {
      try {
        read();
      } catch (error) {
        if (!KvmfrError.is(error)) throw error;
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 400 }), (bytes) => {
        refusedOrRead(() => decodeSetup(bytes));
        refusedOrRead(() => decodeCursor(bytes));
        refusedOrRead(() => decodeRegion(bytes));
        refusedOrRead(() => refusalOf(bytes));
        findCookie(bytes, { display: 0, hostname: 'x' });
      }),
      fuzzed(500),
    );
  });
});

describe('boxes of what has changed', () => {
  const screen = { widthPx: 300, heightPx: 200 };

  it('are cut at the edges of the screen', () => {
    const boxes = [
      { x: -10, y: 190, width: 20, height: 50 },
      { x: 300, y: 0, width: 5, height: 5 },
    ];
    expect(gatherBoxes(boxes, screen, 4)).toEqual([{ x: 0, y: 190, width: 10, height: 10 }]);
  });

  it('become few, hold every pixel of the many, and do not overlap', () => {
    const side = fc.integer({ min: 1, max: 40 });
    const box = fc.record({
      x: fc.integer({ min: -5, max: 310 }),
      y: fc.integer({ min: -5, max: 210 }),
      width: side,
      height: side,
    });
    fc.assert(
      fc.property(fc.array(box, { minLength: 9, maxLength: 40 }), (boxes) => {
        const few = gatherBoxes(boxes, screen, 8);
        expect(few.length).toBeLessThanOrEqual(8);
        const marks = (list: readonly Rect[]): Uint8Array => {
          const seen = new Uint8Array(300 * 200);
          for (const { x, y, width, height } of list)
            for (let row = Math.max(0, y); row < Math.min(200, y + height); row++)
              for (let column = Math.max(0, x); column < Math.min(300, x + width); column++)
                seen[row * 300 + column] = (seen[row * 300 + column] ?? 0) + 1;
          return seen;
        };
        const inside = boxes.filter(({ x, y, width, height }) => {
          return x < 300 && y < 200 && x + width > 0 && y + height > 0;
        });
        const [wanted, found] = [marks(boxes), marks(few)];
        expect(wanted.every((mark, i) => mark === 0 || (found[i] ?? 0) > 0)).toBe(true);
        if (inside.length > 8) expect(found.every((mark) => mark <= 1)).toBe(true);
      }),
      fuzzed(60),
    );
  });
});

describe('the name of a display', () => {
  it.each([
    [':0', undefined, 0, 0, [{ path: '/tmp/.X11-unix/X0' }, { path: '\0/tmp/.X11-unix/X0' }]],
    [':99.2', undefined, 99, 2, [{ path: '/tmp/.X11-unix/X99' }, { path: '\0/tmp/.X11-unix/X99' }]],
    ['unix:1', undefined, 1, 0, [{ path: '/tmp/.X11-unix/X1' }, { path: '\0/tmp/.X11-unix/X1' }]],
    ['desk.example:10.0', 'desk.example', 10, 0, [{ host: 'desk.example', port: 6010 }]],
  ])('%s is where it says', (text, host, display, screen, addresses) => {
    const name = parseDisplay(text);
    expect(name).toEqual({ text, host, display, screen });
    expect(addressesOf(name)).toEqual(addresses);
  });

  it.each(['', '0', ':', ':x', 'a b:0', '/tmp/x:0', ':59536', ':1.2.3', '::0'])(
    'is not %j',
    (text) => {
      expect(() => parseDisplay(text)).toThrow(
        expect.objectContaining({ code: 'ERR_KVMFR_USAGE' }),
      );
    },
  );
});

describe('an authority file', () => {
  const field = (text: string): Buffer =>
    Buffer.concat([Buffer.of(0, text.length), Buffer.from(text, 'latin1')]);
  const entry = (family: number, address: string, display: string, name: string, data: string) =>
    Buffer.concat([
      Buffer.of(family >> 8, family & 0xff),
      ...[address, display, name, data].map(field),
    ]);
  const cookie = 'MIT-MAGIC-COOKIE-1';
  const wanted = { display: 7, hostname: 'desk' };

  it('has a cookie for a display of this machine, or for every one', () => {
    const file = Buffer.concat([
      entry(256, 'other', '7', cookie, 'a'),
      entry(256, 'desk', '8', cookie, 'b'),
      entry(256, 'desk', '7', 'XDM-AUTHORIZATION-1', 'c'),
      entry(256, 'desk', '7', cookie, 'right'),
    ]);
    expect(Buffer.from(findCookie(file, wanted) ?? []).toString()).toBe('right');
    const wild = entry(65535, '', '', cookie, 'any');
    expect(Buffer.from(findCookie(wild, wanted) ?? []).toString()).toBe('any');
  });

  it('has none when it is cut, or is for others', () => {
    const file = entry(256, 'desk', '7', cookie, 'right');
    for (let end = 0; end < file.length; end++)
      expect(findCookie(file.subarray(0, end), wanted)).toBeUndefined();
    expect(findCookie(file, { ...wanted, hostname: 'elsewhere' })).toBeUndefined();
  });
});
