import { MAX_UDATA_BYTES } from '../limits.ts';
import type { Region } from '../memory/region.ts';
import { loadU32 } from '../memory/word.ts';
import type { LgmpLayout } from './layout.ts';
import { LGMP_V5 } from './v5.ts';
import { LGMP_V6 } from './v6.ts';

/** The word that marks an LGMP header: the bytes `LGMP`. */
export const LGMP_MAGIC: number = 0x504d474c;

/** The LGMP versions this package speaks, by number. */
export const LGMP_LAYOUTS: ReadonlyMap<number, LgmpLayout> = new Map([
  [5, LGMP_V5],
  [6, LGMP_V6],
]);

/** Where each generation of LGMP keeps its magic, newest first, and the versions that do. */
const PLACES: readonly {
  readonly magicAt: number;
  readonly timestampAt: number;
  readonly versions: readonly number[];
}[] = [
  { magicAt: 9664, timestampAt: 0, versions: [12] },
  { magicAt: 8064, timestampAt: 0, versions: [10, 11] },
  { magicAt: 8, timestampAt: 0, versions: [9, 10] },
  { magicAt: 0, timestampAt: 16, versions: [5, 6, 7, 8] },
];

/** A header that was found. It may be the leftover of a publisher that is gone. */
export interface LgmpCandidate {
  readonly version: number;
  readonly magicAt: number;
  /** Where its heartbeat is: the one that moves is alive. */
  readonly timestampAt: number;
  /** How to read it; undefined when this package does not speak the version. */
  readonly layout: LgmpLayout | undefined;
  /** Whether a KVMFR session blob follows; only known for versions we speak. */
  readonly plausible: boolean;
}

/**
 * Looks for LGMP headers of every generation. Memory is never cleared by a publisher, so there may
 * be several; whose heartbeat moves is for the caller to watch.
 */
export function findLgmpHeaders(region: Region): readonly LgmpCandidate[] {
  const found: LgmpCandidate[] = [];
  for (const place of PLACES) {
    if (place.magicAt + 20 > region.byteLength) continue;
    if (loadU32(region, place.magicAt) !== LGMP_MAGIC) continue;
    const version = loadU32(region, place.magicAt + 4);
    const layout = place.versions.includes(version) ? LGMP_LAYOUTS.get(version) : undefined;
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

function isPlausible(region: Region, lgmp: LgmpLayout): boolean {
  const { header } = lgmp;
  if (region.byteLength < header.sizeBytes) return false;
  if (loadU32(region, header.numQueues) > lgmp.maxQueues) return false;
  const udataBytes = loadU32(region, header.udataSize);
  if (udataBytes < 48 || udataBytes > MAX_UDATA_BYTES) return false;
  return udataBytes <= region.byteLength - header.udata;
}

const RELEASES: readonly (readonly [lgmp: number, kvmfr: number, release: string])[] = [
  [5, 19, 'B6'],
  [6, 20, 'B7'],
];

/** The Looking Glass release that speaks a pair of versions; undefined when none is known. */
export function releaseName(lgmpVersion: number, kvmfrVersion: number): string | undefined {
  const row = RELEASES.find(([lgmp, kvmfr]) => lgmp === lgmpVersion && kvmfr === kvmfrVersion);
  return row?.[2];
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
