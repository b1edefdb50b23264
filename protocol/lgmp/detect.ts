import { MAX_RING_SLOTS, MAX_UDATA_BYTES } from '../limits.ts';
import type { Region } from '../memory/region.ts';
import { loadU32 } from '../memory/word.ts';
import type { LgmpLayout } from './layout.ts';
import { LGMP_V5 } from './v5.ts';
import { LGMP_V6 } from './v6.ts';
import { LGMP_V7 } from './v7.ts';
import { LGMP_V10 } from './v10.ts';
import { LGMP_V12 } from './v12.ts';

/** The word that marks an LGMP header: the bytes `LGMP`. */
export const LGMP_MAGIC: number = 0x504d474c;

// The characters `KVMFR---`, which every session blob begins with, as two words.
const BLOB_MAGIC: readonly [number, number] = [0x464d564b, 0x2d2d2d52];

/** The LGMP versions this package speaks, by number. */
export const LGMP_LAYOUTS: ReadonlyMap<number, LgmpLayout> = new Map([
  [5, LGMP_V5],
  [6, LGMP_V6],
  [7, LGMP_V7],
  [10, LGMP_V10],
  [12, LGMP_V12],
]);

/** Where each generation of LGMP keeps its magic, newest first; which versions do, and which we speak. */
const PLACES: readonly {
  readonly magicAt: number;
  readonly timestampAt: number;
  readonly spoken: readonly number[];
}[] = [
  { magicAt: 9664, timestampAt: 0, spoken: [12] },
  { magicAt: 8064, timestampAt: 0, spoken: [10] },
  // LGMP 9, and the first hours of 10 ("10a"): nothing of it is spoken.
  { magicAt: 8, timestampAt: 0, spoken: [] },
  { magicAt: 0, timestampAt: 16, spoken: [5, 6, 7] },
];

/** A known wire by whose rules an unknown newer one may be read, at one's own risk. */
export type AssumedWire = 'dev12';

/** A header that was found. It may be the leftover of a publisher that is gone. */
export interface LgmpCandidate {
  readonly version: number;
  readonly magicAt: number;
  /** Where its heartbeat is: the one that moves is alive. */
  readonly timestampAt: number;
  /** How to read it; undefined when this package does not speak the version. */
  readonly layout: LgmpLayout | undefined;
  /**
   * Whether sizes, session blob and queue table can be those of a publisher of this version; only
   * known for versions we speak, true for others.
   */
  readonly plausible: boolean;
}

/**
 * Looks for LGMP headers of every generation. Memory is never cleared by a publisher, so there may
 * be several; whose heartbeat moves is for the caller to watch.
 */
export function findLgmpHeaders(
  region: Region,
  options: { readonly assume?: AssumedWire | undefined } = {},
): readonly LgmpCandidate[] {
  const found: LgmpCandidate[] = [];
  for (const place of PLACES) {
    if (place.magicAt + 20 > region.byteLength) continue;
    if (loadU32(region, place.magicAt) !== LGMP_MAGIC) continue;
    const version = loadU32(region, place.magicAt + 4);
    const layout = place.spoken.includes(version)
      ? LGMP_LAYOUTS.get(version)
      : assumedLayout(place.magicAt, version, options.assume);
    found.push({
      version,
      magicAt: place.magicAt,
      timestampAt: place.timestampAt,
      layout,
      plausible: layout === undefined || isPlausible(region, layout),
    });
  }
  return found;
}

function assumedLayout(
  magicAt: number,
  version: number,
  assume: AssumedWire | undefined,
): LgmpLayout | undefined {
  const isNewer = magicAt === LGMP_V12.header.magic && version > LGMP_V12.version;
  return assume === 'dev12' && isNewer ? { ...LGMP_V12, version } : undefined;
}

