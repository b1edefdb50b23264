import { type Layout, layout } from '../memory/layout.ts';
import { Region } from '../memory/region.ts';

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

/** Types of client to host message on the pointer queue. */
export const CLIENT_MESSAGE_TYPES = { setCursorPos: 0 } as const;

/** A client's wish to move the guest's pointer, in screen pixels. */
export interface SetCursorPosMessage {
  readonly type: 'set-cursor-pos';
  readonly x: number;
  readonly y: number;
}

/** A message whose type this version does not know. */
export interface UnknownClientMessage {
  readonly type: 'unknown';
  readonly wireType: number | undefined;
  readonly bytes: Uint8Array;
}

/** Any client to host message. */
export type KvmfrClientMessage = SetCursorPosMessage | UnknownClientMessage;

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

/** Reads a client to host message from a private copy of its bytes. */
export function decodeClientMessage(bytes: Uint8Array): KvmfrClientMessage {
  const region = Region.copyOf(bytes);
  if (region.byteLength < ClientMessage.$sizeBytes)
    return { type: 'unknown', wireType: undefined, bytes: region.bytes };
  const wireType = ClientMessage.type(region, 0);
  if (
    wireType === CLIENT_MESSAGE_TYPES.setCursorPos &&
    region.byteLength >= SetCursorPos.$sizeBytes
  )
    return {
      type: 'set-cursor-pos',
      x: SetCursorPos.x(region, 0),
      y: SetCursorPos.y(region, 0),
    };
  return { type: 'unknown', wireType, bytes: region.bytes };
}
