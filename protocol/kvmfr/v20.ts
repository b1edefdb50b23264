import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import { type FrameLayout, type RawFrameHeader, withoutExtras } from './frame.ts';

/** Fields at the head of KVMFRFrame, from KVMFR 20 on. */
export const FRAME_HEAD_V20_FIELDS = {
  formatVer: ['u32', 0],
  frameSerial: ['u32', 4],
  type: ['u32', 8],
  screenWidth: ['u32', 12],
  screenHeight: ['u32', 16],
  dataWidth: ['u32', 20],
  dataHeight: ['u32', 24],
  frameWidth: ['u32', 28],
  frameHeight: ['u32', 32],
  rotation: ['u32', 36],
  stride: ['u32', 40],
  pitch: ['u32', 44],
  offset: ['u32', 48],
} as const;

const TAIL_FIELDS = {
  damageRectsCount: ['u32', 52],
  damageRects: ['struct', 56, 1024, 4],
  flags: ['u32', 1080],
} as const;

/** Fields of KVMFRFrame, KVMFR 20. */
export const FRAME_V20_FIELDS: typeof FRAME_HEAD_V20_FIELDS & typeof TAIL_FIELDS = {
  ...FRAME_HEAD_V20_FIELDS,
  ...TAIL_FIELDS,
};

/** KVMFRFrame of KVMFR 20: 1084 bytes. */
export const FrameV20: Layout<typeof FRAME_V20_FIELDS> = layout(FRAME_V20_FIELDS, 1084);

/** Reads the head of a frame, each field once. */
export function readFrameHead(region: Region, at: number, into: RawFrameHeader): void {
  into.formatVer = FrameV20.formatVer(region, at);
  into.frameSerial = FrameV20.frameSerial(region, at);
  into.type = FrameV20.type(region, at);
  into.screenWidth = FrameV20.screenWidth(region, at);
  into.screenHeight = FrameV20.screenHeight(region, at);
  into.dataWidth = FrameV20.dataWidth(region, at);
  into.dataHeight = FrameV20.dataHeight(region, at);
  into.frameWidth = FrameV20.frameWidth(region, at);
  into.frameHeight = FrameV20.frameHeight(region, at);
  into.rotation = FrameV20.rotation(region, at);
  into.stride = FrameV20.stride(region, at);
  into.pitch = FrameV20.pitch(region, at);
  into.offset = FrameV20.offset(region, at);
}

/** Writes the head of a frame. */
export function writeFrameHead(region: Region, at: number, header: RawFrameHeader): void {
  FrameV20.formatVer.write(region, at, header.formatVer);
  FrameV20.frameSerial.write(region, at, header.frameSerial);
  FrameV20.type.write(region, at, header.type);
  FrameV20.screenWidth.write(region, at, header.screenWidth);
  FrameV20.screenHeight.write(region, at, header.screenHeight);
  FrameV20.dataWidth.write(region, at, header.dataWidth);
  FrameV20.dataHeight.write(region, at, header.dataHeight);
  FrameV20.frameWidth.write(region, at, header.frameWidth);
  FrameV20.frameHeight.write(region, at, header.frameHeight);
  FrameV20.rotation.write(region, at, header.rotation);
  FrameV20.stride.write(region, at, header.stride);
  FrameV20.pitch.write(region, at, header.pitch);
  FrameV20.offset.write(region, at, header.offset);
}

/** Frames of KVMFR 20, spoken by Looking Glass B7. */
export const FRAME_LAYOUT_V20: FrameLayout = {
  kvmfrVersion: 20,
  frameBytes: FrameV20.$sizeBytes,
  damageRectsAt: FrameV20.damageRects.offsetBytes,
  maxType: 6,
  read(region, at, into) {
    readFrameHead(region, at, into);
    into.damageRectsCount = FrameV20.damageRectsCount(region, at);
    into.flags = FrameV20.flags(region, at);
    withoutExtras(into);
  },
  write(region, at, header) {
    writeFrameHead(region, at, header);
    FrameV20.damageRectsCount.write(region, at, header.damageRectsCount);
    FrameV20.flags.write(region, at, header.flags);
  },
};
