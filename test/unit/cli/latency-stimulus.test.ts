import { describe, expect, it } from 'vitest';
import { Stimulus } from '../../../cli/latency/stimulus.ts';
import { monotonicMs } from '../../../client/clock.ts';
import { tileGrid } from '../../../client/tiles/grid.ts';
import { PatternScene } from '../../../host/pattern/scene.ts';
import type { PictureUpdate } from '../../../viewer/relay/index.ts';
import { SESSION } from '../relay/fake-guest.ts';

const SIZE = { widthPx: 640, heightPx: 360 };

/** A pattern and its picture that do what the test says. */
class FakePattern {
  readonly scene = new PatternScene(SIZE);
  readonly answers: (readonly [name: string, ms: number])[] = [];
  readonly stimulus: Stimulus;
  serial = 0;
  /** How many of the marker's tiles are being written. */
  torn = 0;
  #asked: (position: { readonly x: number; readonly y: number }) => void = () => undefined;

  constructor() {
    const pattern = this;
    this.scene.draw(0, 0);
    const end = (): number => this.torn;
    this.stimulus = new Stimulus({
      client: {
        path: '/a/region',
        attached: async () => ({ ...SESSION, features: 1 }),
        cursor: ({ signal }) => ({
          moveTo: (position) => {
            this.#asked(position);
            return true;
          },
          return: async () => ({ done: true, value: undefined }),
          async *[Symbol.asyncIterator]() {
            await new Promise<void>((resolve) => {
              signal.addEventListener('abort', () => resolve());
            });
          },
        }),
      },
      relay: {
        viewers: [],
        reader: {
          picture: {
            epoch: 1,
            get serial() {
              return pattern.serial;
            },
            grid: tileGrid({ ...SIZE, tilePx: 64 }),
            pixels: this.scene.pixels,
            pitchBytes: SIZE.widthPx * 4,
            beginRead: () => ({ end }),
          },
        },
      },
      measurement: { answered: (name, ms) => void this.answers.push([name, ms]) },
    });
  }

  /** Resolves when the pointer is asked to move, and draws the marker for it. */
  async draw(): Promise<void> {
    const position = await new Promise<{ readonly x: number; readonly y: number }>((resolve) => {
      this.#asked = resolve;
    });
    // The question is open once its message has been posted.
    await Promise.resolve();
    this.scene.mark(position);
    this.scene.draw(1, 0);
  }

  told(serial: number, appliedMs: number): PictureUpdate {
    const times = { producerMs: undefined, beforeMs: undefined, seenMs: 0, arrivedMs: 0 };
    return { outcome: 'changed', epoch: 1, serial, times: { ...times, appliedMs } };
  }
}

describe('Stimulus', () => {
  it('takes the time of the frame in which the marker is, not of an older one that is told late', async () => {
    const pattern = new FakePattern();
    const stop = new AbortController();
    const run = pattern.stimulus.run(stop.signal);
    const beforeMs = monotonicMs();
    await pattern.draw();
    // The picture is at 5 already when 4, from before the message, is told.
    pattern.serial = 5;
    pattern.stimulus.updated(pattern.told(4, beforeMs - 10));
    expect(pattern.answers).toEqual([]);
    pattern.torn = 1;
    pattern.stimulus.updated(pattern.told(5, monotonicMs()));
    expect(pattern.answers).toEqual([]);
    pattern.torn = 0;
    pattern.serial = 6;
    const appliedMs = monotonicMs();
    pattern.stimulus.updated(pattern.told(6, appliedMs));
    expect(pattern.answers).toEqual([['inputToPicture', expect.any(Number)]]);
    const [, ms] = pattern.answers[0] ?? ['', -1];
    expect(ms).toBeGreaterThanOrEqual(0);
    expect(ms).toBeLessThanOrEqual(appliedMs - beforeMs);
    // The same marker answers once.
    pattern.stimulus.updated(pattern.told(6, appliedMs));
    expect(pattern.answers).toHaveLength(1);
    expect(pattern.stimulus.counts).toEqual({ sent: 1, seen: 1 });
    stop.abort();
    await run;
  });
});
