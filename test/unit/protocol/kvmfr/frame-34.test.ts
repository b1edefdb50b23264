import { describe, expect, it } from 'vitest';
import {
  checkFrame,
  FRAME_LAYOUT_V34,
  type FrameTiming,
  newFrameHeader,
  type RawFrameHeader,
  Region,
  writeTiming,
} from '../../../../protocol/index.ts';

const AT = 4096;
const SERIAL = 0xffff_fff0;

/** A slot of frames at literal offsets: 64 x 4 pixels of RGBA10. */
function slot(): Region {
  const region = new Region(new ArrayBuffer(16 * 1024));
  const words: { readonly [offset: number]: number } = {
    0: 3,
    4: SERIAL,
    8: 3,
    12: 64,
    16: 4,
    20: 64,
    24: 4,
    28: 64,
    32: 4,
    40: 64,
    44: 256,
    48: 4092,
    52: 0x08 | 0x10 | 0x20,
    60: 480,
    144: 1000,
    148: 50,
    152: 800,
    156: 400,
    160: 11,
    164: 12,
    168: 13,
  };
  for (const [offset, value] of Object.entries(words))
    region.view.setUint32(AT + Number(offset), value, true);
  // BT.2020 and D65.
  [35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450].forEach((value, i) => {
    region.view.setUint16(AT + 128 + 2 * i, value, true);
  });
  return region;
}

const HDR = {
  displayPrimaries: [35400, 14600, 8500, 39850, 6550, 2300],
  whitePoint: [15635, 16450],
  maxDisplayLuminance: 1000,
  minDisplayLuminance: 50,
  maxContentLightLevel: 800,
  maxFrameAverageLightLevel: 400,
};

function read(region: Region): RawFrameHeader {
  const header = newFrameHeader();
  FRAME_LAYOUT_V34.read(region, AT, header);
  return header;
}

describe('a frame of KVMFR 34', () => {
  it('tells of its white, its mastering display and its schedule', () => {
    expect(read(slot())).toMatchObject({
      sdrWhiteLevel: 480,
      hdr: HDR,
      scheduleGeneration: 11,
      scheduleEpoch: 12,
      scheduleDeadlineSerial: 13,
    });
  });

  it('gives white and metadata on to who shows it', () => {
    const place = { at: AT, messageBytes: 8192, regionBytes: 16 * 1024 };
    const frame = checkFrame(read(slot()), FRAME_LAYOUT_V34, place);
    expect(frame).toMatchObject({ at: AT, format: 'RGBA10', sdrWhiteLevel: 480, hdr: HDR });
  });

  it('has no metadata unless its flag says so, whatever lies there', () => {
    const region = slot();
    region.view.setUint32(AT + 52, 0x08 | 0x10, true);
    expect(read(region).hdr).toBeUndefined();
    expect(read(new Region(new ArrayBuffer(8192))).hdr).toBeUndefined();
  });

  it('forgets the metadata of the frame that was read before into the same header', () => {
    const region = slot();
    const header = read(region);
    region.view.setUint32(AT + 52, 0, true);
    FRAME_LAYOUT_V34.read(region, AT, header);
    expect(header.hdr).toBeUndefined();
  });

  it('is written with every byte where it was read', () => {
    const from = slot();
    const to = new Region(new ArrayBuffer(from.byteLength));
    FRAME_LAYOUT_V34.write(to, AT, read(from));
    expect([...to.bytes]).toEqual([...from.bytes]);
  });

  it('is written without the metadata of the frame that was there before', () => {
    const region = slot();
    const header = { ...read(region), hdr: undefined };
    FRAME_LAYOUT_V34.write(region, AT, header);
    // The flag is the publisher's word, so the fields are believed: they must say nothing.
    expect([...region.bytes.subarray(AT + 128, AT + 160)]).toEqual(Array(32).fill(0));
    FRAME_LAYOUT_V34.write(region, AT, { ...header, hdr: { ...HDR, displayPrimaries: [7] } });
    expect(read(region).hdr?.displayPrimaries).toEqual([7, 0, 0, 0, 0, 0]);
  });

  it('is written without the times of the frame that was there before', () => {
    const region = slot();
    const header = read(region);
    writeTiming(region, AT, { ...TIMING, frameSerial: SERIAL });
    FRAME_LAYOUT_V34.write(region, AT, header);
    expect(FRAME_LAYOUT_V34.readTiming?.(region, AT, SERIAL)).toBeUndefined();
    expect(region.view.getUint32(AT + 112, true)).toBe(0);
    expect(region.view.getUint32(AT + 116, true)).toBe(0);
  });
});

