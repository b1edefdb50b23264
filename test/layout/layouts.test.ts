import { describe, expect, it } from 'vitest';
import {
  CURSOR_LAYOUTS,
  FRAME_LAYOUTS,
  LGMP_LAYOUTS,
  newFrameHeader,
  type RawFrameHeader,
  Region,
  readDamage,
} from '../../protocol/index.ts';
import type { FieldTable } from '../../protocol/memory/layout.ts';
import { type FrozenStructure, readFrozen } from './frozen.ts';
import { KVMFR_TABLES, LGMP_TABLES, type Table, WITHOUT_TABLE } from './tables.ts';

const frozen = readFrozen();

/** What our table says, in the form of the frozen numbers. */
function measured({ fields, layout }: Table): FrozenStructure {
  return {
    size: layout.$sizeBytes,
    fields: Object.fromEntries(
      Object.keys(fields).map((name) => [
        name,
        { offset: layout.$offsets[name] ?? Number.NaN, size: fieldBytes(fields, name) },
      ]),
    ),
  };
}

const SCALAR_BYTES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8 } as const;

function fieldBytes(fields: FieldTable, name: string): number {
  const field = fields[name];
  if (field === undefined) return Number.NaN;
  const [type, , count] = field;
  if (count === 'tail') return 0;
  return type === 'struct' ? count : SCALAR_BYTES[type] * (count ?? 1);
}

describe.each(Object.entries(LGMP_TABLES))('LGMP %s', (version, tables) => {
  const structures = frozen.lgmp[version] ?? {};

  it('has every structure there is, and no other', () => {
    const all = [...Object.keys(tables), ...(WITHOUT_TABLE[`LGMP ${version}`] ?? [])];
    expect(all.sort()).toEqual(Object.keys(structures).sort());
  });

  it.each(Object.entries(tables))(
    '%s has every field at its offset and size, and no other field',
    (name, table) => {
      expect(measured(table)).toEqual(structures[name]);
    },
  );

  it('is used by the code with these very offsets', () => {
    const lgmp = LGMP_LAYOUTS.get(Number(version));
    const offsets = (name: string): unknown => ({
      ...Object.fromEntries(
        Object.entries(structures[name]?.fields ?? {}).map(([field, at]) => [field, at.offset]),
      ),
      sizeBytes: structures[name]?.size,
    });
    expect(lgmp?.version).toBe(Number(version));
    expect(lgmp?.header).toEqual(offsets('LGMPHeader'));
    expect(lgmp?.queue).toEqual(offsets('LGMPHeaderQueue'));
    expect(lgmp?.message).toEqual(offsets('LGMPHeaderMessage'));
    expect(lgmp?.clientMessage).toEqual(offsets('LGMPClientMessage'));
  });

  it('has its two bitmaps in the halves of subs', () => {
    const { subs, clientID } = structures['LGMPHeaderQueue']?.fields ?? {};
    const lgmp = LGMP_LAYOUTS.get(Number(version));
    const at = subs?.offset ?? Number.NaN;
    expect(lgmp?.maxSubscribers).toBe((clientID?.size ?? 0) / 4);
    // A u64 is two words to us, BAD in the lower; a u32 is one.
    expect(lgmp?.subs).toEqual(
      subs?.size === 8
        ? { bad: at, badShift: 0, on: at + 4, onShift: 0 }
        : { bad: at, badShift: 0, on: at, onShift: 16 },
    );
  });

  it('has locks as wide as their fields', () => {
    const lgmp = LGMP_LAYOUTS.get(Number(version));
    expect(lgmp?.lockBytes).toBe(structures['LGMPHeaderQueue']?.fields['lock']?.size);
    expect(lgmp?.lockBytes).toBe(structures['LGMPHeaderQueue']?.fields['cMsgLock']?.size);
  });
});

