import { describe, expect, it } from 'vitest';
import {
  activeBits,
  badBits,
  clearSlots,
  LGMP_LAYOUTS,
  type LgmpLayout,
  onBits,
  Region,
  setBad,
  setOn,
} from '../../../../protocol/index.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';
import { makeRegion, queueAt } from '../../../support/region-factory.ts';

function layoutOf(version: number): LgmpLayout {
  const lgmp = LGMP_LAYOUTS.get(version);
  if (lgmp === undefined) throw new Error(`no LGMP ${version}`);
  return lgmp;
}

describe.each([5, 6, 7] as const)('subscribers of LGMP %i', (version) => {
  const lgmp = layoutOf(version);
  const at = queueAt(0, version);
  const make = (on: number, bad: number): Region =>
    makeRegion({ version, queues: [{ id: 2, subscribersOn: on, subscribersBad: bad }] });
  /** The u64 `subs` of the wire: ON in its high half, BAD in its low half. */
  const subs = (region: Region): bigint => region.view.getBigUint64(at + 416, true);

  it('are on in the high half and bad in the low half', () => {
    const region = make(0x8000_0001, 0x0000_0001);
    expect(subs(region)).toBe(0x8000_0001_0000_0001n);
    expect(onBits(region, lgmp, at)).toBe(0x8000_0001);
    expect(badBits(region, lgmp, at)).toBe(0x0000_0001);
    expect(activeBits(region, lgmp, at)).toBe(0x8000_0000);
  });

  it('are up to 32, the last one like the others', () => {
    const region = make(0, 0);
    for (let id = 0; id < lgmp.maxSubscribers; id++) setOn(region, lgmp, at, 1 << id);
    expect(subs(region)).toBe(0xffff_ffff_0000_0000n);
    setBad(region, lgmp, at, 1 << 31);
    expect(subs(region)).toBe(0xffff_ffff_8000_0000n);
    expect(activeBits(region, lgmp, at)).toBe(0x7fff_ffff);
    clearSlots(region, lgmp, at, (1 << 31) | 1);
    expect(subs(region)).toBe(0x7fff_fffe_0000_0000n);
  });

  it('leave the words beside them alone', () => {
    const region = make(0, 0);
    region.view.setUint32(at + 412, 0xaaaa_aaaa, true);
    region.view.setUint32(at + 424, 0xbbbb_bbbb, true);
    setOn(region, lgmp, at, 0xffff_ffff);
    setBad(region, lgmp, at, 0xffff_ffff);
    clearSlots(region, lgmp, at, 0x0000_ffff);
    expect(region.view.getUint32(at + 412, true)).toBe(0xaaaa_aaaa);
    expect(region.view.getUint32(at + 424, true)).toBe(0xbbbb_bbbb);
    expect(subs(region)).toBe(0xffff_0000_ffff_0000n);
  });
});

describe.each([10, 12] as const)('subscribers of LGMP %i', (version) => {
  const lgmp = layoutOf(version);
  const at = queueAt(1, version);
  const make = (on: number, bad: number): Region =>
    makeRegion({
      version,
      queues: [
        { id: 2, slots: 2 },
        { id: 1, slots: 2, subscribersOn: on, subscribersBad: bad },
      ],
    });
  /** The u32 `subs` of the wire, at a literal place: the second queue header begins at 1664. */
  const subs = (region: Region): number => region.view.getUint32(1664 + 192, true);

  it('are on in the high half and bad in the low half of one word', () => {
    const region = make(0x81, 0x01);
    expect(subs(region)).toBe(0x0081_0001);
    expect(onBits(region, lgmp, at)).toBe(0x81);
    expect(badBits(region, lgmp, at)).toBe(0x01);
    expect(activeBits(region, lgmp, at)).toBe(0x80);
  });

  it('are up to eight, the last one like the others', () => {
    const region = make(0, 0);
    for (let id = 0; id < lgmp.maxSubscribers; id++) setOn(region, lgmp, at, 1 << id);
    expect(subs(region)).toBe(0x00ff_0000);
    setBad(region, lgmp, at, 1 << 7);
    expect(subs(region)).toBe(0x00ff_0080);
    expect(activeBits(region, lgmp, at)).toBe(0x7f);
    clearSlots(region, lgmp, at, (1 << 7) | 1);
    expect(subs(region)).toBe(0x007e_0000);
  });

  it('are not more than eight, whatever a ninth client has written', () => {
    const region = make(0xff00, 0x0100);
    expect(onBits(region, lgmp, at)).toBe(0);
    expect(badBits(region, lgmp, at)).toBe(0);
    expect(activeBits(region, lgmp, at)).toBe(0);
  });

  it('leave the words beside them alone', () => {
    const region = make(0, 0);
    region.view.setUint32(1664 + 188, 0xaaaa_aaaa, true);
    region.view.setUint32(1664 + 196, 0xbbbb_bbbb, true);
    setOn(region, lgmp, at, 0xff);
    setBad(region, lgmp, at, 0xff);
    clearSlots(region, lgmp, at, 0x0f);
    expect(region.view.getUint32(1664 + 188, true)).toBe(0xaaaa_aaaa);
    expect(region.view.getUint32(1664 + 196, true)).toBe(0xbbbb_bbbb);
    expect(subs(region)).toBe(0x00f0_00f0);
  });
});

it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
  'the real publisher had one live subscriber on each queue, %s',
  (name) => {
    const { bytes, facts } = loadFixture(name);
    const lgmp = layoutOf(facts.lgmp.version);
    for (const queue of facts.lgmp.queues) {
      const region = new Region(bytes.buffer);
      expect(onBits(region, lgmp, queue.offset)).toBe(queue.subsOn);
      expect(badBits(region, lgmp, queue.offset)).toBe(queue.subsBad);
      expect(activeBits(region, lgmp, queue.offset)).toBe(1);
    }
  },
);
