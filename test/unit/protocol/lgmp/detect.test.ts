import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findLgmpHeaders, lgmpVersionName, Region } from '../../../../protocol/index.ts';
import { FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';
import { makeRegion, sessionBytes } from '../../../support/region-factory.ts';

const MAGIC = [0x4c, 0x47, 0x4d, 0x50];

function zeros(bytes = 16 * 1024): Region {
  return new Region(new ArrayBuffer(bytes));
}

describe('findLgmpHeaders', () => {
  it.each(FIXTURE_NAMES)('finds LGMP 6 in the memory of the real publisher, %s', (name) => {
    const found = findLgmpHeaders(new Region(loadFixture(name).bytes.buffer));
    expect(found).toMatchObject([{ version: 6, magicAt: 0, timestampAt: 16, plausible: true }]);
    expect(found[0]?.layout?.version).toBe(6);
  });

  it.each([5, 6] as const)('finds LGMP %i', (version) => {
    const found = findLgmpHeaders(makeRegion({ version }));
    expect(found).toMatchObject([{ version, plausible: true }]);
    expect(found[0]?.layout?.version).toBe(version);
  });

  it.each([
    [7, 0, 16],
    [8, 0, 16],
    [9, 8, 0],
    [10, 8, 0],
    [10, 8064, 0],
    [11, 8064, 0],
    [12, 9664, 0],
    [13, 9664, 0],
    [0xffff_ffff, 0, 16],
  ])('names LGMP %i at %i without a way to read it', (version, magicAt, timestampAt) => {
    const region = zeros();
    region.bytes.set(MAGIC, magicAt);
    region.view.setUint32(magicAt + 4, version, true);
    expect(findLgmpHeaders(region)).toEqual([
      { version, magicAt, timestampAt, layout: undefined, plausible: true },
    ]);
  });

  it('does not read LGMP 6 where LGMP 12 would be', () => {
    const region = zeros();
    region.bytes.set([...MAGIC, 6, 0, 0, 0], 9664);
    expect(findLgmpHeaders(region)).toMatchObject([{ version: 6, layout: undefined }]);
  });

  it('finds the newest generation first when an older one left its bytes behind', () => {
    const region = makeRegion();
    region.bytes.set([...MAGIC, 12, 0, 0, 0], 9664);
    expect(findLgmpHeaders(region).map(({ version }) => version)).toEqual([12, 6]);
  });

  it('finds nothing in zeros, nor where the magic is one byte off', () => {
    expect(findLgmpHeaders(zeros())).toEqual([]);
    const region = zeros();
    region.bytes.set([...MAGIC, 6], 1);
    expect(findLgmpHeaders(region)).toEqual([]);
  });

  it.each([
    ['more queues than there are places', { numQueues: 6 }],
    ['a session blob without room for its head', { udataSize: 47 }],
    ['a session blob beyond what is believed', { udataSize: 65537 }],
    [
      'a session blob that ends past the region',
      { bytes: 8192, udataSize: 8192 - 5756 + 1, queues: [] },
    ],
    ['a session blob of 4 GiB', { udataSize: 0xffff_ffff }],
  ])('does not believe %s', (_, lie) => {
    expect(findLgmpHeaders(makeRegion(lie))).toMatchObject([{ version: 6, plausible: false }]);
  });

  it.each([
    ['five queues', { numQueues: 5 }],
    ['the smallest session blob', { udata: sessionBytes() }],
    ['a session blob up to the last byte', { bytes: 8192, udataSize: 8192 - 5756, queues: [] }],
  ])('believes %s', (_, shape) => {
    expect(findLgmpHeaders(makeRegion(shape))).toMatchObject([{ version: 6, plausible: true }]);
  });

  it('does not believe a header that the region cuts off', () => {
    const region = zeros(5756);
    region.bytes.set([...MAGIC, 6, 0, 0, 0]);
    expect(findLgmpHeaders(region)).toMatchObject([{ version: 6, plausible: false }]);
  });

  it('survives regions of any size and content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(12_000), (noise, length) => {
        const region = zeros(length);
        region.bytes.set(noise.subarray(0, length));
        for (const at of [0, 8, 8064, 9664]) if (at + 4 <= length) region.bytes.set(MAGIC, at);
        for (const { magicAt, timestampAt } of findLgmpHeaders(region)) {
          expect(magicAt + 8).toBeLessThanOrEqual(length);
          expect(timestampAt + 8).toBeLessThanOrEqual(length);
        }
      }),
    );
  });
});

it('lgmpVersionName tells a person which Looking Glass that is', () => {
  expect(lgmpVersionName(5)).toBe('LGMP 5 (Looking Glass B6)');
  expect(lgmpVersionName(6)).toBe('LGMP 6 (Looking Glass B7)');
  for (const version of [7, 8, 9, 10, 11, 12])
    expect(lgmpVersionName(version)).toContain(`LGMP ${version} (a development`);
  expect(lgmpVersionName(0xffff_ffff)).toBe('LGMP 4294967295');
});
