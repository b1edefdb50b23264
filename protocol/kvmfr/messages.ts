import { type Layout, layout } from '../memory/layout.ts';
import { Region } from '../memory/region.ts';
import { FrameSchedule, WindowSize } from './v34.ts';

/** Fields of KVMFRMessage, the head of every client to host message. */
export const MESSAGE_FIELDS = { type: ['u32', 0] } as const;
/** Fields of KVMFRSetCursorPos. */
export const SET_CURSOR_POS_FIELDS = {
  type: ['u32', 0],
  x: ['i32', 4],
  y: ['i32', 8],
} as const;

/** KVMFRMessage: 4 bytes. */
export const ClientMessage: Layout<typeof MESSAGE_FIELDS> = layout(MESSAGE_FIELDS, 4);
/** KVMFRSetCursorPos: 12 bytes. */
export const SetCursorPos: Layout<typeof SET_CURSOR_POS_FIELDS> = layout(SET_CURSOR_POS_FIELDS, 12);

/** Types of client to host message on the pointer queue; the last two since 34. */
export const CLIENT_MESSAGE_TYPES = { setCursorPos: 0, windowSize: 1, frameSchedule: 2 } as const;

/** A client's wish to move the guest's pointer, in screen pixels. */
export interface SetCursorPosMessage {
  readonly type: 'set-cursor-pos';
  readonly x: number;
  readonly y: number;
}

