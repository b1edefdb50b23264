import {
  CLIENT_MESSAGE_V5_FIELDS,
  ClientMessage,
  ClientMessageV5,
  CURSOR_V19_FIELDS,
  CursorV19,
  FRAME_V19_FIELDS,
  FRAME_V20_FIELDS,
  FrameV19,
  FrameV20,
  HEADER_V5_FIELDS,
  HeaderV5,
  KVMFR_FIELDS,
  Kvmfr,
  KvmfrRecord,
  MESSAGE_FIELDS,
  MESSAGE_V5_FIELDS,
  MessageV5,
  OS_INFO_FIELDS,
  OsInfo,
  QUEUE_V5_FIELDS,
  QUEUE_V6_FIELDS,
  QueueV5,
  QueueV6,
  RECORD_FIELDS,
  SET_CURSOR_POS_FIELDS,
  SetCursorPos,
  VM_INFO_FIELDS,
  VmInfo,
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

/** Every table of the LGMP versions we speak. */
export const LGMP_TABLES: { readonly [version: string]: Tables } = {
  5: { ...lgmpShared, LGMPHeaderQueue: { fields: QUEUE_V5_FIELDS, layout: QueueV5 } },
  6: { ...lgmpShared, LGMPHeaderQueue: { fields: QUEUE_V6_FIELDS, layout: QueueV6 } },
};

/** Every table of the KVMFR versions we speak. */
export const KVMFR_TABLES: { readonly [version: string]: Tables } = {
  19: { ...kvmfrShared, KVMFRFrame: { fields: FRAME_V19_FIELDS, layout: FrameV19 } },
  20: { ...kvmfrShared, KVMFRFrame: { fields: FRAME_V20_FIELDS, layout: FrameV20 } },
};
