import { describe, expect, it } from 'vitest';
import type { Frame } from '../../../client/frame.ts';
import { FrameStream } from '../../../client/frames.ts';
import { begun, given, opened } from './frame-reading.ts';
import { Guest, picture } from './guest.ts';

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (): Promise<Guest> => Guest.start({ wire });

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
});
