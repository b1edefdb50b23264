import type { PercentilePoint, StageSummary } from '../../client/index.ts';
import { STAGE_BUCKETS_US } from '../../client/index.ts';
import { packageVersion } from '../version.ts';
import { type MachineFacts, machineFacts, shownCommandLine } from './machine.ts';
import type { MeasuredRelay, Measurement } from './measurement.ts';
import type { RowName } from './rows.ts';

/** A row of the report: its times, or why there are none. */
export type ReportRow =
  | (StageSummary & {
      /** Upper bounds, each with the number of times up to it; the last bound is null: none. */
      readonly buckets: readonly { readonly leUs: number | null; readonly count: number }[];
      readonly curve: readonly PercentilePoint[];
    })
  | { readonly count: 0; readonly missing: string };

/** What `--json` holds. Names stay; new ones may come. */
export interface LatencyReport {
  /** Of this shape of report. */
  readonly version: 1;
  readonly kvmfr: string;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly interrupted: boolean;
  readonly machine: MachineFacts;
  readonly region: string;
  readonly session: {
    readonly release: string;
    readonly lgmpVersion: number;
    readonly kvmfrVersion: number;
    readonly hostVersion: string;
    readonly system: string | null;
    readonly capture: string | null;
    readonly cpu: string | null;
  } | null;
  readonly picture: {
    readonly widthPx: number;
    readonly heightPx: number;
    readonly format: string;
  } | null;
  readonly frames: { readonly whole: number; readonly skipped: number; readonly givenUp: number };
  /** Most browsers that looked at the same time. */
  readonly viewers: number;
  readonly stimulus: { readonly sent: number; readonly seen: number } | null;
  readonly stages: { readonly [name in RowName]: ReportRow };
  readonly timeline: readonly {
    readonly fromMs: number;
    readonly toMs: number;
    readonly frames: number;
    readonly stages: {
      readonly [name in RowName]?: { readonly count: number; readonly meanUs: number };
    };
  }[];
}

/** What a report is made of. */
export interface ReportSource {
  readonly measurement: Measurement;
  readonly relay: MeasuredRelay;
  readonly region: string;
  readonly startedAt: Date;
  readonly interrupted: boolean;
  readonly stimulus: { readonly sent: number; readonly seen: number } | undefined;
}

/** A measurement as it is now. */
export function makeReport(source: ReportSource): LatencyReport {
  const { measurement, relay } = source;
  const { geometry } = relay.reader.picture;
  const { framesSkipped, framesGivenUp } = relay.reader.stats;
  return {
    version: 1,
    kvmfr: packageVersion(),
    command: ['kvmfr', ...shownCommandLine(process.argv.slice(2))],
    startedAt: source.startedAt.toISOString(),
    durationMs: Math.round(measurement.elapsedMs),
    interrupted: source.interrupted,
    machine: machineFacts(),
    region: source.region,
    session: sessionFacts(relay),
    picture:
      geometry === undefined
        ? null
        : { widthPx: geometry.widthPx, heightPx: geometry.heightPx, format: geometry.format },
    frames: { whole: measurement.frames, skipped: framesSkipped, givenUp: framesGivenUp },
    viewers: measurement.mostViewers,
    stimulus: source.stimulus ?? null,
    stages: rowsOf(measurement),
    timeline: measurement.intervals.map(({ fromMs, toMs, frames, stages }) => ({
      fromMs: Math.round(fromMs),
      toMs: Math.round(toMs),
      frames,
      stages: Object.fromEntries(
        Object.entries(stages).map(([name, { count, sumUs }]) => [
          name,
          { count, meanUs: sumUs / count },
        ]),
      ),
    })),
  };
}

function sessionFacts({ reader }: MeasuredRelay): LatencyReport['session'] {
  const { session } = reader;
  if (session === undefined) return null;
  const { release, lgmpVersion, kvmfrVersion, hostVersion, os, vm } = session;
  return {
    release,
    lgmpVersion,
    kvmfrVersion,
    hostVersion,
    system: os === undefined ? null : os.name || os.kind,
    capture: vm?.capture ?? null,
    cpu: vm?.model ?? null,
  };
}

function rowsOf(measurement: Measurement): LatencyReport['stages'] {
  const row = (name: RowName): ReportRow => {
    const histogram = measurement.of(name);
    const summary = histogram?.summary();
    if (histogram === undefined || summary === undefined)
      return { count: 0, missing: measurement.missing(name) };
    let below = 0;
    const buckets = [...STAGE_BUCKETS_US, null].map((leUs, index) => {
      below += histogram.bucketCounts[index] ?? 0;
      return { leUs, count: below };
    });
    return { ...summary, buckets, curve: histogram.curve() };
  };
  return {
    producer: row('producer'),
    notice: row('notice'),
    arrive: row('arrive'),
    apply: row('apply'),
    queue: row('queue'),
    encode: row('encode'),
    send: row('send'),
    network: row('network'),
    decode: row('decode'),
    present: row('present'),
    total: row('total'),
    inputToPicture: row('inputToPicture'),
    inputToAck: row('inputToAck'),
  };
}
