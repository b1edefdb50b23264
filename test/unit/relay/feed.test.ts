import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FeedModel } from './feed-model.ts';

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
  });
});

afterEach(() => {
  vi.useRealTimers();
});

const ALL = { x: 0, y: 0, width: 640, height: 384 };
const LEFT = { x: 0, y: 0, width: 320, height: 320 };
const FILM_FRAMES = 6;
const MOST_ROUNDS = 60;

/** One thing that happens; each is what a guest, a line, a viewer or an encoder does some day. */
type Step = readonly [
  what:
    | 'film'
    | 'window'
    | 'type'
    | 'scroll'
    | 'given-up'
    | 'given-up-and-again'
    | 'wait'
    | 'ack'
    | 'room'
    | 'no-room'
    | 'refresh'
    | 'code'
    | 'miss'
    | 'die'
    | 'live',
  /** Which viewer, how long, how far: whatever has to be said. */
  at: number,
];

const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...(['film', 'film', 'window', 'type', 'type', 'scroll', 'wait', 'wait', 'ack'] as const),
      ...(['ack', 'room', 'no-room', 'refresh', 'code', 'code', 'miss', 'die', 'live'] as const),
      ...(['given-up', 'given-up-and-again'] as const),
    ),
    fc.nat(999),
  ),
  { minLength: 4, maxLength: 16 },
);

async function film(model: FeedModel, rect: typeof ALL): Promise<void> {
  for (let frame = 0; frame < FILM_FRAMES; frame++) {
    await model.draw(rect);
    await model.wait(10);
    for (const video of model.videos) video.answer('chunk');
    await model.settle();
    for (const viewer of model.viewers) if (viewer.hasRoom) viewer.acknowledge(1);
  }
}

/** Several times: where something moves is only looked for after it has once. */
async function scroll(model: FeedModel, rows: number): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await model.scroll(rows);
    for (const viewer of model.viewers) if (viewer.hasRoom) viewer.acknowledge(1);
    await model.settle();
  }
}

async function happen(model: FeedModel, [what, at]: Step): Promise<void> {
  const viewer = model.viewers[at % model.viewers.length];
  switch (what) {
    case 'film':
      await film(model, at % 2 === 0 ? ALL : LEFT);
      break;
    case 'window':
      await model.draw({ x: 70, y: 70, width: 10 + (at % 500), height: 10 + (at % 300) });
      break;
    case 'type':
      await model.draw({ x: at % 630, y: (at * 7) % 374, width: 8, height: 8 });
      break;
    case 'scroll':
      await scroll(model, 1 + (at % 60));
      break;
    case 'given-up':
      await model.draw({ x: at % 600, y: at % 320, width: 20, height: 20 });
      await model.show(false);
      break;
    case 'given-up-and-again':
      model.paint({ x: at % 600, y: at % 320, width: 20, height: 20 });
      await model.show(false);
      await model.show();
      break;
    case 'wait':
      await model.wait(at);
      break;
    case 'ack':
      viewer?.acknowledge(1 + (at % 3));
      break;
    case 'room':
      viewer?.setRoom(true);
      break;
    case 'no-room':
      viewer?.setRoom(false);
      break;
    case 'refresh':
      viewer?.refresh();
      break;
    case 'code':
    case 'miss':
      for (const video of model.videos) video.answer(what === 'code' ? 'chunk' : 'missed');
      break;
    case 'die':
      for (const video of model.videos) video.die();
      break;
    case 'live':
      for (const video of model.videos) video.live();
      break;
  }
  await model.settle();
}

/** The picture is at rest, and everything is answered: until everybody is exact, or far too long. */
async function rest(model: FeedModel): Promise<void> {
  await model.show();
  const { rgb } = model;
  for (const video of model.videos) video.live();
  for (const viewer of model.viewers) viewer.setRoom(true);
  for (let round = 0; round < MOST_ROUNDS && !model.isExact(rgb); round++) await turn(model);
}

async function turn(model: FeedModel): Promise<void> {
  for (const video of model.videos) video.answer('chunk');
  await model.wait(100);
  for (const viewer of model.viewers) viewer.acknowledge(99);
  await model.settle();
}

describe('what viewers are sent', () => {
  it('is all there is: video, JPEG, moves and exact tiles', async () => {
    const model = new FeedModel();
    const viewers = model.viewers;
    await model.draw(ALL);
    await scroll(model, 20);
    await film(model, ALL);
    await rest(model);
    expect(viewers.map(({ kinds }) => [...kinds].sort())).toEqual([
      ['lossless'],
      ['lossless', 'video'],
      ['jpeg', 'lossless', 'moves'],
      ['lossless', 'moves', 'video'],
    ]);
  });

  it('is exact within a second after a film that filled the screen, also on a line that was slow', async () => {
    const model = new FeedModel();
    const viewer = model.viewers[1];
    await model.draw(ALL);
    await rest(model);
    await film(model, ALL);
    for (let pauses = 0; pauses < 4; pauses++) {
      for (let frame = 0; frame < 5; frame++) {
        await model.draw(ALL);
        for (const video of model.videos) video.answer('chunk');
        await model.wait(20);
      }
      if (pauses < 3) await model.wait(200);
      viewer?.acknowledge(99);
    }
    expect([viewer?.feed.lineState.congested, viewer?.feed.way]).toEqual([true, 'video']);
    for (let turns = 0; turns < 10; turns++) await turn(model);
    expect(viewer?.tilesOther(model.rgb)).toEqual([]);
    await model.close();
  });

  it('needs no planes for long when nothing moves, whoever asked for video last', async () => {
    const model = new FeedModel();
    const viewer = model.viewers[1];
    await model.draw(ALL);
    await rest(model);
    await turn(model);
    viewer?.refresh();
    await model.wait(10_000);
    expect(model.wantsPlanes).toBe(false);
    // So late that the line is taken for a slow one: for a moment video is what suits it.
    viewer?.acknowledge(99);
    expect([viewer?.feed.way, model.wantsPlanes]).toEqual(['video', true]);
    await model.wait(10_000);
    expect(model.wantsPlanes).toBe(false);
    await model.close();
  });

  it('makes everybody exact when the picture has come to rest, whatever was before, and then nothing', async () => {
    await fc.assert(
      fc.asyncProperty(STEPS, async (steps) => {
        const model = new FeedModel();
        await model.draw(ALL);
        for (const step of steps) await happen(model, step);
        await rest(model);
        const { rgb } = model;
        for (const [index, viewer] of model.viewers.entries())
          expect([index, viewer.faults, viewer.tilesOther(rgb)]).toEqual([index, [], []]);
        // No film is taken for one, and no line for a narrow one, for as long as this.
        await model.wait(5000);
        for (let more = 0; more < 6; more++) await turn(model);
        const before = model.viewers.map(({ updates }) => updates);
        for (let more = 0; more < 3; more++) await turn(model);
        expect(model.viewers.map(({ updates }) => updates)).toEqual(before);
        await model.close();
      }),
      { numRuns: 12 },
    );
  });
});
