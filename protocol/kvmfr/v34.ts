import { type Layout, layout } from '../memory/layout.ts';
import type { Region } from '../memory/region.ts';
import { loadU32, storeU32 } from '../memory/word.ts';
import { CURSOR_V19_FIELDS, type CursorLayout } from './cursor.ts';
import { FRAME_FLAGS, type FrameLayout, type FrameTiming, type HdrMetadata } from './frame.ts';
import { FRAME_HEAD_V20_FIELDS, readFrameHead, writeFrameHead } from './v20.ts';

const TAIL_FIELDS = {
  flags: ['u32', 52],
  damageRectsCount: ['u32', 56],
  sdrWhiteLevel: ['u32', 60],
  captureTime: ['u64', 64],
  postProcessTime: ['u64', 72],
  copyTime: ['u64', 80],
  readyTime: ['u64', 88],
  holdTime: ['u64', 96],
  readyLeadTime: ['u64', 104],
  timingSerial: ['u32', 112],
  timingValid: ['u32', 116],
  timingFlags: ['u32', 120],
  timingReserved: ['u32', 124],
  hdrDisplayPrimary: ['u16', 128, 6],
  hdrWhitePoint: ['u16', 140, 2],
  hdrMaxDisplayLuminance: ['u32', 144],
  hdrMinDisplayLuminance: ['u32', 148],
  hdrMaxContentLightLevel: ['u32', 152],
  hdrMaxFrameAverageLightLevel: ['u32', 156],
  scheduleGeneration: ['u32', 160],
  scheduleEpoch: ['u32', 164],
  scheduleDeadlineSerial: ['u32', 168],
  hdrReserved: ['u32', 172, 5],
  damageRects: ['struct', 192, 1024, 4],
} as const;

/** Fields of KVMFRFrame, KVMFR 34: flags before the rects, timing and HDR metadata between. */
export const FRAME_V34_FIELDS: typeof FRAME_HEAD_V20_FIELDS & typeof TAIL_FIELDS = {
  ...FRAME_HEAD_V20_FIELDS,
  ...TAIL_FIELDS,
};

/** KVMFRFrame of KVMFR 34: 1216 bytes. */
export const FrameV34: Layout<typeof FRAME_V34_FIELDS> = layout(FRAME_V34_FIELDS, 1216);

const CURSOR_TAIL_FIELDS = { sdrWhiteLevel: ['u32', 24] } as const;

/** Fields of KVMFRCursor, KVMFR 34. */
export const CURSOR_V34_FIELDS: typeof CURSOR_V19_FIELDS & typeof CURSOR_TAIL_FIELDS = {
  ...CURSOR_V19_FIELDS,
  ...CURSOR_TAIL_FIELDS,
};

/** KVMFRCursor of KVMFR 34: 28 bytes, the shape follows. */
export const CursorV34: Layout<typeof CURSOR_V34_FIELDS> = layout(CURSOR_V34_FIELDS, 28);

/** Pointer messages of KVMFR 34. */
export const CURSOR_LAYOUT_V34: CursorLayout = {
  kvmfrVersion: 34,
  cursorBytes: CursorV34.$sizeBytes,
  visibleNeedsFlag: true,
  hasColors: true,
};

/** Fields of KVMFRWindowSize. */
export const WINDOW_SIZE_FIELDS = { type: ['u32', 0], w: ['u32', 4], h: ['u32', 8] } as const;
/** KVMFRWindowSize: 12 bytes. */
export const WindowSize: Layout<typeof WINDOW_SIZE_FIELDS> = layout(WINDOW_SIZE_FIELDS, 12);

/** Fields of KVMFRFrameSchedule. */
export const FRAME_SCHEDULE_FIELDS = {
  type: ['u32', 0],
  clientID: ['u32', 4],
  generation: ['u32', 8],
  flags: ['u32', 12],
  period: ['u64', 16],
  targetSlack: ['u64', 24],
  phaseError: ['u64', 32],
  feedbackFrameSerial: ['u32', 40],
  feedbackScheduleEpoch: ['u32', 44],
  feedbackDeadlineSerial: ['u32', 48],
  lease: ['u32', 52],
  reserved: ['u64', 56],
} as const;
/** KVMFRFrameSchedule: 64 bytes; phaseError is signed. */
export const FrameSchedule: Layout<typeof FRAME_SCHEDULE_FIELDS> = layout(
  FRAME_SCHEDULE_FIELDS,
  64,
);

/** Set in timingFlags when the frame was published for a deadline of the schedule. */
export const TIMING_PHASE_VALID: number = 1;
// Longer than any stage can take: what is beyond is no time at all.
const MAX_STAGE_NS = 60e9;

