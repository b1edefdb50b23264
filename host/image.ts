import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import sharp from 'sharp';
import { KvmfrError, MAX_PICTURE_PX } from '../protocol/index.ts';
import { type PublishedFormat, packPicture } from './pack.ts';
import { regionMibOf } from './plan.ts';
import type { Host } from './publisher.ts';
import type { FrameSource, SourceOptions } from './source.ts';
import { SourceRun } from './source-run.ts';
import type { WireName } from './wire.ts';

/** A picture in a file, decoded. */
export interface DecodedImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Rows of widthPx pixels B, G, R, A; A is 255. */
  readonly bgra: Uint8Array<ArrayBuffer>;
}

// Editors write in several steps; the last of them is waited for.
const SETTLE_MS = 80;
const FORMATS: readonly string[] = ['png', 'jpeg', 'webp'];

/**
 * Reads a PNG, JPEG or WebP file.
 *
 * Pixels are taken as they are stored: no colour profile is applied, and an orientation tag is not
 * followed. Transparent pixels are laid over black, 16-bit channels are cut to 8, and of an animation
 * the first picture is taken.
 *
 * @throws ERR_KVMFR_IMAGE
 */
export async function readImage(path: string): Promise<DecodedImage> {
  const fail = (what: string, cause?: unknown): KvmfrError =>
    new KvmfrError(
      'ERR_KVMFR_IMAGE',
      `the picture ${path} must be a PNG, JPEG or WebP file, but ${what}`,
      {
        path,
        cause,
      },
    );
  try {
    // Read by us: the decoder remembers files by their names, also after they changed.
    const bytes = await readFile(path);
    const input = sharp(bytes, { limitInputPixels: MAX_PICTURE_PX, pages: 1, ignoreIcc: true });
    const { format } = await input.metadata();
    if (!FORMATS.includes(format)) throw fail(`it is ${format}`);
    const { data, info } = await input
      .flatten({ background: '#000000' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3 && info.channels !== 1)
      throw fail(`it decodes to ${info.channels} channels`);
    return {
      widthPx: info.width,
      heightPx: info.height,
      bgra: toBgra(data, info.width * info.height, info.channels),
    };
  } catch (error) {
    if (KvmfrError.is(error)) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw fail('there is no such file', error);
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
}

function toBgra(data: Uint8Array, pixels: number, channels: number): Uint8Array<ArrayBuffer> {
  const bgra = new Uint8Array(pixels * 4);
  const green = channels === 3 ? 1 : 0;
  const blue = channels === 3 ? 2 : 0;
  for (let i = 0, from = 0; i < bgra.length; i += 4, from += channels) {
    bgra[i] = data[from + blue] ?? 0;
    bgra[i + 1] = data[from + green] ?? 0;
    bgra[i + 2] = data[from] ?? 0;
    bgra[i + 3] = 255;
  }
  return bgra;
}

/** Publishes a picture from a file, and publishes it again when the file changes. */
export class ImageSource implements FrameSource {
  readonly kind = 'image' as const;
  readonly features: number = 0;
  readonly path: string;
  readonly #format: PublishedFormat;
  readonly #wire: WireName;
  #picture: { readonly pixels: Uint8Array; readonly pitchBytes: number };
  #widthPx: number;
  #heightPx: number;
  #run: SourceRun | undefined;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #readings = 0;

  private constructor(path: string, options: SourceOptions, image: DecodedImage) {
    this.path = path;
    const { format = 'BGRA', wire = 'B7' } = options;
    this.#format = format;
    this.#wire = wire;
    this.#widthPx = image.widthPx;
    this.#heightPx = image.heightPx;
    this.#picture = pack(image, format);
  }

  /** @throws ERR_KVMFR_IMAGE */
  static async open(path: string, options: SourceOptions = {}): Promise<ImageSource> {
    return new ImageSource(path, options, await readImage(path));
  }

  get regionMib(): number {
    return regionMibOf(this.#wire, this.#heightPx, this.#picture.pitchBytes);
  }

  /**
   * Publishes until closed. New subscribers get the picture from the host. A file that cannot be
   * read after a change is told through the host's `error` event, and the last picture stays.
   */
  async run(host: Host): Promise<void> {
    const run = new SourceRun(host, () => void this.close());
    this.#run = run;
    run.hear('session', this.#publish);
    try {
      this.#publish();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#follow();
    await run.ended;
  }

  close(): Promise<void> {
    this.#watcher?.close();
    clearTimeout(this.#settling);
    clearTimeout(this.#retry);
    this.#run?.end();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #host(): Host | undefined {
    return this.#run?.host;
  }

  readonly #publish = (): void => {
    const host = this.#host;
    clearTimeout(this.#retry);
    if (host === undefined || host.closed) return;
    const published = host.publish({
      ...this.#picture,
      format: this.#format,
      widthPx: this.#widthPx,
      heightPx: this.#heightPx,
    });
    // Both slots are being read: they are free in a moment.
    if (!published) this.#retry = setTimeout(this.#publish, 10);
  };

  // The folder, because a file that is replaced by another takes its watcher with it.
  #follow(): void {
    try {
      this.#watcher = watch(dirname(this.path), (_event, name) => {
        if (name !== null && name !== basename(this.path)) return;
        clearTimeout(this.#settling);
        this.#settling = setTimeout(() => void this.#readAgain(), SETTLE_MS);
      });
    } catch (cause) {
      const message = `changes of the picture ${this.path} cannot be followed`;
      this.#tell(new KvmfrError('ERR_KVMFR_IMAGE', message, { path: this.path, cause }));
    }
  }

  #tell(error: unknown): void {
    const host = this.#host;
    if (host !== undefined && KvmfrError.is(error) && host.listenerCount('error') > 0)
      host.emit('error', error);
  }

  async #readAgain(): Promise<void> {
    const reading = ++this.#readings;
    try {
      const image = await readImage(this.path);
      // A later change is being read already, or was read faster.
      if (reading !== this.#readings || this.#host === undefined) return;
      this.#widthPx = image.widthPx;
      this.#heightPx = image.heightPx;
      this.#picture = pack(image, this.#format);
      this.#publish();
    } catch (error) {
      this.#tell(error);
    }
  }
}

function pack(
  image: DecodedImage,
  format: PublishedFormat,
): { readonly pixels: Uint8Array; readonly pitchBytes: number } {
  return packPicture({ ...image, format });
}
