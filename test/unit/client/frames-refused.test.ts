import { describe, expect, it } from 'vitest';
import { FrameStream } from '../../../client/frames.ts';
import type { FrameTampering } from '../../../host/index.ts';
import { begun, expectSame, given, opened, RECT_A } from './frame-reading.ts';
import { Guest, picture } from './guest.ts';

describe.each(['B6', 'B7'] as const)('FrameStream on %s', (wire) => {
  const start = (mib?: number): Promise<Guest> =>
    Guest.start(mib === undefined ? { wire } : { wire, mib });

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
});
