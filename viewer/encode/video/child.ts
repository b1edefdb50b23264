import { monotonicNs } from './clock.ts';
import { codecStringOf } from './h264.ts';
import {
  COLOR_SPACE,
  type Library,
  type LibraryChunk,
  type LibraryEncoder,
  libraryConfig,
  loadLibrary,
} from './library.ts';
import type { VideoCommand, VideoJob, VideoReply } from './messages.ts';
import { SharedPicture } from './shared-picture.ts';

// The process of one video encoder. A codec that crashes, hangs or leaks takes nothing else with
// it. It obeys its parent, one picture at a time, and ends with it.

/** What a codec was made for; another job needs another codec, as it cannot be changed in use. */
interface Coder {
  readonly encoder: LibraryEncoder;
  readonly key: string;
  codecString: string;
}

/** The picture that is being coded. */
interface Running {
  readonly job: VideoJob;
  readonly startedNs: number;
  copiedNs: number;
}

let name = '';
let library: Library | undefined;
let coder: Coder | undefined;
let running: Running | undefined;
/** Pictures coded so far: the clock of the codecs, which then share out their bits evenly. */
let count = 0;
const picture = new SharedPicture();

function say(reply: VideoReply): void {
  // The parent may be gone already; then so are we, in a moment.
  process.send?.(reply, undefined, undefined, () => undefined);
}

function fault(error: unknown): void {
  say({ kind: 'fault', reason: error instanceof Error ? error.message : String(error) });
}

async function start(command: VideoCommand & { readonly do: 'start' }): Promise<void> {
  name = command.library;
  try {
    library = await loadLibrary(name, command.codec);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say({ kind: 'unavailable', reason });
    return;
  }
  say({ kind: 'ready' });
}

async function encode(job: VideoJob): Promise<void> {
  if (library === undefined) throw new Error('a picture came before the library was loaded');
  const { VideoFrame } = library;
  const startedNs = monotonicNs();
  const { codedWidthPx: codedWidth, codedHeightPx: codedHeight } = picture.sizeOf(job.planes);
  const timestamp = Math.round((count * 1e6) / job.framesPerSecond);
  const frame = await picture.take(
    job.planes,
    (pixels) =>
      new VideoFrame(pixels, {
        format: 'I420',
        codedWidth,
        codedHeight,
        timestamp,
        colorSpace: COLOR_SPACE,
      }),
  );
  if (frame === undefined) {
    say({ kind: 'missed', id: job.id });
    return;
  }
  count++;
  running = { job, startedNs, copiedNs: monotonicNs() };
  const before = coder;
  coder = coderFor(library, job);
  coder.encoder.encode(frame, { keyFrame: job.keyFrame || coder !== before });
  frame.close();
}

/** The codec in use if it does for the job, else a new one in its place. */
function coderFor({ VideoEncoder }: Library, job: VideoJob): Coder {
  const settings = { ...job, ...picture.sizeOf(job.planes) };
  const { codec, bitrateKbits, framesPerSecond, codedWidthPx, codedHeightPx } = settings;
  const key = [codec, bitrateKbits, framesPerSecond, codedWidthPx, codedHeightPx].join();
  if (coder?.key === key) return coder;
  coder?.encoder.close();
  const encoder = new VideoEncoder({ output: finish, error: fault });
  encoder.configure(libraryConfig(name, settings));
  return { encoder, key, codecString: codec === 'vp8' ? codec : '' };
}

function finish(chunk: LibraryChunk): void {
  const done = running;
  running = undefined;
  if (done === undefined || coder === undefined) {
    fault('a chunk came unasked');
    return;
  }
  const bytes = new Uint8Array(chunk.byteLength);
  chunk.copyTo(bytes);
  const keyFrame = chunk.type === 'key';
  if (keyFrame && coder.codecString === '') coder.codecString = codecStringOf(bytes) ?? '';
  if (coder.codecString === '') {
    fault('a stream must begin with its parameter sets');
    return;
  }
  const { job, startedNs, copiedNs } = done;
  const { codecString } = coder;
  const doneNs = monotonicNs();
  say({ kind: 'coded', id: job.id, keyFrame, bytes, codecString, startedNs, copiedNs, doneNs });
}

process.on('message', (command: VideoCommand) => {
  const obeyed = command.do === 'start' ? start(command) : encode(command);
  obeyed.catch(fault);
});
// Nothing is left to be put away, and a codec that hangs would hold up an orderly end for ever.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// An interrupt from the terminal goes to the whole group: the parent decides.
process.on('SIGINT', () => undefined);
