import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Client, type CursorState, defaultRegionPath } from '../../client/index.ts';
import { Picture } from '../../client/tiles/picture.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { copyRect, encodePng, type RgbImage } from '../../viewer/encode/image.ts';
import {
  ASSUME_FLAG,
  type CommandSpec,
  choiceFlag,
  numberFlag,
  type ParsedCommand,
  usageError,
} from '../spec.ts';
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
  const path = command.positionals[0] ?? defaultRegionPath();
  const assume = choiceFlag(command, 'assume', { now: ['dev12'] });
  await using client = new Client(path, { assume });
  const image = await takePicture(client, {
    signal,
    timeoutMs,
    cursor: command.has('cursor'),
  });
  if (image === undefined) return EXIT.interrupted;
  await write(output, await encodePng(image));
  if (output !== '-') say(`${output}: ${image.widthPx} x ${image.heightPx}`);
  return EXIT.done;
}

async function takePicture(
  client: Client,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number; readonly cursor: boolean },
): Promise<RgbImage | undefined> {
  const limit = AbortSignal.timeout(options.timeoutMs);
  const stop = AbortSignal.any([limit, options.signal]);
  const pointer = options.cursor ? firstCursor(client, stop) : undefined;
  const picture = new Picture();
  for await (const frame of client.frames({ signal: stop })) {
    if ((await picture.update(frame)) === 'given-up') continue;
    const { widthPx: width, heightPx: height, screenWidthPx, screenHeightPx } = frame;
    frame.release();
    const image = copyRect(picture, { x: 0, y: 0, width, height });
    const cursor = await pointer;
    if (cursor !== undefined) drawCursor(image, cursor, { screenWidthPx, screenHeightPx });
    return image;
  }
  await pointer;
  if (options.signal.aborted) return undefined;
  const { state } = client;
  throw new KvmfrError(
    state.code ?? 'ERR_KVMFR_TIMEOUT',
    `no whole frame came from ${client.path} in ${options.timeoutMs} ms: ${state.message}`,
    state.hint === undefined ? {} : { hint: state.hint },
  );
}

async function firstCursor(client: Client, stop: AbortSignal): Promise<CursorState | undefined> {
  await client.attached(stop).catch(() => undefined);
  const limit = AbortSignal.any([AbortSignal.timeout(CURSOR_MS), stop]);
  let newest: CursorState | undefined;
  for await (const cursor of client.cursor({ signal: limit })) {
    newest = cursor;
    if (cursor.shape !== undefined) break;
  }
  return newest;
}

/** Blends the pointer over the picture. A frame may be smaller than the screen it shows. */
function drawCursor(
  image: RgbImage,
  cursor: CursorState,
  screen: { readonly screenWidthPx: number; readonly screenHeightPx: number },
): void {
  const { shape } = cursor;
  if (!cursor.visible || shape === undefined) return;
  const left = Math.round((cursor.x * image.widthPx) / screen.screenWidthPx);
  const top = Math.round((cursor.y * image.heightPx) / screen.screenHeightPx);
  const endX = Math.min(shape.widthPx, image.widthPx - left);
  const endY = Math.min(shape.heightPx, image.heightPx - top);
  for (let y = Math.max(0, -top); y < endY; y++) {
    for (let x = Math.max(0, -left); x < endX; x++) {
      const from = (y * shape.widthPx + x) * 4;
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

/** Writes a file whole or not at all. */
async function write(output: string, png: Uint8Array): Promise<void> {
  if (output === '-') {
    if (!process.stdout.write(png)) await once(process.stdout, 'drain');
    return;
  }
  const draft = join(dirname(output), `.${basename(output)}.${process.pid}`);
  try {
    await writeFile(draft, png, { flag: 'wx' });
    await rename(draft, output);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error';
    throw new KvmfrError('ERR_KVMFR_IMAGE', `${output} could not be written: ${errno}`, {
      cause,
      path: output,
      errno,
    });
  }
}