/** Frames of KVMFR 34, spoken by development versions of August 2026. */
export const FRAME_LAYOUT_V34: FrameLayout = {
  kvmfrVersion: 34,
  frameBytes: FrameV34.$sizeBytes,
  damageRectsAt: FrameV34.damageRects.offsetBytes,
  maxType: 6,
  read(region, at, into) {
    readFrameHead(region, at, into);
    into.flags = FrameV34.flags(region, at);
    into.damageRectsCount = FrameV34.damageRectsCount(region, at);
    into.sdrWhiteLevel = FrameV34.sdrWhiteLevel(region, at);
    into.hdr = (into.flags & FRAME_FLAGS.hdrMetadata) === 0 ? undefined : readHdr(region, at);
    into.scheduleGeneration = FrameV34.scheduleGeneration(region, at);
    into.scheduleEpoch = FrameV34.scheduleEpoch(region, at);
    into.scheduleDeadlineSerial = FrameV34.scheduleDeadlineSerial(region, at);
  },
  write(region, at, header) {
    writeFrameHead(region, at, header);
    FrameV34.flags.write(region, at, header.flags);
    FrameV34.damageRectsCount.write(region, at, header.damageRectsCount);
    FrameV34.sdrWhiteLevel.write(region, at, header.sdrWhiteLevel);
    // Before the pixels: the times of the frame that was here are not this one's.
    storeU32(region, at + FrameV34.timingValid.offsetBytes, 0);
    FrameV34.timingSerial.write(region, at, 0);
    writeHdr(region, at, header.hdr ?? NO_HDR);
    FrameV34.scheduleGeneration.write(region, at, header.scheduleGeneration);
    FrameV34.scheduleEpoch.write(region, at, header.scheduleEpoch);
    FrameV34.scheduleDeadlineSerial.write(region, at, header.scheduleDeadlineSerial);
  },
  readTiming(region, at, frameSerial) {
    const validAt = at + FrameV34.timingValid.offsetBytes;
    if (loadU32(region, validAt) === 0) return undefined;
    if (FrameV34.timingSerial(region, at) !== frameSerial) return undefined;
    const timing: FrameTiming = {
      captureNs: nanoseconds(FrameV34.captureTime(region, at)),
      postProcessNs: nanoseconds(FrameV34.postProcessTime(region, at)),
      copyNs: nanoseconds(FrameV34.copyTime(region, at)),
      readyNs: nanoseconds(FrameV34.readyTime(region, at)),
      holdNs: nanoseconds(FrameV34.holdTime(region, at)),
      readyLeadNs: nanoseconds(FrameV34.readyLeadTime(region, at)),
      phaseValid: (FrameV34.timingFlags(region, at) & TIMING_PHASE_VALID) !== 0,
    };
    // The slot may have been taken for another frame while we read.
    return loadU32(region, validAt) !== 0 && FrameV34.timingSerial(region, at) === frameSerial
      ? timing
      : undefined;
  },
};

/** Writes the publisher's own times of a frame, after its last pixel. */
export function writeTiming(
  region: Region,
  at: number,
  timing: FrameTiming & { readonly frameSerial: number },
): void {
  FrameV34.captureTime.write(region, at, BigInt(timing.captureNs));
  FrameV34.postProcessTime.write(region, at, BigInt(timing.postProcessNs));
  FrameV34.copyTime.write(region, at, BigInt(timing.copyNs));
  FrameV34.readyTime.write(region, at, BigInt(timing.readyNs));
  FrameV34.holdTime.write(region, at, BigInt(timing.holdNs));
  FrameV34.readyLeadTime.write(region, at, BigInt(timing.readyLeadNs));
  FrameV34.timingSerial.write(region, at, timing.frameSerial);
  FrameV34.timingFlags.write(region, at, timing.phaseValid ? TIMING_PHASE_VALID : 0);
  storeU32(region, at + FrameV34.timingValid.offsetBytes, 1);
}

function nanoseconds(value: bigint): number {
  const ns = Number(value);
  return ns <= MAX_STAGE_NS ? ns : 0;
}

function readHdr(region: Region, at: number): HdrMetadata {
  return {
    displayPrimaries: [0, 1, 2, 3, 4, 5].map((i) => FrameV34.hdrDisplayPrimary(region, at, i)),
    whitePoint: [0, 1].map((i) => FrameV34.hdrWhitePoint(region, at, i)),
    maxDisplayLuminance: FrameV34.hdrMaxDisplayLuminance(region, at),
    minDisplayLuminance: FrameV34.hdrMinDisplayLuminance(region, at),
    maxContentLightLevel: FrameV34.hdrMaxContentLightLevel(region, at),
    maxFrameAverageLightLevel: FrameV34.hdrMaxFrameAverageLightLevel(region, at),
  };
}

// Written where there is none: what the frame before left here must not pass for this one's.
const NO_HDR: HdrMetadata = {
  displayPrimaries: [],
  whitePoint: [],
  maxDisplayLuminance: 0,
  minDisplayLuminance: 0,
  maxContentLightLevel: 0,
  maxFrameAverageLightLevel: 0,
};

function writeHdr(region: Region, at: number, hdr: HdrMetadata): void {
  for (let i = 0; i < 6; i++)
    FrameV34.hdrDisplayPrimary.write(region, at, hdr.displayPrimaries[i] ?? 0, i);
  for (let i = 0; i < 2; i++) FrameV34.hdrWhitePoint.write(region, at, hdr.whitePoint[i] ?? 0, i);
  FrameV34.hdrMaxDisplayLuminance.write(region, at, hdr.maxDisplayLuminance);
  FrameV34.hdrMinDisplayLuminance.write(region, at, hdr.minDisplayLuminance);
  FrameV34.hdrMaxContentLightLevel.write(region, at, hdr.maxContentLightLevel);
  FrameV34.hdrMaxFrameAverageLightLevel.write(region, at, hdr.maxFrameAverageLightLevel);
}
