import { FRAME_LAYOUTS, newFrameHeader, QUEUE_IDS } from '../../protocol/kvmfr/index.ts';
import type { Region } from '../../protocol/memory/region.ts';
import { type CVersion, cOffsets } from '../support/c-offsets.ts';

/** What a racer does with a place. */
export type AreaGroup = 'any' | 'sizes' | 'lock' | 'subs' | 'session' | 'beat' | 'pointer';

/** A place in a region that a racer writes to. */
export interface Area {
  readonly group: AreaGroup;
  readonly at: number;
  readonly bytes: number;
}

/** A frame's header with its damage; what is behind it are pixels, which are nobody's business. */
const FRAME_HEAD_BYTES = 1216;
const CURSOR_HEAD_BYTES = 28;
const FRAME_WEIGHT = 16;
const RECOVERY_BYTES = 64 * 1024;

/** Where everything is in a region whose publisher has shown something. */
export function areasOf(region: Region, lgmp: CVersion): readonly Area[] {
  const c = cOffsets(lgmp);
  const word = (at: number): number => region.view.getUint32(at, true);
  const areas: Area[] = [
    { group: 'any', at: 0, bytes: 64 },
    { group: 'any', at: c.magic, bytes: 24 },
    { group: 'any', at: c.udataSize, bytes: 64 },
    { group: 'any', at: region.byteLength - RECOVERY_BYTES, bytes: 1280 },
    { group: 'any', at: 0, bytes: c.headerBytes },
    { group: 'sizes', at: c.numQueues, bytes: 4 },
    { group: 'sizes', at: c.udataSize, bytes: 4 },
    { group: 'session', at: c.sessionID, bytes: 4 },
    { group: 'session', at: c.version, bytes: 4 },
    { group: 'session', at: c.magic, bytes: 4 },
    { group: 'beat', at: c.timestamp, bytes: 8 },
  ];
  const queues = word(c.numQueues);
  for (let i = 0; i < queues; i++) {
    const at = c.queues + i * c.stride;
    const { queue, entry } = c;
    const ringAt = word(at + queue.messagesOffset);
    const slots = word(at + queue.numMessages);
    areas.push({ group: 'any', at, bytes: queue.cMsgs });
    areas.push({ group: 'any', at: ringAt, bytes: slots * entry.bytes });
    for (const field of ['numMessages', 'messagesOffset', 'position', 'start', 'count'] as const)
      areas.push({ group: 'sizes', at: at + queue[field], bytes: 4 });
    areas.push({ group: 'lock', at: at + queue.lock, bytes: 4 });
    areas.push({ group: 'lock', at: at + queue.cMsgLock, bytes: 4 });
    areas.push({ group: 'subs', at: at + (c.subsWords === 1 ? 192 : 416), bytes: c.subsWords * 4 });
    areas.push({ group: 'subs', at: at + queue.clientID, bytes: 4 });
    for (let slot = 0; slot < slots; slot++) {
      const entryAt = ringAt + slot * entry.bytes;
      areas.push({ group: 'sizes', at: entryAt + entry.size, bytes: 4 });
      areas.push({ group: 'sizes', at: entryAt + entry.offset, bytes: 4 });
      areas.push({ group: 'subs', at: entryAt + entry.pending, bytes: 4 });
      const offset = word(entryAt + entry.offset);
      if (offset !== 0)
        areas.push(...payloadAreas(region, word(at + queue.queueID), offset, c.kvmfr));
    }
  }
  return areas;
}

function payloadAreas(region: Region, queueId: number, at: number, kvmfr: number): readonly Area[] {
  if (queueId === QUEUE_IDS.pointer)
    return [
      { group: 'any', at, bytes: CURSOR_HEAD_BYTES },
      { group: 'sizes', at, bytes: CURSOR_HEAD_BYTES },
    ];
  const layout = FRAME_LAYOUTS.get(kvmfr);
  if (layout === undefined || at + FRAME_HEAD_BYTES > region.byteLength) return [];
  const header = newFrameHeader();
  layout.read(region, at, header);
  return [
    { group: 'any', at, bytes: 64 },
    { group: 'any', at, bytes: FRAME_HEAD_BYTES },
    // As likely as all the entries of a ring together.
    ...Array.from({ length: FRAME_WEIGHT }, (): Area => ({ group: 'sizes', at, bytes: 64 })),
    { group: 'pointer', at: at + header.offset, bytes: 4 },
  ];
}
