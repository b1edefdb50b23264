import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkFrame,
  KvmfrError,
  newFrameHeader,
  Region,
  readDamage,
} from '../../../../protocol/index.ts';
import {
  AT,
  check,
  isField,
  layoutOf,
  MESSAGE_BYTES,
  PLACES,
  type Version,
} from './frame-header.ts';

describe('any bytes in a frame header', () => {
  const word = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(0, 1, 4, 5, 6, 640, 480, 2560, 1084, 4092, 32768, 32769, 0x8000_0000),
  );
  const place = fc.record({
    at: fc.nat(1 << 20).map((at) => at * 4),
    messageBytes: fc.oneof(fc.nat(1 << 24), fc.constant(0xffff_ffff)),
    regionBytes: fc.nat(1 << 26),
  });

  it('are refused with an error of ours, or give numbers that stay inside', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Version>(19, 20, 34),
        fc.array(word, { minLength: 304, maxLength: 304 }),
        place,
        (version, words, where) => {
          const layout = layoutOf(version);
          const region = new Region(Uint32Array.from(words).buffer);
          const header = newFrameHeader();
          layout.read(region, 0, header);
          try {
            const frame = checkFrame(header, layout, where);
            expect(frame.writePointerAt).toBeGreaterThanOrEqual(where.at + layout.frameBytes);
            expect(frame.writePointerAt % 4).toBe(0);
            expect(frame.dataAt + frame.dataBytes).toBeLessThanOrEqual(where.regionBytes);
            expect(frame.dataBytes).toBe(frame.dataHeightPx * frame.pitchBytes);
          } catch (error) {
            if (!KvmfrError.is(error)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('near a sound header are refused, or give numbers that stay inside', () => {
    let accepted = 0;
    const names = Object.keys(PLACES[20]).filter(isField);
    fc.assert(
      fc.property(
        fc.constantFrom<Version>(19, 20, 34),
        fc.dictionary(fc.constantFrom(...names), word, { maxKeys: 3 }),
        fc.nat(2 * MESSAGE_BYTES),
        (version, lie, bytes) => {
          try {
            const regionBytes = AT + bytes;
            const frame = check(version, lie, { messageBytes: MESSAGE_BYTES, regionBytes });
            accepted++;
            expect(frame.dataAt + frame.dataBytes).toBeLessThanOrEqual(regionBytes);
          } catch (error) {
            if (!KvmfrError.is(error)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('in damage rects give rects inside the picture', () => {
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 304, maxLength: 304 }),
        fc.integer({ min: 0, max: 70 }),
        (words, count) => {
          const region = new Region(Uint32Array.from(words).buffer);
          const size = { widthPx: 640, heightPx: 480 };
          for (const { x, y, width, height } of readDamage(region, layoutOf(20), {
            at: 0,
            count,
            ...size,
          })) {
            expect(x >= 0 && y >= 0 && width > 0 && height > 0).toBe(true);
            expect(x + width <= 640 && y + height <= 480).toBe(true);
          }
        },
      ),
    );
  });
});
