import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../../client/clock.ts';
import { FrameStream } from '../../../client/frames.ts';
import { packPicture } from '../../../host/index.ts';
import { begun, expectSame, given, opened, RECT_A } from './frame-reading.ts';
import { Guest, picture } from './guest.ts';

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (): Promise<Guest> => Guest.start({ wire });

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
