import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../../client/clock.ts';
import type { Frame } from '../../../client/frame.ts';
import { FrameStream, type FramesOptions } from '../../../client/frames.ts';
import { type FrameTampering, type OpenFrame, packPicture } from '../../../host/index.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { Guest, picture } from './guest.ts';

const RECT_A: Rect = { x: 1, y: 2, width: 3, height: 4 };
const RECT_B: Rect = { x: 10, y: 20, width: 30, height: 8 };

/** The frame of a result, or an error when the stream has ended. */
async function given(result: Promise<IteratorResult<Frame, undefined>>): Promise<Frame> {
  const { value } = await result;
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** A stream that has subscribed and has been given the picture with seed 0. */
async function begun(
  guest: Guest,
  options: FramesOptions = {},
): Promise<{ readonly frames: FrameStream; readonly first: Frame }> {
  const frames = new FrameStream(guest, options);
  const next = frames.next();
  await guest.subscriber();
  guest.host.publish(picture(0));
  return { frames, first: await given(next) };
}

function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(found.byteLength).toBe(expected.byteLength);
  expect(Buffer.compare(found, expected)).toBe(0);
}

function opened(guest: Guest, tampering: FrameTampering = {}): OpenFrame {
  const frame = guest.host.openFrame(picture(9), tampering);
  if (frame === undefined) throw new Error('both slots are taken');
  return frame;
}

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (mib?: number): Promise<Guest> =>
    Guest.start(mib === undefined ? { wire } : { wire, mib });

  describe('a frame', () => {
    it('is the picture that was published, with all that its header says', async () => {
      const guest = await start();
      const frames = new FrameStream(guest, {});
      const next = frames.next();
      await guest.subscriber();
      const input = { ...picture(3), rotation: 3, screenWidthPx: 128, screenHeightPx: 96 } as const;
      guest.host.publish({ ...input, flags: 1 });
      const frame = await given(next);
      expectSame(frame.pixels, input.pixels);
      expect(frame).toMatchObject({
        format: 'BGRA',
        widthPx: 64,
        heightPx: 48,
        dataHeightPx: 48,
        screenWidthPx: 128,
        screenHeightPx: 96,
        pitchBytes: 256,
        rotation: 3,
        serial: 0,
        damage: [],
        skipped: 0,
        truncated: false,
        flags: 1,
        complete: 48,
        intact: true,
      });
      await frames.return();
    });

    it('is taken back when the loop turns, and then refuses its pixels', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      const next = frames.next();
      expect(first.released).toBe(true);
      expect(() => first.pixels).toThrow(expect.objectContaining({ code: 'ERR_KVMFR_RELEASED' }));
      expect(first.complete).toBe(0);
      expect(first.intact).toBe(false);
      await guest.drained();
      guest.host.publish(picture(1));
      expect((await given(next)).serial).toBe(1);
      await frames.return();
    });

    it('tells when it was not there yet, when it was seen, and when its last row was', async () => {
      const guest = await start();
      const frames = new FrameStream(guest, { partial: true });
      const next = frames.next();
      await guest.subscriber();
      const postingMs = monotonicMs();
      const open = opened(guest);
      const postedMs = monotonicMs();
      const frame = await given(next);
      expect(frame.beforeMs).toBeLessThanOrEqual(postedMs);
      expect(frame.seenMs).toBeGreaterThanOrEqual(postingMs);
      expect(frame.arrivedMs).toBeUndefined();
      const rows = frame.whenRows(48);
      const writtenMs = monotonicMs();
      open.end();
      expect(await rows).toBe(true);
      expect(frame.arrivedMs).toBeGreaterThanOrEqual(writtenMs);
      const { beforeMs = 0, seenMs, arrivedMs = 0 } = frame;
      frame.release();
      expect(guest.stats.stages.of('notice')?.sumUs).toBe(Math.round((seenMs - beforeMs) * 1000));
      expect(guest.stats.stages.of('arrive')?.sumUs).toBe(Math.round((arrivedMs - seenMs) * 1000));
      expect(guest.stats.stages.of('producer')?.count).toBe(0);
      await frames.return();
    });

    it('that was there before anybody looked was not waited for', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      guest.host.publish(picture(1));
      const frame = await given(frames.next());
      expect(frame.serial).toBe(1);
      expect(frame.beforeMs).toBeUndefined();
      frame.release();
      expect(guest.stats.stages.of('notice')?.count).toBe(1);
      expect(guest.stats.stages.of('arrive')?.count).toBe(2);
      await frames.return();
    });

    it('that never came whole is not counted', async () => {
      const guest = await start();
      const frames = new FrameStream(guest, { partial: true });
      const next = frames.next();
      await guest.subscriber();
      opened(guest);
      const frame = await given(next);
      frame.release();
      expect(guest.stats.stages.summary()).toEqual({});
      await frames.return();
    });

    it('is finished once, however often it is released', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      guest.host.publish(picture(1));
      guest.host.publish(picture(2));
      first.release();
      first[Symbol.dispose]();
      expect((await given(frames.next())).skipped).toBe(1);
      await frames.return();
    });

    it('is lost, and not finished, when the publisher gave the reader up', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      expect(first.intact).toBe(true);
      guest.pass(1001);
      expect(first.intact).toBe(false);
      const again = frames.next();
      await guest.subscriber();
      const frame = await given(again);
      expect(guest.stats.timedOut).toBe(1);
      // The same frame once more, in full: what was read of it may have been torn.
      expect(frame.serial).toBe(first.serial);
      expect(frame.damage).toEqual([]);
      expectSame(frame.pixels, picture(0).pixels);
      await frames.return();
    });
  });

  it.each([true, false])(
    'is not given when it was lost while its header was read, partial %s',
    async (partial) => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial });
      first.release();
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      const { view } = guest.region;
      const getUint32 = view.getUint32.bind(view);
      view.getUint32 = (at, little) => {
        view.getUint32 = getUint32;
        guest.pass(1001);
        return getUint32(at, little);
      };
      const next = frames.next();
      await guest.subscriber();
      const frame = await given(next);
      expect(guest.stats).toMatchObject({ timedOut: 1, framesSeen: 2 });
      expect(frame.intact).toBe(true);
      expect(frame.damage).toEqual([]);
      await frames.return();
    },
  );

  describe('damage', () => {
    it('is everything at first, and what changed after that', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      expect(first.damage).toEqual([]);
      first.release();
      guest.host.publish({ ...picture(1), damage: [RECT_A, RECT_B] });
      expect((await given(frames.next())).damage).toEqual([RECT_A, RECT_B]);
      await frames.return();
    });

    it('adds up over frames that are passed over', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      guest.host.publish({ ...picture(2), damage: [RECT_B] });
      const frame = await given(frames.next());
      expect(frame.serial).toBe(2);
      expect(frame.damage).toEqual([RECT_A, RECT_B]);
      expect(frame.skipped).toBe(1);
      expect(guest.stats).toMatchObject({ framesSeen: 2, framesSkipped: 1 });
      await frames.return();
    });

    it('is everything when a frame that is passed over changed everything', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      guest.host.publish(picture(1));
      guest.host.publish({ ...picture(2), damage: [RECT_B] });
      const frame = await given(frames.next());
      expect(frame.damage).toEqual([]);
      expect(frame.skipped).toBe(1);
      await frames.return();
    });

    it('is everything when there are more than 64 rects together', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const many = (y: number): Rect[] =>
        Array.from({ length: 33 }, (_, i) => ({ x: i, y, width: 1, height: 1 }));
      guest.host.publish({ ...picture(1), damage: many(0) });
      guest.host.publish({ ...picture(2), damage: many(9) });
      expect((await given(frames.next())).damage).toEqual([]);
      await frames.return();
    });

    it('is everything after a gap in the serials, and the gap is counted', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest, { header: { frameSerial: 5, damageRectsCount: 1 } }).end();
      const frame = await given(frames.next());
      expect(frame.damage).toEqual([]);
      expect(frame.skipped).toBe(4);
      expect(guest.stats.framesSkipped).toBe(4);
      await frames.return();
    });

    it('goes on over the end of the serials', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const damageRects = [[1, 2, 3, 4]] as const;
      opened(guest, { header: { frameSerial: 0xffff_ffff }, damageRects }).end();
      (await given(frames.next())).release();
      opened(guest, { header: { frameSerial: 0 }, damageRects }).end();
      const frame = await given(frames.next());
      expect(frame.damage).toEqual([RECT_A]);
      expect(frame.skipped).toBe(0);
      await frames.return();
    });

    it('is everything when the format version changes', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const damageRects = [[1, 2, 3, 4]] as const;
      opened(guest, { header: { formatVer: 77 }, damageRects }).end();
      const frame = await given(frames.next());
      expect(frame.formatVersion).toBe(77);
      expect(frame.damage).toEqual([]);
      await frames.return();
    });

    it('is everything after a frame that was given back before it was whole', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial: true });
      first.release();
      const half = opened(guest);
      half.writeRows(10);
      (await given(frames.next())).release();
      half.end();
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      expect((await given(frames.next())).damage).toEqual([]);
      await frames.return();
    });

    it.each([65, 0xffff_ffff])('is everything for a count of %i', async (damageRectsCount) => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest, { header: { damageRectsCount } }).end();
      expect((await given(frames.next())).damage).toEqual([]);
      await frames.return();
    });

    it('is clipped to the picture, and rects outside of it say nothing', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const far = 0xffff_ffff;
      opened(guest, {
        damageRects: [
          [60, 40, 100, far],
          [far, far, far, far],
          [64, 0, 1, 1],
          [0, 0, 0, 5],
        ],
      }).end();
      expect((await given(frames.next())).damage).toEqual([{ x: 60, y: 40, width: 4, height: 8 }]);
      await frames.return();
    });
  });

  describe('a repeat', () => {
    it('for another subscriber is not given twice, and is finished', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const next = frames.next();
      const other = new FrameStream(guest, {});
      const others = other.next();
      await guest.subscriber();
      const copy = await given(others);
      expect(copy.serial).toBe(first.serial);
      copy.release();
      await guest.drained();
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      const frame = await given(next);
      expect(frame.serial).toBe(1);
      // Nothing was missed: the repeat breaks no chain.
      expect(frame.damage).toEqual([RECT_A]);
      expect(frame.skipped).toBe(0);
      await Promise.all([frames.return(), other.return()]);
    });

    it('behind the frame itself does not make it a skipped one', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      opened(guest, { header: { frameSerial: 1 }, damageRects: [[1, 2, 3, 4]] }).end();
      const frame = await given(frames.next());
      expect(frame.serial).toBe(1);
      expect(frame.damage).toEqual([RECT_A]);
      expect(frame.skipped).toBe(0);
      await frames.return();
    });
  });

  describe('the write pointer', () => {
    it('lets partial frames be read as far as they are written', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial: true });
      first.release();
      const writing = opened(guest);
      const frame = await given(frames.next());
      expect(frame.complete).toBe(0);
      writing.writeRows(10);
      expect(frame.complete).toBe(10);
      expect(await frame.whenRows(10)).toBe(true);
      const more = frame.whenRows(20);
      writing.writeRows(10);
      expect(await more).toBe(true);
      writing.setWritePointer(20 * 256 + 255);
      expect(frame.complete).toBe(20);
      const whole = frame.whenRows(48);
      writing.end();
      expect(await whole).toBe(true);
      expect(frame.complete).toBe(48);
      expectSame(frame.pixels, picture(9).pixels);
      expect(await frame.whenRows(1000)).toBe(true);
      await frames.return();
    });

    it('holds whole frames back until it has arrived', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const writing = opened(guest);
      const next = frames.next();
      writing.writeRows(47);
      writing.end();
      expect((await given(next)).complete).toBe(48);
      await frames.return();
    });

    it('that never arrives: the frame is given up and counted, and the next one is whole', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest).writeRows(47);
      const next = frames.next();
      await guest.drained();
      expect(guest.stats.framesGivenUp).toBe(1);
      expect(guest.stats.timedOut).toBe(0);
      guest.host.publish({ ...picture(1), damage: [RECT_A] });
      const frame = await given(next);
      expect(frame.damage).toEqual([]);
      expect(frame.skipped).toBe(1);
      expect(guest.stats).toMatchObject({ framesSeen: 2, framesSkipped: 0 });
      // One may be a slip.
      expect(guest.issues).toEqual([]);
      await frames.return();
    });

    it('is waited for by who takes partial frames, and counted all the same', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial: true });
      first.release();
      opened(guest);
      const frame = await given(frames.next());
      expect(await frame.whenRows(1)).toBe(false);
      expect(frame.intact).toBe(true);
      frame.release();
      expect(guest.stats.framesGivenUp).toBe(1);
      guest.host.publish(picture(1));
      (await given(frames.next())).release();
      expect(guest.stats).toMatchObject({ framesSeen: 3, framesSkipped: 0 });
      await frames.return();
    });

    it('that creeps for ever: the frame is given up before the reader is', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const writing = opened(guest);
      const next = frames.next();
      let bytes = 0;
      const creeping = setInterval(() => writing.setWritePointer(++bytes), 2);
      await guest.drained();
      clearInterval(creeping);
      expect(guest.stats.framesGivenUp).toBe(1);
      expect(bytes).toBeGreaterThan(10);
      guest.host.publish(picture(1));
      expect((await given(next)).serial).toBe(2);
      await frames.return();
    });

    it('that never stands still lets the event loop turn', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial: true });
      first.release();
      const writing = opened(guest);
      const frame = await given(frames.next());
      let bytes = 0;
      guest.mapping.wait = () => {
        if (bytes >= 0) writing.setWritePointer(++bytes % 1000);
        return Promise.resolve('changed');
      };
      const rows = frame.whenRows(48);
      setImmediate(() => {
        bytes = -1;
        writing.end();
      });
      expect(await rows).toBe(true);
      await frames.return();
    });

    it('that runs past the end says no more than that all is there', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest).setWritePointer(0xffff_ffff);
      const frame = await given(frames.next());
      expect(frame.complete).toBe(48);
      expect(frame.pixels.byteLength).toBe(48 * 256);
      await frames.return();
    });

    it('that fails three times in a row is told, until a frame comes whole', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const next = frames.next();
      for (let i = 0; i < 3; i++) {
        expect(guest.issues).toEqual([]);
        opened(guest).writeRows(1);
        await guest.drained();
      }
      expect(guest.issues).toEqual([
        expect.objectContaining({ name: 'failed', code: 'ERR_KVMFR_TIMEOUT' }),
      ]);
      guest.host.publish(picture(1));
      (await given(next)).release();
      guest.host.publish(picture(2));
      await given(frames.next());
      expect(guest.issues.slice(1)).toEqual([undefined]);
      await frames.return();
    });
  });

  describe('a header that is not to be believed', () => {
    const B6_KNOWS_NOT = new Set(['dataWidth 0', 'dataHeight 0', 'dataHeight past the frame']);
    const HOSTILE: readonly (readonly [what: string, tampering: FrameTampering])[] = [
      ['type 0', { header: { type: 0 } }],
      ['type 7', { header: { type: 7 } }],
      ['type of all bits', { header: { type: 0xffff_ffff } }],
      ['width 0', { header: { frameWidth: 0 } }],
      ['width 32769', { header: { frameWidth: 32769 } }],
      ['width of all bits', { header: { frameWidth: 0xffff_ffff } }],
      ['height 0', { header: { frameHeight: 0, dataHeight: 0 } }],
      ['height past all bounds', { header: { frameHeight: 0xffff_ffff, dataHeight: 0xffff_ffff } }],
      ['dataWidth 0', { header: { dataWidth: 0 } }],
      ['dataHeight 0', { header: { dataHeight: 0 } }],
      ['dataHeight past the frame', { header: { dataHeight: 49 } }],
      ['more rows than its place has', { header: { frameHeight: 30_000, dataHeight: 30_000 } }],
      ['pitch 0', { header: { pitch: 0 } }],
      ['pitch below a row', { header: { pitch: 255 } }],
      ['pitch past the limit', { header: { pitch: (1 << 22) + 4 } }],
      ['pitch times rows past 32 bits', { header: { pitch: 0x0555_5556 } }],
      ['pitch of all bits', { header: { pitch: 0xffff_ffff } }],
      ['offset inside the header', { header: { offset: 1072 } }],
      ['offset 0', { header: { offset: 0 } }],
      ['offset unaligned', { header: { offset: 4093 } }],
      ['offset past the place', { header: { offset: 0x0100_0000 } }],
      ['offset of all bits', { header: { offset: 0xffff_fffc } }],
      ['truncated past the region', { header: { flags: 4, offset: 0x0100_0000 } }],
      ['a place below a header', { message: { bytes: 1072 } }],
      ['a place without room for its rows', { message: { bytes: 8192 } }],
      ['a place of nothing', { message: { bytes: 0 } }],
    ];

    it.each(HOSTILE.filter(([what]) => wire === 'B7' || !B6_KNOWS_NOT.has(what)))(
      '(%s) is refused, counted and finished, and the next frame is whole',
      async (_, tampering) => {
        const guest = await start();
        const { frames, first } = await begun(guest);
        first.release();
        opened(guest, tampering).end();
        const next = frames.next();
        await guest.drained();
        expect(guest.stats.framesRefused).toBe(1);
        guest.host.publish({ ...picture(1), damage: [RECT_A] });
        const frame = await given(next);
        expect(frame.damage).toEqual([]);
        expectSame(frame.pixels, picture(1).pixels);
        await frames.return();
      },
    );

    it.each([
      ['before the end of the blob', 8],
      ['past the end', 0x7fff_fff0],
      ['unaligned', 0x0040_0001],
    ])('(a place %s) is finished and counted', async (_, at) => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest, { message: { at } });
      const next = frames.next();
      await guest.drained();
      expect(guest.stats.messagesRefused).toBe(1);
      guest.host.publish(picture(1));
      expectSame((await given(next)).pixels, picture(1).pixels);
      await frames.return();
    });

    it('is told when it is the third in a row, and no longer when one is good', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const next = frames.next();
      for (let i = 0; i < 4; i++) {
        opened(guest, { header: { pitch: i } });
        await guest.drained();
        expect(guest.issues.length).toBe(i < 2 ? 0 : 1);
      }
      expect(guest.issues[0]).toMatchObject({ name: 'failed', code: 'ERR_KVMFR_BOUNDS' });
      expect(guest.issues[0]?.message).toContain('pitch');
      guest.host.publish(picture(1));
      await given(next);
      expect(guest.issues[1]).toBeUndefined();
      expect(guest.issues.length).toBe(2);
      await frames.return();
    });

    it('with a rotation that is none is taken as not rotated', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      opened(guest, { header: { rotation: 4 } }).end();
      expect((await given(frames.next())).rotation).toBe(0);
      await frames.return();
    });
  });

  it.each(['RGBA10', 'RGBA16F'] as const)(
    'gives %s frames with the pixels as the guest wrote them',
    async (format) => {
      const guest = await start();
      const { frames, first } = await begun(guest);
      first.release();
      const next = frames.next();
      const { pixels: bgra, widthPx, heightPx } = picture(1);
      const packed = packPicture({ bgra, widthPx, heightPx, format });
      guest.host.publish({ ...packed, format, widthPx, heightPx });
      const frame = await given(next);
      expect(frame.format).toBe(format);
      expect(Buffer.compare(frame.pixels, packed.pixels)).toBe(0);
      expect(frame.toneMap?.transfer).toBe(format === 'RGBA16F' ? 'scrgb' : undefined);
      await frames.return();
    },
  );

  it('tells of a region that is too small, with the MiB that would do, once', async () => {
    const guest = await start(8);
    const frames = new FrameStream(guest, {});
    const large = picture(1, { widthPx: 1920, heightPx: 1080 });
    let next = frames.next();
    await guest.subscriber();
    for (let i = 0; i < 2; i++) {
      guest.host.publish(large);
      const frame = await given(next);
      expect(frame.truncated).toBe(true);
      expect(frame.dataHeightPx).toBeLessThan(1080);
      expect(frame.heightPx).toBe(wire === 'B7' ? 1080 : frame.dataHeightPx);
      expectSame(frame.pixels, large.pixels.subarray(0, frame.dataHeightPx * 7680));
      frame.release();
      next = frames.next();
    }
    expect(guest.issues).toEqual([
      expect.objectContaining({ name: 'too-small', code: 'ERR_KVMFR_SIZE', needMib: 32 }),
    ]);
    expect(guest.issues[0]?.message).toContain(
      '8 MiB has no room for a whole frame of 1920 x 1080',
    );
    expect(guest.issues[0]?.hint).toContain('32 MiB');
    guest.host.publish(picture(2));
    await given(next);
    expect(guest.issues.at(-1)).toBeUndefined();
    await frames.return();
  });

  it('reads a truncated frame that runs a page past its slot', async () => {
    const guest = await start();
    const { frames, first } = await begun(guest);
    first.release();
    opened(guest, { header: { flags: 4 }, message: { bytes: 4096 + 47 * 256 } }).end();
    const frame = await given(frames.next());
    expectSame(frame.pixels, picture(9).pixels);
    expect(guest.issues).toEqual([expect.objectContaining({ needMib: 16 })]);
    await frames.return();
  });

  it('follows a publisher that changes the size of its frames', async () => {
    const guest = await start();
    const { frames, first } = await begun(guest);
    first.release();
    for (const [i, widthPx] of [100, 320, 33].entries()) {
      const input = picture(i, { widthPx, heightPx: 20 + i });
      guest.host.publish({ ...input, damage: [RECT_A] });
      const frame = await given(frames.next());
      expect([frame.widthPx, frame.heightPx]).toEqual([widthPx, 20 + i]);
      expectSame(frame.pixels, input.pixels);
      expect(frame.damage).toEqual([]);
      frame.release();
    }
    await frames.return();
  });

  it('goes on with a publisher that was started again, in full', async () => {
    const guest = await start();
    const { frames, first } = await begun(guest);
    first.release();
    const next = frames.next();
    // Wiped: it begins anew in place.
    guest.region.bytes.fill(0, 0, 8192);
    guest.pass(1000);
    guest.attachAgain();
    await guest.subscriber();
    guest.host.publish({ ...picture(5), damage: [RECT_A] });
    const frame = await given(next);
    expect(frame.damage).toEqual([]);
    expect(frame.skipped).toBe(0);
    expectSame(frame.pixels, picture(5).pixels);
    await frames.return();
  });

  describe('the end', () => {
    it('comes with break: frame and slot are given back', async () => {
      const guest = await start();
      const frames = new FrameStream(guest, {});
      const published = guest.subscriber().then(() => guest.host.publish(picture(0)));
      let frame: Frame | undefined;
      for await (frame of frames) break;
      await published;
      expect(frame?.released).toBe(true);
      expect(guest.subscribers()).toBe(0);
      expect(guest.streams.size).toBe(0);
      expect(await frames.next()).toEqual({ done: true, value: undefined });
      guest.host.housekeep();
      expect(guest.host.stats.repairs).toBe(0);
    });

    it('comes with an exception in the loop', async () => {
      const guest = await start();
      const published = guest.subscriber().then(() => guest.host.publish(picture(0)));
      const loop = async (): Promise<void> => {
        for await (const frame of new FrameStream(guest, {})) throw new Error(`${frame.serial}`);
      };
      await expect(loop()).rejects.toThrow('0');
      await published;
      expect(guest.subscribers()).toBe(0);
      expect(guest.streams.size).toBe(0);
    });

    it('comes with the signal, while a frame is waited for', async () => {
      const guest = await start();
      const stop = new AbortController();
      const frames = new FrameStream(guest, { signal: stop.signal });
      const next = frames.next();
      await guest.subscriber();
      stop.abort();
      expect(await next).toEqual({ done: true, value: undefined });
      await frames.return();
      expect(guest.subscribers()).toBe(0);
    });

    it('comes with the signal, while rows are waited for, and counts nothing', async () => {
      const guest = await start();
      const stop = new AbortController();
      const { frames, first } = await begun(guest, { signal: stop.signal });
      first.release();
      opened(guest);
      const next = frames.next();
      await new Promise(setImmediate);
      stop.abort();
      expect(await next).toEqual({ done: true, value: undefined });
      expect(guest.stats.framesGivenUp).toBe(0);
      expect(guest.subscribers()).toBe(0);
    });

    it('comes at once when the signal has fired before', async () => {
      const guest = await start();
      const frames = new FrameStream(guest, { signal: AbortSignal.abort() });
      expect(await frames.next()).toEqual({ done: true, value: undefined });
      expect(guest.streams.size).toBe(0);
    });

    it('comes with return() while next() waits for a session', async () => {
      const guest = await start();
      guest.session.end();
      const frames = new FrameStream(guest, {});
      const next = frames.next();
      await frames.return();
      expect(await next).toEqual({ done: true, value: undefined });
    });

    it('gives the slot back when the queue is locked just then', async () => {
      const guest = await start();
      const { frames } = await begun(guest);
      guest.region.bytes[32 + 408] = 1;
      const ended = frames.return();
      await new Promise(setImmediate);
      expect(guest.subscribers()).toBe(1);
      guest.region.bytes[32 + 408] = 0;
      await ended;
      expect(guest.subscribers()).toBe(0);
    });

    it('comes when the mapping has gone, and the frame that was lent says so', async () => {
      const guest = await start();
      const { frames, first } = await begun(guest, { partial: true });
      first.release();
      opened(guest).writeRows(7);
      const frame = await given(frames.next());
      const rows = frame.whenRows(48);
      guest.mapping.close();
      expect(await rows).toBe(false);
      expect(frame.complete).toBe(0);
      expect(frame.intact).toBe(false);
      expect(frame.pixels.byteLength).toBe(0);
      frame.release();
      await frames.return();
      expect(guest.stats.framesGivenUp).toBe(0);
    });
  });

  it('answers although the publisher posts a newer frame whenever one is read', async () => {
    const guest = await start();
    const { frames, first } = await begun(guest);
    first.release();
    const { view } = guest.region;
    const getUint32 = view.getUint32.bind(view);
    let posts = 0;
    view.getUint32 = (at, little) => {
      if (posts++ < 5000) guest.host.publish(picture(1));
      return getUint32(at, little);
    };
    guest.host.publish(picture(1));
    expect((await given(frames.next())).skipped).toBeLessThanOrEqual(3);
    view.getUint32 = getUint32;
    await frames.return();
  });

  it('lets the event loop turn although the publisher repeats one frame for ever', async () => {
    const guest = await start();
    const { frames, first } = await begun(guest);
    first.release();
    let repeats = 0;
    const repeat = (): void => {
      if (repeats++ < 20_000)
        guest.host.openFrame(picture(0), { header: { frameSerial: 0 } })?.end();
    };
    const { view } = guest.region;
    const getUint32 = view.getUint32.bind(view);
    view.getUint32 = (at, little) => {
      repeat();
      return getUint32(at, little);
    };
    repeat();
    const next = frames.next();
    let before = 0;
    setImmediate(() => {
      before = repeats;
      view.getUint32 = getUint32;
      guest.host.publish(picture(1));
    });
    await given(next);
    expect(before).toBeLessThan(20_000);
    await frames.return();
  });

  it('answers calls in their order, with one subscriber and no frame lent twice', async () => {
    const guest = await start();
    const frames = new FrameStream(guest, {});
    const results = [frames.next(), frames.next()].map(given);
    await guest.subscriber();
    expect(guest.subscribers()).toBe(1);
    guest.host.publish(picture(0));
    guest.host.publish(picture(1));
    const [first, second] = await Promise.all(results.slice(0, 1)).then(async ([a]) => {
      await guest.drained();
      guest.host.publish(picture(2));
      return [a, await results[1]];
    });
    expect(first?.serial).toBe(1);
    expect(second?.serial).toBe(2);
    await frames.return();
  });
});

