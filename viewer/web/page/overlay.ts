import { type KvmfrView, STAGES, type Stage } from '../index.ts';
import { type GraphColors, LatencyGraph } from './graph.ts';
import { encodingLine, soundLine, statsLine } from './info.ts';
import { type LatencySummary, LatencyWindow, type Spread } from './latency-window.ts';

const SPAN_MS = 10_000;
const DRAW_EVERY_MS = 100;
/** Numbers that change faster than this cannot be read. */
const WRITE_EVERY_MS = 500;

const TOTALS: { readonly [from in LatencySummary['from']]: string } = {
  captured: 'Captured to shown',
  published: 'Published to shown',
  received: 'Received to shown',
};

/** The statistics over the picture. While they are closed nothing is measured, kept or drawn. */
export class StatisticsOverlay {
  readonly #view: KvmfrView;
  readonly #panel: HTMLElement;
  readonly #line = paragraph('line');
  readonly #path = paragraph('path');
  readonly #sound = paragraph('heard');
  readonly #total = paragraph('total');
  readonly #graph: LatencyGraph;
  readonly #values = new Map<Stage, HTMLElement>();
  readonly #window = new LatencyWindow(SPAN_MS);
  #colors: GraphColors | undefined;
  #drawTimer: ReturnType<typeof setInterval> | undefined;
  #writeTimer: ReturnType<typeof setInterval> | undefined;

  constructor(view: KvmfrView, panel: HTMLElement) {
    this.#view = view;
    this.#panel = panel;
    const canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', 'Latency of the last ten seconds, stage upon stage');
    this.#graph = new LatencyGraph(canvas);
    const unit = paragraph('unit');
    unit.textContent = 'p50 / p95, ms';
    const sum = document.createElement('div');
    sum.className = 'sum';
    sum.append(this.#total, unit);
    panel.append(this.#line, this.#path, this.#sound, canvas, sum, this.#newStages());
    view.addEventListener('latency', ({ detail }) => this.#window.add(detail));
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', () => {
      this.#colors = undefined;
    });
  }

  /** Shows or hides it. */
  set shown(shown: boolean) {
    if (shown !== this.#panel.hidden) return;
    this.#panel.hidden = !shown;
    this.#view.tracing = shown;
    clearInterval(this.#drawTimer);
    clearInterval(this.#writeTimer);
    this.#window.clear();
    if (!shown) return;
    this.#colors = undefined;
    this.#drawTimer = setInterval(() => this.#draw(), DRAW_EVERY_MS);
    this.#writeTimer = setInterval(() => this.#write(), WRITE_EVERY_MS);
    this.#draw();
    this.#write();
  }

  #newStages(): HTMLElement {
    const list = document.createElement('dl');
    for (const [index, stage] of STAGES.entries()) {
      const row = document.createElement('div');
      row.className = `stage-${index}`;
      const name = document.createElement('dt');
      name.textContent = stage;
      const value = document.createElement('dd');
      row.append(name, value);
      list.append(row);
      this.#values.set(stage, value);
    }
    return list;
  }

  #draw(): void {
    const nowMs = performance.timeOrigin + performance.now();
    this.#window.forget(nowMs);
    this.#colors ??= this.#readColors();
    this.#graph.draw(this.#window, this.#colors, nowMs);
  }

  #write(): void {
    const { stats, picture } = this.#view;
    this.#line.textContent = stats === undefined ? '' : statsLine(stats, picture);
    const { source } = this.#view;
    this.#path.textContent =
      stats === undefined ? '' : encodingLine(stats, this.#view.obstacle('video'), source);
    this.#sound.textContent = soundLine(stats?.sound);
    this.#sound.hidden = this.#sound.textContent === '';
    const summary = this.#window.summary();
    this.#total.textContent = `${TOTALS[summary.from]}: ${spreadText(summary.total)}`;
    for (const { stage, ...spread } of summary.stages) {
      const value = this.#values.get(stage);
      if (value === undefined) continue;
      value.textContent = spreadText(spread);
      const { boundMs } = summary;
      if (stage === 'network' && boundMs !== undefined)
        value.textContent += ` ±${milliseconds(boundMs)}`;
    }
  }

  #readColors(): GraphColors {
    const style = getComputedStyle(this.#panel);
    const color = (name: string) => style.getPropertyValue(name).trim();
    return {
      stages: STAGES.map((_, index) => color(`--stage-${index}`)),
      line: color('--line'),
      text: color('--muted'),
    };
  }
}

function paragraph(className: string): HTMLElement {
  const made = document.createElement('p');
  made.className = className;
  return made;
}

function spreadText({ p50Ms, p95Ms }: Spread): string {
  return p50Ms === undefined || p95Ms === undefined
    ? '–'
    : `${milliseconds(p50Ms)} / ${milliseconds(p95Ms)}`;
}

function milliseconds(ms: number): string {
  return ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0);
}