const TIMING: FrameTiming = {
  captureNs: 1_000_001,
  postProcessNs: 2_000_002,
  copyNs: 3_000_003,
  readyNs: 4_000_004,
  holdNs: 5_000_005,
  readyLeadNs: 6_000_006,
  phaseValid: true,
};

/** The times of {@link TIMING} at literal offsets. */
function timed(): Region {
  const region = slot();
  [1_000_001n, 2_000_002n, 3_000_003n, 4_000_004n, 5_000_005n, 6_000_006n].forEach((ns, i) => {
    region.view.setBigUint64(AT + 64 + 8 * i, ns, true);
  });
  region.view.setUint32(AT + 112, SERIAL, true);
  region.view.setUint32(AT + 116, 1, true);
  region.view.setUint32(AT + 120, 1, true);
  return region;
}

function timing(region: Region, serial = SERIAL): FrameTiming | undefined {
  return FRAME_LAYOUT_V34.readTiming?.(region, AT, serial);
}

describe('the times of a frame of KVMFR 34', () => {
  it('are nanoseconds of each stage', () => {
    expect(timing(timed())).toEqual(TIMING);
  });

  it('are not there before they are valid, although they are written', () => {
    const region = timed();
    region.view.setUint32(AT + 116, 0, true);
    expect(timing(region)).toBeUndefined();
    region.view.setUint32(AT + 116, 1, true);
    expect(timing(region)).toEqual(TIMING);
  });

  it.each([1, 2, 0x8000_0000, 0xffff_ffff])('are valid when the word is %i', (valid) => {
    const region = timed();
    region.view.setUint32(AT + 116, valid, true);
    expect(timing(region)).toEqual(TIMING);
  });

  it.each([SERIAL - 1, SERIAL + 1, 0, 1])('are not those of frame %i', (serial) => {
    expect(timing(timed(), serial)).toBeUndefined();
    const region = timed();
    region.view.setUint32(AT + 112, serial, true);
    expect(timing(region)).toBeUndefined();
  });

  it.each([60_000_000_001n, 1n << 53n, 0x7fff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn])(
    'are 0 where they are absurd: %i ns',
    (absurd) => {
      const region = timed();
      for (let i = 0; i < 6; i++) region.view.setBigUint64(AT + 64 + 8 * i, absurd, true);
      expect(timing(region)).toEqual({
        captureNs: 0,
        postProcessNs: 0,
        copyNs: 0,
        readyNs: 0,
        holdNs: 0,
        readyLeadNs: 0,
        phaseValid: true,
      });
    },
  );

  it('may take a minute, and one that is absurd does not spoil the others', () => {
    const region = timed();
    region.view.setBigUint64(AT + 64, 60_000_000_000n, true);
    region.view.setBigUint64(AT + 72, 60_000_000_001n, true);
    expect(timing(region)).toEqual({ ...TIMING, captureNs: 60_000_000_000, postProcessNs: 0 });
  });

  it('belong to a deadline only when bit 0 of their flags says so', () => {
    const region = timed();
    region.view.setUint32(AT + 120, 0xffff_fffe, true);
    expect(timing(region)?.phaseValid).toBe(false);
  });

  it('are written where they are read, their validity with them', () => {
    const region = slot();
    writeTiming(region, AT, { ...TIMING, frameSerial: SERIAL });
    expect([...region.bytes]).toEqual([...timed().bytes]);
  });
});
