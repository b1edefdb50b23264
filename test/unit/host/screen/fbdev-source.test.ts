import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FbdevSource } from '../../../../host/screen/fbdev-source.ts';
import { KvmfrError, type Region } from '../../../../protocol/index.ts';
import { FileFrameBuffer, modeOf } from '../../../support/file-frame-buffer.ts';
import { type HostOnMemory, hostOnMemory } from '../fixture.ts';
import { FRAME_QUEUE_AT, LgmpClient } from '../lgmp-client.ts';

const WIDTH = 160;
const HEIGHT = 100;
const PITCH = 704;

let folder = '';
let device: FileFrameBuffer;

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/kvmfr-fbdev-');
  device = new FileFrameBuffer(
    join(folder, 'fb'),
    modeOf(WIDTH, HEIGHT, { pitchBytes: PITCH, memoryBytes: 4 * 2 ** 20 }),
  );
  // The clock of the source moves only when the test says so.
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  device.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Rows of random-looking bytes in the file, and what a reader is to see of them. */
function drawNoise(seed: number): Buffer {
  const file = Buffer.alloc(PITCH * HEIGHT);
  for (let i = 0; i < file.length; i++) file[i] = Math.imul(i + seed, 2654435761) >>> 24;
  device.draw(0, file);
  const seen = Buffer.alloc(WIDTH * HEIGHT * 4);
  for (let y = 0; y < HEIGHT; y++) file.copy(seen, y * WIDTH * 4, y * PITCH, y * PITCH + WIDTH * 4);
  for (let i = 3; i < seen.length; i += 4) seen[i] = 255;
  return seen;
}

/** Frames as a reader of B7 gets them: header words and pixels, of each that came since. */
class Frames {
  readonly #region: Region;
  readonly #client: LgmpClient;

  constructor({ region }: HostOnMemory) {
    this.#region = region;
    this.#client = LgmpClient.subscribe(region, FRAME_QUEUE_AT);
  }

