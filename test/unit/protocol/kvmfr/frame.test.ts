import { describe, expect, it } from 'vitest';
import {
  checkFrame,
  MAX_DIMENSION_PX,
  newFrameHeader,
  Region,
  regionMibFor,
} from '../../../../protocol/index.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../../../support/fixture.ts';
import { AT, check, DATA_BYTES, layoutOf, MESSAGE_BYTES, refusal } from './frame-header.ts';

describe.each([19, 20, 34] as const)('a frame header of KVMFR %i', (version) => {
  it('that is sound gives every number a reader needs', () => {
    expect(check(version)).toEqual({
      at: AT,
      format: 'BGRA',
      formatVersion: 7,
      serial: 0xffff_ffff,
      widthPx: 1920,
      heightPx: 1080,
      dataHeightPx: 1080,
      screenWidthPx: 1920,
      screenHeightPx: 1080,
      rotation: 0,
      pitchBytes: 7680,
      writePointerAt: AT + 4092,
      dataAt: AT + 4096,
      dataBytes: DATA_BYTES,
      truncated: false,
      flags: 0,
      sdrWhiteLevel: 0,
      hdr: undefined,
    });
  });

  const formats = [
    ['BGRA', 1],
    ['RGBA', 2],
    ['RGBA10', 3],
    ['BGR_32', 5],
    ['RGB_24', 6],
  ] as const;
  it.each(version === 19 ? formats.slice(0, 3) : formats)(
    'may have the format %s, %i',
    (format, type) => {
      expect(check(version, { type }).format).toBe(format);
    },
  );

  it('may have the format RGBA16F, of eight bytes a pixel', () => {
    const place = { messageBytes: 4096 + 2 * DATA_BYTES };
    expect(check(version, { type: 4, pitch: 15360 }, place).format).toBe('RGBA16F');
    expect(refusal(version, { type: 4, pitch: 15359 }, place)).toMatch(/BOUNDS pitch .* 15360 to/);
  });

  it.each([0, version === 19 ? 5 : 7, 0xffff_ffff])('may not have the format %i', (type) => {
    expect(refusal(version, { type })).toMatch(
      new RegExp(`^ERR_KVMFR_FORMAT .*0x10000 must be 1 to ${version === 19 ? 4 : 6} .*is ${type}`),
    );
  });

  it.each([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 0],
    [0xffff_ffff, 0],
  ])('with rotation %i is turned by %i quarters', (rotation, quarters) => {
    expect(check(version, { rotation }).rotation).toBe(quarters);
  });

  it('may be one pixel', () => {
    const one = { frameWidth: 1, frameHeight: 1, dataWidth: 1, dataHeight: 1, pitch: 4 };
    expect(check(version, one)).toMatchObject({ widthPx: 1, heightPx: 1, dataBytes: 4 });
  });

  it.each([
    ['frameWidth', 0],
    ['frameHeight', 0],
    ['frameWidth', MAX_DIMENSION_PX + 1],
    ['frameHeight', MAX_DIMENSION_PX + 1],
    ['frameWidth', 0xffff_ffff],
    ['frameHeight', 0xffff_ffff],
  ] as const)('may not have %s %i', (field, value) => {
    expect(refusal(version, { [field]: value })).toMatch(
      new RegExp(`^ERR_KVMFR_BOUNDS ${field} at frame header 0x10000 must be 1 to 32768`),
    );
  });

  it('may be as wide or as high as is believed', () => {
    const huge = { messageBytes: 2 ** 31, regionBytes: 2 ** 32 };
    const wide = { frameWidth: 32768, dataWidth: 32768, pitch: 32768 * 4 };
    expect(check(version, { ...wide, frameHeight: 1, dataHeight: 1 }, huge).widthPx).toBe(32768);
    const high = { frameHeight: 32768, dataHeight: 32768, frameWidth: 1, dataWidth: 1, pitch: 4 };
    expect(check(version, high, huge).heightPx).toBe(32768);
  });

  it('may not have more pixels than are kept', () => {
    const huge = { messageBytes: 2 ** 31, regionBytes: 2 ** 32 };
    const square = { frameWidth: 8192, dataWidth: 8192, frameHeight: 8192, dataHeight: 8192 };
    expect(check(version, { ...square, pitch: 40_000 }, huge).widthPx).toBe(8192);
    const row = { frameHeight: 8193, dataHeight: 8193 };
    expect(refusal(version, { ...square, ...row, pitch: 40_000 }, huge)).toMatch(
      /^ERR_KVMFR_BOUNDS the picture .* 8192 x 8193/,
    );
  });

  it('may have rows with padding, up to the widest that is believed', () => {
    const one = { frameHeight: 1, dataHeight: 1 };
    const place = { messageBytes: 5 << 20 };
    expect(check(version, { ...one, pitch: 8192 }).pitchBytes).toBe(8192);
    expect(check(version, { ...one, pitch: 1 << 22 }, place).pitchBytes).toBe(1 << 22);
    expect(refusal(version, { ...one, pitch: (1 << 22) + 1 }, place)).toMatch(/BOUNDS pitch/);
  });

  it.each([7679, 0, 0xffff_ffff])('may not have rows of %i bytes for 1920 pixels', (pitch) => {
    expect(refusal(version, { pitch })).toMatch(/^ERR_KVMFR_BOUNDS pitch .* 7680 to 4194304/);
  });

  it('does not wrap when height times pitch passes 32 bits', () => {
    const tall = { frameHeight: 32768, dataHeight: 32768, frameWidth: 1, dataWidth: 1 };
    expect(refusal(version, { ...tall, pitch: 1 << 22 })).toMatch(
      /^ERR_KVMFR_BOUNDS frame data at 0x11000 needs 137438953472 bytes/,
    );
  });

  it('has its pixels behind the header', () => {
    const bytes = layoutOf(version).frameBytes;
    expect(check(version, { offset: bytes }).dataAt).toBe(AT + bytes + 4);
    for (const offset of [0, bytes - 4, bytes + 1, bytes + 2, 4093])
      expect(refusal(version, { offset }), `offset ${offset}`).toMatch(/BOUNDS offset/);
  });

  it.each([0xffff_fffc, 0x8000_0000, MESSAGE_BYTES])('may not have offset %i', (offset) => {
    expect(refusal(version, { offset })).toMatch(/^ERR_KVMFR_BOUNDS/);
  });

  it('may fill its message to the last byte, and no further', () => {
    expect(check(version, {}, { messageBytes: MESSAGE_BYTES }).dataBytes).toBe(DATA_BYTES);
    expect(refusal(version, {}, { messageBytes: MESSAGE_BYTES - 1 })).toMatch(
      /^ERR_KVMFR_BOUNDS frame data at 0x11000 needs 8294400 bytes, but its place ends at 0x7f9fff/,
    );
    expect(refusal(version, {}, { messageBytes: 0 })).toMatch(/^ERR_KVMFR_BOUNDS/);
  });

  it('may fill the region to the last byte, and no further, whatever its message says', () => {
    const messageBytes = 0xffff_ffff;
    const regionBytes = AT + MESSAGE_BYTES;
    expect(check(version, {}, { messageBytes, regionBytes }).dataBytes).toBe(DATA_BYTES);
    expect(refusal(version, {}, { messageBytes, regionBytes: regionBytes - 1 })).toMatch(
      /^ERR_KVMFR_BOUNDS/,
    );
  });

  it('that is truncated may run past its message, as real ones do, but not past the region', () => {
    const truncated = { flags: 4 };
    const place = { messageBytes: MESSAGE_BYTES - 4096, regionBytes: AT + MESSAGE_BYTES };
    expect(check(version, truncated, place).truncated).toBe(true);
    expect(refusal(version, truncated, { ...place, regionBytes: AT + MESSAGE_BYTES - 1 })).toMatch(
      /^ERR_KVMFR_BOUNDS/,
    );
  });

  it.each([0, MAX_DIMENSION_PX + 1, 0xffff_ffff])(
    'with a screen of %i takes the size of the picture',
    (size) => {
      expect(check(version, { screenWidth: size, screenHeight: size })).toMatchObject({
        screenWidthPx: 1920,
        screenHeightPx: 1080,
      });
    },
  );

  it('may be smaller than the screen', () => {
    const screen = { screenWidth: 3840, screenHeight: 2160 };
    expect(check(version, screen)).toMatchObject({
      widthPx: 1920,
      screenWidthPx: 3840,
      screenHeightPx: 2160,
    });
  });

  it('keeps its flags', () => {
    expect(check(version, { flags: 0x8000_0003 }).flags).toBe(0x8000_0003);
  });
});

