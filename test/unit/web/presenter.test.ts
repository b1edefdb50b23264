import { describe, expect, it } from 'vitest';
import { UpdateAssembler } from '../../../viewer/web/core/decode/updates.ts';
import { Presenter, type ReadyUpdate } from '../../../viewer/web/core/render/presenter.ts';
import type { Part } from '../../../viewer/web/core/render/surface.ts';
import { FakeClock, settle } from './fakes.ts';

function pixels(released: string[], name: string): Part {
  return { kind: 'pixels', blocks: [], release: () => released.push(name) };
}

function update(serial: number, parts: readonly Part[] = []): ReadyUpdate {
  return { epoch: 1, serial, parts, receivedMs: 0, decodedMs: 0 };
}

function newPresenter() {
  const clock = new FakeClock();
  const frames: (() => void)[] = [];
  const painted: Part[] = [];
  const presented: number[][] = [];
  const failures: unknown[] = [];
  let paintFails = false;
  const presenter = new Presenter({
    clock,
    requestFrame: (run) => frames.push(run),
    layers: {
      paint: (part) => {
        if (paintFails) throw new Error('out of memory');
        painted.push(part);
      },
      show: () => undefined,
      seen: () => undefined,
      waited: () => false,
      wake: () => undefined,
    },
    presented: (updates) => presented.push(updates.map(({ serial }) => serial)),
    dropped: () => undefined,
    failed: (error) => failures.push(error),
  });
  return {
    clock,
    frames,
    painted,
    presented,
    failures,
    presenter,
    failPaint: () => {
      paintFails = true;
    },
  };
}

describe('Presenter', () => {
  it('paints an update when the display is refreshed, not before', () => {
    const { presenter, frames, painted, presented } = newPresenter();
    const part = pixels([], 'a');
    presenter.submit(update(1, [part]));
    expect(painted).toEqual([]);
    frames.shift()?.();
    expect(painted).toEqual([part]);
    expect(presented).toEqual([[1]]);
  });

  it('puts all that became ready into one frame, in order', () => {
    const { presenter, frames, painted, presented } = newPresenter();
    const parts = ['a', 'b', 'c'].map((name) => pixels([], name));
    presenter.submit(update(1, parts.slice(0, 2)));
    presenter.submit(update(2, parts.slice(2)));
    expect(frames).toHaveLength(1);
    frames.shift()?.();
    expect(painted).toEqual(parts);
    expect(presented).toEqual([[1, 2]]);
  });

  it('does not wait for ever for a display that is not refreshed', () => {
    const { presenter, clock, frames, presented } = newPresenter();
    presenter.submit(update(1));
    clock.pass(199);
    expect(presented).toEqual([]);
    clock.pass(1);
    expect(presented).toEqual([[1]]);
    frames.shift()?.();
    expect(presented).toEqual([[1]]);
  });

  it('paints at once while the page is hidden', () => {
    const { presenter, frames, presented } = newPresenter();
    presenter.submit(update(1));
    presenter.setVisible(false);
    expect(presented).toEqual([[1]]);
    presenter.submit(update(2));
    expect(presented).toEqual([[1], [2]]);
    presenter.setVisible(true);
    presenter.submit(update(3));
    expect(presented).toEqual([[1], [2]]);
    for (const run of frames.splice(0)) run();
    expect(presented).toEqual([[1], [2], [3]]);
  });

  it('reports an update that could not be painted, and presents nothing of it', () => {
    const { presenter, frames, presented, failures, failPaint } = newPresenter();
    failPaint();
    presenter.submit(update(1, [pixels([], 'a')]));
    frames.shift()?.();
    expect(presented).toEqual([]);
    expect(failures).toHaveLength(1);
  });
});

function newAssembler() {
  const clock = new FakeClock();
  const ready: ReadyUpdate[] = [];
  const failures: unknown[] = [];
  const assembler = new UpdateAssembler({
    clock,
    ready: (one) => ready.push(one),
    failed: (error) => failures.push(error),
  });
  return { clock, ready, failures, assembler };
}

/** A promise and the means to settle it. */
function later(): {
  readonly promise: Promise<Part>;
  resolve(part: Part): void;
  reject(error: Error): void;
} {
  let resolve: (part: Part) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<Part>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('UpdateAssembler', () => {
  it('gives an update when all its parts are decoded, in the order they came', async () => {
    const { assembler, ready, clock } = newAssembler();
    const [first, second] = [later(), later()];
    assembler.add(first.promise);
    assembler.add(second.promise);
    assembler.finish({ epoch: 3, serial: 9 });
    const [a, b] = [pixels([], 'a'), pixels([], 'b')];
    second.resolve(b);
    clock.pass(7);
    await settle();
    expect(ready).toEqual([]);
    first.resolve(a);
    await settle();
    expect(ready).toEqual([
      { epoch: 3, serial: 9, parts: [a, b], receivedMs: 1000, decodedMs: 1007 },
    ]);
  });

  it('never lets a later update overtake an earlier one', async () => {
    const { assembler, ready } = newAssembler();
    const slow = later();
    assembler.add(slow.promise);
    assembler.finish({ epoch: 1, serial: 1 });
    assembler.add(Promise.resolve(pixels([], 'quick')));
    assembler.finish({ epoch: 1, serial: 2 });
    await settle();
    expect(ready).toEqual([]);
    slow.resolve(pixels([], 'slow'));
    await settle();
    expect(ready.map(({ serial }) => serial)).toEqual([1, 2]);
  });

  it('lets go of what it forgets, whether it is decoded already or later', async () => {
    const { assembler, ready } = newAssembler();
    const released: string[] = [];
    const slow = later();
    assembler.add(Promise.resolve(pixels(released, 'complete')));
    assembler.finish({ epoch: 1, serial: 1 });
    assembler.add(slow.promise);
    assembler.clear();
    slow.resolve(pixels(released, 'open'));
    await settle();
    expect(ready).toEqual([]);
    expect(released.sort()).toEqual(['complete', 'open']);
  });

  it('drops the update that is open, but not the one before it', async () => {
    const { assembler, ready } = newAssembler();
    const released: string[] = [];
    assembler.add(Promise.resolve(pixels(released, 'complete')));
    assembler.finish({ epoch: 1, serial: 1 });
    assembler.add(Promise.resolve(pixels(released, 'open')));
    assembler.dropOpen();
    assembler.finish({ epoch: 2, serial: 2 });
    await settle();
    expect(ready.map(({ serial, parts }) => [serial, parts.length])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(released).toEqual(['open']);
  });

  it('fails once, and lets go of the parts that were good', async () => {
    const { assembler, ready, failures } = newAssembler();
    const released: string[] = [];
    const broken = new Error('damaged');
    assembler.add(Promise.resolve(pixels(released, 'good')));
    assembler.add(Promise.reject(broken));
    assembler.finish({ epoch: 1, serial: 1 });
    assembler.add(Promise.reject(new Error('damaged, too')));
    assembler.finish({ epoch: 1, serial: 2 });
    await settle();
    expect(ready).toEqual([]);
    expect(failures).toEqual([broken]);
    expect(released).toEqual(['good']);
  });
});