  take(): { readonly pixels: Buffer; readonly rects: readonly number[][] } | undefined {
    const at = this.#client.take()?.offset;
    if (at === undefined) return undefined;
    const { view } = this.#region;
    const bytes = view.getUint32(at + 28, true) * view.getUint32(at + 32, true) * 4;
    const rects = Array.from({ length: view.getUint32(at + 52, true) }, (_, i) =>
      [0, 1, 2, 3].map((n) => view.getUint32(at + 56 + (i * 4 + n) * 4, true)),
    );
    return { pixels: Buffer.from(this.#region.copyOut(at + 4096, bytes)), rects };
  }

  leave(): void {
    this.#client.unsubscribe();
  }
}

describe('the source of a frame buffer', () => {
  it('publishes exactly what is visible, then only what changes', async () => {
    const guest = await hostOnMemory();
    const seen = drawNoise(1);
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    const frames = new Frames(guest);
    void source.run(guest.host);
    const first = frames.take();
    expect(first?.rects).toEqual([]);
    expect(first?.pixels.equals(seen)).toBe(true);

    device.draw(70 * PITCH + 130 * 4, Uint8Array.of(1, 2, 3, 4));
    seen.set([1, 2, 3, 255], (70 * WIDTH + 130) * 4);
    vi.advanceTimersByTime(20);
    const second = frames.take();
    expect(second?.rects).toEqual([[128, 64, 32, 36]]);
    expect(second?.pixels.equals(seen)).toBe(true);

    const { looks } = device;
    vi.advanceTimersByTime(5000);
    expect(device.looks).toBeGreaterThan(looks + 50);
    expect(guest.host.stats.framesPosted).toBe(2);
  });

  it('looks as often as it was told, and less often at what stands still', async () => {
    const guest = await hostOnMemory();
    await using source = new FbdevSource(device.path, { openDevice: device.open, fps: 100 });
    const frames = new Frames(guest);
    void source.run(guest.host);
    const looksIn = (ms: number): number => {
      const { looks } = device;
      vi.advanceTimersByTime(ms);
      return device.looks - looks;
    };
    for (let i = 0; i < 20; i++) {
      device.draw(0, Uint8Array.of(i + 1));
      expect(looksIn(10)).toBe(1);
      frames.take();
    }
    frames.take();
    expect(looksIn(900)).toBe(90);
    looksIn(200);
    expect(looksIn(1000)).toBe(20);
  });

  it('looks at nothing while nobody watches, and at once when somebody comes', async () => {
    const guest = await hostOnMemory();
    const old = drawNoise(1);
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    void source.run(guest.host);
    const { looks } = device;
    vi.advanceTimersByTime(60_000);
    expect(device.looks).toBe(looks);
    expect(guest.host.stats.framesPosted).toBe(0);

    const frames = new Frames(guest);
    guest.advance(10);
    vi.advanceTimersByTime(0);
    expect(frames.take()?.pixels.equals(old)).toBe(true);
    frames.leave();
    vi.advanceTimersByTime(100);
    const atRest = device.looks;
    const seen = drawNoise(2);
    vi.advanceTimersByTime(60_000);
    expect(device.looks).toBe(atRest);

    const again = new Frames(guest);
    guest.advance(10);
    vi.advanceTimersByTime(0);
    let newest: Buffer | undefined;
    for (let frame = again.take(); frame !== undefined; frame = again.take()) newest = frame.pixels;
    expect(newest?.equals(seen)).toBe(true);
  });

  it('follows the console to another place of its memory, and to another mode', async () => {
    const guest = await hostOnMemory();
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    const frames = new Frames(guest);
    const seen = drawNoise(3);
    void source.run(guest.host);
    expect(frames.take()?.pixels.equals(seen)).toBe(true);
    // One row down: the first row is the second of before, and the last is black.
    device.mode = { ...device.mode, offsetY: 1 };
    vi.advanceTimersByTime(20);
    const moved = Buffer.alloc(seen.length);
    seen.copy(moved, 0, WIDTH * 4);
    for (let i = 3; i < moved.length; i += 4) moved[i] = 255;
    expect(frames.take()?.pixels.equals(moved)).toBe(true);

    device.mode = modeOf(32, 16, {
      red: { offset: 0, length: 8 },
      blue: { offset: 16, length: 8 },
    });
    device.draw(0, Uint8Array.of(10, 20, 30, 40));
    vi.advanceTimersByTime(20);
    const other = frames.take();
    expect(other?.pixels.byteLength).toBe(32 * 16 * 4);
    expect(other?.rects).toEqual([]);
    expect([...(other?.pixels.subarray(0, 4) ?? [])]).toEqual([30, 20, 10, 255]);
  });

  it('tells once of a device that is gone, or not taken any more, and finds it again', async () => {
    const guest = await hostOnMemory();
    const errors: KvmfrError[] = [];
    guest.host.on('error', (error) => errors.push(error));
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    const frames = new Frames(guest);
    drawNoise(4);
    void source.run(guest.host);
    expect(frames.take()).toBeDefined();

    device.isGone = true;
    vi.advanceTimersByTime(10_000);
    expect(errors.map(({ code }) => code)).toEqual(['ERR_KVMFR_ABSENT']);
    expect(device.held).toBe(0);
    device.isGone = false;
    const good = device.mode;
    device.mode = { ...good, bitsPerPixel: 16 };
    vi.advanceTimersByTime(10_000);
    expect(errors.map(({ code }) => code)).toEqual(['ERR_KVMFR_ABSENT', 'ERR_KVMFR_FORMAT']);
    device.mode = good;
    const seen = drawNoise(5);
    vi.advanceTimersByTime(2000);
    expect(frames.take()?.pixels.equals(seen)).toBe(true);
    expect(errors).toHaveLength(2);
  });

  it('never publishes zeros that stand for memory which went away', async () => {
    const guest = await hostOnMemory();
    const errors: KvmfrError[] = [];
    guest.host.on('error', (error) => errors.push(error));
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    const frames = new Frames(guest);
    const seen = drawNoise(6);
    void source.run(guest.host);
    expect(frames.take()?.pixels.equals(seen)).toBe(true);
    device.resize(4096);
    vi.advanceTimersByTime(20);
    expect(errors.map(({ code }) => code)).toEqual(['ERR_KVMFR_ABSENT']);
    expect(frames.take()).toBeUndefined();
    device.resize(4 * 2 ** 20);
    const after = drawNoise(7);
    vi.advanceTimersByTime(2000);
    expect(frames.take()?.pixels.equals(after)).toBe(true);
  });

  it('publishes what it owes as soon as a reader gives a place back', async () => {
    const guest = await hostOnMemory();
    await using source = new FbdevSource(device.path, { openDevice: device.open });
    const frames = new Frames(guest);
    drawNoise(8);
    void source.run(guest.host);
    // The reader takes nothing: two frames fill both places.
    for (let i = 0; i < 4; i++) {
      device.draw(i * 4, Uint8Array.of(i, i, i, i));
      vi.advanceTimersByTime(20);
    }
    expect(guest.host.stats.framesPosted).toBe(2);
    frames.take();
    frames.take();
    vi.advanceTimersByTime(20);
    const last = frames.take();
    expect([...(last?.pixels.subarray(12, 16) ?? [])]).toEqual([3, 3, 3, 255]);
    expect([...(last?.pixels.subarray(8, 12) ?? [])]).toEqual([2, 2, 2, 255]);
  });

  it('holds nothing after it was closed', async () => {
    const guest = await hostOnMemory();
    const source = new FbdevSource(device.path, { openDevice: device.open });
    new Frames(guest);
    const running = source.run(guest.host);
    expect(device.held).toBe(2);
    await source.close();
    await running;
    expect(device.held).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('refuses at once what it cannot publish', () => {
    device.mode = modeOf(64, 64, { bitsPerPixel: 8 });
    const open = (): FbdevSource => new FbdevSource(device.path, { openDevice: device.open });
    expect(open).toThrow(KvmfrError);
    expect(device.held).toBe(0);
    expect(() => new FbdevSource('/dev/null')).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_UNSUPPORTED', path: '/dev/null' }),
    );
    expect(() => new FbdevSource('/dev/no-such-fb')).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ABSENT', errno: 'ENOENT' }),
    );
  });
});