describe('FrameStream on B7', () => {
  it.each([
    ['RGBA', 33, 4 * 33],
    ['BGR_32', 32, 256],
    ['RGB_24', 30, 96],
  ] as const)('reads %s as it lies in the region', async (format, widthPx, pitchBytes) => {
    const guest = await Guest.start();
    const frames = new FrameStream(guest, {});
    const next = frames.next();
    await guest.subscriber();
    const pixels = Uint8Array.from({ length: pitchBytes * 10 }, (_, i) => i & 0xff);
    guest.host.publish({ pixels, format, widthPx, heightPx: 10, pitchBytes });
    const frame = await given(next);
    expect(frame).toMatchObject({ format, widthPx, heightPx: 10, pitchBytes });
    expectSame(frame.pixels, pixels);
    await frames.return();
  });
});

it('a publisher of KVMFR 34 tells how long it took, captured to published', async () => {
  const guest = await Guest.start({ wire: 'dev12' });
  const frames = new FrameStream(guest, {});
  const next = frames.next();
  await guest.subscriber();
  const timing = { captureNs: 1e6, postProcessNs: 2e6, copyNs: 32e6, readyNs: 4e6, holdNs: 8e6 };
  guest.host.publish({ ...picture(1), timing });
  const frame = await given(next);
  frame.release();
  // Without its copying, which comes after.
  expect(guest.stats.stages.of('producer')?.summary()).toMatchObject({ count: 1, maxUs: 15_000 });
  await frames.return();
});
