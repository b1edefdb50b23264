import { type Layout, layout } from '../memory/layout.ts';
import { type FrameLayout, withoutExtras } from './frame.ts';

/** Fields of KVMFRFrame, KVMFR 19: no sizes of the transported data. */
export const FRAME_V19_FIELDS = {
  formatVer: ['u32', 0],
  frameSerial: ['u32', 4],
  type: ['u32', 8],
  screenWidth: ['u32', 12],
  screenHeight: ['u32', 16],
  frameWidth: ['u32', 20],
  frameHeight: ['u32', 24],
  rotation: ['u32', 28],
  stride: ['u32', 32],
  pitch: ['u32', 36],
  offset: ['u32', 40],
  damageRectsCount: ['u32', 44],
  damageRects: ['struct', 48, 1024, 4],
  flags: ['u32', 1072],
} as const;

/** KVMFRFrame of KVMFR 19: 1076 bytes. */
export const FrameV19: Layout<typeof FRAME_V19_FIELDS> = layout(FRAME_V19_FIELDS, 1076);

/**
 * Frames of KVMFR 19, spoken by Looking Glass B6. The data has the size of the frame; a truncated
 * frame has a smaller frameHeight.
 */
export const FRAME_LAYOUT_V19: FrameLayout = {
  kvmfrVersion: 19,
  frameBytes: FrameV19.$sizeBytes,
  damageRectsAt: FrameV19.damageRects.offsetBytes,
  maxType: 4,
  read(region, at, into) {
    into.formatVer = FrameV19.formatVer(region, at);
    into.frameSerial = FrameV19.frameSerial(region, at);
    into.type = FrameV19.type(region, at);
    into.screenWidth = FrameV19.screenWidth(region, at);
    into.screenHeight = FrameV19.screenHeight(region, at);
    into.frameWidth = FrameV19.frameWidth(region, at);
    into.frameHeight = FrameV19.frameHeight(region, at);
    into.dataWidth = into.frameWidth;
    into.dataHeight = into.frameHeight;
    into.rotation = FrameV19.rotation(region, at);
    into.stride = FrameV19.stride(region, at);
    into.pitch = FrameV19.pitch(region, at);
    into.offset = FrameV19.offset(region, at);
    into.damageRectsCount = FrameV19.damageRectsCount(region, at);
    into.flags = FrameV19.flags(region, at);
    withoutExtras(into);
  },
  write(region, at, header) {
    FrameV19.formatVer.write(region, at, header.formatVer);
    FrameV19.frameSerial.write(region, at, header.frameSerial);
    FrameV19.type.write(region, at, header.type);
    FrameV19.screenWidth.write(region, at, header.screenWidth);
    FrameV19.screenHeight.write(region, at, header.screenHeight);
    FrameV19.frameWidth.write(region, at, header.frameWidth);
    // The only height there is: the rows that were transported.
    FrameV19.frameHeight.write(region, at, header.dataHeight);
    FrameV19.rotation.write(region, at, header.rotation);
    FrameV19.stride.write(region, at, header.stride);
    FrameV19.pitch.write(region, at, header.pitch);
    FrameV19.offset.write(region, at, header.offset);
    FrameV19.damageRectsCount.write(region, at, header.damageRectsCount);
    FrameV19.flags.write(region, at, header.flags);
  },
};