describe('a frame header of KVMFR 19', () => {
  it('has one size, of the picture and of the data', () => {
    const header = check(19, { frameWidth: 800, frameHeight: 600, pitch: 3200 });
    expect(header).toMatchObject({ heightPx: 600, dataHeightPx: 600, dataBytes: 600 * 3200 });
  });
});

describe.each([20, 34] as const)('a frame header of KVMFR %i', (version) => {
  it.each([
    ['dataWidth', 0],
    ['dataHeight', 0],
    ['dataWidth', MAX_DIMENSION_PX + 1],
    ['dataHeight', MAX_DIMENSION_PX + 1],
  ] as const)('may not have %s %i', (field, value) => {
    expect(refusal(version, { [field]: value })).toMatch(new RegExp(`^ERR_KVMFR_BOUNDS ${field}`));
  });

  it('may transport fewer rows than the picture has, and says so', () => {
    const cut = check(version, { dataHeight: 1000 });
    expect(cut).toMatchObject({ heightPx: 1080, dataHeightPx: 1000, truncated: true });
    expect(cut.dataBytes).toBe(1000 * 7680);
  });

  it('may not transport more rows than the picture has', () => {
    expect(refusal(version, { dataHeight: 1081 })).toMatch(
      /BOUNDS dataHeight .* 1 to 1080, but is 1081/,
    );
  });

  it('has rows as long as its data is wide', () => {
    expect(refusal(version, { dataWidth: 1921 })).toMatch(/BOUNDS pitch .* 7684 to/);
    expect(check(version, { dataWidth: 1 }).widthPx).toBe(1920);
    expect(refusal(version, { dataWidth: 1, pitch: 7679 })).toMatch(/BOUNDS pitch .* 7680 to/);
  });

  it('packs BGR_32 into words, three bytes a pixel', () => {
    // 1366 pixels: 4098 bytes, 1025 words, rounded to 1088 words of 4 bytes.
    const packed = { type: 5, frameWidth: 1366, dataWidth: 1088, pitch: 4352 };
    expect(check(version, packed)).toMatchObject({ format: 'BGR_32', pitchBytes: 4352 });
    expect(refusal(version, { ...packed, pitch: 4351 })).toMatch(/pitch .* 4352 to/);
    expect(refusal(version, { ...packed, dataWidth: 1, pitch: 4097 })).toMatch(/pitch .* 4098 to/);
  });

  it('does not call a packed frame truncated for the row that a division lost', () => {
    const packed = { type: 5, frameWidth: 1366, dataWidth: 1088, pitch: 4352, dataHeight: 1079 };
    expect(check(version, packed).truncated).toBe(false);
    expect(check(version, { ...packed, flags: 4 }).truncated).toBe(true);
  });

  it('has RGB_24 in rows of three bytes a pixel', () => {
    const packed = { type: 6, frameWidth: 1366, dataWidth: 1366, pitch: 4098 };
    expect(check(version, packed).format).toBe('RGB_24');
    expect(refusal(version, { ...packed, pitch: 4097 })).toMatch(/pitch .* 4098 to/);
  });
});

