import { renameSync, rmSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Client, type ClientState, connect, type Frame } from '../../client/index.ts';
import { createRegionFile } from '../../native/index.ts';
import { loadU32 } from '../../protocol/memory/word.ts';
import {
  belongings,
  GuestProcess,
  handIn,
  holdingReader,
  inState,
  subscribers,
  temporaryPath,
  zeros,
} from './client-guest.ts';

const SMALL = { widthPx: 64, heightPx: 48, everyMs: 4 } as const;

function clientOf(path: string): Client {
  const client = new Client(path);
  onTestFinished(() => client.close());
  return client;
}

/** The number of a picture that was played; every pixel must say the same. */
function numberOf(frame: Frame): number {
  const words = new Uint32Array(frame.pixels.slice().buffer);
  expect(words.length).toBe(frame.widthPx * frame.heightPx);
  expect(words.every((word) => word === words[0])).toBe(true);
  return words[0] ?? -1;
}

async function nextFrame(frames: AsyncIterator<Frame>): Promise<Frame> {
  const { value } = await frames.next();
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** Waits natively until a word of the region is something. */
async function until(
  region: ReturnType<typeof handIn>,
  at: number,
  satisfied: (value: number) => boolean,
): Promise<void> {
  for (;;) {
    const value = loadU32(region, at);
    if (satisfied(value)) return;
    await region.mapping.wait([{ offsetBytes: at, value }], { timeoutMs: 10_000 });
  }
}

describe('connect()', () => {
  it('resolves when a publisher is there, however late its region and it come', async () => {
    const path = temporaryPath();
    const connecting = connect(path);
    createRegionFile(path, 8 * 2 ** 20);
    await GuestProcess.start(path, { wire: 'B6', hostVersion: 'late' });
    await using client = await connecting;
    expect(client.session).toMatchObject({ release: 'B6', hostVersion: 'late' });
    expect(client.state.name).toBe('showing');
    expect(client.regionBytes).toBe(8 * 2 ** 20);
  });

  it('rejects with what its signal was aborted with, and leaves nothing behind', async () => {
    const path = zeros();
    const stop = new AbortController();
    const connecting = connect(path, { signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    await expect(connect(path, { signal: stop.signal })).rejects.toBe(reason);
    expect(belongings(path)).toEqual({ files: 0, maps: 0, threads: 0 });
  });

  it('rejects at once for what time does not mend', async () => {
    await expect(connect('pci:nowhere')).rejects.toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
    await expect(connect('')).rejects.toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
  });

  it('gives a client that closes when the signal fires later', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const stop = new AbortController();
    const client = await connect(path, { signal: stop.signal });
    await guest.play(SMALL);
    const seen: number[] = [];
    for await (const frame of client.frames()) {
      seen.push(numberOf(frame));
      if (seen.length === 3) stop.abort();
    }
    await client.close();
    expect(client.closed).toBe(true);
    expect(subscribers(handIn(path))).toEqual({ frame: 0, pointer: 0 });
  });
});

describe('a client', () => {
  it('shows a guest that is killed as stale, and goes on when it is started again', async () => {
    const path = zeros();
    const first = await GuestProcess.start(path);
    const client = clientOf(path);
    const states: ClientState['name'][] = [];
    const watching = (async () => {
      for await (const { name } of client.states()) states.push(name);
    })();
    const frames = client.frames();
    const cursors = client.cursor();
    await first.play(SMALL);
    await nextFrame(frames);
    await first.setCursor({ position: { x: 1, y: 2 }, visible: true });
    expect((await cursors.next()).value).toMatchObject({ x: 1, y: 2 });
    const session = client.session;
    await first.kill();
    await inState(client, 'stale');
    expect(client.session).toBe(session);

    const second = await GuestProcess.start(path);
    await inState(client, 'showing');
    await second.play({ ...SMALL, widthPx: 128 });
    await second.setCursor({ position: { x: 3, y: 4 }, visible: true });
    let frame = await nextFrame(frames);
    // What the dead publisher had posted last may still come first.
    while (frame.widthPx !== 128) frame = await nextFrame(frames);
    numberOf(frame);
    expect((await cursors.next()).value).toMatchObject({ x: 3, y: 4 });
    expect(client.session?.id).not.toBe(session?.id);
    expect(client.stats.sessions).toBe(2);
    await client.close();
    await watching;
    // A guest that stands still for a second on a busy machine is stale for a moment more.
    const changes = states.filter((name, i) => name !== states[i - 1]);
    expect(changes.join(' ')).toMatch(/^waiting showing( stale showing)+$/);
  });

  it('says stale when the file is wiped to zeros, and goes on when the guest writes anew', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    const frames = client.frames();
    await guest.play(SMALL);
    await nextFrame(frames);
    const { sessionId } = await guest.facts();
    const region = handIn(path);
    const stale = inState(client, 'stale');
    region.bytes.fill(0);
    await stale;
    await inState(client, 'showing');
    expect(client.session?.id).not.toBe(sessionId);
    numberOf(await nextFrame(frames));
    numberOf(await nextFrame(frames));
  });

  it('stays stale when the file is wiped and nobody is there, and goes on later', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    await inState(client, 'showing');
    await guest.kill();
    const region = handIn(path);
    region.bytes.fill(0);
    const { message, hint } = await inState(client, 'stale');
    expect(message).toContain('the guest does not answer');
    expect(hint).toContain('goes on by itself');
    await GuestProcess.start(path, { wire: 'B6' });
    await inState(client, 'showing');
    expect(client.session?.release).toBe('B6');
  });

  it('goes over to a file of another size that takes the place of the region', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    const frames = client.frames();
    await guest.play(SMALL);
    await nextFrame(frames);
    const old = handIn(path);
    createRegionFile(`${path}.new`, 16 * 2 ** 20);
    renameSync(`${path}.new`, path);
    const second = await GuestProcess.start(path);
    await second.play({ ...SMALL, widthPx: 128 });
    await inState(client, () => client.regionBytes === 16 * 2 ** 20);
    await inState(client, 'showing');
    let frame = await nextFrame(frames);
    while (frame.widthPx !== 128) frame = await nextFrame(frames);
    numberOf(frame);
    // The old region may still be somebody's: nothing of ours is left in it.
    expect(subscribers(old)).toEqual({ frame: 0, pointer: 0 });
    await client.close();
    expect(subscribers(handIn(path))).toEqual({ frame: 0, pointer: 0 });
  });

  it('goes over to the new size of a region that grows in place', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    await inState(client, 'showing');
    await guest.kill();
    createRegionFile(path, 16 * 2 ** 20);
    await GuestProcess.start(path);
    await inState(client, ({ name }) => name === 'showing' && client.regionBytes === 16 * 2 ** 20);
  });

  it('is stale while the file is gone, and goes on when it is there again', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    await inState(client, 'showing');
    await guest.kill();
    rmSync(path);
    await inState(client, 'stale');
    await inState(client, () => client.regionBytes === undefined);
    expect(client.state.name).toBe('stale');
    createRegionFile(path, 8 * 2 ** 20);
    await GuestProcess.start(path);
    await inState(client, 'showing');
  });

  it('follows a guest that changes its resolution', async () => {
    const path = zeros(16);
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    const frames = client.frames();
    for (const [widthPx, heightPx] of [
      [64, 48],
      [640, 480],
      [33, 77],
      [800, 600],
    ] as const) {
      await guest.play({ widthPx, heightPx, everyMs: 4 });
      let frame = await nextFrame(frames);
      while (frame.widthPx !== widthPx) frame = await nextFrame(frames);
      expect(frame.heightPx).toBe(heightPx);
      numberOf(frame);
    }
    expect(client.stats.framesRefused).toBe(0);
  });

  it.each(['B6', 'B7'] as const)('of two on one %s region gets every frame', async (wire) => {
    const path = zeros();
    const guest = await GuestProcess.start(path, { wire });
    const clients = [clientOf(path), clientOf(path)];
    const wanted = 200;
    const reading = clients.map(async (client) => {
      const numbers: number[] = [];
      for await (const frame of client.frames()) {
        numbers.push(numberOf(frame));
        if (numbers.at(-1) === wanted - 1) break;
      }
      return numbers;
    });
    await guest.play({ ...SMALL, everyMs: 1, count: wanted, lossless: 2 });
    const all = Array.from({ length: wanted }, (_, i) => i);
    expect(await Promise.all(reading)).toEqual([all, all]);
    for (const { stats } of clients)
      expect(stats).toMatchObject({ framesSeen: wanted, framesSkipped: 0, timedOut: 0 });
    const { stats } = await guest.facts();
    expect(stats).toMatchObject({ subscribersTimedOut: 0, repairs: 0, restarts: 0 });
  });

  it('is disturbed for a second at most by one that was killed, whose slot is freed', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    await guest.play(SMALL);
    const held = await holdingReader(path);
    const region = handIn(path);
    expect(subscribers(region)).toEqual({ frame: 1, pointer: 0 });
    await held.kill();
    expect(subscribers(region)).toEqual({ frame: 1, pointer: 0 });
    const client = clientOf(path);
    const frames = client.frames();
    const seen = new Set<number>();
    while (seen.size < 50) seen.add(numberOf(await nextFrame(frames)));
    // First given up, then freed: only our own slot is left.
    await until(region, 32 + 420, (on) => on === 0b10);
    const { stats } = await guest.facts();
    expect(stats).toMatchObject({ subscribersTimedOut: 1, subscribersReaped: 1, repairs: 0 });
    expect(client.stats.timedOut).toBe(0);
  });

  it('gives a frame up whose write pointer turns without end, and goes on', async () => {
    const path = zeros(16);
    const guest = await GuestProcess.start(path);
    const spinner = await GuestProcess.start(zeros());
    const client = clientOf(path);
    const frames = client.frames();
    const next = frames.next();
    const region = handIn(path);
    await until(region, 32 + 420, (on) => on === 1);
    const [widthPx, heightPx] = [1024, 1024];
    const pixels = new Uint8Array(widthPx * heightPx * 4);
    const picture = { pixels, format: 'BGRA', widthPx, heightPx } as const;
    await guest.openFrame(picture, {}, 0);
    const ring = region.view.getUint32(32 + 20, true);
    const slot = region.view.getUint32(ring + 8, true);
    // Always another value, and never as many as there are bytes.
    const spinning = spinner.spin(path, slot + 4092, { ms: 1200, below: pixels.length - 8192 });
    await until(region, 32 + 440, (count) => count === 0);
    await spinning;
    await guest.publish(picture);
    expect((await next).value?.serial).toBe(1);
    // By us, or by the publisher where the machine is so slow that it comes first.
    const { framesGivenUp, timedOut } = client.stats;
    expect(framesGivenUp + timedOut).toBeGreaterThan(0);
  });
});

