import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findLgmpHeaders,
  LGMP_LAYOUTS,
  lgmpVersionName,
  neighbourPairs,
  Region,
  releaseName,
} from '../../../../protocol/index.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';
import {
  MADE_LGMPS,
  magicAt,
  makeRegion,
  type QueueShape,
  sessionBytes,
  timestampAt,
  versionNumber,
  writeRegion,
} from '../../../support/region-factory.ts';

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

  it.each(DEV_FIXTURE_NAMES)('finds LGMP 10 in the memory of the real publisher, %s', (name) => {
    const found = findLgmpHeaders(new Region(loadFixture(name).bytes.buffer));
    expect(found).toMatchObject([{ version: 10, magicAt: 8064, timestampAt: 0, plausible: true }]);
    expect(found[0]?.layout?.version).toBe(10);
  });

  it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
    'finds both where a publisher of LGMP 12 left its header in real memory, %s',
    (name) => {
      const region = new Region(loadFixture(name).bytes.buffer);
      const left = makeRegion({ version: 12 }).bytes.subarray(9664, 9664 + 68);
      region.bytes.set(left, 9664);
      const [newest, other] = findLgmpHeaders(region);
      expect(newest).toMatchObject({ version: 12, plausible: false });
      expect(other).toMatchObject({ plausible: true });
    },
  );

  it.each([5, 6, 7, 10, 12] as const)('finds LGMP %i', (version) => {
    const found = findLgmpHeaders(makeRegion({ version }));
    expect(found).toMatchObject([
      { version, magicAt: magicAt(version), timestampAt: timestampAt(version), plausible: true },
    ]);
    expect(found[0]?.layout?.version).toBe(version);
  });

  it.each([8, 9, '10a', 11] as const)('names LGMP %s without a way to read it', (version) => {
    expect(findLgmpHeaders(makeRegion({ version }))).toEqual([
      {
        version: versionNumber(version),
        magicAt: magicAt(version),
        timestampAt: timestampAt(version),
        layout: undefined,
        plausible: true,
      },
    ]);
  });

  it.each([
    [4, 0, 16],
    [13, 0, 16],
    [9, 0, 16],
    [10, 0, 16],
    [8, 8, 0],
    [12, 8, 0],
    [6, 8064, 0],
    [9, 8064, 0],
    [12, 8064, 0],
    [10, 9664, 0],
    [13, 9664, 0],
    [0xffff_ffff, 0, 16],
    [0xffff_ffff, 9664, 0],
  ])('names an unknown LGMP %i at %i without a way to read it', (version, at, timestampAt) => {
    const region = zeros();
    region.bytes.set(MAGIC, at);
    region.view.setUint32(at + 4, version, true);
    expect(findLgmpHeaders(region)).toEqual([
      { version, magicAt: at, timestampAt, layout: undefined, plausible: true },
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
    ['a session blob of something else', { udata: sessionBytes({ magic: 'KVMFR--+' }) }],
    ['a session blob of nothing', { udata: new Uint8Array(48) }],
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

  it.each([
    ['in order', [{}, {}]],
    ['far behind the session blob', [{ ringAt: 32768 }, { ringAt: 65536 }]],
    ['as long as is believed', [{ slots: 4096 }, {}]],
    ['that somebody has locked', [{ lock: 1 }, { lock: 1 }]],
    ['of one queue', [{}]],
    ['of no queue yet', []],
  ])('believes LGMP 10 and 12 with rings %s', (_, rings) => {
    for (const version of [10, 12] as const) {
      const queues = rings.map((ring, index) => ({ id: index + 1, slots: 2, ...ring }));
      expect(findLgmpHeaders(makeRegion({ version, queues }))[0]?.plausible).toBe(true);
    }
  });

  it.each<[string, readonly Partial<QueueShape>[]]>([
    ['inside the header', [{ ringAt: 8064 }]],
    ['at nothing', [{ ringAt: 0 }]],
    ['that are not aligned', [{ ringAt: 16384 + 16 }]],
    ['that end past the region', [{ ringAt: (1 << 20) - 16 * 16, slots: 32 }]],
    ['at the end of the address space', [{ ringAt: 0xffff_ffc0 }]],
    ['of one slot', [{ slots: 1 }]],
    ['of no slot', [{ slots: 0 }]],
    ['of three slots', [{ slots: 3 }]],
    ['longer than is believed', [{ slots: 8192 }]],
    ['of 2 GiB', [{ slots: 0x8000_0000 }]],
    ['that overlap', [{ ringAt: 16384, slots: 64 }, { ringAt: 16384 + 512 }]],
    ['in the wrong order', [{ ringAt: 65536 }, { ringAt: 32768 }]],
    ['with a lock that is none', [{ lock: 2 }]],
  ])('does not believe LGMP 10 and 12 with rings %s', (_, rings) => {
    for (const version of [10, 12] as const) {
      const queues = rings.map((ring, index) => ({ id: index + 1, slots: 2, ...ring }));
      expect(findLgmpHeaders(makeRegion({ version, queues }))).toMatchObject([
        { version, plausible: false },
      ]);
    }
  });

  it('does not believe LGMP 12 with rings where LGMP 10 has them', () => {
    const region = makeRegion({ version: 12 });
    writeRegion(region, { version: 10 });
    expect(findLgmpHeaders(region)).toMatchObject([
      { version: 12, plausible: false },
      { version: 10, plausible: true },
    ]);
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

describe('a header that somebody writes to', () => {
  const word = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(0, 1, 2, 3, 5, 6, 48, 4096, 8064, 8384, 0x504d_474c, 0x8000_0000, 0xffff_ffc0),
  );

  it('is refused, or says only what lies inside the region: every version', () => {
    let believed = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(5, 6, 7, 10, 12),
        fc.array(fc.tuple(fc.nat(2600), word), { maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(3), fc.nat(12), word), { maxLength: 2 }),
        fc.constantFrom(9728, 10_000, 16 * 1024, 1 << 20),
        (number, words, aimed, bytes) => {
          const lgmp = LGMP_LAYOUTS.get(number);
          const whole = makeRegion({ version: MADE_LGMPS.find((made) => made === number) ?? 6 });
          if (lgmp === undefined) throw new Error(`no LGMP ${number}`);
          const { header, queue, message } = lgmp;
          for (const [at, value] of words) whole.view.setUint32(at * 4, value, true);
          const fields = [header.udataSize, header.numQueues, header.version];
          const ofQueue = [queue.numMessages, queue.messagesOffset, queue.lock];
          for (const [which, index, value] of aimed) {
            const at = fields[which] ?? header.queues + (ofQueue[index % 3] ?? 0);
            whole.view.setUint32(at, value, true);
          }
          const region = Region.copyOf(whole.bytes.subarray(0, bytes));
          const at = (offset: number): number => region.view.getUint32(offset, true);
          for (const found of findLgmpHeaders(region)) {
            const { layout, plausible } = found;
            if (layout !== lgmp || !plausible) continue;
            believed++;
            expect(at(header.numQueues)).toBeLessThanOrEqual(lgmp.maxQueues);
            expect(header.udata + at(header.udataSize)).toBeLessThanOrEqual(bytes);
            if (!lgmp.powerOfTwoRings) continue;
            for (let i = 0; i < at(header.numQueues); i++) {
              const queueAt = header.queues + i * queue.sizeBytes;
              const ringBytes = at(queueAt + queue.numMessages) * message.sizeBytes;
              expect(at(queueAt + queue.messagesOffset) + ringBytes).toBeLessThanOrEqual(bytes);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(believed).toBeGreaterThan(200);
  });
});

describe('the pairs that are spoken', () => {
  it.each([
    [5, 19, 'B6'],
    [6, 20, 'B7'],
    [7, 20, 'dev7'],
    [10, 20, 'dev10'],
    [12, 34, 'dev12'],
  ])('are called by name: LGMP %i with KVMFR %i', (lgmp, kvmfr, name) => {
    expect(releaseName(lgmp, kvmfr)).toBe(name);
  });

  it.each([
    [8, undefined, 'dev7 (KVMFR 20 on LGMP 7) and dev10 (KVMFR 20 on LGMP 10)'],
    [9, undefined, 'dev7 (KVMFR 20 on LGMP 7) and dev10 (KVMFR 20 on LGMP 10)'],
    [11, undefined, 'dev10 (KVMFR 20 on LGMP 10) and dev12 (KVMFR 34 on LGMP 12)'],
    [10, 21, 'dev10 (KVMFR 20 on LGMP 10) and dev12 (KVMFR 34 on LGMP 12)'],
    [12, 33, 'dev10 (KVMFR 20 on LGMP 10) and dev12 (KVMFR 34 on LGMP 12)'],
    [4, undefined, 'B6 (KVMFR 19 on LGMP 5)'],
    [13, undefined, 'dev12 (KVMFR 34 on LGMP 12)'],
    [12, 35, 'dev12 (KVMFR 34 on LGMP 12)'],
    [0, 0, 'B6 (KVMFR 19 on LGMP 5)'],
  ])('around LGMP %i with KVMFR %s are named', (lgmp, kvmfr, names) => {
    expect(neighbourPairs(lgmp, kvmfr)).toBe(names);
  });

  it('are named for every version between them', () => {
    for (let kvmfr = 21; kvmfr <= 33; kvmfr++)
      for (const lgmp of [10, 11, 12])
        expect(neighbourPairs(lgmp, kvmfr)).toBe(
          'dev10 (KVMFR 20 on LGMP 10) and dev12 (KVMFR 34 on LGMP 12)',
        );
  });
});
