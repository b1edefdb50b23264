import { machineFacts, machineText } from '../support/machine.ts';
import { quantile } from '../support/stats.ts';
import type { GuestTotals } from './stage.ts';
import type { Belongings, Trend } from './watch.ts';

/** How one fault went. */
export interface Recovery {
  readonly fault: string;
  readonly atSeconds: number;
  /** From the end of the fault until a viewer showed something new. */
  readonly newMs: number;
  /** From when the guest was at rest until every viewer showed its picture to the last pixel. */
  readonly exactMs: number;
}

/** All that a soak has found out. */
export interface Account {
  readonly seed: number;
  readonly minutes: number;
  readonly browser: boolean;
  readonly startedAt: string;
  readonly recoveries: readonly Recovery[];
  readonly totals: GuestTotals;
  readonly relay: {
    readonly framesSeen: number;
    readonly framesSkipped: number;
    readonly framesGivenUp: number;
    readonly viewersJoined: number;
  };
  readonly viewers: {
    readonly updates: number;
    readonly steady: number;
    readonly videos: number;
    readonly wrong: number;
  };
  readonly reader: { readonly framesSeen: number; readonly framesSkipped: number };
  readonly browserShown: number;
  readonly memory: { readonly [process in 'relay' | 'reader' | 'encoders']: Trend };
  readonly before: Belongings;
  readonly after: Belongings;
  /** Places in queues that are taken when all have left. */
  readonly placesLeft: number;
  readonly errors: readonly string[];
}

/** A promise of the soak, and what became of it. */
export interface Promised {
  readonly name: string;
  readonly kept: boolean;
  readonly found: string;
}

/** Of all that is kept for later something may be there at one end and not at the other. */
const GROWTH_MIB = 48;
/** Of a soak that is long enough to tell. */
const SLOPE_MIB_PER_HOUR = 16;
const SLOPE_HOURS = 0.5;

/** What was promised, and whether it was kept. */
export function promises(account: Account): readonly Promised[] {
  const { before, after, memory, errors, viewers, placesLeft } = account;
  const least = (name: 'descriptors' | 'threads' | 'children' | 'maps'): Promised => ({
    name: `no ${name} left over`,
    kept: after[name] <= before[name],
    found: `${before[name]} before, ${after[name]} after`,
  });
  return [
    {
      name: 'no error that nobody handled',
      kept: errors.length === 0,
      found: errors.length === 0 ? 'none' : errors.slice(0, 5).join(' | '),
    },
    {
      name: 'every message can be read',
      kept: viewers.wrong === 0,
      found: `${viewers.wrong} of ${viewers.updates} updates could not`,
    },
    {
      name: 'every viewer exact after every fault',
      kept:
        account.recoveries.length > 0 && account.recoveries.every(({ exactMs }) => exactMs >= 0),
      found: `${account.recoveries.filter(({ exactMs }) => exactMs >= 0).length} of ${account.recoveries.length}`,
    },
    least('descriptors'),
    least('threads'),
    least('children'),
    least('maps'),
    {
      name: 'no place left in a queue',
      kept: placesLeft === 0,
      found: `${placesLeft}`,
    },
    ...(['relay', 'reader'] as const).map((name) => {
      const trend = memory[name];
      const grown = trend.perHour * trend.hours;
      const long = trend.hours >= SLOPE_HOURS;
      return {
        name: `memory of the ${name} does not grow`,
        kept: grown <= GROWTH_MIB && (!long || trend.perHour <= SLOPE_MIB_PER_HOUR),
        found: `${grown.toFixed(1)} MiB in ${(trend.hours * 60).toFixed(0)} min (${trend.perHour.toFixed(1)} MiB/h)`,
      };
    }),
  ];
}

function line(cells: readonly (string | number)[], widths: readonly number[]): string {
  return cells
    .map((cell, at) => {
      const width = widths[at] ?? 0;
      return at === 0 ? String(cell).padEnd(width) : String(cell).padStart(width);
    })
    .join('  ');
}

function ms(values: readonly number[], share: number): string {
  return values.length === 0 ? '-' : `${Math.round(quantile(values, share))}`;
}

/** The account as text for a person. */
export function accountText(account: Account): string {
  const { recoveries, totals, relay, viewers, reader, memory } = account;
  const names = [...new Set(recoveries.map(({ fault }) => fault))].sort();
  const widths = [28, 6, 8, 8, 8, 9, 9, 9];
  const rows = names.map((name) => {
    const of = recoveries.filter(({ fault }) => fault === name);
    const fresh = of.map(({ newMs }) => newMs);
    const exact = of.map(({ exactMs }) => exactMs).filter((value) => value >= 0);
    const cells = [name, of.length, ms(fresh, 0.5), ms(fresh, 0.95), ms(fresh, 1)];
    return line([...cells, ms(exact, 0.5), ms(exact, 0.95), ms(exact, 1)], widths);
  });
  const kept = promises(account);
  return [
    machineText(machineFacts()),
    `${account.minutes} minutes from ${account.startedAt}, seed ${account.seed}${account.browser ? ', with Chromium' : ''}`,
    '',
    line(['fault', 'times', 'new p50', 'p95', 'max', 'exact p50', 'p95', 'max'], widths),
    ...rows,
    '(milliseconds: from the end of the fault to a new picture; from rest to every viewer exact)',
    '',
    `guest     ${totals.posted} frames published, ${totals.dropped} had no free slot, ${totals.timedOut} subscribers given up, ${totals.restarts} sessions begun in place`,
    `relay     ${relay.framesSeen} frames taken, ${relay.framesSkipped} passed over for newer ones, ${relay.framesGivenUp} given up; ${relay.viewersJoined} connections`,
    `viewers   ${viewers.updates} updates shown (${viewers.steady} by the one that stays), ${viewers.videos} of them video`,
    `reader    ${reader.framesSeen} frames taken, ${reader.framesSkipped} passed over`,
    ...(account.browser ? [`browser   ${account.browserShown} updates shown`] : []),
    ...(['relay', 'reader', 'encoders'] as const).map(
      (name) =>
        `memory    ${name}: ${memory[name].last.toFixed(0)} MiB at the end, at most ${memory[name].max.toFixed(0)}, ${memory[name].perHour.toFixed(1)} MiB/h over ${(memory[name].hours * 60).toFixed(0)} min`,
    ),
    '',
    ...kept.map(({ name, kept: ok, found }) => `${ok ? 'ok    ' : 'BROKEN'}  ${name}: ${found}`),
    '',
  ].join('\n');
}