describe('close()', () => {
  it('gives back every slot, thread, file and mapping, at whatever moment it comes', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    await guest.play({ ...SMALL, everyMs: 1 });
    const region = handIn(path);
    const before = belongings(path);
    for (let turn = 0; turn < 40; turn++) {
      const client = new Client(path);
      let sawFrame = (): void => {};
      const seen = new Promise<void>((resolve) => {
        sawFrame = resolve;
      });
      const frames = (async () => {
        for await (const frame of client.frames({ partial: turn % 2 === 0 }))
          if (await frame.whenRows(48)) sawFrame();
      })();
      const cursors = (async () => {
        for await (const cursor of client.cursor()) void cursor;
      })();
      const states = (async () => {
        for await (const state of client.states()) void state;
      })();
      // From before anything is open to in the middle of frames.
      if (turn % 4 === 1) await client.attached();
      if (turn % 4 === 2) await seen;
      if (turn % 4 === 3) {
        await client.attached();
        await until(region, 32 + 420, (on) => on !== 0);
      }
      for (let i = 0; i < turn; i++) await Promise.resolve();
      await client.close();
      await Promise.all([frames, cursors, states]);
      expect(subscribers(region)).toEqual({ frame: 0, pointer: 0 });
    }
    expect(belongings(path)).toEqual(before);
    expect((await guest.facts()).stats).toMatchObject({ subscribersTimedOut: 0, repairs: 0 });
  });

  it.each([
    ['there is no file', temporaryPath],
    ['there is no publisher', zeros],
  ])('ends all that waits while %s', async (_, make) => {
    const path = make();
    const before = belongings(path);
    const client = new Client(path);
    await inState(client, 'waiting');
    const waiting = Promise.all([
      client.frames().next(),
      client.cursor().next(),
      client.attached().catch((error: unknown) => error),
    ]);
    const states = client.states();
    await states.next();
    const state = states.next();
    await client.close();
    const [frame, cursor, attached] = await waiting;
    expect(frame).toEqual({ done: true, value: undefined });
    expect(cursor).toEqual({ done: true, value: undefined });
    expect(attached).toMatchObject({ code: 'ERR_KVMFR_CLOSED' });
    expect(await state).toEqual({ done: true, value: undefined });
    expect(await client.frames().next()).toEqual({ done: true, value: undefined });
    expect(belongings(path)).toEqual(before);
  });

  it('ends all that waits while the guest is stale', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    await inState(client, 'showing');
    const frame = client.frames().next();
    const region = handIn(path);
    await until(region, 32 + 420, (on) => on === 1);
    await guest.kill();
    await inState(client, 'stale');
    await client.close();
    expect((await frame).done).toBe(true);
    expect(subscribers(region).frame).toBe(0);
  });

  it('can be called twice at once, and by leaving a scope', async () => {
    const path = zeros();
    await GuestProcess.start(path);
    const before = belongings(path);
    {
      await using client = await connect(path);
      await Promise.all([client.close(), client.close()]);
    }
    expect(belongings(path)).toEqual(before);
  });

  it('leaves no listener on the signal of its caller', async () => {
    const path = zeros();
    const stop = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = stop.signal;
    stop.signal.addEventListener = (...rest: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(stop.signal, rest);
    };
    stop.signal.removeEventListener = (...rest: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(stop.signal, rest);
    };
    const client = new Client(path, { signal: stop.signal });
    const { signal } = stop;
    const waiting = Promise.all([
      client.frames({ signal }).next(),
      client.cursor({ signal }).next(),
      client.states({ signal }).next(),
    ]);
    await client.close();
    await waiting;
    // The stream of states was given a state and would be asked again: it still listens.
    expect(listeners).toBe(1);
    stop.abort();
  });
});
