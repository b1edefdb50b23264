import { describe, expect, it } from 'vitest';
import { begun, expectSame, given, opened, RECT_A } from './frame-reading.ts';
import { Guest, picture } from './guest.ts';

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (): Promise<Guest> => Guest.start({ wire });

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
});
