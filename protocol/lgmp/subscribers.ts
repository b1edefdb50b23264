import type { Region } from '../memory/region.ts';
import { andU32, loadU32, orU32 } from '../memory/word.ts';
import type { LgmpLayout } from './layout.ts';

// ON=0 BAD=0 free; ON=1 BAD=0 live; ON=1 BAD=1 timed out, waits to be reaped.

/** Bitmap of the slots that are taken, live and timed out alike. */
export function onBits(region: Region, lgmp: LgmpLayout, queueAt: number): number {
  return bits(loadU32(region, queueAt + lgmp.subs.on), lgmp.subs.onShift, lgmp);
}

/** Bitmap of the slots whose subscriber timed out. */
export function badBits(region: Region, lgmp: LgmpLayout, queueAt: number): number {
  return bits(loadU32(region, queueAt + lgmp.subs.bad), lgmp.subs.badShift, lgmp);
}

/** Bitmap of the live subscribers. */
export function activeBits(region: Region, lgmp: LgmpLayout, queueAt: number): number {
  return (onBits(region, lgmp, queueAt) & ~badBits(region, lgmp, queueAt)) >>> 0;
}

/** Marks slots taken. Only under the queue's lock. */
export function setOn(region: Region, lgmp: LgmpLayout, queueAt: number, mask: number): void {
  orU32(region, queueAt + lgmp.subs.on, mask << lgmp.subs.onShift);
}

/** Marks slots timed out. Only under the queue's lock. */
export function setBad(region: Region, lgmp: LgmpLayout, queueAt: number, mask: number): void {
  orU32(region, queueAt + lgmp.subs.bad, mask << lgmp.subs.badShift);
}

/** Frees slots. Only under the queue's lock. BAD goes first, so that ON=0 BAD=1 is never seen. */
export function clearSlots(region: Region, lgmp: LgmpLayout, queueAt: number, mask: number): void {
  andU32(region, queueAt + lgmp.subs.bad, ~(mask << lgmp.subs.badShift));
  andU32(region, queueAt + lgmp.subs.on, ~(mask << lgmp.subs.onShift));
}

function bits(word: number, shift: number, lgmp: LgmpLayout): number {
  return lgmp.maxSubscribers === 32 ? word : (word >>> shift) & ((1 << lgmp.maxSubscribers) - 1);
}
