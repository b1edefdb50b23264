import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpiceDisplay } from '../../../client/spice/display.ts';
import { encodeDisplayInit, encodeUncompressed } from '../../../client/spice/wire/display.ts';
import { KvmfrError } from '../../../protocol/index.ts';
import { fuzzed } from '../../fuzz/runs.ts';
import {
  type Box,
  base,
  bitmap,
  bodyOf,
  drawCopy,
  NO_MASK,
  rect,
  surfaceCreate,
} from './display-bytes.ts';
import { fields } from './fake-server.ts';

const FILL = 302;
const OPAQUE = 303;
const COPY = 304;
const BLACKNESS = 306;
const WHITENESS = 307;
const INVERS = 308;
const COPY_BITS = 104;
const CREATE = 314;
const DESTROY = 315;
const MARK = 102;

function screen(width: number, height: number): SpiceDisplay {
  const display = new SpiceDisplay();
  send(display, CREATE, surfaceCreate(width, height));
  send(display, MARK, Buffer.alloc(0));
  return display;
}

function send(display: SpiceDisplay, type: number, bytes: Uint8Array): boolean {
  return display.message(type, bodyOf(bytes));
}

/** The colours of the screen, row by row. */
function colors(display: SpiceDisplay): readonly string[] {
  const { screen } = display;
  if (screen === undefined) return [];
  return Array.from({ length: screen.heightPx }, (_, y) =>
    Array.from({ length: screen.widthPx }, (_, x) =>
      (screen.pixels.readUInt32LE((y * screen.widthPx + x) * 4) & 0xff_ffff)
        .toString(16)
        .padStart(6, '0'),
    ).join(' '),
  );
}

function pixels(...words: readonly number[]): Buffer {
  return fields(...words.map((word) => [4, word] as const));
}

describe('the first messages', () => {
  it('say that nothing is kept, and that images shall come as they are', () => {
    expect(encodeDisplayInit().toString('hex')).toBe(`65000e000000${'00'.repeat(14)}`);
    expect(encodeUncompressed().toString('hex')).toBe('67000100000001');
  });
});

