import type { Codec } from '../../../protocol/wire/index.ts';
import type { LossReason } from '../../../viewer/web/core/connection.ts';
import { Engine } from '../../../viewer/web/core/engine.ts';
import type { Report } from '../../../viewer/web/core/messages.ts';
import type { SurfaceCanvas } from '../../../viewer/web/core/render/surface.ts';
import { FakeClock, FakeDecoder, FakeNetwork, FrameBook } from './fakes.ts';

/** A canvas that notes what is drawn on it. */
function fakeCanvas(drawn: string[], isReadable: boolean): SurfaceCanvas {
  return {
    width: 300,
    height: 150,
    getContext: () => ({
      putImageData(image: ImageData, x: number, y: number, ...dirty: number[]) {
        const [left, top, width, height] = dirty;
        if (left !== undefined) drawn.push(`moved to ${width}x${height} at ${left},${top}`);
        else
          drawn.push(`${image.width}x${image.height} at ${x},${y}: ${[...image.data.slice(0, 4)]}`);
      },
      drawImage: (_, x, y) => drawn.push(`image at ${x},${y}`),
      imageSmoothingEnabled: true,
      fillStyle: '',
      fillRect: () => undefined,
      clearRect: (x, y, width, height) => drawn.push(`hole ${width}x${height} at ${x},${y}`),
      save: () => undefined,
      restore: () => undefined,
      beginPath: () => undefined,
      rect: (x, y, width, height) => drawn.push(`clip ${width}x${height} at ${x},${y}`),
      clip: () => undefined,
      getImageData: (_x, _y, width, height) => {
        if (!isReadable) throw new Error('not read here');
        return new ImageData(new Uint8ClampedArray(width * height * 4), width, height);
      },
    }),
  };
}

/** An engine, and the test's hands on everything around it. */
export interface TestEngine {
  readonly engine: Engine;
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly book: FrameBook;
  readonly decoders: readonly FakeDecoder[];
  readonly reports: readonly Report[];
  /** What was drawn, in words. */
  readonly drawn: readonly string[];
  readonly canvas: SurfaceCanvas;
  /** The relay sends these. */
  receive(...messages: readonly Uint8Array[]): void;
  /** The display is refreshed once. */
  refresh(): void;
  /** The display is refreshed at 100 Hz for long enough to be measured. */
  runDisplay(): void;
  kinds(): readonly string[];
  states(): readonly string[];
  connect(): void;
}

/** An engine in a world of the test's own. */
export function setUp(
  options: {
    readonly visible?: boolean;
    readonly probe?: LossReason;
    readonly codecs?: readonly Codec[];
    readonly track?: WritableStream<VideoFrame>;
    /** Whether the canvas can be read; all of it is black. */
    readonly isReadable?: boolean;
  } = {},
): TestEngine {
  const clock = new FakeClock();
  const network = new FakeNetwork();
  const reports: Report[] = [];
  const drawn: string[] = [];
  const frames: (() => void)[] = [];
  const book = new FrameBook();
  const decoders: FakeDecoder[] = [];
  const refreshes: ((atMs: number) => void)[] = [];
  const canvas = fakeCanvas(drawn, options.isReadable ?? false);
  const engine = new Engine({
    picture: { canvas, png: async () => new Blob(['png']) },
    newCanvas: () => {
      throw new Error('no other canvas here');
    },
    track: options.track,
    visible: options.visible ?? true,
    report: (report) => reports.push(report),
    platform: {
      clock,
      openSocket: network.open,
      probe: async () => options.probe ?? 'unreachable',
      makeBitmap: () => Promise.reject(new Error('no images here')),
      requestFrame: (run) => frames.push(run),
      onRefresh: (run) => refreshes.push(run),
      random: () => 0.5,
      originMs: 1_700_000_000_000,
      wallMs: () => 1_700_000_000_000 + clock.now(),
      canInflate: true,
      codecs: async () => options.codecs ?? [],
      newDecoder: (handlers) => {
        const decoder = new FakeDecoder(handlers, book);
        decoders.push(decoder);
        return decoder;
      },
    },
  });
  const receive = (...messages: readonly Uint8Array[]) => {
    for (const message of messages) network.last.handlers.message(message);
  };
  const refresh = () => {
    for (const run of frames.splice(0)) run();
  };
  const runDisplay = () => {
    for (let atMs = 0; refreshes.length > 0; atMs += 10)
      for (const run of refreshes.splice(0)) run(atMs);
  };
  const kinds = () => reports.map(({ kind }) => kind);
  const states = () =>
    reports.flatMap((report) => (report.kind === 'status' ? [report.status.state] : []));
  const connect = () => {
    engine.handle({ kind: 'connect', url: 'ws://relay/ws' });
    network.last.handlers.opened();
  };
  return {
    clock,
    network,
    book,
    decoders,
    reports,
    drawn,
    canvas,
    engine,
    receive,
    refresh,
    runDisplay,
    kinds,
    states,
    connect,
  };
}

/** What a JSON message says. */
export function sentJson(bytes: Uint8Array | undefined): unknown {
  return JSON.parse(new TextDecoder().decode(bytes?.subarray(4)));
}

/** Literal bytes. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
