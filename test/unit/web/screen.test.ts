import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Part } from '../../../viewer/web/core/render/surface.ts';
import { FakeImageData, settle } from './fakes.ts';
import { ALL, CLEAR, exact, IMAGE, PART, PART_TILES, setUp, video, WHOLE } from './screen-stage.ts';

beforeEach(() => vi.stubGlobal('ImageData', FakeImageData));
afterEach(() => vi.unstubAllGlobals());

describe('Screen and Presenter', () => {
  it('make no hole before its picture is on the screen, and change the rest with it', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL)]);
    at.refresh();
    const before = at.seen();
    at.submit(2, [at.tiles(2, 0b000100), at.picture(20, 0b000011)]);
    await settle();
    expect(at.track.writtenUs).toBe(20);
    for (let turn = 0; turn < 3; turn++) {
      at.refresh();
      expect(at.seen()).toEqual(before);
      expect(at.canvas.pixels).not.toContain(CLEAR);
      expect(at.presented).toEqual([1]);
    }
    at.display();
    expect(at.presented).toEqual([1, 2]);
    expect(at.seen()).toEqual([video(20), video(20), exact(2), exact(1), exact(1), exact(1)]);
  });

  it('send the next picture at once: it waits neither for a refresh nor for the one before', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.picture(10, ALL)]);
    at.submit(2, [at.picture(20, ALL)]);
    await settle();
    expect(at.track.writtenUs).toBe(20);
    at.display();
    expect(at.presented).toEqual([1, 2]);
    expect(at.dropped()).toBe(1);
    expect(at.book.open).toBe(1);
  });

  it('present no update for the picture of an earlier one', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.picture(10, ALL)]);
    await settle();
    at.submit(2, [at.tiles(2, 0b000001), at.picture(20, 0b111110)]);
    at.presenter.onScreen(10, 0);
    at.track.shownUs = 10;
    expect(at.presented).toEqual([1]);
    expect(at.seen()[0]).toBe(video(10));
    at.presenter.onScreen(20, 0);
    expect(at.presented).toEqual([1, 2]);
    expect(at.dropped()).toBe(0);
  });

  it('show the newest picture also where only one that it overtook was to be seen', () => {
    const at = setUp('canvas');
    at.submit(1, [at.size, at.tiles(1, ALL)]);
    at.submit(2, [at.picture(20, 0b000011)]);
    at.submit(3, [at.tiles(3, 0b000100), at.picture(30, 0b000001)]);
    expect(at.dropped()).toBe(1);
    at.refresh();
    expect(at.seen().slice(0, 4)).toEqual([video(30), video(30), exact(3), exact(1)]);
    expect(at.book.open).toBe(0);
    expect(at.book.faults).toEqual([]);
  });

  it('move the video to another part of the picture with nothing wrong to be seen between', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL), at.picture(10, ALL)]);
    await settle();
    at.display();
    at.submit(2, [at.picture(20, 0b000110, PART)]);
    await settle();
    at.refresh();
    // The `<video>` lies elsewhere already: what was seen has been painted.
    expect(at.seen()).toEqual(Array.from({ length: 6 }, () => video(10)));
    expect(at.presented).toEqual([1]);
    at.display();
    expect(at.presented).toEqual([1, 2]);
    const after = [10, 20, 20, 10, 10, 10].map(video);
    expect(at.seen()).toEqual(after);
    expect([...new Uint32Array(at.screen.read().rgba.buffer)].slice(0, 3)).toEqual(
      [10, 10, 20].map(video),
    );
    // Back to all of it.
    at.submit(3, [at.picture(30, ALL)]);
    await settle();
    expect(at.seen()).toEqual(after);
    at.display();
    expect(at.seen()).toEqual(Array.from({ length: 6 }, () => video(30)));
    expect(at.book.faults).toEqual([]);
  });

  it('write a picture again that a track forgot before anybody played it', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.picture(10, ALL)]);
    await settle();
    expect(at.track.writes).toBe(1);
    for (let turn = 0; turn < 3; turn++) at.refresh();
    await settle();
    expect(at.track.writes).toBe(2);
    expect(at.book.faults).toEqual([]);
  });

  it('let the canvas draw what a track does not show in time, and the track show what comes after', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL)]);
    at.refresh();
    at.submit(2, [at.picture(20, 0b000011)]);
    at.clock.pass(200);
    expect(at.presented).toEqual([1, 2]);
    expect(at.seen().slice(0, 3)).toEqual([video(20), video(20), exact(1)]);
    expect(at.canvas.pixels).not.toContain(CLEAR);
    at.submit(3, [at.picture(30, 0b000011)]);
    await settle();
    at.display();
    expect(at.seen().slice(0, 3)).toEqual([video(30), video(30), exact(1)]);
    expect(at.canvas.pixels).toContain(CLEAR);
  });

  it('leave a track that shows nothing, until another stream begins', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL)]);
    at.refresh();
    for (let serial = 2; at.screen.sink === 'track' && serial < 100; serial++) {
      at.submit(serial, [at.picture(serial * 10, ALL)]);
      for (let turn = 0; turn < 12; turn++) at.refresh();
      at.clock.pass(200);
      await settle();
    }
    expect(at.screen.sink).toBe('canvas');
    const writes = at.track.writes;
    at.submit(200, [at.picture(2000, 0b000001)]);
    at.refresh();
    expect(at.presented.at(-1)).toBe(200);
    expect(at.seen()[0]).toBe(video(2000));
    expect(at.track.writes).toBe(writes);
    at.screen.restart();
    at.submit(201, [at.picture(2010, 0b000001)]);
    await settle();
    expect(at.track.writes).toBe(writes + 1);
    expect(at.book.faults).toEqual([]);
  });

  it('keep what is seen through holes when another size comes, until its picture is there', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL), at.picture(10, 0b000011)]);
    await settle();
    at.display();
    const before = at.seen();
    at.submit(2, [at.size, at.picture(20, ALL)]);
    await settle();
    at.track.shownUs = 20;
    expect(at.seen()).toEqual(before);
    at.display();
    expect(at.seen()).toEqual(Array.from({ length: 6 }, () => video(20)));
  });

  it('paint at once while nobody looks, and open no hole for what no display shows', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL)]);
    at.presenter.setVisible(false);
    at.submit(2, [at.picture(20, 0b000011)]);
    expect(at.presented).toEqual([1, 2]);
    expect(at.seen().slice(0, 3)).toEqual([video(20), video(20), exact(1)]);
    expect(at.canvas.pixels).not.toContain(CLEAR);
    await settle();
    const writes = at.track.writes;
    at.presenter.setVisible(true);
    await settle();
    expect(at.track.writes).toBe(writes + 1);
  });

  it('keep what is seen beside an image that ends within a tile', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL), at.picture(10, 0b000011)]);
    await settle();
    at.display();
    const bitmap = { width: 1, height: 1, close: () => undefined };
    at.submit(2, [{ kind: 'bitmap', rect: { x: 0, y: 0, width: 1, height: 1 }, bitmap }]);
    at.refresh();
    // One pixel of tile 0 is the image's, the others hold what was seen; tile 1 is a hole still.
    expect([...at.canvas.pixels.slice(0, 5)]).toEqual([IMAGE, video(10), CLEAR, CLEAR, exact(1)]);
    at.submit(3, [at.picture(20, 0b000011)]);
    await settle();
    at.display();
    expect(at.seen().slice(0, 2)).toEqual([video(20), video(20)]);
  });

  it('read both layers as one', async () => {
    const at = setUp('track');
    at.submit(1, [at.size, at.tiles(1, ALL), at.picture(10, 0b000001)]);
    await settle();
    at.display();
    expect(at.canvas.pixels).toContain(CLEAR);
    const { rgba } = at.screen.read();
    const read = new Uint32Array(rgba.buffer);
    expect([read[0], read[1], read[2]]).toEqual([video(10), video(10), exact(1)]);
    expect(await (await at.screen.png(0)).arrayBuffer()).toEqual(rgba.buffer);
  });

  it('let go of everything when painting fails', async () => {
    const at = setUp('canvas');
    at.submit(1, [at.size]);
    at.refresh();
    const broken: Part = {
      kind: 'pixels',
      blocks: [],
      release: () => {
        throw new Error('out of memory');
      },
    };
    at.submit(2, [broken, at.picture(20, ALL)]);
    at.refresh();
    expect(at.failures).toHaveLength(1);
    expect(at.book.open).toBe(0);
  });

  /** One thing that happens. An update has tiles, and maybe a picture that shows in some tiles. */
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        tiles: fc.nat(ALL),
        video: fc.constant(false),
        cover: fc.nat(ALL),
        isPart: fc.constant(false),
        leaves: fc.constant(false),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        tiles: fc.nat(ALL),
        video: fc.constant(true),
        cover: fc.nat(ALL),
        isPart: fc.boolean(),
        leaves: fc.boolean(),
      }),
    },
    { weight: 6, arbitrary: fc.constant('display' as const) },
    { weight: 6, arbitrary: fc.constant('refresh' as const) },
    { weight: 1, arbitrary: fc.constant('late' as const) },
    { weight: 1, arbitrary: fc.constantFrom('hide' as const, 'look' as const) },
    { weight: 1, arbitrary: fc.constant('read' as const) },
  );

  it.each(['track', 'canvas'] as const)(
    'show after each event what the updates so far add up to, drawn by the %s',
    async (sink) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
          const at = setUp(sink);
          /** What each tile is after each update: exact, or the video from this picture on. */
          const states: { readonly video: boolean; readonly value: number }[][] = [];
          at.submit(0, [at.size, at.tiles(0, ALL)]);
          at.refresh();
          states.push(Array.from({ length: 6 }, () => ({ video: false, value: 0 })));
          let serial = 0;
          let cover = 0;
          for (const event of steps) {
            if (typeof event === 'object') {
              serial += 1;
              const region = event.isPart ? PART : WHOLE;
              const within = event.isPart ? PART_TILES : ALL;
              const next = event.video ? event.cover & within : cover;
              // A relay leaves out of the cover what it has sent exactly, or what is no part of the
              // video any more: that keeps showing what it did until it is sent.
              const left = event.leaves ? ~within : 0;
              const bare = states[serial - 1]?.reduce(
                (bits, tile, index) =>
                  tile.video && (next >> index) % 2 === 0 ? bits | (1 << index) : bits,
                0,
              );
              const sent = event.video ? event.tiles | ((bare ?? 0) & ~left) : event.tiles;
              const parts = [at.tiles(serial, sent)];
              if (event.video) parts.push(at.picture(serial * 10, next, region));
              at.submit(serial, parts);
              cover = next;
              states.push(
                (states[serial - 1] ?? []).map((tile, index) => {
                  if (event.video && (next >> index) % 2 === 1)
                    return { video: true, value: serial * 10 };
                  return (sent >> index) % 2 === 1 ? { video: false, value: serial } : tile;
                }),
              );
            } else if (event === 'refresh') at.refresh();
            else if (event === 'late') at.clock.pass(200);
            else if (event === 'hide') at.presenter.setVisible(false);
            else if (event === 'look') at.presenter.setVisible(true);
            else if (event === 'read') at.presenter.flush();
            await settle();
            if (event === 'display') at.display();
            const done = at.presented.at(-1) ?? 0;
            const state = states[done] ?? [];
            const shown = at.seen();
            for (const [index, tile] of state.entries()) {
              const pixel = shown[index] ?? 0;
              if (!tile.video) expect(pixel).toBe(exact(tile.value));
              else expect(pixel).toBeGreaterThanOrEqual(video(tile.value));
            }
          }
          at.presenter.flush();
          await settle();
          at.display();
          expect(at.presented).toEqual(states.map((_, index) => index));
          expect(at.book.faults).toEqual([]);
          expect(at.book.open).toBeLessThanOrEqual(sink === 'track' ? 1 : 0);
          expect(at.failures).toEqual([]);
          const newest = Math.max(
            0,
            ...(states.at(-1) ?? []).map(({ video: is, value }) => (is ? value : 0)),
          );
          for (const [index, tile] of (states.at(-1) ?? []).entries()) {
            const pixel = at.seen()[index] ?? 0;
            const isNewest = tile.value === newest;
            if (!tile.video) expect(pixel).toBe(exact(tile.value));
            else if (isNewest) expect(pixel).toBe(video(newest));
            else expect(pixel).toBeGreaterThanOrEqual(video(tile.value));
          }
        }),
        { numRuns: 300 },
      );
    },
  );
});
