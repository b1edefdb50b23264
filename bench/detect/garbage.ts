import { randomBytes } from 'node:crypto';
import {
  LGMP_LAYOUTS,
  LGMP_MAGIC,
  type LgmpLayout,
  loadU32,
  type Region,
  storeU32,
} from '../../protocol/index.ts';

/** What lies in a region before a publisher starts there. */
export const GARBAGE = ['zeros', 'random bytes', 'dead headers of every version'] as const;
/** One of them. */
export type Garbage = (typeof GARBAGE)[number];

/** Every header of LGMP, queue and ring of a publisher begins in these bytes. */
const HEADER_AREA_BYTES = 16 * 1024;
/** Versions whose headers begin at each place, the places in an order in which they all stay. */
const PLACES = [
  { magicAt: 9664, versions: [12] },
  { magicAt: 8064, versions: [10, 11] },
  { magicAt: 8, versions: [9] },
  { magicAt: 0, versions: [5, 6, 7, 8] },
] as const;

/** Puts it there. `turn` chooses among the versions that share a place. */
export function fillWith(garbage: Garbage, region: Region, turn: number): void {
  if (garbage === 'zeros') return;
  const noise = randomBytes(2 ** 20);
  for (let at = 0; at < region.byteLength; at += noise.byteLength)
    region.bytes.set(noise.subarray(0, region.byteLength - at), at);
  if (garbage === 'random bytes') return;
  for (const { magicAt, versions } of PLACES) {
    const version = versions[turn % versions.length] ?? versions[0];
    storeU32(region, magicAt, LGMP_MAGIC);
    storeU32(region, magicAt + 4, version);
    const layout = LGMP_LAYOUTS.get(version);
    if (layout === undefined) continue;
    storeU32(region, layout.header.numQueues, 0);
    storeU32(region, layout.header.udataSize, 48);
    region.bytes.set(Buffer.from('KVMFR---'), layout.header.udata);
  }
}

/** A copy of what is in the header area. */
export function headerArea(region: Region): Uint8Array {
  return region.copyOut(0, HEADER_AREA_BYTES);
}

/**
 * Puts back what was in the header area, but for what a publisher of C would have written: ours
 * clears that area, and the others do not.
 */
export function unclear(region: Region, lgmp: LgmpLayout, before: Uint8Array): void {
  const { header, queue, message } = lgmp;
  const queues = loadU32(region, header.numQueues);
  const blobEnd = header.udata + loadU32(region, header.udataSize);
  const written: [from: number, to: number][] = [
    [0, header.queues + queues * queue.sizeBytes],
    [Math.min(header.magic || header.udataSize, header.udataSize), blobEnd],
  ];
  for (let i = 0; i < queues; i++) {
    const at = header.queues + i * queue.sizeBytes;
    const ringAt = loadU32(region, at + queue.messagesOffset);
    const bytes = loadU32(region, at + queue.numMessages) * message.sizeBytes;
    written.push([ringAt, ringAt + bytes]);
  }
  for (let at = 0; at < before.byteLength; at++)
    if (!written.some(([from, to]) => at >= from && at < to)) region.bytes[at] = before[at] ?? 0;
}