describe('DRAW_COPY', () => {
  it('puts rows that run down, and rows that run up', () => {
    const display = screen(2, 2);
    const data = pixels(0xff0000, 0x00ff00, 0x0000ff, 0x123456);
    send(display, COPY, drawCopy([0, 0, 2, 2], bitmap({ width: 2, height: 2 }, data)));
    expect(colors(display)).toEqual(['ff0000 00ff00', '0000ff 123456']);
    send(display, COPY, drawCopy([0, 0, 2, 2], bitmap({ width: 2, height: 2, flags: 0 }, data)));
    expect(colors(display)).toEqual(['0000ff 123456', 'ff0000 00ff00']);
  });

  it('takes a part of an image whose rows are padded', () => {
    const display = screen(2, 2);
    const data = pixels(1, 2, 3, 0xeeeeee, 4, 5, 6, 0xeeeeee);
    const image = bitmap({ width: 3, height: 2, stride: 16 }, data);
    send(display, COPY, drawCopy([0, 0, 2, 2], image, { source: [0, 1, 2, 3] }));
    expect(colors(display)).toEqual(['000002 000003', '000005 000006']);
  });

  it('is cut to the surface and to its clip', () => {
    const display = screen(3, 1);
    const image = bitmap({ width: 5, height: 1 }, pixels(1, 2, 3, 4, 5));
    send(display, COPY, drawCopy([0, -1, 1, 4], image));
    expect(colors(display)).toEqual(['000002 000003 000004']);
    const again = bitmap({ width: 3, height: 1 }, pixels(7, 8, 9));
    const clip: readonly Box[] = [
      [0, 0, 1, 1],
      [-5, 2, 5, 9],
    ];
    send(display, COPY, drawCopy([0, 0, 1, 3], again, { clip }));
    expect(colors(display)).toEqual(['000007 000003 000009']);
  });

  it.each([
    ['16 bits', 6, 4, Buffer.from('007c1f00', 'hex'), 'ff0000 0000ff'],
    ['24 bits', 7, 6, Buffer.from('112233445566', 'hex'), '332211 665544'],
    ['32 bits with alpha', 9, 8, pixels(0x80112233, 0xff445566), '112233 445566'],
  ])('makes %s into ours', (_, format, stride, data, expected) => {
    const display = screen(2, 1);
    send(
      display,
      COPY,
      drawCopy([0, 0, 1, 2], bitmap({ width: 2, height: 1, stride, format }, data)),
    );
    expect(colors(display)).toEqual([expected]);
  });

  it.each([
    ['8 bits', 5, Buffer.from('0001', 'hex')],
    ['4 bits, high first', 4, Buffer.from('0100', 'hex')],
    ['4 bits, low first', 3, Buffer.from('1000', 'hex')],
    ['1 bit, high first', 2, Buffer.from('4000', 'hex')],
    ['1 bit, low first', 1, Buffer.from('0200', 'hex')],
  ])('looks colours of %s up', (_, format, data) => {
    const display = screen(2, 1);
    const head = drawCopy([0, 0, 1, 2], bitmap({ width: 2, height: 1, stride: 2, format }, data));
    const withPalette = Buffer.concat([head, fields([8, 5], [2, 2]), pixels(0xaa0000, 0x0000bb)]);
    withPalette.writeUInt32LE(head.length, head.length - data.length - 4);
    send(display, COPY, withPalette);
    expect(colors(display)).toEqual(['aa0000 0000bb']);
  });

  it('makes an image larger where the box is', () => {
    const display = screen(4, 2);
    const image = bitmap({ width: 2, height: 1 }, pixels(1, 2));
    send(display, COPY, drawCopy([0, 0, 2, 4], image, { source: [0, 0, 1, 2] }));
    expect(colors(display)).toEqual(['000001 000001 000002 000002', '000001 000001 000002 000002']);
  });

  it.each([
    ['and', 32, '0f0000'],
    ['or', 16, 'ff0f00'],
    ['xor', 64, 'f00f00'],
    ['inverted', 8 | 1, '00f0ff'],
  ])('combines with what is there: %s', (_, rop, expected) => {
    const display = screen(1, 1);
    send(display, COPY, drawCopy([0, 0, 1, 1], bitmap({ width: 1, height: 1 }, pixels(0x0f0000))));
    const image = bitmap({ width: 1, height: 1 }, pixels(0xff0f00));
    send(display, COPY, drawCopy([0, 0, 1, 1], image, { rop }));
    expect(colors(display)).toEqual([expected]);
  });

  it('keeps an image that it is told to, and draws it again by its name', () => {
    const display = screen(1, 1);
    const keep = bitmap({ width: 1, height: 1, imageFlags: 1, id: 77 }, pixels(0xabcdef));
    send(display, COPY, drawCopy([0, 0, 1, 1], keep));
    send(display, BLACKNESS, Buffer.concat([base([0, 0, 1, 1]), NO_MASK]));
    expect(colors(display)).toEqual(['000000']);
    const kept = fields([8, 77], [1, 103], [1, 0], [4, 1], [4, 1]);
    send(display, COPY, drawCopy([0, 0, 1, 1], kept));
    expect(colors(display)).toEqual(['abcdef']);
    send(display, 105, fields([2, 1], [1, 1], [8, 77]));
    send(display, COPY, drawCopy([0, 0, 1, 1], kept));
    expect(display.passedOver).toBe(1);
  });

  it('passes over what is compressed or masked, and counts it', () => {
    const display = screen(1, 1);
    const lz = fields([8, 1], [1, 101], [1, 0], [4, 1], [4, 1]);
    send(display, COPY, drawCopy([0, 0, 1, 1], lz));
    const masked = drawCopy([0, 0, 1, 1], bitmap({ width: 1, height: 1 }, pixels(1)));
    masked.writeUInt32LE(1, 53);
    send(display, COPY, masked);
    expect([display.passedOver, ...colors(display)]).toEqual([2, '000000']);
  });
});

