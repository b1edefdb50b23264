import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { Picture } from '../../client/tiles/picture.ts';

// Every wire with every format, between two processes, each pixel compared with one computed here.

const WIDTH = 333;
const HEIGHT = 240;
/** Frames of a run after the first. */
const STEPS = 6;

const ALL = ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'] as const;
const WIRES = [
  { wire: 'B6', release: 'B6', formats: ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F'] },
  { wire: 'B7', release: 'B7', formats: ALL },
  { wire: 'dev7', release: 'dev7', formats: ALL },
  { wire: 'dev10', release: 'dev10', formats: ALL },
  { wire: 'dev12', release: 'dev12', formats: ALL },
] as const;

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-wires-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  let largest = a.length === b.length ? 0 : 255;
  for (let i = 0; i < a.length; i++)
    largest = Math.max(largest, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  return largest;
}

/** A publisher in a process of its own. */
class Guest implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #messages: object[] = [];
  #wake: () => void = () => {};

  constructor(args: readonly string[]) {
    const script = fileURLToPath(new URL('../support/wire-guest.mjs', import.meta.url));
    this.#child = fork(script, args, { execArgv: [] });
    this.#child.on('message', (message: object) => {
      this.#messages.push(message);
      this.#wake();
    });
  }

  async says(key: string): Promise<void> {
    for (;;) {
      const at = this.#messages.findIndex((message) => key in message);
      if (at >= 0) {
        this.#messages.splice(at, 1);
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  next(): void {
    this.#child.send('next');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

/** What the guest's screen shows after frame n: B, G, R, 255. */
class Screen {
  readonly pixels = new Uint8Array(WIDTH * HEIGHT * 4);

  draw(n: number, mode: string): void {
    const all = [{ x: 0, y: 0, width: WIDTH, height: HEIGHT }];
    const two = [
      { x: (n * 13) % (WIDTH - 20), y: (n * 7) % (HEIGHT - 20), width: 17, height: 11 },
      { x: WIDTH - 5, y: (n * 3) % (HEIGHT - 10), width: 5, height: 9 },
    ];
    for (const rect of mode === 'rects' && n > 1 ? two : all) this.#paint(rect, n);
  }

  #paint(
    rect: {
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    },
    n: number,
  ): void {
    for (let y = rect.y; y < rect.y + rect.height; y++)
      for (let x = rect.x; x < rect.x + rect.width; x++)
        this.pixels.set(
          [
            (x * 3 + y * 5 + n * 7) & 255,
            (x + y * 11 + n * 29) & 255,
            (x * 17 + y + n * 3) & 255,
            255,
          ],
          (y * WIDTH + x) * 4,
        );
  }
}

for (const { wire, release, formats } of WIRES)
  describe(`wire ${wire}`, () => {
    for (const format of formats)
      for (const mode of ['full', 'rects'])
        it(`${format}, ${mode} damage: every pixel of ${STEPS + 1} frames`, async () => {
          const region = join(folder, `${wire}-${format}-${mode}`);
          await using guest = new Guest([
            region,
            wire,
            format,
            mode,
            `${WIDTH}`,
            `${HEIGHT}`,
            '16',
          ]);
          await guest.says('ready');
          await using client = await connect(region);
          expect(client.session.release).toBe(release);
          const screen = new Screen();
          const picture = new Picture();
          guest.next();
          let n = 1;
          for await (const frame of client.frames()) {
            expect(frame.format).toBe(format);
            expect(await picture.update(frame)).toBe('changed');
            expect(frame.damage.length).toBe(mode === 'rects' && n > 1 ? 2 : 0);
            frame.release();
            screen.draw(n, mode);
            // Half floats lose a little on the way to light and back; all else is exact.
            expect(largestDifference(picture.pixels, screen.pixels)).toBeLessThanOrEqual(
              format === 'RGBA16F' ? 1 : 0,
            );
            if (n > STEPS) break;
            n += 1;
            guest.next();
          }
          expect(client.stats).toMatchObject({
            framesSkipped: 0,
            framesGivenUp: 0,
            framesRefused: 0,
          });
        });

    it('a frame that is larger than its place: too-small, with the rows that fit', async () => {
      const region = join(folder, `${wire}-truncated`);
      // Wide rows, so that a region of 8 MiB has no room for all of them.
      const [width, height] = [2048, 1200];
      await using guest = new Guest([region, wire, 'BGRA', 'full', `${width}`, `${height}`, '8']);
      await guest.says('ready');
      await using client = await connect(region);
      guest.next();
      for await (const frame of client.frames()) {
        expect(frame.truncated).toBe(true);
        expect(frame.dataHeightPx).toBeLessThan(height);
        // KVMFR 19 has one height for both.
        expect(frame.heightPx).toBe(wire === 'B6' ? frame.dataHeightPx : height);
        const row = frame.dataHeightPx - 1;
        const at = row * frame.pitchBytes + 100 * 4;
        expect([...frame.pixels.subarray(at, at + 3)]).toEqual([
          (300 + row * 5 + 7) & 255,
          (100 + row * 11 + 29) & 255,
          (1700 + row + 3) & 255,
        ]);
        expect(client.state.name).toBe('too-small');
        expect(client.state.needMib).toBeGreaterThan(8);
        break;
      }
    });
  });
