import { STAGE_BUCKETS_US } from '../../client/index.ts';
import { percentileCharts } from './chart-percentiles.ts';
import { timelineChart } from './chart-timeline.ts';
import { colourRules, REPORT_STYLE } from './html-style.ts';
import type { LatencyReport, ReportRow } from './report.ts';
import { ROW_NAMES, ROW_TEXTS, type RowName } from './rows.ts';
import { escaped, px } from './svg.ts';
import { timeText } from './table.ts';

/**
 * A report as one HTML file: no scripts, and nothing that it would have to fetch. Whatever came from
 * the guest is text in it.
 */
export function reportHtml(report: LatencyReport): string {
  const title = `Latency: ${guestName(report)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="kvmfr ${escaped(report.kvmfr)}">
<title>${escaped(title)}</title>
<style>${REPORT_STYLE}${colourRules(ROW_NAMES)}</style>
</head>
<body>
<main>
<h1>How long frames take</h1>
<p>${escaped(subtitle(report))}</p>
${tiles(report)}
${timeline(report)}
<section>
<h2>Distributions</h2>
<p>The time that so many percent of all frames did not exceed. Every nine to the right is ten times rarer; both axes are the same for all, and the other stages are drawn in grey.</p>
${percentileCharts(report)}
</section>
<section>
<h2>Figures</h2>
<p>${escaped(figuresNote(report))}</p>
${figures(report)}
</section>
<section>
<h2>Where this was measured</h2>
<p>Times of the guest and of this machine are never subtracted from each other.</p>
${facts(report)}
</section>
<footer>Made by kvmfr ${escaped(report.kvmfr)}. Percentiles are right to a thousandth; count, mean and longest time are exact.</footer>
</main>
</body>
</html>
`;
}

function guestName({ session, region }: LatencyReport): string {
  if (session === null) return region;
  return session.system ?? `Looking Glass ${session.release}`;
}

function subtitle(report: LatencyReport): string {
  const { session, picture, durationMs, startedAt } = report;
  const parts = [guestName(report)];
  if (session?.system != null) parts.push(`Looking Glass ${session.release}`);
  if (picture !== null) parts.push(`${picture.widthPx} × ${picture.heightPx} ${picture.format}`);
  parts.push(lengthText(durationMs), `${startedAt.slice(0, 16).replace('T', ' ')} UTC`);
  return parts.join(' · ');
}

function lengthText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
}

function tiles(report: LatencyReport): string {
  const { total, inputToPicture } = report.stages;
  const shown: [value: string, what: string][] = [];
  if ('p50Us' in total)
    shown.push(
      [timeText(total.p50Us), 'published to displayed, half of all frames'],
      [timeText(total.p99Us), 'published to displayed, 99 of 100 frames'],
    );
  else
    for (const name of ['notice', 'arrive', 'apply'] as const) {
      const row = report.stages[name];
      if ('p50Us' in row)
        shown.push([
          timeText(row.p50Us),
          `${name}: ${ROW_TEXTS[name].meaning}, half of all frames`,
        ]);
    }
  if ('p50Us' in inputToPicture)
    shown.push([timeText(inputToPicture.p50Us), 'from input to picture, half of all']);
  const { whole } = report.frames;
  const fps = report.durationMs > 0 ? (whole * 1000) / report.durationMs : 0;
  shown.push([fps.toFixed(1), 'frames a second'], [String(whole), 'frames']);
  const items = shown.map(
    ([value, what]) => `<div><b>${escaped(value)}</b><span>${escaped(what)}</span></div>`,
  );
  return `<section class="tiles">${items.join('')}</section>`;
}

function timeline(report: LatencyReport): string {
  const chart = timelineChart(report);
  if (chart === '') return '';
  return `<section>
<h2>Over time</h2>
<p>What frames took in the mean, stage upon stage from being published on. Rest the mouse on it for the figures.</p>
${chart}
</section>`;
}

function figuresNote({ stages, viewers }: LatencyReport): string {
  const browsers =
    viewers === 0
      ? 'No browser looked: the stages from queue on are those of frames that one has acknowledged.'
      : 'The stages up to apply are of every frame, those from queue on of frames that a browser has acknowledged.';
  const bound = 'count' in stages.notice && stages.notice.count > 0;
  return bound
    ? `${browsers} notice, and with it total, is an upper bound: shared memory has no wake-up.`
    : browsers;
}

