import { type LatencyWindow, scaleTopMs, totalMs } from './latency-window.ts';

/** Colours of a graph, as CSS has them. */
export interface GraphColors {
  /** Shape: one for each stage, in their order. */
  readonly stages: readonly string[];
  readonly line: string;
  readonly text: string;
}

/** Width of a column and the gap behind it. Units: CSS pixels. */
const COLUMN_PX = 3;
const GAP_PX = 1;
/** Room on the right for the numbers of the scale. Units: CSS pixels. */
const SCALE_PX = 42;
const FONT = '10px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** A stacked graph of the last seconds: each column is the slowest update of its slice of time. */
export class LatencyGraph {
  readonly #canvas: HTMLCanvasElement;
  readonly #pen: CanvasRenderingContext2D | null;
  /** The scale goes up at once, and down when there has been room for a while. */
  #topMs = 4;
  #roomySinceMs: number | undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
  }

  /** Draws the window as it is at a time. Units: milliseconds, as the samples have them. */
  draw(window: LatencyWindow, colors: GraphColors, nowMs: number): void {
    const pen = this.#pen;
    if (pen === null) return;
    const { width, height } = this.#fit();
    pen.clearRect(0, 0, width, height);
    const right = width - SCALE_PX;
    const columns = window.columns(Math.max(1, Math.floor(right / COLUMN_PX)), nowMs);
    const topMs = this.#scale(window.samples.map(totalMs), nowMs);
    this.#drawScale({ width, right, height, topMs }, colors);
    for (const [at, sample] of columns.entries()) {
      if (sample === undefined) continue;
      const x = right - (columns.length - at) * COLUMN_PX;
      let y = height - 1;
      for (const [stage, ms] of sample.stagesMs.entries()) {
        if (ms === undefined || ms === 0) continue;
        const tall = Math.min(y, (ms / topMs) * (height - 1));
        pen.fillStyle = colors.stages[stage] ?? colors.text;
        pen.fillRect(x, y - tall, COLUMN_PX - GAP_PX, tall);
        y -= tall;
      }
    }
  }

  #fit(): { readonly width: number; readonly height: number } {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const dpr = window.devicePixelRatio;
    const [widthPx, heightPx] = [Math.round(width * dpr), Math.round(height * dpr)];
    // Setting a size clears the canvas and what its pen was told.
    if (this.#canvas.width !== widthPx) this.#canvas.width = widthPx;
    if (this.#canvas.height !== heightPx) this.#canvas.height = heightPx;
    this.#pen?.setTransform(dpr, 0, 0, dpr, 0, 0);
    return { width, height };
  }

  // Nearly all updates fit; a rare one that does not is cut, so that the others can be told apart.
  #scale(totals: number[], nowMs: number): number {
    totals.sort((a, b) => a - b);
    const mostMs = totals[Math.floor((totals.length - 1) * 0.95)] ?? 0;
    const wantedMs = scaleTopMs(mostMs * 1.25);
    if (wantedMs >= this.#topMs) {
      this.#topMs = wantedMs;
      this.#roomySinceMs = undefined;
    } else if (this.#roomySinceMs === undefined) {
      this.#roomySinceMs = nowMs;
    } else if (nowMs - this.#roomySinceMs > 2000) {
      this.#topMs = wantedMs;
      this.#roomySinceMs = undefined;
    }
    return this.#topMs;
  }

  #drawScale(
    area: {
      readonly width: number;
      readonly right: number;
      readonly height: number;
      readonly topMs: number;
    },
    colors: GraphColors,
  ): void {
    const pen = this.#pen;
    if (pen === null) return;
    const { width, right, height, topMs } = area;
    pen.font = FONT;
    pen.textAlign = 'right';
    for (const share of [0, 0.5, 1]) {
      const y = Math.round((height - 1) * (1 - share)) + 0.5;
      pen.strokeStyle = colors.line;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(right, y);
      pen.stroke();
      pen.fillStyle = colors.text;
      pen.textBaseline = share === 0 ? 'bottom' : share === 1 ? 'top' : 'middle';
      pen.fillText(
        share === 0 ? '0' : `${topMs * share} ms`,
        width,
        share === 0 ? height : y - 0.5,
      );
    }
  }
}
