import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CURSOR_KINDS,
  CURSOR_LAYOUTS,
  type CursorLayout,
  cursorBitmap,
  KvmfrError,
  MAX_CURSOR_BYTES,
  type RawCursorShape,
  Region,
  readCursorPosition,
  readCursorShape,
} from '../../../../protocol/index.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';

const AT = 64;

interface CursorFields {
  readonly x?: number;
  readonly y?: number;
  readonly type?: number;
  readonly hx?: number;
  readonly hy?: number;
  readonly width?: number;
  readonly height?: number;
  readonly pitch?: number;
}

/** A pointer message at literal offsets, with a payload of rising bytes behind it. */
function cursor(fields: CursorFields, regionBytes = 4096): Region {
  const region = new Region(new ArrayBuffer(regionBytes));
  const { view } = region;
  view.setInt16(AT, fields.x ?? 0, true);
  view.setInt16(AT + 2, fields.y ?? 0, true);
  view.setUint32(AT + 4, fields.type ?? 0, true);
  view.setInt8(AT + 8, fields.hx ?? 0);
  view.setInt8(AT + 9, fields.hy ?? 0);
  view.setUint16(AT + 10, 0xaaaa, true);
  view.setUint32(AT + 12, fields.width ?? 4, true);
  view.setUint32(AT + 16, fields.height ?? 4, true);
  view.setUint32(AT + 20, fields.pitch ?? 16, true);
  for (let at = AT + 24; at < regionBytes; at++) region.bytes[at] = at & 0xff;
  return region;
}

