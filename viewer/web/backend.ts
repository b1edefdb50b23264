import { Engine } from './core/engine.ts';
import type { Command, Report, StartCommand } from './core/messages.ts';
import { browserPlatform } from './core/platform.ts';
import type { PictureCanvas } from './core/render/surface.ts';
import { turnOf } from './core/render/turn.ts';
import { newTrack } from './video-layer.ts';

/** What a backend is started with. */
export interface BackendOptions {
  /** Puts a new canvas on the page, in the place of the one before. */
  readonly newCanvas: () => HTMLCanvasElement;
  /** Puts a new `<video>` below the canvas, in the place of the one before. */
  readonly newVideo: () => HTMLVideoElement;
  /** Whether the page can be seen now. */
  readonly visible: () => boolean;
  readonly report: (report: Report) => void;
}

/** The engine, wherever it runs. */
export interface Backend {
  send(command: Command): void;
  /** Ends it. Nothing is reported any more. */
  stop(): void;
}

/** Starts the engine in a worker, or beside the page's own code where that cannot be. */
export function startBackend(options: BackendOptions): Backend {
  const worker = newWorker();
  return worker === undefined ? startHere(options) : startWorker(worker, options);
}

function newWorker(): Worker | undefined {
  if (
    typeof Worker === 'undefined' ||
    typeof OffscreenCanvas === 'undefined' ||
    !('transferControlToOffscreen' in HTMLCanvasElement.prototype)
  )
    return undefined;
  try {
    return new Worker(new URL('./worker/main.js', import.meta.url), { type: 'module' });
  } catch {
    // A script of another origin may not be a worker.
    return undefined;
  }
}

function startWorker(worker: Worker, options: BackendOptions): Backend {
  let ready = false;
  let here: Backend | undefined;
  const early: Command[] = [];
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    if (data.kind === 'ready') {
      ready = true;
      early.length = 0;
    }
    if (data.kind === 'stream') video?.play();
    options.report(data);
  };
  worker.onerror = (event) => {
    // After it has started, an error is a fault to be seen, not a browser that cannot.
    if (ready) return;
    event.preventDefault();
    worker.terminate();
    video?.stop();
    if (here !== undefined) return;
    here = startHere(options);
    for (const command of early) here.send(command);
  };
  const send = (command: Command): void => {
    if (here !== undefined) {
      here.send(command);
      return;
    }
    if (!ready) early.push(command);
    worker.postMessage(command, transferOf(command));
  };
  const canvas = options.newCanvas().transferControlToOffscreen();
  const video = newTrack(options.newVideo, send);
  const track = video?.writable;
  const start: StartCommand = { kind: 'start', canvas, track, visible: options.visible() };
  worker.postMessage(start, track === undefined ? [canvas] : [canvas, track]);
  return {
    send,
    stop() {
      video?.stop();
      worker.onmessage = null;
      worker.onerror = null;
      worker.terminate();
      here?.stop();
    },
  };
}

/** What a command gives away: only one of two threads can have it. */
function transferOf(command: Command): Transferable[] {
  if (command.kind !== 'sound' || command.command.kind !== 'listen') return [];
  const { port } = command.command;
  return port === undefined ? [] : [port];
}

function startHere(options: BackendOptions): Backend {
  let stopped = false;
  const canvas = options.newCanvas();
  const video = newTrack(options.newVideo, (command) => engine.handle(command));
  const engine = new Engine({
    picture: pictureCanvas(canvas),
    newCanvas(widthPx, heightPx) {
      const other = document.createElement('canvas');
      other.width = widthPx;
      other.height = heightPx;
      return pictureCanvas(other);
    },
    track: video?.writable,
    platform: browserPlatform(),
    visible: options.visible(),
    report: (report) => {
      if (stopped) return;
      if (report.kind === 'stream') video?.play();
      options.report(report);
    },
  });
  options.report({ kind: 'ready' });
  return {
    send: (command) => engine.handle(command),
    stop() {
      stopped = true;
      engine.handle({ kind: 'disconnect' });
      video?.stop();
    },
  };
}

function pictureCanvas(canvas: HTMLCanvasElement): PictureCanvas {
  return { canvas, png: (turns) => canvasPng(upright(canvas, turns)) };
}

/** The picture turned; itself where there is nothing to turn. */
function upright(canvas: HTMLCanvasElement, turns: number): HTMLCanvasElement {
  const turn = turnOf(canvas, turns);
  if (turn === undefined) return canvas;
  const turned = document.createElement('canvas');
  turned.width = turn.width;
  turned.height = turn.height;
  const pen = turned.getContext('2d', { colorSpace: 'srgb' });
  pen?.setTransform(...turn.matrix);
  pen?.drawImage(canvas, 0, 0);
  return turned;
}

function canvasPng(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) reject(new Error('the browser could not make a PNG of the picture'));
      else resolve(blob);
    }, 'image/png');
  });
}
