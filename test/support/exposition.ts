/** A sample of a metric. */
export interface Sample {
  readonly labels: { readonly [name: string]: string };
  readonly value: number;
}

/** A metric: all that belongs to one TYPE line. */
export interface Metric {
  readonly type: string;
  readonly help: string;
  /** By the name of the sample, as that of a histogram has an ending. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const ENDINGS: { readonly [type: string]: readonly string[] } = {
  histogram: ['_bucket', '_sum', '_count'],
};

/**
 * Reads the Prometheus text exposition format 0.0.4, and throws at what a strict reader would refuse:
 * samples before their TYPE, lines of a metric that are not together, a metric or sample twice, and
 * histograms whose buckets do not rise to their count.
 */
export function parseExposition(text: string): ReadonlyMap<string, Metric> {
  if (!text.endsWith('\n')) throw new Error('the last line must end');
  const metrics = new Map<string, { type: string; help: string; samples: Map<string, Sample[]> }>();
  const seen = new Set<string>();
  let current = '';
  let help: { readonly name: string; readonly text: string } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const helped = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    const typed = new RegExp(`^# TYPE (${NAME}) (\\w+)$`).exec(line);
    const sampled = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
    if (helped !== null) {
      help = { name: helped[1] ?? '', text: helped[2] ?? '' };
    } else if (typed !== null) {
      current = typed[1] ?? '';
      const type = typed[2] ?? '';
      if (metrics.has(current)) throw new Error(`${current} comes twice`);
      if (!TYPES.includes(type)) throw new Error(`there is no type ${type}`);
      if (help?.name !== current) throw new Error(`${current} has no help before its type`);
      metrics.set(current, { type, help: help.text, samples: new Map() });
    } else if (sampled !== null) {
      const name = sampled[1] ?? '';
      const metric = metrics.get(current);
      const endings = ENDINGS[metric?.type ?? ''] ?? [''];
      if (metric === undefined || !endings.some((ending) => name === current + ending))
        throw new Error(`${line}: not of ${current || 'any metric'}`);
      const id = line.slice(0, line.lastIndexOf(' '));
      if (seen.has(id)) throw new Error(`${id} comes twice`);
      seen.add(id);
      const samples = metric.samples.get(name) ?? [];
      samples.push({ labels: parseLabels(sampled[2] ?? ''), value: parseValue(sampled[3] ?? '') });
      metric.samples.set(name, samples);
    } else throw new Error(`${JSON.stringify(line)} is no line of this format`);
  }
  for (const [name, metric] of metrics)
    if (metric.type === 'histogram') checkHistogram(name, metric);
  return metrics;
}

function parseLabels(text: string): { readonly [name: string]: string } {
  const labels: { [name: string]: string } = {};
  let rest = text;
  while (rest !== '') {
    const match = LABEL.exec(rest);
    const name = match?.[1];
    if (match === null || name === undefined) throw new Error(`${text} are no labels`);
    if (name in labels) throw new Error(`label ${name} comes twice`);
    labels[name] = match[2] ?? '';
    rest = rest.slice(match[0].length);
  }
  return labels;
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new Error(`${text} is no value`);
  return Number(text);
}

/** Each series must have rising bounds up to +Inf, counts that do not fall, and end at its count. */
function checkHistogram(name: string, metric: Metric): void {
  const series = new Map<string, { readonly bound: number; readonly count: number }[]>();
  for (const { labels, value } of metric.samples.get(`${name}_bucket`) ?? []) {
    const { le, ...rest } = labels;
    if (le === undefined) throw new Error(`a bucket of ${name} has no bound`);
    const key = JSON.stringify(rest);
    const buckets = series.get(key) ?? [];
    const before = buckets.at(-1);
    const bucket = { bound: parseValue(le), count: value };
    if (before !== undefined && (bucket.bound <= before.bound || bucket.count < before.count))
      throw new Error(`the buckets of ${name} ${key} do not rise at ${le}`);
    buckets.push(bucket);
    series.set(key, buckets);
  }
  for (const ending of ['_sum', '_count'])
    if (metric.samples.get(name + ending)?.length !== series.size)
      throw new Error(`${name + ending} is missing for a series`);
  for (const { labels, value } of metric.samples.get(`${name}_count`) ?? []) {
    const last = series.get(JSON.stringify(labels))?.at(-1);
    if (last?.bound !== Number.POSITIVE_INFINITY || last.count !== value)
      throw new Error(`${name} ${JSON.stringify(labels)} must end at +Inf with its count`);
  }
}