describe('other draws', () => {
  it('fill with a colour', () => {
    const display = screen(2, 1);
    const body = [base([0, 1, 1, 2]), fields([1, 1], [4, 0x112233], [2, 8]), NO_MASK];
    send(display, FILL, Buffer.concat(body));
    expect(colors(display)).toEqual(['000000 112233']);
  });

  it('make all white, black, or the other way round', () => {
    const display = screen(2, 1);
    send(display, WHITENESS, Buffer.concat([base([0, 0, 1, 2]), NO_MASK]));
    send(display, BLACKNESS, Buffer.concat([base([0, 0, 1, 1]), NO_MASK]));
    expect(colors(display)).toEqual(['000000 ffffff']);
    send(display, INVERS, Buffer.concat([base([0, 0, 1, 2]), NO_MASK]));
    expect(colors(display)).toEqual(['ffffff 000000']);
  });

  it('lay a brush over an image', () => {
    const display = screen(1, 1);
    const head = base([0, 0, 1, 1]);
    const imageAt = head.length + 4 + 16 + 5 + 3 + 13;
    const body = [
      head,
      fields([4, imageAt]),
      rect([0, 0, 1, 1]),
      fields([1, 1], [4, 0x00ff00], [2, 16], [1, 0]),
      NO_MASK,
      bitmap({ width: 1, height: 1 }, pixels(0xff0000)),
    ];
    send(display, OPAQUE, Buffer.concat(body));
    expect(colors(display)).toEqual(['ffff00']);
  });

  it.each([
    ['down and right', [1, 1, 3, 3], [0, 0], ['1 2 3', '4 1 2', '7 4 5']],
    ['up and left', [0, 0, 2, 2], [1, 1], ['5 6 3', '8 9 6', '7 8 9']],
  ] as const)('copy %s, also over what they copy', (_, box, [x, y], expected) => {
    const display = screen(3, 3);
    const data = pixels(1, 2, 3, 4, 5, 6, 7, 8, 9);
    send(display, COPY, drawCopy([0, 0, 3, 3], bitmap({ width: 3, height: 3 }, data)));
    send(display, COPY_BITS, Buffer.concat([base(box), fields([4, x], [4, y])]));
    const digits = colors(display).map((row) => row.replaceAll('00000', ''));
    expect(digits).toEqual(expected);
  });

  it('of a video are not offered, and counted when they come', () => {
    const display = screen(1, 1);
    expect(display.capabilities).toContain(8);
    expect(display.capabilities.some((bit) => bit >= 9)).toBe(false);
    expect(send(display, 122, Buffer.alloc(60))).toBe(true);
    expect(display.passedOver).toBe(1);
  });
});

describe('frames', () => {
  it('begin with all of the screen, once it is shown, and go on with what changed', async () => {
    const display = new SpiceDisplay();
    const frames = display.frames();
    const first = frames.next();
    send(display, CREATE, surfaceCreate(4, 3));
    expect(display.screen).toBeUndefined();
    send(display, MARK, Buffer.alloc(0));
    expect((await first).value).toMatchObject({
      widthPx: 4,
      heightPx: 3,
      pitchBytes: 16,
      format: 'BGRA',
      damage: [{ x: 0, y: 0, width: 4, height: 3 }],
    });
    const second = frames.next();
    const dot = bitmap({ width: 1, height: 1 }, pixels(5));
    send(display, COPY, drawCopy([1, 2, 2, 3], dot));
    send(display, COPY, drawCopy([2, 0, 3, 1], dot));
    expect((await second).value?.damage).toEqual([
      { x: 2, y: 1, width: 1, height: 1 },
      { x: 0, y: 2, width: 1, height: 1 },
    ]);
  });

  it('of another size are another screen, and no draw of the old one is in them', async () => {
    const display = screen(2, 2);
    const frames = display.frames();
    await frames.next();
    send(display, WHITENESS, Buffer.concat([base([0, 0, 1, 1]), NO_MASK]));
    send(display, DESTROY, fields([4, 0]));
    expect(display.screen).toBeUndefined();
    const next = frames.next();
    send(display, CREATE, surfaceCreate(3, 1));
    send(display, MARK, Buffer.alloc(0));
    const { value } = await next;
    expect(value?.damage).toEqual([{ x: 0, y: 0, width: 3, height: 1 }]);
    expect(colors(display)).toEqual(['000000 000000 000000']);
  });

  it('of a slow loop are one, with a bounded list that covers all of what changed', async () => {
    const display = screen(1000, 1);
    const frames = display.frames();
    await frames.next();
    const dot = bitmap({ width: 1, height: 1 }, pixels(5));
    for (let x = 3; x < 903; x++) send(display, COPY, drawCopy([0, x, 1, x + 1], dot));
    const { value } = await frames.next();
    const damage = value?.damage ?? [];
    expect(damage.length).toBeLessThanOrEqual(64);
    for (let x = 3; x < 903; x++)
      expect(damage.some((part) => part.x <= x && x < part.x + part.width)).toBe(true);
  });

  it('end with the loop, its signal and the display', async () => {
    const display = screen(1, 1);
    const stop = new AbortController();
    const frames = display.frames({ signal: stop.signal });
    await frames.next();
    const waiting = frames.next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    const others = display.frames();
    await others.next();
    const last = others.next();
    display.close();
    expect((await last).done).toBe(true);
    expect((await display.frames().next()).done).toBe(true);
  });
});

