import { describe, expect, it } from 'vitest';
import { reportHtml } from '../../../cli/latency/html.ts';
import { shownCommandLine } from '../../../cli/latency/machine.ts';
import { type LatencyReport, makeReport } from '../../../cli/latency/report.ts';
import { ROW_NAMES, STACKED } from '../../../cli/latency/rows.ts';
import { StageHistogram } from '../../../client/index.ts';
import { type Element, parseMarkup } from '../../support/markup.ts';
import { measuredStage } from './latency.ts';

/** What a guest could call itself to break out of text, attributes and comments. */
const HOSTILE = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>&lt;b&gt;--></style>`;

/** A report of a guest that has measured nothing. */
function emptyReport(): LatencyReport {
  const { measurement, latency, reader } = measuredStage();
  measurement.sample();
  return makeReport({
    measurement,
    relay: { latency, reader, viewers: [] },
    region: '/dev/shm/x',
    startedAt: new Date(Date.UTC(2026, 10, 20, 13, 37)),
    interrupted: false,
    stimulus: undefined,
  });
}

/** A report in which every stage was measured, and every text is the same. */
function fullReport(text: string): LatencyReport {
  const histogram = new StageHistogram();
  for (let us = 1; us <= 2000; us++) histogram.record(us * 17);
  const summary = histogram.summary();
  if (summary === undefined) throw new Error('nothing was recorded');
  const buckets = [50, 1000, null].map((leUs, index) => ({ leUs, count: (index + 1) * 600 }));
  const row = { ...summary, buckets, curve: histogram.curve() };
  const empty = emptyReport();
  return {
    ...empty,
    command: ['kvmfr', 'latency', text],
    machine: { ...empty.machine, cpu: text, system: text },
    region: text,
    session: {
      release: text,
      lgmpVersion: 6,
      kvmfrVersion: 20,
      hostVersion: text,
      system: text,
      capture: text,
      cpu: text,
    },
    picture: { widthPx: 1920, heightPx: 1080, format: text },
    stimulus: { sent: 10, seen: 9 },
    stages: Object.assign(
      {},
      empty.stages,
      Object.fromEntries(ROW_NAMES.map((name) => [name, row])),
    ),
    timeline: [0, 1000, 2000].map((fromMs) => ({
      fromMs,
      toMs: fromMs + 1000,
      frames: 60,
      stages: Object.fromEntries(STACKED.map((name) => [name, { count: 60, meanUs: 500 }])),
    })),
  };
}

function named(elements: readonly Element[], name: string): readonly Element[] {
  return elements.filter((element) => element.name === name);
}

describe('the report as HTML', () => {
  it('is well-formed, and has the charts of every stage and a row for each', () => {
    const elements = parseMarkup(reportHtml(fullReport('a guest')));
    expect(named(elements, 'figure')).toHaveLength(ROW_NAMES.length);
    expect(named(elements, 'tr')).toHaveLength(ROW_NAMES.length + 1);
    const areas = elements.filter(({ attributes }) => attributes.get('class')?.startsWith('area '));
    expect(areas.map(({ attributes }) => attributes.get('class')?.slice(7))).toEqual(STACKED);
    const hovers = elements.filter(({ attributes }) => attributes.get('class') === 'hover');
    expect(hovers.map(({ text }) => text.split('\n')[0])).toEqual([
      '0 to 1 s: 4.50 ms in the mean',
      '1 to 2 s: 4.50 ms in the mean',
      '2 to 3 s: 4.50 ms in the mean',
    ]);
    for (const { name, attributes } of elements) {
      expect([name, [...attributes.values()].join()]).not.toContain('NaN');
      expect(attributes.get('d') ?? '').toMatch(/^[MLZ\d .-]*$/);
    }
  });

  it('is well-formed with nothing measured, and says why', () => {
    const elements = parseMarkup(reportHtml(emptyReport()));
    expect(named(elements, 'figure')).toHaveLength(0);
    const [, first] = named(elements, 'tr');
    expect(first?.text).toBe('producerno frames');
  });

  it('shows what a guest says as text, whatever that is', () => {
    const html = reportHtml(fullReport(HOSTILE));
    const elements = parseMarkup(html);
    expect(named(elements, 'script')).toHaveLength(0);
    expect(named(elements, 'img')).toHaveLength(0);
    expect(html).not.toContain('<script');
    expect(named(elements, 'title')[0]?.text).toBe(`Latency: ${HOSTILE}`);
    const details = named(elements, 'dd').map(({ text }) => text);
    expect(details).toContain(HOSTILE);
    expect(details).toContain(`kvmfr latency ${HOSTILE}`);
    for (const { attributes } of elements)
      for (const name of attributes.keys()) expect(name).not.toMatch(/^on/);
  });

  it('asks for nothing outside of itself, and forbids itself to', () => {
    const html = reportHtml(fullReport('a guest'));
    for (const { name, attributes } of parseMarkup(html)) {
      expect(['script', 'link', 'img', 'iframe', 'image', 'use', 'a']).not.toContain(name);
      for (const attribute of attributes.keys())
        expect(['src', 'href', 'xlink:href', 'srcset', 'style']).not.toContain(attribute);
    }
    expect(html).not.toMatch(/url\(|@import|https?:/);
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });
});

describe('shownCommandLine()', () => {
  it('keeps secrets to itself', () => {
    expect(shownCommandLine(['latency', '--token', 'secret123', '--token=secret456', 'x'])).toEqual(
      ['latency', '--token', '***', '--token=***', 'x'],
    );
  });
});

describe('parseMarkup, the reader that pages are tested with', () => {
  it.each([
    '<p>a<b>b</p></b>',
    '<p>a',
    '<p>a & b</p>',
    '<p>a > b</p>',
    '<p class=a>b</p>',
    '<p class="a" class="b"></p>',
    '<p>1 < 2</p>',
  ])('refuses %s', (html) => {
    expect(() => parseMarkup(html)).toThrow();
  });
});
