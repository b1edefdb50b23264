import { describe, expect, it } from 'vitest';
import { ContentMeter, type TileCost } from '../../../viewer/relay/content-meter.ts';

const COST: TileCost = { msPerTile: 0.1, bytesPerTile: 2000 };
const FRAME_MS = 1000 / 60;

function meter(): ContentMeter {
  return new ContentMeter({ bytesPerSecond: 12e6 });
}

/** Feeds changes of so many tiles at 60 Hz; returns the time after them. */
function play(over: ContentMeter, options: { tiles: number; ms: number; fromMs: number }): number {
  let nowMs = options.fromMs;
  for (; nowMs < options.fromMs + options.ms; nowMs += FRAME_MS)
    over.changed(options.tiles, nowMs, COST);
  return nowMs;
}

describe('a content meter', () => {
  it('takes typing for still, however long', () => {
    const typing = meter();
    play(typing, { tiles: 3, ms: 5000, fromMs: 0 });
    expect(typing.content).toBe('still');
  });

  it('takes one great change for still, and so two', () => {
    const window = meter();
    expect(window.changed(510, 0, COST)).toBe('still');
    expect(window.changed(510, 30, COST)).toBe('still');
    expect(window.judge(60, COST)).toBe('still');
  });

  it('takes a full screen that moves for moving within 100 ms', () => {
    const film = meter();
    play(film, { tiles: 510, ms: 100, fromMs: 0 });
    expect(film.content).toBe('moving');
  });

  it('takes a film in a window for moving by its bytes, when tiles cost little time', () => {
    const film = meter();
    for (let i = 0; i < 6; i++)
      film.changed(120, i * FRAME_MS, { msPerTile: 0.001, bytesPerTile: 9000 });
    expect(film.content).toBe('moving');
  });

  it('is still again half a second after the last of it, not before', () => {
    const film = meter();
    const endMs = play(film, { tiles: 510, ms: 300, fromMs: 0 });
    expect(film.judge(endMs + 400, COST)).toBe('moving');
    expect(film.judge(endMs + 1000, COST)).toBe('still');
  });

  it('stays moving while a film pauses for less than that', () => {
    const film = meter();
    const endMs = play(film, { tiles: 510, ms: 300, fromMs: 0 });
    film.judge(endMs + 300, COST);
    const againMs = play(film, { tiles: 510, ms: 100, fromMs: endMs + 400 });
    expect(film.judge(againMs + 300, COST)).toBe('moving');
  });

  it('goes from moving to still while somebody types', () => {
    const film = meter();
    const endMs = play(film, { tiles: 510, ms: 300, fromMs: 0 });
    play(film, { tiles: 2, ms: 1500, fromMs: endMs });
    expect(film.content).toBe('still');
  });

  it('forgets all when nobody looks', () => {
    const film = meter();
    play(film, { tiles: 510, ms: 300, fromMs: 0 });
    film.rest();
    expect(film.content).toBe('still');
    expect(film.judge(310, COST)).toBe('still');
  });
});
