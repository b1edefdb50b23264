import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { DeviceMemory, FrameBufferDevice } from '../../host/screen/fbdev-source.ts';
import { type FrameBufferMode, Mapping } from '../../native/index.ts';
import { KvmfrError } from '../../protocol/index.ts';

/** A mode of 32 bits a pixel, as drivers of virtual graphics cards have it. */
export function modeOf(
  widthPx: number,
  heightPx: number,
  other: Partial<FrameBufferMode> = {},
): FrameBufferMode {
  const pitchBytes = other.pitchBytes ?? widthPx * 4;
  return {
    widthPx,
    heightPx,
    offsetX: 0,
    offsetY: 0,
    bitsPerPixel: 32,
    isGrey: false,
    red: { offset: 16, length: 8 },
    green: { offset: 8, length: 8 },
    blue: { offset: 0, length: 8 },
    pitchBytes,
    memoryBytes: heightPx * pitchBytes,
    type: 0,
    visual: 2,
    ...other,
  };
}

/** A file that acts as the memory of a frame buffer, and a mode that the test says. */
export class FileFrameBuffer {
  readonly path: string;
  readonly #fd: number;
  mode: FrameBufferMode;
  /** How often it was asked for its mode: once a look. */
  looks = 0;
  /** How often it was opened and not closed, or mapped and not closed. */
  held = 0;
  isGone = false;

  constructor(path: string, mode: FrameBufferMode) {
    this.path = path;
    this.mode = mode;
    this.#fd = openSync(path, 'w+');
    this.resize(4 * 2 ** 20);
  }

  /** Bytes of the file. */
  resize(byteLength: number): void {
    ftruncateSync(this.#fd, byteLength);
  }

  draw(at: number, bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, bytes.byteLength, at);
  }

  /** What opens it, for a source. */
  readonly open = (path: string): FrameBufferDevice => {
    const refuse = (): void => {
      if (this.isGone) throw new KvmfrError('ERR_KVMFR_ABSENT', `nothing at ${path}`);
    };
    refuse();
    this.held++;
    return {
      path,
      mode: () => {
        this.looks++;
        refuse();
        return this.mode;
      },
      map: () => this.#map(),
      close: () => {
        this.held--;
      },
    };
  };

  close(): void {
    closeSync(this.#fd);
  }

  #map(): DeviceMemory {
    const mapping = Mapping.open(this.path, { access: 'read-only' });
    this.held++;
    return {
      buffer: mapping.buffer,
      get lost() {
        return mapping.lost;
      },
      close: () => {
        mapping.close();
        this.held--;
      },
    };
  }
}
