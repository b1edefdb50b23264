import { Client, type CursorState } from '../../client/index.ts';
import { Picture } from '../../client/tiles/picture.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { copyRect, encodePng, type RgbImage } from '../../viewer/encode/image.ts';
import { checkWritable, writeStdout, writeWhole } from '../output.ts';
import { ASSUME_FLAG, assumedWire, regionOf } from '../region.ts';
import { type CommandSpec, numberFlag, type ParsedCommand, usageError } from '../spec.ts';
import { EXIT, say } from '../terminal.ts';

/** What `kvmfr snapshot` takes. */
export const spec: CommandSpec = {
  name: 'snapshot',
  summary: 'the next whole frame as a PNG file',
  args: '[REGION] -o FILE.png|-',
  positionals: [{ name: 'REGION', required: false }],
  flags: {
    output: { value: 'FILE.png', short: 'o', help: 'where to write it; - is standard output' },
    cursor: { help: 'draw the pointer in' },
    ...ASSUME_FLAG,
    'timeout-ms': { value: 'N', help: 'give up when no frame came in this time (default 5000)' },
  },
  example: 'kvmfr snapshot /dev/shm/looking-glass -o guest.png',
};

/** How long a pointer may take after the frame is there; a guest without one has none to send. */
const CURSOR_MS = 500;

/** Runs `kvmfr snapshot`. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  const output = command.text('output');
  if (output === undefined) throw usageError('kvmfr snapshot needs -o FILE.png, or -o -');
  if (output === '-' && process.stdout.isTTY)
    throw usageError('kvmfr snapshot -o - writes a PNG: send it to a file or a program');
  const timeoutMs = numberFlag(command, 'timeout-ms', { min: 1, max: 3_600_000 }) ?? 5000;
  const path = regionOf(command);
  const assume = assumedWire(command);
  if (output !== '-') checkWritable(output, 'ERR_KVMFR_IMAGE');
  await using client = new Client(path, { assume });
  const taken = await takePicture(client, {
    signal,
    timeoutMs,
    cursor: command.has('cursor'),
  });
  if (taken === undefined) return EXIT.interrupted;
  const { image, rotation } = taken;
  await write(output, await encodePng(image, rotation));
  const [acrossPx, downPx] =
    rotation % 2 === 0 ? [image.widthPx, image.heightPx] : [image.heightPx, image.widthPx];
  if (output !== '-') say(`${output}: ${acrossPx} x ${downPx}`);
  return EXIT.done;
}

/** A picture as the guest sent it, and the quarter turns clockwise that it is shown by. */
interface Taken {
  readonly image: RgbImage;
  readonly rotation: number;
}

async function takePicture(
  client: Client,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number; readonly cursor: boolean },
): Promise<Taken | undefined> {
  const limit = AbortSignal.timeout(options.timeoutMs);
  const stop = AbortSignal.any([limit, options.signal]);
  const picture = new Picture();
  for await (const frame of client.frames({ signal: stop })) {
    if ((await picture.update(frame)) === 'given-up') continue;
    const { widthPx: width, heightPx: height, screenWidthPx, screenHeightPx, rotation } = frame;
    frame.release();
    const image = copyRect(picture, { x: 0, y: 0, width, height });
    // After the frame: the colours of a pointer depend on whether the picture is HDR.
    const cursor = options.cursor ? await firstCursor(client, stop) : undefined;
    if (cursor !== undefined) drawCursor(image, cursor, { screenWidthPx, screenHeightPx });
    return { image, rotation };
  }
  if (options.signal.aborted) return undefined;
  const { state } = client;
  throw new KvmfrError(
    state.code ?? 'ERR_KVMFR_TIMEOUT',
    `no whole frame came from ${client.path} in ${options.timeoutMs} ms: ${state.message}`,
    state.hint === undefined ? {} : { hint: state.hint },
  );
}

async function firstCursor(client: Client, stop: AbortSignal): Promise<CursorState | undefined> {
  const limit = AbortSignal.any([AbortSignal.timeout(CURSOR_MS), stop]);
  let newest: CursorState | undefined;
  for await (const cursor of client.cursor({ signal: limit })) {
    newest = cursor;
    if (cursor.shape !== undefined) break;
  }
  return newest;
}

/**
 * Blends the pointer over the picture. A frame may be smaller than the screen it shows: then the
 * pointer is as well. Both are as the guest sent them, before any turn.
 */
function drawCursor(
  image: RgbImage,
  cursor: CursorState,
  screen: { readonly screenWidthPx: number; readonly screenHeightPx: number },
): void {
  const { shape } = cursor;
  if (!cursor.visible || shape === undefined) return;
  const across = image.widthPx / screen.screenWidthPx;
  const down = image.heightPx / screen.screenHeightPx;
  const left = Math.round(cursor.x * across);
  const top = Math.round(cursor.y * down);
  const widthPx = Math.max(1, Math.round(shape.widthPx * across));
  const heightPx = Math.max(1, Math.round(shape.heightPx * down));
  const endX = Math.min(widthPx, image.widthPx - left);
  const endY = Math.min(heightPx, image.heightPx - top);
  for (let y = Math.max(0, -top); y < endY; y++) {
    const fromY = Math.floor(((y + 0.5) * shape.heightPx) / heightPx);
    for (let x = Math.max(0, -left); x < endX; x++) {
      const fromX = Math.floor(((x + 0.5) * shape.widthPx) / widthPx);
      const from = (fromY * shape.widthPx + fromX) * 4;
      const to = ((top + y) * image.widthPx + left + x) * 3;
      const alpha = shape.rgba[from + 3] ?? 0;
      for (let channel = 0; channel < 3; channel++) {
        const over = shape.rgba[from + channel] ?? 0;
        const under = image.pixels[to + channel] ?? 0;
        image.pixels[to + channel] = Math.round((over * alpha + under * (255 - alpha)) / 255);
      }
    }
  }
}

async function write(output: string, png: Uint8Array): Promise<void> {
  if (output === '-') await writeStdout(png, 'ERR_KVMFR_IMAGE');
  else await writeWhole(output, png, 'ERR_KVMFR_IMAGE');
}
