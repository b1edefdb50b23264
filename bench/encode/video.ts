import { PlanesMemory } from '../../client/tiles/shared-planes.ts';
import { PATTERN_CONTENTS, type PatternContent } from '../../host/index.ts';
import { PatternScene } from '../../host/pattern/scene.ts';
import { convertToI420 } from '../../native/index.ts';
import { CODECS, type Codec } from '../../protocol/wire/index.ts';
import {
  startVideoEncoder,
  type VideoChunk,
  type VideoEncoder,
} from '../../viewer/encode/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Disturbance } from '../support/disturbance.ts';
import { processCpuSeconds, processMemory } from '../support/process.ts';
import { type Row, row } from '../support/report.ts';
import { median, nowNs, quantile } from '../support/stats.ts';

const widthPx = 1920;
const heightPx = 1080;
const FPS = 60;
const BITRATE_KBITS = 20_000;
const WARM_UP = 10;

/** What coding one picture after the other has taken. */
interface Coded {
  /** From the request to the chunk, in the process that asked. */
  readonly ms: number[];
  /** Of that: copying, and the codec itself. */
  readonly copyMs: number[];
  readonly codecMs: number[];
  readonly kib: number[];
  readonly firstKib: number;
  readonly keyFrames: number;
  /** Of the encoder's process, for each picture. */
  readonly cpuMs: number;
  readonly residentMib: number;
  readonly disturbance: string;
}

/** Draws pictures as a guest would, in the planes that an encoder reads. */
class Guest implements Disposable {
  readonly memory = new PlanesMemory({ widthPx, heightPx });
  readonly #scene: PatternScene;
  #serial = 0;

  constructor(content: PatternContent) {
    this.#scene = new PatternScene({ widthPx, heightPx, fps: FPS, content });
  }

  draw(): number {
    const serial = ++this.#serial;
    this.#scene.draw(serial, serial * (1000 / FPS));
    this.memory.beginWrite();
    convertToI420({
      picture: this.#scene.pixels,
      picturePitchBytes: widthPx * 4,
      widthPx,
      heightPx,
      x: 0,
      y: 0,
      width: widthPx,
      height: heightPx,
      planes: this.memory.i420,
    });
    this.memory.endWrite();
    return serial;
  }

  [Symbol.dispose](): void {
    this.memory.close();
  }
}

async function codeOne(encoder: VideoEncoder, guest: Guest): Promise<VideoChunk> {
  const outcome = await encoder.encode(guest.memory.planes, { serial: guest.draw() });
  if (outcome.kind === 'chunk') return outcome;
  throw outcome.kind === 'failed' ? outcome.error : new Error(`a picture was ${outcome.kind}`);
}

function start(codec: Codec): VideoEncoder {
  return startVideoEncoder({ codec, bitrateKbits: BITRATE_KBITS, framesPerSecond: FPS });
}

async function codeMotion(codec: Codec, content: PatternContent, frames: number): Promise<Coded> {
  using guest = new Guest(content);
  await using encoder = start(codec);
  const first = await codeOne(encoder, guest);
  for (let i = 1; i < WARM_UP; i++) await codeOne(encoder, guest);
  const pid = encoder.pid ?? 0;
  const keysBefore = encoder.stats.keyFrames;
  const cpuBefore = processCpuSeconds(pid);
  const disturbance = new Disturbance([pid]);
  const samples: Pick<Coded, 'ms' | 'copyMs' | 'codecMs' | 'kib'> = {
    ms: [],
    copyMs: [],
    codecMs: [],
    kib: [],
  };
  for (let i = 0; i < frames; i++) {
    const { timing, bytes } = await codeOne(encoder, guest);
    const { queuedNs, startedNs, copiedNs, doneNs } = timing;
    samples.ms.push((Number(nowNs()) - queuedNs) / 1e6);
    samples.copyMs.push((copiedNs - startedNs) / 1e6);
    samples.codecMs.push((doneNs - copiedNs) / 1e6);
    samples.kib.push(bytes.byteLength / 1024);
  }
  return {
    ...samples,
    firstKib: first.bytes.byteLength / 1024,
    keyFrames: encoder.stats.keyFrames - keysBefore,
    cpuMs: ((processCpuSeconds(pid) - cpuBefore) * 1000) / frames,
    residentMib: processMemory(pid).residentBytes / 1024 ** 2,
    disturbance: disturbance.text(),
  };
}

function rowOf(name: string, coded: Coded): Row {
  const { ms, copyMs, codecMs, kib, firstKib, keyFrames, cpuMs, residentMib } = coded;
  const rate = (kib.reduce((sum, each) => sum + each, 0) / kib.length) * 1024 * 8 * FPS;
  return row({
    name,
    unit: 'ms',
    value: median(ms),
    samples: ms.length,
    note:
      `request to chunk; p99 ${quantile(ms, 0.99).toFixed(2)} ms, of it copy ` +
      `${median(copyMs).toFixed(2)} ms, codec ${median(codecMs).toFixed(2)} ms (p50); cpu ` +
      `${cpuMs.toFixed(2)} ms; ${median(kib).toFixed(1)} KiB (p50), ${(rate / 1e6).toFixed(1)} Mb/s ` +
      `at ${FPS} Hz, first ${firstKib.toFixed(0)} KiB, ${keyFrames} more keys; ` +
      `${residentMib.toFixed(0)} MiB; ${coded.disturbance}`,
  });
}

/** From nothing to the first chunk, and how long it takes to be there again after a crash. */
async function measureStart(codec: Codec, repeats: number): Promise<readonly Row[]> {
  using guest = new Guest('desk');
  const firstMs: number[] = [];
  const againMs: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const startMs = performance.now();
    await using encoder = start(codec);
    await codeOne(encoder, guest);
    firstMs.push(performance.now() - startMs);
    const crashMs = performance.now();
    process.kill(encoder.pid ?? 0, 'SIGKILL');
    await codeOne(encoder, guest);
    againMs.push(performance.now() - crashMs);
  }
  const name = `encode/video/${codec}/1080p`;
  const figure = (what: string, ms: readonly number[], note: string): Row =>
    row({
      name: `${name}/${what}`,
      unit: 'ms',
      value: median(ms),
      samples: ms.length,
      note: `${note}; worst ${Math.max(...ms).toFixed(0)} ms`,
    });
  return [
    figure('start', firstMs, 'no process to the first chunk'),
    figure('again', againMs, 'killed to the next chunk'),
  ];
}

async function runVideo(codec: Codec, { quick }: RunOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const content of PATTERN_CONTENTS) {
    const coded = await codeMotion(codec, content, quick ? 120 : 600);
    rows.push(rowOf(`encode/video/${codec}/1080p/${content}`, coded));
  }
  return [...rows, ...(await measureStart(codec, quick ? 5 : 20))];
}

/** What it takes to code the picture as video, once for all viewers, in a process of its own. */
export const VIDEO_CASES: readonly BenchCase[] = CODECS.map((codec) => ({
  name: `encode/video/${codec}`,
  run: (options) => runVideo(codec, options),
}));