function figures(report: LatencyReport): string {
  const names = ROW_NAMES.filter(
    (name) => report.stimulus !== null || (name !== 'inputToPicture' && name !== 'inputToAck'),
  );
  return `<div class="scroll"><table>
<thead><tr><th>stage</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th>mean</th><th>count</th><th class="strip">${stripAxis()}</th></tr></thead>
<tbody>
${names.map((name) => figuresRow(name, report.stages[name])).join('\n')}
</tbody></table></div>`;
}

function figuresRow(name: RowName, row: ReportRow): string {
  const { title, meaning } = ROW_TEXTS[name];
  const head = `<td title="${escaped(meaning)}">${title}</td>`;
  if (!('p50Us' in row))
    return `<tr>${head}<td class="why" colspan="8">${escaped(row.missing)}</td></tr>`;
  const { p50Us, p90Us, p99Us, p999Us, maxUs, meanUs, count } = row;
  const times = [p50Us, p90Us, p99Us, p999Us, maxUs, meanUs];
  const cells = times.map((us) => `<td>${timeText(us)}</td>`).join('');
  const kind = name === 'total' ? ' class="sum"' : '';
  return `<tr${kind}>${head}${cells}<td>${count}</td><td class="strip">${strip(name, row.buckets)}</td></tr>`;
}

/** Names the bounds of some of the buckets below. */
function stripAxis(): string {
  const labels = [0, 4, 8, 13].map((bucket) => {
    const bound = timeText(STAGE_BUCKETS_US[bucket] ?? 0)
      .replace('.00', '')
      .replace('.0', '');
    return `<text x="${bucket * 10 + 5}" y="10" text-anchor="middle">${bound}</text>`;
  });
  return `<svg viewBox="0 0 150 13">${labels.join('')}</svg>`;
}

/** A histogram as high as a line: how many times fell into each bucket. */
function strip(
  name: RowName,
  buckets: readonly { readonly leUs: number | null; readonly count: number }[],
): string {
  const counts = buckets.map(({ count }, index) => count - (buckets[index - 1]?.count ?? 0));
  const most = Math.max(1, ...counts);
  const bars = counts.map((count, index) => {
    if (count === 0) return '';
    // The rare ones are what one looks for: they stay visible.
    const height = Math.max(1.5, (count / most) * 22);
    const bound = buckets[index]?.leUs ?? null;
    const what = bound === null ? 'longer than 1 s' : `up to ${timeText(bound)}`;
    return `<rect class="c-${name}" x="${index * 10 + 0.75}" y="${px(24 - height)}" width="8.5" height="${px(height)}" rx="1"><title>${what}: ${count}</title></rect>`;
  });
  return `<svg viewBox="0 0 150 24" preserveAspectRatio="none" aria-hidden="true">${bars.join('')}</svg>`;
}

function facts(report: LatencyReport): string {
  const { session, picture, machine, frames } = report;
  const rows: [string, string][] = [];
  if (session !== null) {
    rows.push([
      'Guest',
      `Looking Glass ${session.release} (KVMFR ${session.kvmfrVersion} on LGMP ${session.lgmpVersion}), host ${session.hostVersion}`,
    ]);
    if (session.system !== null) rows.push(['System', session.system]);
    if (session.cpu) rows.push(['Processor of the guest', session.cpu]);
    if (session.capture) rows.push(['Capture', session.capture]);
  }
  if (picture !== null)
    rows.push(['Picture', `${picture.widthPx} × ${picture.heightPx}, ${picture.format}`]);
  rows.push(
    ['Frames', `${frames.whole} whole, ${frames.skipped} passed over, ${frames.givenUp} given up`],
    ['Browsers', report.viewers === 0 ? 'none' : `${report.viewers} at most at the same time`],
  );
  if (report.stimulus !== null)
    rows.push([
      'Stimulus',
      `${report.stimulus.sent} times SETCURSORPOS, ${report.stimulus.seen} times seen`,
    ]);
  rows.push(
    ['Machine', `${machine.cpu}, ${machine.threads} threads, ${machine.memoryMib} MiB`],
    [
      'Software',
      `kvmfr ${report.kvmfr}, Node.js ${machine.node}, ${machine.system}, ${machine.arch}`,
    ],
    ['Region', report.region],
    [
      'Measured',
      `${report.startedAt}, ${(report.durationMs / 1000).toFixed(1)} s${report.interrupted ? ', interrupted' : ''}`,
    ],
  );
  const items = rows.map(([name, text]) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`);
  const command = `<dt>Command</dt><dd><code>${escaped(report.command.join(' '))}</code></dd>`;
  return `<dl>${items.join('')}${command}</dl>`;
}