function refusal(fields: CursorFields, messageBytes = 1 << 21, regionBytes?: number): string {
  try {
    readCursorShape(cursor(fields, regionBytes), AT, messageBytes);
  } catch (error) {
    if (KvmfrError.is(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('readCursorPosition', () => {
  it('reads signed places', () => {
    expect(readCursorPosition(cursor({ x: 316, y: 236 }), AT)).toEqual({ x: 316, y: 236 });
    expect(readCursorPosition(cursor({ x: -1, y: -32768 }), AT)).toEqual({ x: -1, y: -32768 });
  });
});

describe('readCursorShape', () => {
  it('copies a shape with its hotspot', () => {
    const region = cursor({ width: 2, height: 2, pitch: 12, hx: -1, hy: 127 });
    const shape = readCursorShape(region, AT, 24 + 24);
    expect(shape).toEqual({
      kind: 'color',
      widthPx: 2,
      heightPx: 2,
      hotspotX: -1,
      hotspotY: 127,
      pitchBytes: 12,
      bytes: Uint8Array.from({ length: 24 }, (_, i) => AT + 24 + i),
    });
    region.bytes.fill(0);
    expect(shape.bytes[0]).toBe(AT + 24);
  });

  it('counts both masks of a monochrome shape', () => {
    const shape = readCursorShape(cursor({ type: 1, width: 9, height: 8, pitch: 2 }), AT, 24 + 16);
    expect(shape).toMatchObject({ kind: 'monochrome', widthPx: 9, heightPx: 4, pitchBytes: 2 });
    expect(shape.bytes.byteLength).toBe(16);
  });

  it('leaves out the odd row of a monochrome shape', () => {
    const shape = readCursorShape(cursor({ type: 1, width: 8, height: 5, pitch: 1 }), AT, 24 + 4);
    expect([shape.heightPx, shape.bytes.byteLength]).toEqual([2, 4]);
  });

  it.each([3, 4, 0xffff_ffff])('refuses the kind %i', (type) => {
    expect(refusal({ type })).toBe(
      `ERR_KVMFR_CORRUPT type in cursor 0x40 must be 0 to 2, but is ${type}`,
    );
  });

  it.each([
    ['width', { width: 0 }],
    ['width', { width: 513, pitch: 513 * 4 }],
    ['width', { width: 0xffff_ffff }],
    ['height', { height: 0 }],
    ['height', { height: 513 }],
    ['height', { height: 0xffff_ffff }],
    ['height', { type: 1, height: 1 }],
    ['height', { type: 1, height: 1025 }],
    ['pitch', { pitch: 15 }],
    ['pitch', { pitch: 0 }],
    ['pitch', { pitch: MAX_CURSOR_BYTES + 1 }],
    ['pitch', { pitch: 0xffff_ffff }],
    ['pitch', { type: 1, width: 9, pitch: 1 }],
    ['pitch', { type: 2, pitch: 15 }],
  ] as const)('refuses a %s out of range: %j', (field, lie) => {
    expect(refusal(lie)).toMatch(new RegExp(`^ERR_KVMFR_BOUNDS ${field} at cursor 0x40 must be`));
  });

  it('takes the largest shape that publishers send, and no larger one', () => {
    const regionBytes = AT + 24 + MAX_CURSOR_BYTES;
    const largest = { width: 512, height: 512, pitch: 2048 };
    const region = cursor(largest, regionBytes);
    const shape = readCursorShape(region, AT, 24 + MAX_CURSOR_BYTES);
    expect(shape.bytes.byteLength).toBe(MAX_CURSOR_BYTES);
    expect(refusal({ ...largest, pitch: 2052 }, 1 << 24, 1 << 22)).toMatch(
      /^ERR_KVMFR_BOUNDS the shape/,
    );
  });

  it('takes a shape up to the last byte of its message, and not one more', () => {
    expect(refusal({}, 24 + 64)).toBe('accepted');
    expect(refusal({}, 24 + 63)).toBe(
      'ERR_KVMFR_BOUNDS the shape of cursor 0x40 needs 64 bytes, but has room for 63',
    );
    expect(refusal({}, 0)).toMatch(/^ERR_KVMFR_BOUNDS/);
  });

  it('takes a shape up to the last byte of the region, whatever its message says', () => {
    expect(refusal({}, 0xffff_ffff, AT + 24 + 64)).toBe('accepted');
    expect(refusal({}, 0xffff_ffff, AT + 24 + 63)).toMatch(/^ERR_KVMFR_BOUNDS the shape/);
  });

  it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
    'reads the shapes of the real publisher, %s',
    (name) => {
      const { bytes, facts } = loadFixture(name);
      const region = new Region(bytes.buffer);
      const seen = [...facts.pointerConsumedBefore, ...facts.pointerPending].filter(
        ({ shapeSha256 }) => shapeSha256 !== undefined,
      );
      expect(seen.length).toBeGreaterThan(0);
      for (const pointer of seen) {
        const shape = readCursorShape(region, pointer.memOffset, pointer.size);
        expect(shape).toMatchObject({
          kind: CURSOR_KINDS[pointer.type],
          widthPx: pointer.width,
          heightPx: pointer.height,
          hotspotX: pointer.hx,
          hotspotY: pointer.hy,
          pitchBytes: pointer.pitch,
        });
        expect(createHash('sha256').update(shape.bytes).digest('hex')).toBe(pointer.shapeSha256);
      }
    },
  );
});

function shape(
  kind: RawCursorShape['kind'],
  widthPx: number,
  heightPx: number,
  pitchBytes: number,
  bytes: readonly number[],
): RawCursorShape {
  return {
    kind,
    widthPx,
    heightPx,
    pitchBytes,
    hotspotX: 0,
    hotspotY: 0,
    bytes: Uint8Array.from(bytes),
  };
}

describe('cursorBitmap', () => {
  it('turns B, G, R, A into R, G, B, A and leaves out the padding of rows', () => {
    const color = shape('color', 2, 2, 12, [
      ...[1, 2, 3, 4, 5, 6, 7, 8, 0xee, 0xee, 0xee, 0xee],
      ...[9, 10, 11, 12, 13, 14, 15, 0, 0xee, 0xee, 0xee, 0xee],
    ]);
    expect([...cursorBitmap(color)]).toEqual([
      3, 2, 1, 4, 7, 6, 5, 8, 11, 10, 9, 12, 15, 14, 13, 0,
    ]);
  });

  it('paints monochrome: black, white, and what is transparent', () => {
    // Two rows of AND, two of XOR; pixels in the high bits.
    const mono = shape('monochrome', 3, 2, 1, [0b0010_0000, 0b1110_0000, 0b0100_0000, 0]);
    const black = [0, 0, 0, 255];
    const white = [255, 255, 255, 255];
    const clear = [0, 0, 0, 0];
    expect([...cursorBitmap(mono)]).toEqual([black, white, clear, clear, clear, clear].flat());
  });

  it('paints what inverts the screen black with a white rim', () => {
    const middle = [0b1111_1000, 0b1111_1000, 0b1111_1000];
    const mono = shape('monochrome', 5, 3, 1, [...middle, 0, 0b0010_0000, 0]);
    const row = (text: string): number[] =>
      [...text].flatMap((c) =>
        c === '#' ? [0, 0, 0, 255] : c === 'o' ? [255, 255, 255, 255] : [0, 0, 0, 0],
      );
    expect([...cursorBitmap(mono)]).toEqual([row('.ooo.'), row('.o#o.'), row('.ooo.')].flat());
  });

  it('replaces where a masked pixel has no mask, and inverts where it has one and a colour', () => {
    const masked = shape('masked-color', 3, 1, 12, [
      ...[10, 20, 30, 0x00],
      ...[255, 255, 255, 0xff],
      ...[0, 0, 0, 0xff],
    ]);
    // Opaque; inverting, shown black; transparent beside it, shown white.
    expect([...cursorBitmap(masked)]).toEqual([30, 20, 10, 255, 0, 0, 0, 255, 255, 255, 255, 255]);
  });

  it('is all clear where a masked shape inverts nothing', () => {
    const masked = shape('masked-color', 2, 1, 8, [0, 0, 0, 0xff, 0, 0, 0, 0xff]);
    expect([...cursorBitmap(masked)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('paints what inverts in turn where a rim has no room', () => {
    const mono = shape('monochrome', 3, 2, 1, [0xe0, 0xe0, 0xe0, 0xe0]);
    const [b, w] = [BLACK, WHITE];
    expect([...cursorBitmap(mono)]).toEqual([b, w, b, w, b, w].flat());
    const masked = shape('masked-color', 2, 1, 8, [9, 9, 9, 255, 9, 9, 9, 255]);
    expect([...cursorBitmap(masked)]).toEqual([b, w].flat());
  });

  it.each(['monochrome', 'masked-color'] as const)(
    'shows what inverts on any background, %s',
    (kind) => {
      // A beam, a frame along the edges, all of it: each on black, white and every grey.
      const [side, all] = [7, [0, 1, 2, 3, 4, 5, 6]];
      const motifs: readonly ((x: number, y: number) => boolean)[] = [
        (x) => x === 3,
        (x, y) => x % 6 === 0 || y % 6 === 0,
        () => true,
      ];
      for (const inverts of motifs) {
        const row = (y: number): number[] => all.filter((x) => inverts(x, y));
        const bytes =
          kind === 'monochrome'
            ? [
                ...all.map(() => 0xfe),
                ...all.map((y) => row(y).reduce((n, x) => n | (0x80 >> x), 0)),
              ]
            : all.flatMap((y) =>
                all.flatMap((x) => (inverts(x, y) ? [8, 8, 8, 255] : [0, 0, 0, 255])),
              );
        const bitmap = cursorBitmap(shape(kind, side, side, kind === 'monochrome' ? 1 : 28, bytes));
        for (let grey = 0; grey < 256; grey++) {
          let seen = 0;
          for (let at = 0; at < bitmap.length; at += 4)
            if (bitmap[at + 3] === 255) seen = Math.max(seen, Math.abs((bitmap[at] ?? 0) - grey));
          expect(seen).toBeGreaterThanOrEqual(127);
        }
      }
    },
  );

  it('equals a naive reference for any shape', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CURSOR_KINDS),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(5),
        fc.infiniteStream(fc.constantFrom(0, 0, 0xff, 0xff, 0x0f, 0x81, 7)),
        (kind, widthPx, heightPx, padding, noise) => {
          const pitch = (kind === 'monochrome' ? Math.ceil(widthPx / 8) : widthPx * 4) + padding;
          const rows = heightPx * (kind === 'monochrome' ? 2 : 1);
          const bytes = Array.from({ length: pitch * rows }, () => noise.next().value);
          const made = shape(kind, widthPx, heightPx, pitch, bytes);
          expect([...cursorBitmap(made)]).toEqual(naive(made));
        },
      ),
      { numRuns: 500 },
    );
  });
});

const BLACK = [0, 0, 0, 255];
const WHITE = [255, 255, 255, 255];

type Screen =
  | 'outside'
  | 'clear'
  | 'invert'
  | readonly [red: number, green: number, blue: number, alpha: number];

/** Pixel by pixel from the description: what a pixel does to the screen, then how it is shown. */
function naive(from: RawCursorShape): number[] {
  const what = (x: number, y: number): Screen =>
    x < 0 || y < 0 || x >= from.widthPx || y >= from.heightPx ? 'outside' : effect(from, x, y);
  const around = (x: number, y: number): readonly Screen[] =>
    [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => what(x + dx, y + dy)));
  const pixels = Array.from({ length: from.widthPx * from.heightPx }, (_, i) => ({
    x: i % from.widthPx,
    y: Math.floor(i / from.widthPx),
  }));
  const hasRim = pixels.some(
    ({ x, y }) => what(x, y) === 'invert' && around(x, y).includes('clear'),
  );
  return pixels.flatMap(({ x, y }) => {
    const here = what(x, y);
    if (here === 'invert') return hasRim || (x + y) % 2 === 0 ? BLACK : WHITE;
    if (typeof here !== 'string') return [...here];
    return around(x, y).includes('invert') ? WHITE : [0, 0, 0, 0];
  });
}

function effect(
  { kind, bytes, pitchBytes, heightPx }: RawCursorShape,
  x: number,
  y: number,
): Screen {
  if (kind === 'monochrome') {
    const bit = (row: number): boolean =>
      (((bytes[row * pitchBytes + Math.floor(x / 8)] ?? 0) >> (7 - (x % 8))) & 1) === 1;
    const [and, xor] = [bit(y), bit(y + heightPx)];
    if (!and) return xor ? [255, 255, 255, 255] : [0, 0, 0, 255];
    return xor ? 'invert' : 'clear';
  }
  const at = y * pitchBytes + x * 4;
  const [blue = 0, green = 0, red = 0, alpha = 0] = bytes.subarray(at, at + 4);
  if (kind === 'color') return [red, green, blue, alpha];
  if (alpha === 0) return [red, green, blue, 255];
  return red + green + blue === 0 ? 'clear' : 'invert';
}

describe('cursorBitmap with a colour transform', () => {
  // Everything becomes as dark as black, and then half of the way to white.
  const transform = { matrix: undefined, scalar: 1, lut: new Float32Array(4096 * 4).fill(0.5) };
  const display = { transfer: 'srgb', sdrWhiteNits: 0, transform } as const;

  it.each([
    [
      'color',
      [1, 2, 3, 255, 4, 5, 6, 7, 8, 9, 10, 0],
      [...[128, 128, 128, 255], ...[128, 128, 128, 7], ...[10, 9, 8, 0]],
    ],
    // Opaque, clear, inverted: our own black and white stay.
    [
      'masked-color',
      [1, 2, 3, 0, 0, 0, 0, 255, 9, 9, 9, 255],
      [...[128, 128, 128, 255], ...WHITE, ...BLACK],
    ],
  ] as const)('changes the colours of a shape of the kind %s', (kind, bytes, expected) => {
    expect([...cursorBitmap(shape(kind, 3, 1, 12, bytes), display)]).toEqual(expected);
  });

  it('changes the black and white of monochrome, and not what inverts', () => {
    // Black, white, clear, inverted.
    const mono = shape('monochrome', 4, 1, 1, [0b0011_0000, 0b0101_0000]);
    const grey = [128, 128, 128, 255];
    expect([...cursorBitmap(mono, display)]).toEqual([grey, grey, WHITE, BLACK].flat());
  });
});

describe('any bytes in a cursor', () => {
  const number = fc.oneof(
    { arbitrary: fc.nat(40), weight: 6 },
    { arbitrary: fc.nat(600), weight: 2 },
    { arbitrary: fc.integer({ min: 0, max: 0xffff_ffff }), weight: 1 },
  );

  it('are refused with an error of ours, or give a shape that was there', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.record({
          type: fc.oneof(fc.nat(3), fc.constant(0xffff_ffff)),
          width: number,
          height: number,
          pitch: fc.oneof(fc.nat(300), number),
        }),
        fc.oneof(fc.nat(1 << 16), fc.constant(0xffff_ffff)),
        fc.integer({ min: AT + 24, max: 1 << 16 }),
        (fields, messageBytes, regionBytes) => {
          try {
            const made = readCursorShape(cursor(fields, regionBytes), AT, messageBytes);
            accepted++;
            expect(AT + 24 + made.bytes.byteLength).toBeLessThanOrEqual(regionBytes);
            expect(24 + made.bytes.byteLength).toBeLessThanOrEqual(messageBytes);
            const bitmap = cursorBitmap(made);
            expect(bitmap.byteLength).toBe(made.widthPx * made.heightPx * 4);
          } catch (error) {
            if (!KvmfrError.is(error)) throw error;
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(10);
  });
});

describe('a pointer message of KVMFR 34', () => {
  /** 24 bytes as before, the white of the cursor, then a 2 x 2 shape of rising bytes. */
  const message = (): Region => {
    const region = cursor({ x: -5, y: 7, width: 2, height: 2, pitch: 8, hx: 1, hy: -1 });
    region.view.setUint32(AT + 24, 203, true);
    return region;
  };

  it('has its shape behind 28 bytes', () => {
    const { cursorBytes } = layoutOf(34);
    const shape = readCursorShape(message(), AT, 28 + 16, cursorBytes);
    expect(shape).toEqual({
      kind: 'color',
      widthPx: 2,
      heightPx: 2,
      hotspotX: 1,
      hotspotY: -1,
      pitchBytes: 8,
      bytes: Uint8Array.from({ length: 16 }, (_, i) => AT + 28 + i),
    });
    expect(readCursorPosition(message(), AT)).toEqual({ x: -5, y: 7 });
  });

  it('has room for its shape behind the white, not in it', () => {
    const { cursorBytes } = layoutOf(34);
    expect(() => readCursorShape(message(), AT, 28 + 15, cursorBytes)).toThrow(
      'needs 16 bytes, but has room for 15',
    );
    expect(readCursorShape(message(), AT, 24 + 16).bytes[0]).toBe(203);
  });

  it('ends its shape inside the region', () => {
    const { cursorBytes } = layoutOf(34);
    const region = cursor({ width: 2, height: 2, pitch: 8 }, AT + 28 + 15);
    expect(() => readCursorShape(region, AT, 1 << 20, cursorBytes)).toThrow(KvmfrError);
  });

  it('says in each message of 19 and 20 whether it is seen, in 34 only with a flag', () => {
    expect([19, 20, 34].map((version) => layoutOf(version).visibleNeedsFlag)).toEqual([
      false,
      false,
      true,
    ]);
    expect([19, 20, 34].map((version) => layoutOf(version).cursorBytes)).toEqual([24, 24, 28]);
  });
});

function layoutOf(version: number): CursorLayout {
  const layout = CURSOR_LAYOUTS.get(version);
  if (layout === undefined) throw new Error(`no KVMFR ${version}`);
  return layout;
}