/** A client's wish for another resolution of the guest's display. Since 34. */
export interface WindowSizeMessage {
  readonly type: 'window-size';
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What a frame-schedule message asks for, a bit for each. */
export const SCHEDULE_FLAGS = { active: 1, release: 2, reset: 4, immediate: 8 } as const;

/** A client's display period, so that frames are ready just in time. Nothing is checked. Since 34. */
export interface FrameScheduleMessage {
  readonly type: 'frame-schedule';
  readonly clientId: number;
  readonly generation: number;
  /** SCHEDULE_FLAGS. */
  readonly flags: number;
  readonly periodNs: number;
  /** Wanted lead between "frame ready" and "render". */
  readonly targetSlackNs: number;
  /** Positive: the frame was early. */
  readonly phaseErrorNs: number;
  readonly feedbackFrameSerial: number;
  readonly feedbackScheduleEpoch: number;
  readonly feedbackDeadlineSerial: number;
  readonly leaseMs: number;
}

/** A message whose type this version does not know. */
export interface UnknownClientMessage {
  readonly type: 'unknown';
  readonly wireType: number | undefined;
  readonly bytes: Uint8Array;
}

/** Any client to host message. */
export type KvmfrClientMessage =
  | SetCursorPosMessage
  | WindowSizeMessage
  | FrameScheduleMessage
  | UnknownClientMessage;

/** Writes a wish to move the guest's pointer. */
export function encodeSetCursorPos(position: {
  readonly x: number;
  readonly y: number;
}): Uint8Array<ArrayBuffer> {
  const region = new Region(new ArrayBuffer(SetCursorPos.$sizeBytes));
  SetCursorPos.type.write(region, 0, CLIENT_MESSAGE_TYPES.setCursorPos);
  SetCursorPos.x.write(region, 0, position.x);
  SetCursorPos.y.write(region, 0, position.y);
  return region.bytes;
}

/** Writes a wish for another resolution of the guest's display. */
export function encodeWindowSize(size: {
  readonly widthPx: number;
  readonly heightPx: number;
}): Uint8Array<ArrayBuffer> {
  const region = new Region(new ArrayBuffer(WindowSize.$sizeBytes));
  WindowSize.type.write(region, 0, CLIENT_MESSAGE_TYPES.windowSize);
  WindowSize.w.write(region, 0, size.widthPx);
  WindowSize.h.write(region, 0, size.heightPx);
  return region.bytes;
}

/** Writes a display period. Times are rounded to nanoseconds. */
export function encodeFrameSchedule(
  schedule: Omit<FrameScheduleMessage, 'type'>,
): Uint8Array<ArrayBuffer> {
  const region = new Region(new ArrayBuffer(FrameSchedule.$sizeBytes));
  FrameSchedule.type.write(region, 0, CLIENT_MESSAGE_TYPES.frameSchedule);
  FrameSchedule.clientID.write(region, 0, schedule.clientId);
  FrameSchedule.generation.write(region, 0, schedule.generation);
  FrameSchedule.flags.write(region, 0, schedule.flags);
  FrameSchedule.period.write(region, 0, BigInt(Math.round(schedule.periodNs)));
  FrameSchedule.targetSlack.write(region, 0, BigInt(Math.round(schedule.targetSlackNs)));
  FrameSchedule.phaseError.write(
    region,
    0,
    BigInt.asUintN(64, BigInt(Math.round(schedule.phaseErrorNs))),
  );
  FrameSchedule.feedbackFrameSerial.write(region, 0, schedule.feedbackFrameSerial);
  FrameSchedule.feedbackScheduleEpoch.write(region, 0, schedule.feedbackScheduleEpoch);
  FrameSchedule.feedbackDeadlineSerial.write(region, 0, schedule.feedbackDeadlineSerial);
  FrameSchedule.lease.write(region, 0, schedule.leaseMs);
  return region.bytes;
}

/**
 * Reads a client to host message from a private copy of its bytes.
 *
 * Types that came with 34 are unknown to publishers before. From 34 on each type has an exact size;
 * before, more bytes may follow.
 */
export function decodeClientMessage(bytes: Uint8Array, kvmfrVersion = 20): KvmfrClientMessage {
  const region = Region.copyOf(bytes);
  if (region.byteLength < ClientMessage.$sizeBytes)
    return { type: 'unknown', wireType: undefined, bytes: region.bytes };
  const wireType = ClientMessage.type(region, 0);
  if (
    wireType === CLIENT_MESSAGE_TYPES.setCursorPos &&
    fits(region.byteLength, SetCursorPos.$sizeBytes, kvmfrVersion)
  )
    return {
      type: 'set-cursor-pos',
      x: SetCursorPos.x(region, 0),
      y: SetCursorPos.y(region, 0),
    };
  if (kvmfrVersion >= 34) {
    if (wireType === CLIENT_MESSAGE_TYPES.windowSize && region.byteLength === WindowSize.$sizeBytes)
      return {
        type: 'window-size',
        widthPx: WindowSize.w(region, 0),
        heightPx: WindowSize.h(region, 0),
      };
    if (
      wireType === CLIENT_MESSAGE_TYPES.frameSchedule &&
      region.byteLength === FrameSchedule.$sizeBytes
    )
      return readSchedule(region);
  }
  return { type: 'unknown', wireType, bytes: region.bytes };
}

function fits(bytes: number, need: number, kvmfrVersion: number): boolean {
  return kvmfrVersion >= 34 ? bytes === need : bytes >= need;
}

function readSchedule(region: Region): FrameScheduleMessage {
  return {
    type: 'frame-schedule',
    clientId: FrameSchedule.clientID(region, 0),
    generation: FrameSchedule.generation(region, 0),
    flags: FrameSchedule.flags(region, 0),
    periodNs: Number(FrameSchedule.period(region, 0)),
    targetSlackNs: Number(FrameSchedule.targetSlack(region, 0)),
    phaseErrorNs: Number(BigInt.asIntN(64, FrameSchedule.phaseError(region, 0))),
    feedbackFrameSerial: FrameSchedule.feedbackFrameSerial(region, 0),
    feedbackScheduleEpoch: FrameSchedule.feedbackScheduleEpoch(region, 0),
    feedbackDeadlineSerial: FrameSchedule.feedbackDeadlineSerial(region, 0),
    leaseMs: FrameSchedule.lease(region, 0),
  };
}