function isPlausible(region: Region, lgmp: LgmpLayout): boolean {
  const { header } = lgmp;
  if (region.byteLength < header.sizeBytes) return false;
  const numQueues = loadU32(region, header.numQueues);
  if (numQueues > lgmp.maxQueues) return false;
  const udataBytes = loadU32(region, header.udataSize);
  if (udataBytes < 48 || udataBytes > MAX_UDATA_BYTES) return false;
  if (udataBytes > region.byteLength - header.udata) return false;
  if (loadU32(region, header.udata) !== BLOB_MAGIC[0]) return false;
  if (loadU32(region, header.udata + 4) !== BLOB_MAGIC[1]) return false;
  // Versions from 9 on share the place of their heartbeat and of their queues: which header the
  // queues belong to shows in where their rings are.
  return !lgmp.powerOfTwoRings || ringsFit(region, lgmp, { numQueues, udataBytes });
}

function ringsFit(
  region: Region,
  lgmp: LgmpLayout,
  session: { readonly numQueues: number; readonly udataBytes: number },
): boolean {
  const { header, queue, message } = lgmp;
  let free = header.udata + session.udataBytes;
  for (let i = 0; i < session.numQueues; i++) {
    const at = header.queues + i * queue.sizeBytes;
    const slots = loadU32(region, at + queue.numMessages);
    const ringAt = loadU32(region, at + queue.messagesOffset);
    if (slots < 2 || slots > MAX_RING_SLOTS || (slots & (slots - 1)) !== 0) return false;
    if (ringAt < free || ringAt % lgmp.ringAlignBytes !== 0) return false;
    if (loadU32(region, at + queue.lock) > 1) return false;
    free = ringAt + slots * message.sizeBytes;
    if (free > region.byteLength) return false;
  }
  return true;
}

/** The pairs of versions that are spoken, oldest first, and how people call them. */
export const SPOKEN_PAIRS: readonly {
  readonly lgmp: number;
  readonly kvmfr: number;
  readonly release: string;
}[] = [
  { lgmp: 5, kvmfr: 19, release: 'B6' },
  { lgmp: 6, kvmfr: 20, release: 'B7' },
  { lgmp: 7, kvmfr: 20, release: 'dev7' },
  { lgmp: 10, kvmfr: 20, release: 'dev10' },
  { lgmp: 12, kvmfr: 34, release: 'dev12' },
];

/** The Looking Glass release that speaks a pair of versions; undefined when none is known. */
export function releaseName(lgmpVersion: number, kvmfrVersion: number): string | undefined {
  return SPOKEN_PAIRS.find(({ lgmp, kvmfr }) => lgmp === lgmpVersion && kvmfr === kvmfrVersion)
    ?.release;
}

/** The two spoken pairs around one that is not: what a person could install instead. */
export function neighbourPairs(lgmpVersion: number, kvmfrVersion: number | undefined): string {
  const isOlder = (pair: { readonly lgmp: number; readonly kvmfr: number }): boolean =>
    kvmfrVersion === undefined
      ? pair.lgmp < lgmpVersion
      : pair.kvmfr < kvmfrVersion || (pair.kvmfr === kvmfrVersion && pair.lgmp < lgmpVersion);
  const older = SPOKEN_PAIRS.filter(isOlder).at(-1);
  const newer = SPOKEN_PAIRS.find((pair) => !isOlder(pair));
  const name = (pair: (typeof SPOKEN_PAIRS)[number]): string =>
    `${pair.release} (KVMFR ${pair.kvmfr} on LGMP ${pair.lgmp})`;
  return [older, newer].flatMap((pair) => (pair === undefined ? [] : [name(pair)])).join(' and ');
}

/** What is known of an LGMP version by its number alone, for messages. */
export function lgmpVersionName(version: number): string {
  switch (version) {
    case 5:
      return 'LGMP 5 (Looking Glass B6)';
    case 6:
      return 'LGMP 6 (Looking Glass B7)';
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
      return `LGMP ${version} (a development version of Looking Glass)`;
    default:
      return `LGMP ${version}`;
  }
}
