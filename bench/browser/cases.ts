import { setTimeout as sleep } from 'node:timers/promises';
import { type PatternContent, spawnPattern } from '../../host/index.ts';
import { RELAY_STAGES, VIEWER_STAGES } from '../../protocol/wire/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { PlainChromium } from '../support/chromium.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { groupCpuSeconds, processCpuSeconds } from '../support/process.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';

/** What the design promises for 1080p at 60 Hz. */
const MIN_FPS = 55;
const MAX_P50_MS = 20;
const MAX_P95_MS = 40;
const TOKEN = 'bench-browser';
const STAGES: readonly string[] = [...RELAY_STAGES, ...VIEWER_STAGES];
const CONNECT_MS = 15_000;

/** One content in one size. */
interface BrowserCase {
  readonly content: PatternContent;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  /** Whether the promises are for this one. */
  readonly promised: boolean;
}

/**
 * Guest, relay and browser on this machine's cores, the guest's drawing and copying among them. The
 * browser is started without a debugging connection, and the page acknowledges what it has put on
 * the screen; times come from the histograms of the relay.
 */
async function run(one: BrowserCase, options: RunOptions): Promise<readonly Row[]> {
  const { content, widthPx, heightPx, fps, promised } = one;
  const name = `browser/${heightPx}p${fps}/${content}`;
  const measureMs = options.quick ? 6000 : 15_000;
  using scratch = new Scratch();
  const region = scratch.path('region');
  await using guest = await spawnPattern({ region, content, widthPx, heightPx, fps });
  await using relay = Child.start('browser/relay.js', [region, TOKEN]);
  const port = numberOf(await relay.hear('listening'), 'port');
  // One pixel of the guest is one of the page: scaling is the browser's, and no part of the promise.
  await using browser = await PlainChromium.openPage(`http://127.0.0.1:${port}/?token=${TOKEN}`, {
    width: widthPx,
    height: heightPx,
  });
  await untilShown(relay);
  await sleep(options.quick ? 3000 : 5000);
  const disturbance = new Disturbance([relay.pid, guest.pid ?? 0]);
  const cpu = (): { readonly relay: number; readonly guest: number; readonly browser: number } => ({
    relay: processCpuSeconds(relay.pid) + groupCpuSeconds(relay.pid),
    guest: processCpuSeconds(guest.pid ?? 0),
    browser: processCpuSeconds(browser.pid) + groupCpuSeconds(browser.pid),
  });
  const cpuBefore = cpu();
  const before = await relay.ask('count');
  await relay.ask('begin');
  const startMs = performance.now();
  await sleep(measureMs);
  const after = await relay.ask('count');
  const stages = await relay.ask('stages');
  const seconds = (performance.now() - startMs) / 1000;
  const cpuAfter = cpu();
  const share = (part: 'relay' | 'guest' | 'browser'): string =>
    `${part} ${(((cpuAfter[part] - cpuBefore[part]) * 100) / seconds).toFixed(0)} %`;
  const rate = (key: string): number => (numberOf(after, key) - numberOf(before, key)) / seconds;
  const samples = stages.values['total-count'] ?? 0;
  const total = (percent: number): number =>
    (stages.values[`total-p${percent}`] ?? Number.NaN) / 1000;
  return [
    row({
      name: `${name}/frames`,
      unit: 'fps',
      value: samples / seconds,
      samples,
      ...(promised ? { atLeast: MIN_FPS } : {}),
      note: `frames presented; ${rate('acked').toFixed(1)} updates/s, ${(rate('bytes') / 1e6).toFixed(2)} MB/s; ${share('relay')}, ${share('guest')}, ${share('browser')} of a core; ${disturbance.text()}`,
    }),
    row({
      name: `${name}/p50`,
      unit: 'ms',
      value: total(50),
      samples,
      ...(promised ? { atMost: MAX_P50_MS } : {}),
      note: `published -> presented; p50 of each stage: ${stageText(stages, 50)}`,
    }),
    row({
      name: `${name}/p95`,
      unit: 'ms',
      value: total(95),
      samples,
      ...(promised ? { atMost: MAX_P95_MS } : {}),
      note: `p95 of each stage: ${stageText(stages, 95)}`,
    }),
  ];
}

async function untilShown(relay: Child): Promise<void> {
  const deadlineMs = performance.now() + CONNECT_MS;
  for (;;) {
    if (numberOf(await relay.ask('count'), 'acked') > 0) return;
    if (performance.now() > deadlineMs)
      throw new Error('the browser must show a picture, but does not');
    await sleep(50);
  }
}

function stageText(stages: Report, percent: number): string {
  const text = STAGES.map((stage) => {
    const us = stages.values[`${stage}-p${percent}`];
    return `${stage} ${us === undefined ? '?' : (us / 1000).toFixed(2)}`;
  });
  return text.join(', ');
}

const CONTENTS: readonly PatternContent[] = ['desk', 'scroll', 'game'];

function casesOf(
  size: { readonly widthPx: number; readonly heightPx: number },
  promised: boolean,
  contents: readonly PatternContent[] = CONTENTS,
): readonly BenchCase[] {
  return contents.map((content) => {
    const one: BrowserCase = { content, ...size, fps: 60, promised };
    return {
      name: `browser/${size.heightPx}p60/${content}`,
      run: (options: RunOptions) => run(one, options),
    };
  });
}

/** What people see: guest to screen in a real browser, for 1080p at 60 Hz. */
export const BROWSER_CASES: readonly BenchCase[] = casesOf({ widthPx: 1920, heightPx: 1080 }, true);

/** The same in other sizes. */
export const BROWSER_SIZE_CASES: readonly BenchCase[] = [
  // A film in a window, a log and a letter: what `npm start` shows.
  ...casesOf({ widthPx: 1920, heightPx: 1080 }, false, ['demo']),
  ...casesOf({ widthPx: 1280, heightPx: 720 }, false),
  ...casesOf({ widthPx: 2560, heightPx: 1440 }, false),
  ...casesOf({ widthPx: 3840, heightPx: 2160 }, false),
];