describe('a server that lies', () => {
  const dot = bitmap({ width: 1, height: 1 }, pixels(1));
  const lies: readonly (readonly [string, number, Buffer])[] = [
    ['a surface of 1 GB', CREATE, surfaceCreate(16_384, 16_384)],
    ['a surface of more than all', CREATE, surfaceCreate(0xffff_ffff, 0xffff_ffff)],
    ['a surface of nothing', CREATE, surfaceCreate(0, 10)],
    ['half a surface', CREATE, surfaceCreate(10, 10).subarray(0, 11)],
    [
      'a draw on no surface',
      COPY,
      Buffer.concat([fields([4, 9]), drawCopy([0, 0, 1, 1], dot).subarray(4)]),
    ],
    ['a box that is inside out', COPY, drawCopy([5, 5, 1, 1], dot)],
    ['an image beyond the end', COPY, drawCopy([0, 0, 1, 1], dot).subarray(0, 60)],
    [
      'rows shorter than their pixels',
      COPY,
      drawCopy([0, 0, 1, 1], bitmap({ width: 2, height: 1, stride: 4 }, pixels(1, 2))),
    ],
    [
      'more rows than there are',
      COPY,
      drawCopy([0, 0, 1, 1], bitmap({ width: 1, height: 1000 }, pixels(1))),
    ],
    [
      'rows of 4 GB',
      COPY,
      drawCopy([0, 0, 1, 1], bitmap({ width: 1, height: 32_768, stride: 0xffff_ffff }, pixels(1))),
    ],
    ['a source beyond the image', COPY, drawCopy([0, 0, 1, 1], dot, { source: [0, 1, 1, 2] })],
    ['a source of nothing', COPY, drawCopy([0, 0, 1, 1], dot, { source: [0, 1, 0, 1] })],
    ['a source of negative place', COPY, drawCopy([0, 0, 1, 1], dot, { source: [-1, 0, 0, 1] })],
    [
      'clip rects that overlap',
      COPY,
      drawCopy([0, 0, 4, 4], bitmap({ width: 4, height: 4 }, Buffer.alloc(64)), {
        clip: [
          [0, 0, 4, 4],
          [0, 0, 4, 4],
        ],
      }),
    ],
    [
      'a million clip rects',
      COPY,
      Buffer.concat([fields([4, 0]), rect([0, 0, 1, 1]), fields([1, 1], [4, 1_000_000])]),
    ],
    ['a copy from outside', COPY_BITS, Buffer.concat([base([0, 0, 4, 4]), fields([4, 1], [4, 0])])],
  ];
  it.each(lies)('about %s is refused', (_, type, bytes) => {
    const display = screen(4, 4);
    expect(() => send(display, type, bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_SPICE' }),
    );
  });

  it('cannot have more surfaces than a bound, in number and in pixels', () => {
    const many = screen(4, 4);
    const createAll = (): void => {
      for (let id = 1; id < 5000; id++) send(many, CREATE, surfaceCreate(1, 1, id, 0));
    };
    expect(createAll).toThrow(/at most 1024 surfaces/);
    const large = screen(8192, 8192);
    send(large, CREATE, surfaceCreate(8192, 8191, 1, 0));
    expect(() => send(large, CREATE, surfaceCreate(8192, 2, 2, 0))).toThrow(
      /at most 1024 surfaces/,
    );
  });

  it('by any change of a draw is drawn, passed over or refused, and no more', () => {
    const data = Buffer.alloc(64, 7);
    const image = bitmap({ width: 4, height: 4, imageFlags: 1 }, data);
    const right = drawCopy([0, 0, 4, 4], image, { clip: [[0, 0, 4, 4]] });
    const change = fc.tuple(fc.nat(right.length - 1), fc.nat(255));
    const type = fc.constantFrom(
      104,
      302,
      303,
      304,
      305,
      306,
      307,
      308,
      309,
      312,
      313,
      314,
      315,
      318,
    );
    const length = fc.nat(right.length);
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), type, length, (changes, kind, cut) => {
        const display = screen(4, 4);
        const bytes = Buffer.from(right.subarray(0, kind === 304 ? right.length : cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          display.message(kind, bodyOf(bytes));
        } catch (error) {
          expect(KvmfrError.is(error) && error.code).toBe('ERR_KVMFR_SPICE');
        }
      }),
      fuzzed(2000),
    );
  });
});