it.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])(
  'the headers of the real publisher are sound, %s',
  (name) => {
    const { bytes, facts } = loadFixture(name);
    const region = new Region(bytes.buffer);
    const layout = layoutOf(20);
    for (const frame of facts.framesPending) {
      const message = facts.lgmp.queues[0]?.messages.find(
        ({ offset }) => offset === frame.memOffset,
      );
      const header = newFrameHeader();
      layout.read(region, frame.memOffset, header);
      const geometry = checkFrame(header, layout, {
        at: frame.memOffset,
        messageBytes: message?.size ?? 0,
        regionBytes: region.byteLength,
      });
      expect(geometry).toEqual({
        at: frame.memOffset,
        format: 'BGRA',
        formatVersion: frame.formatVer,
        serial: frame.frameSerial,
        widthPx: frame.frameWidth,
        heightPx: frame.frameHeight,
        dataHeightPx: frame.dataHeight,
        screenWidthPx: frame.screenWidth,
        screenHeightPx: frame.screenHeight,
        rotation: 0,
        pitchBytes: frame.pitch,
        writePointerAt: frame.dataOffset - 4,
        dataAt: frame.dataOffset,
        dataBytes: frame.wp,
        truncated: false,
        flags: frame.flags,
        sdrWhiteLevel: 0,
        hdr: undefined,
      });
      expect(region.view.getUint32(geometry.writePointerAt, true)).toBe(frame.wp);
      const first = Buffer.from(bytes.subarray(geometry.dataAt, geometry.dataAt + 32));
      expect(first.toString('hex')).toBe(frame.firstPixelsBGRX);
    }
  },
);

it.each([
  [1080, 7680, 32],
  [1440, 10240, 64],
  [2160, 15360, 128],
  [480, 2560, 16],
])('a region for %i rows of %i bytes has %i MiB', (heightPx, pitchBytes, mib) => {
  expect(regionMibFor(heightPx, pitchBytes)).toBe(mib);
});
