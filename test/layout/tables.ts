import {
  CLIENT_MESSAGE_V5_FIELDS,
  CLIENT_MESSAGE_V10_FIELDS,
  CLIENT_MESSAGE_V12_FIELDS,
  CLIPBOARD_FILE_ENTRY_FIELDS,
  CLIPBOARD_MESSAGE_FIELDS,
  CLIPBOARD_STATUS_FIELDS,
  ClientMessage,
  ClientMessageV5,
  ClientMessageV10,
  ClientMessageV12,
  ClipboardFileEntry,
  ClipboardMessageLayout,
  ClipboardStatus,
  COLOR_TRANSFORM_FIELDS,
  ColorTransform,
  CURSOR_V19_FIELDS,
  CURSOR_V34_FIELDS,
  CursorV19,
  CursorV34,
  FRAME_SCHEDULE_FIELDS,
  FRAME_V19_FIELDS,
  FRAME_V20_FIELDS,
  FRAME_V34_FIELDS,
  FrameSchedule,
  FrameV19,
  FrameV20,
  FrameV34,
  HEADER_V5_FIELDS,
  HEADER_V7_FIELDS,
  HEADER_V10_FIELDS,
  HEADER_V12_FIELDS,
  HeaderV5,
  HeaderV7,
  HeaderV10,
  HeaderV12,
  INPUT_ENDPOINT_FIELDS,
  INPUT_KEYBOARD_FIELDS,
  INPUT_MESSAGE_FIELDS,
  INPUT_MOUSE_ABSOLUTE_FIELDS,
  INPUT_MOUSE_RELATIVE_FIELDS,
  INPUT_STATUS_FIELDS,
  InputKeyboard,
  InputMessageLayout,
  InputMouseAbsolute,
  InputMouseRelative,
  InputStatus,
  InputStreamEndpoint,
  KVMFR_FIELDS,
  Kvmfr,
  KvmfrRecord,
  MESSAGE_FIELDS,
  MESSAGE_V5_FIELDS,
  MESSAGE_V12_FIELDS,
  MessageV5,
  MessageV12,
  OS_INFO_FIELDS,
  OsInfo,
  QUEUE_V5_FIELDS,
  QUEUE_V6_FIELDS,
  QUEUE_V10_FIELDS,
  QueueV5,
  QueueV6,
  QueueV10,
  RECORD_FIELDS,
  RECOVERY_FIELDS,
  RECOVERY_HEADER_FIELDS,
  RECOVERY_INFO_FIELDS,
  RECOVERY_REQUEST_FIELDS,
  RECOVERY_REQUEST_HEAD_FIELDS,
  RECOVERY_STATUS_FIELDS,
  Recovery,
  RecoveryHeader,
  RecoveryInfo,
  RecoveryRequest,
  RecoveryRequestHead,
  RecoveryStatus,
  SET_CURSOR_POS_FIELDS,
  SetCursorPos,
  STREAM_CURSOR_FIELDS,
  STREAM_DESCRIPTOR_FIELDS,
  STREAM_SHARED_FIELDS,
  STREAM_SLOT_FIELDS,
  StreamCursor,
  StreamDescriptorLayout,
  StreamShared,
  StreamSlot,
  VM_INFO_FIELDS,
  VmInfo,
  WINDOW_SIZE_FIELDS,
  WindowSize,
} from '../../protocol/index.ts';
import type { FieldTable } from '../../protocol/memory/layout.ts';

/** What a layout made of a table, as far as it can be compared: the size and each field's place. */
export interface MeasuredLayout {
  readonly $sizeBytes: number;
  readonly $offsets: { readonly [field: string]: number };
}

/** One of our tables, and what layout() made of it. */
export interface Table {
  readonly fields: FieldTable;
  readonly layout: MeasuredLayout;
}

/** Our tables by upstream's name of the structure. */
export type Tables = { readonly [structure: string]: Table };

const lgmpShared: Tables = {
  LGMPHeader: { fields: HEADER_V5_FIELDS, layout: HeaderV5 },
  LGMPHeaderMessage: { fields: MESSAGE_V5_FIELDS, layout: MessageV5 },
  LGMPClientMessage: { fields: CLIENT_MESSAGE_V5_FIELDS, layout: ClientMessageV5 },
};

const kvmfrShared: Tables = {
  KVMFR: { fields: KVMFR_FIELDS, layout: Kvmfr },
  KVMFRRecord: { fields: RECORD_FIELDS, layout: KvmfrRecord },
  KVMFRRecord_VMInfo: { fields: VM_INFO_FIELDS, layout: VmInfo },
  KVMFRRecord_OSInfo: { fields: OS_INFO_FIELDS, layout: OsInfo },
  KVMFRCursor: { fields: CURSOR_V19_FIELDS, layout: CursorV19 },
  KVMFRMessage: { fields: MESSAGE_FIELDS, layout: ClientMessage },
  KVMFRSetCursorPos: { fields: SET_CURSOR_POS_FIELDS, layout: SetCursorPos },
};

const lgmp6: Tables = {
  ...lgmpShared,
  LGMPHeaderQueue: { fields: QUEUE_V6_FIELDS, layout: QueueV6 },
};

