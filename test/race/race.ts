import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Mapping } from '../../native/index.ts';
import { Region } from '../../protocol/memory/region.ts';
import type { CVersion } from '../support/c-offsets.ts';
import { type AreaGroup, areasOf } from './areas.ts';
import { RaceChild, type RacerResult, startRacer } from './children.ts';

/** The wires that are raced, and what their publishers write. */
export const RACED_WIRES = [
  { wire: 'B6', lgmp: 5 },
  { wire: 'B7', lgmp: 6 },
  { wire: 'dev10', lgmp: 10 },
  { wire: 'dev12', lgmp: 12 },
] as const;
/** One of them. */
export type RacedWire = (typeof RACED_WIRES)[number];
/** How the region is read: in the reader's own event loop, or in a thread of its own. */
export const ACCESSES = ['local', 'thread'] as const;
/** One way. */
export type Access = (typeof ACCESSES)[number];

/** What the reader has seen so far. */
export interface ReaderNews {
  readonly beat: number;
  readonly rssBytes: number;
  /** Frames that a program was given and could trust till the end. */
  readonly frames: number;
  /** Those of them that were of two pictures. */
  readonly torn: number;
  readonly cursors: number;
  readonly updates: number;
  /** Views, rects or bitmaps that did not lie where they may. */
  readonly outside: number;
  readonly failed: number;
}

type ReaderSays = Partial<ReaderNews> & { readonly exact?: number; readonly closed?: boolean };

/** The reader may grow by so much: its picture, planes and buffers, and what is not collected yet. */
const MOST_GROWTH_BYTES = 256 * 2 ** 20;

/** What came of a race. */
export interface RaceResult extends RacerResult {
  readonly beats: number;
  readonly frames: number;
  readonly torn: number;
  readonly findings: readonly string[];
}

/** A publisher, a reader, and somebody between them: three processes on one region. */
export class Race implements AsyncDisposable {
  readonly #folder: string;
  readonly #wire: RacedWire;
  readonly #guest: RaceChild<object>;
  readonly #reader: RaceChild<ReaderSays>;
  #shown = 0;
  #startBytes = 0;

  private constructor(folder: string, wire: RacedWire, access: Access) {
    const path = join(folder, 'region');
    this.#folder = folder;
    this.#wire = wire;
    this.#guest = new RaceChild('guest.mjs', [path, wire.wire]);
    this.#reader = new RaceChild('reader.mjs', [path, access]);
  }

  /** Starts a publisher and a reader, and waits until the one sees what the other shows. */
  static async start(wire: RacedWire, access: Access): Promise<Race> {
    const folder = mkdtempSync('/dev/shm/kvmfr-race-');
    const race = new Race(folder, wire, access);
    await race.heals();
    race.#startBytes = (await race.#beat()).rssBytes;
    return race;
  }

  /**
   * Races until so many mutations were made and the reader's event loop has turned meanwhile; then
   * the picture must become right.
   *
   * @param groups which places are written; all of them when left out
   */
  async run(options: {
    /** The program, built by `buildRacer`. */
    readonly racer: string;
    readonly seed: number;
    readonly count: number;
    readonly groups?: readonly AreaGroup[];
  }): Promise<RaceResult> {
    const before = await this.#beat();
    const { groups } = options;
    const areas = this.#areas().filter(({ group }) => groups?.includes(group) ?? true);
    this.#guest.tell({ run: true });
    const { racer, seed, count } = options;
    const path = join(this.#folder, 'region');
    const result = await startRacer(racer, { path, seed, count, areas }).done;
    // Beats of after the race: a loop that stands still has none.
    await this.#beat();
    const { beat, frames, torn } = await this.#beat();
    await this.heals();
    return {
      ...result,
      beats: beat - before.beat,
      frames: frames - before.frames,
      torn: torn - before.torn,
      findings: this.#findings(await this.#beat()),
    };
  }

  /** Shows something new until the reader has exactly that, pixels and pointer. */
  async heals(): Promise<void> {
    this.#shown += 1;
    const seed = this.#shown;
    const healed = this.#reader.hears(({ exact }) => exact === seed);
    this.#reader.tell({ expect: seed });
    this.#guest.tell({ show: seed });
    await healed;
  }

  /** Whether the reader gives everything back in the end. */
  async close(): Promise<void> {
    const closed = this.#reader.hears((news) => news.closed === true);
    this.#reader.tell({ close: true });
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    await this.#guest[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #beat(): Promise<ReaderNews> {
    return (await this.#reader.hears(({ beat }) => beat !== undefined)) as ReaderNews;
  }

  #areas(): ReturnType<typeof areasOf> {
    const mapping = Mapping.open(join(this.#folder, 'region'));
    try {
      const lgmp: CVersion = this.#wire.lgmp;
      return areasOf(new Region(mapping.buffer), lgmp);
    } finally {
      mapping.close();
    }
  }

  #findings({ rssBytes, outside }: ReaderNews): readonly string[] {
    const grown = rssBytes - this.#startBytes;
    return [
      ...(outside > 0 ? [`${outside} views lay outside of where they may`] : []),
      ...(grown > MOST_GROWTH_BYTES ? [`the reader has grown by ${grown} bytes`] : []),
    ];
  }
}
