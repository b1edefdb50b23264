import { describe, expect, it } from 'vitest';
import { JitterBuffer } from '../../../viewer/web/sound/player-worklet.ts';

const FRAMES_PER_MS = 48;
const QUANTUM = 128;
const SECONDS = 16;
/** After so long it is in step: how unevenly pieces come is known by then. */
const SETTLED_MS = 6000;

/** A line and an output, by a clock of the test's own. Units: milliseconds. */
interface Way {
  readonly pieceMs: number;
  /** How much older what a piece has is than its place says. */
  readonly behindMs: number;
  /** The shortest and the longest way from the guest to the audio thread. */
  readonly transitMs: readonly [number, number];
  /** Quanta that the output takes at once. */
  readonly burst: number;
  /** From what is rendered first of a burst to its being heard. */
  readonly outputMs: number;
  /** How much faster the output's clock goes than the guest's. */
  readonly drift: number;
}

interface Outcome {
  /** The oldest sound that was heard, and the youngest, once it had settled. */
  readonly oldestMs: number;
  readonly youngestMs: number;
  /** How far what is told of the age was from the truth. */
  readonly liedMs: number;
  readonly underruns: number;
}

/** Each frame has its own number as its sample, so what is heard tells when it was played. */
function listen(way: Way): Outcome {
  const { pieceMs, behindMs, transitMs, burst, outputMs, drift } = way;
  const buffer = new JitterBuffer(48_000);
  const burstMs = (burst * QUANTUM) / FRAMES_PER_MS / (1 + drift);
  const left = new Float32Array(QUANTUM);
  const right = new Float32Array(QUANTUM);
  let sequence = 0;
  let arrivesMs = 0;
  let random = 1;
  const next = (): void => {
    random = (random * 16_807) % 2_147_483_647;
    const [least, most] = transitMs;
    const onTheWayMs = least + ((most - least) * random) / 2_147_483_647;
    arrivesMs = Math.max(arrivesMs, (sequence + 1) * pieceMs + onTheWayMs);
  };
  next();
  let [oldestMs, youngestMs, liedMs] = [0, Number.POSITIVE_INFINITY, 0];
  for (let nowMs = 0; nowMs < SECONDS * 1000; nowMs += burstMs) {
    for (; arrivesMs <= nowMs; next()) {
      const from = (sequence * pieceMs - behindMs) * FRAMES_PER_MS;
      const samples = Float32Array.from({ length: pieceMs * FRAMES_PER_MS }, (_, at) => from + at);
      const atMs = from / FRAMES_PER_MS;
      buffer.push({
        ...{ stream: 1, sequence, atMs, last: false },
        ...{ left: samples, right: samples.slice() },
      });
      sequence += 1;
    }
    for (let quantum = 0; quantum < burst; quantum++) {
      const { playedAtMs } = buffer.report;
      buffer.pull(left, right);
      const heardMs = nowMs + outputMs + (quantum * burstMs) / burst;
      if (nowMs < SETTLED_MS) continue;
      const ageMs = heardMs - (left[0] ?? Number.NaN) / FRAMES_PER_MS;
      oldestMs = Math.max(oldestMs, ageMs);
      youngestMs = Math.min(youngestMs, ageMs);
      liedMs = Math.max(liedMs, Math.abs(ageMs - (heardMs - (playedAtMs ?? Number.NaN))));
    }
  }
  return { oldestMs, youngestMs, liedMs, underruns: buffer.report.underruns };
}

const PCM = { pieceMs: 10, behindMs: 0, transitMs: [1, 4] } as const;
const OPUS = { pieceMs: 20, behindMs: 6.5, transitMs: [2, 6] } as const;
/** As Chromium has them where no sound device is. */
const LEAST = { burst: 1, outputMs: 8 } as const;
const STEADY = { burst: 4, outputMs: 32 } as const;

/** What pictures take on an idle machine. */
const PICTURE_MS = 8;

describe('sound that comes by an idle line', () => {
  it.each([
    ['samples, the least output', { ...PCM, ...LEAST }, 27],
    ['samples, a steady output', { ...PCM, ...STEADY }, 55],
    ['Opus, the least output', { ...OPUS, ...LEAST }, 47],
  ])('is in step with a picture that is shown after 8 ms: %s', (_, way, mostMs) => {
    for (const drift of [0, 100e-6, -100e-6]) {
      const heard = listen({ ...way, drift });
      expect(heard.underruns).toBe(0);
      expect(heard.oldestMs - PICTURE_MS).toBeLessThan(mostMs);
      // Nor does it sway: nobody hears where it is slower and where it is faster.
      expect(heard.oldestMs - heard.youngestMs).toBeLessThan(6);
      expect(heard.liedMs).toBeLessThan(0.1);
    }
  });

  it('is as late as the line makes it, and no later, where pieces come unevenly', () => {
    const way = { ...PCM, ...LEAST, transitMs: [1, 41], drift: 0 } as const;
    const heard = listen(way);
    expect(heard.oldestMs).toBeLessThan(10 + 41 + 8 + 25);
  });
});
