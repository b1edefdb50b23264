import { describe, expect, it } from 'vitest';
import { FrameStream } from '../../../client/frames.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { begun, given, opened, RECT_A, RECT_B } from './frame-reading.ts';
import { Guest, picture } from './guest.ts';

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (): Promise<Guest> => Guest.start({ wire });

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
});