describe.each(Object.entries(KVMFR_TABLES))('KVMFR %s', (version, tables) => {
  const structures = frozen.kvmfr[version] ?? {};

  it('has every structure there is, and no other', () => {
    const all = [...Object.keys(tables), ...(WITHOUT_TABLE[`KVMFR ${version}`] ?? [])];
    expect(all.sort()).toEqual(Object.keys(structures).sort());
  });

  it.each(Object.entries(tables))(
    '%s has every field at its offset and size, and no other field',
    (name, table) => {
      expect(measured(table)).toEqual(structures[name]);
    },
  );

  it('reads each field of FrameDamageRect at its offset', () => {
    const layout = FRAME_LAYOUTS.get(Number(version));
    const rect = structures['FrameDamageRect'];
    if (layout === undefined || rect === undefined) throw new Error('no such version');
    expect(Object.keys(rect.fields).sort()).toEqual(['height', 'width', 'x', 'y']);
    const region = new Region(new ArrayBuffer(4096));
    const expected = [0, 1].map((index) => {
      const values: { [field: string]: number } = {};
      for (const [order, [field, { offset }]] of Object.entries(rect.fields).entries()) {
        values[field] = 10 * index + order + 1;
        const at = layout.damageRectsAt + index * rect.size + offset;
        region.view.setUint32(at, 10 * index + order + 1, true);
      }
      return values;
    });
    const read = readDamage(region, layout, { at: 0, count: 2, widthPx: 1000, heightPx: 1000 });
    expect(read).toEqual(expected);
  });

  it('writes and reads each scalar of a frame at its offset', () => {
    const layout = FRAME_LAYOUTS.get(Number(version));
    const fields = structures['KVMFRFrame']?.fields ?? {};
    if (layout === undefined) throw new Error('no such version');
    const header = newFrameHeader();
    const written = new Region(new ArrayBuffer(layout.frameBytes));
    const read = newFrameHeader();
    const expected = newFrameHeader();
    let value = 0x01020304;
    for (const name of SCALARS) {
      header[name] = value;
      // What came with 34 is 0 where the version has no field for it.
      if (fields[name] !== undefined || SINCE_20.includes(name)) expected[name] = value;
      value += 0x01010101;
    }
    // The bit of the metadata, which has a test of its own, is not set here.
    header.flags = expected.flags = 0x0001_0203;
    // 19 has one size where 20 has the frame's and the data's; what was transported is the truth.
    if (fields['dataHeight'] === undefined) {
      header.dataWidth = expected.dataWidth = header.frameWidth;
      header.frameHeight = expected.frameHeight = header.dataHeight;
    }
    layout.write(written, 0, header);
    for (const [name, { offset, size }] of Object.entries(fields)) {
      if (size !== 4 || /^(timing|hdr)/.test(name)) continue;
      if (!isScalar(name)) throw new Error(`${name} is no field of our header`);
      expect([name, written.view.getUint32(offset, true)]).toEqual([name, header[name]]);
    }
    layout.read(written, 0, read);
    expect(read).toEqual(expected);
  });
});

type ScalarName = Exclude<keyof RawFrameHeader, 'hdr'>;
const SCALARS: readonly ScalarName[] = Object.keys(newFrameHeader()).filter(isScalar);
const SINCE_20: readonly ScalarName[] = ['dataWidth', 'dataHeight'];

function isScalar(name: string): name is ScalarName {
  return name !== 'hdr' && name in newFrameHeader();
}

it('reads the right KVMFR version from each list of layouts', () => {
  for (const list of [FRAME_LAYOUTS, CURSOR_LAYOUTS]) {
    expect([...list.keys()].map(String)).toEqual(Object.keys(KVMFR_TABLES));
    for (const [version, layout] of list) expect(layout.kvmfrVersion).toBe(version);
  }
});

it.each(Object.keys(KVMFR_TABLES))('has the size of a cursor of KVMFR %s', (version) => {
  const size = frozen.kvmfr[version]?.['KVMFRCursor']?.size;
  expect(CURSOR_LAYOUTS.get(Number(version))?.cursorBytes).toBe(size);
});