const lgmp10: Tables = {
  ...lgmpShared,
  LGMPHeader: { fields: HEADER_V10_FIELDS, layout: HeaderV10 },
  LGMPHeaderQueue: { fields: QUEUE_V10_FIELDS, layout: QueueV10 },
  LGMPClientMessage: { fields: CLIENT_MESSAGE_V10_FIELDS, layout: ClientMessageV10 },
};

/** Every table of the LGMP versions we speak. */
export const LGMP_TABLES: { readonly [version: string]: Tables } = {
  5: { ...lgmpShared, LGMPHeaderQueue: { fields: QUEUE_V5_FIELDS, layout: QueueV5 } },
  6: lgmp6,
  7: { ...lgmp6, LGMPHeader: { fields: HEADER_V7_FIELDS, layout: HeaderV7 } },
  10: lgmp10,
  12: {
    ...lgmp10,
    LGMPHeader: { fields: HEADER_V12_FIELDS, layout: HeaderV12 },
    LGMPHeaderMessage: { fields: MESSAGE_V12_FIELDS, layout: MessageV12 },
    LGMPClientMessage: { fields: CLIENT_MESSAGE_V12_FIELDS, layout: ClientMessageV12 },
    LGMPStreamDescriptor: { fields: STREAM_DESCRIPTOR_FIELDS, layout: StreamDescriptorLayout },
    LGMPStreamCursor: { fields: STREAM_CURSOR_FIELDS, layout: StreamCursor },
    LGMPStreamShared: { fields: STREAM_SHARED_FIELDS, layout: StreamShared },
    LGMPStreamSlot: { fields: STREAM_SLOT_FIELDS, layout: StreamSlot },
  },
};

/** Every table of the KVMFR versions we speak. */
export const KVMFR_TABLES: { readonly [version: string]: Tables } = {
  19: { ...kvmfrShared, KVMFRFrame: { fields: FRAME_V19_FIELDS, layout: FrameV19 } },
  20: { ...kvmfrShared, KVMFRFrame: { fields: FRAME_V20_FIELDS, layout: FrameV20 } },
  34: {
    ...kvmfrShared,
    KVMFRFrame: { fields: FRAME_V34_FIELDS, layout: FrameV34 },
    KVMFRCursor: { fields: CURSOR_V34_FIELDS, layout: CursorV34 },
    KVMFRWindowSize: { fields: WINDOW_SIZE_FIELDS, layout: WindowSize },
    KVMFRFrameSchedule: { fields: FRAME_SCHEDULE_FIELDS, layout: FrameSchedule },
    KVMFRColorTransform: { fields: COLOR_TRANSFORM_FIELDS, layout: ColorTransform },
    KVMFRRHeader: { fields: RECOVERY_HEADER_FIELDS, layout: RecoveryHeader },
    KVMFRRInfo: { fields: RECOVERY_INFO_FIELDS, layout: RecoveryInfo },
    KVMFRRReqHead: { fields: RECOVERY_REQUEST_HEAD_FIELDS, layout: RecoveryRequestHead },
    KVMFRRRequest: { fields: RECOVERY_REQUEST_FIELDS, layout: RecoveryRequest },
    KVMFRRStatus: { fields: RECOVERY_STATUS_FIELDS, layout: RecoveryStatus },
    KVMFRR: { fields: RECOVERY_FIELDS, layout: Recovery },
    KVMFRStreamDescriptor: { fields: STREAM_DESCRIPTOR_FIELDS, layout: StreamDescriptorLayout },
    KVMFRInputMouseRelative: { fields: INPUT_MOUSE_RELATIVE_FIELDS, layout: InputMouseRelative },
    KVMFRInputMouseAbsolute: { fields: INPUT_MOUSE_ABSOLUTE_FIELDS, layout: InputMouseAbsolute },
    KVMFRInputKeyboard: { fields: INPUT_KEYBOARD_FIELDS, layout: InputKeyboard },
    KVMFRInputMessage: { fields: INPUT_MESSAGE_FIELDS, layout: InputMessageLayout },
    KVMFRInputStreamEndpoint: { fields: INPUT_ENDPOINT_FIELDS, layout: InputStreamEndpoint },
    KVMFRInputStatus: { fields: INPUT_STATUS_FIELDS, layout: InputStatus },
    KVMFRClipboardStatus: { fields: CLIPBOARD_STATUS_FIELDS, layout: ClipboardStatus },
    KVMFRClipboardMessage: { fields: CLIPBOARD_MESSAGE_FIELDS, layout: ClipboardMessageLayout },
    KVMFRClipboardFileEntry: { fields: CLIPBOARD_FILE_ENTRY_FIELDS, layout: ClipboardFileEntry },
  },
};

/**
 * Frozen structures that have no table, because they are read without one: a rect in a loop, and the
 * one word before the pixels.
 */
export const WITHOUT_TABLE: { readonly [version: string]: readonly string[] } = {
  'KVMFR 19': ['FrameDamageRect', 'FrameBuffer'],
  'KVMFR 20': ['FrameDamageRect', 'FrameBuffer'],
  'KVMFR 34': ['FrameDamageRect', 'FrameBuffer'],
};
