import { describe, expect, it } from 'vitest';
import { OutputWatch } from '../../../viewer/web/sound/output-watch.ts';

describe('OutputWatch', () => {
  it('finds an output rough that runs out three times in ten seconds', () => {
    const watch = new OutputWatch();
    const looks = [
      [0, 0],
      [3000, 1],
      [8000, 2],
      [9000, 2],
      [9250, 3],
    ] as const;
    expect(looks.map(([atMs, underruns]) => watch.look(underruns, atMs))).toEqual([
      ...[false, false, false, false, true],
    ]);
  });

  it('lets it run out now and then, however long it plays', () => {
    const watch = new OutputWatch();
    for (let atMs = 0; atMs < 600_000; atMs += 250)
      expect(watch.look(Math.floor(atMs / 6000), atMs)).toBe(false);
  });

  it('does not mind what happens while a page begins to play', () => {
    const watch = new OutputWatch();
    for (let atMs = 50_000; atMs < 52_000; atMs += 250)
      expect(watch.look(atMs / 250, atMs)).toBe(false);
    expect(watch.look(207, 52_250)).toBe(false);
    expect(watch.look(210, 52_500)).toBe(true);
  });
});
