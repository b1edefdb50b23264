import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type GuestProcess, spawnPattern } from '../../../../host/index.ts';
import { Mapping } from '../../../../native/index.ts';
import { Region } from '../../../../protocol/index.ts';
import { FRAME_QUEUE_AT, LgmpClient } from '../lgmp-client.ts';

let folder = '';
let region = '';
const guests: GuestProcess[] = [];
const mappings: Mapping[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-guest-'));
  region = join(folder, 'region');
});
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  for (const mapping of mappings.splice(0)) mapping.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: object = {}): Promise<GuestProcess> {
  const guest = await spawnPattern({
    region,
    widthPx: 320,
    heightPx: 200,
    regionMib: 4,
    ...options,
  });
  guests.push(guest);
  return guest;
}

function open(): Region {
  const mapping = Mapping.open(region);
  mappings.push(mapping);
  return new Region(mapping.buffer);
}

const SOON = { timeout: 60_000, interval: 2 } as const;

function heartbeat(memory: Region): bigint {
  return memory.view.getBigUint64(16, true);
}

describe('spawnPattern()', () => {
  it('makes the region, and frames come as soon as somebody subscribes', async () => {
    const guest = await start({ wire: 'B6', fps: 100 });
    const memory = open();
    expect(memory.byteLength).toBe(4 * 2 ** 20);
    expect(memory.view.getUint32(4, true)).toBe(5);
    const client = LgmpClient.subscribe(memory, FRAME_QUEUE_AT);
    let seen = 0;
    await vi.waitUntil(() => {
      if (client.take() !== undefined) seen++;
      return seen === 5;
    }, SOON);
    const stats = await guest.stats();
    expect(stats.sessionId).toBe(memory.view.getUint32(8, true));
    expect(stats.framesPosted).toBeGreaterThanOrEqual(5);
    expect(stats.busyMs).toBeGreaterThan(0);
  });

  it('makes a region that its frames fit in when no size is given', async () => {
    await start({ widthPx: 1920, heightPx: 1080, regionMib: undefined });
    expect(open().byteLength).toBe(32 * 2 ** 20);
  });

  it('fails with what was wrong, and leaves no process', async () => {
    await expect(start({ widthPx: 10 })).rejects.toMatchObject({
      code: 'ERR_KVMFR_ARGUMENT',
      message: expect.stringContaining('10'),
    });
    await expect(start({ region: join(folder, 'no', 'such', 'folder') })).rejects.toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
    });
  });

  it('obeys resize, pause, resume, freeze and thaw', async () => {
    const guest = await start({ fps: 200, regionMib: 16 });
    const memory = open();
    let client = LgmpClient.subscribe(memory, FRAME_QUEUE_AT);
    const widthOfNext = async (): Promise<number> => {
      let at: number | undefined;
      await vi.waitUntil(() => {
        // On a busy machine we may be the slow subscriber ourselves.
        if (client.bad || !client.on) client = LgmpClient.subscribe(memory, FRAME_QUEUE_AT);
        at = client.take()?.offset;
        return at !== undefined;
      }, SOON);
      return memory.view.getUint32((at ?? 0) + 28, true);
    };
    expect(await widthOfNext()).toBe(320);
    await guest.resize(400, 300);
    await vi.waitUntil(async () => (await widthOfNext()) === 400, SOON);

    await guest.pause();
    while (client.take() !== undefined);
    let beat = heartbeat(memory);
    for (let i = 0; i < 3; i++) {
      await vi.waitUntil(() => heartbeat(memory) !== beat, SOON);
      beat = heartbeat(memory);
    }
    const posted = (await guest.stats()).framesPosted;
    await vi.waitUntil(() => heartbeat(memory) > beat + 50n, SOON);
    expect((await guest.stats()).framesPosted).toBe(posted);
    await guest.resume();
    expect(await widthOfNext()).toBe(400);

    await guest.freeze();
    beat = heartbeat(memory);
    // Its clock goes on, as its answers show, but its heartbeat does not.
    for (let i = 0; i < 20; i++) await guest.stats();
    expect(heartbeat(memory)).toBe(beat);
    await guest.thaw();
    await vi.waitUntil(() => heartbeat(memory) !== beat, SOON);
  });

  it('refuses a size that cannot be drawn, and goes on', async () => {
    const guest = await start();
    await expect(guest.resize(5, 5)).rejects.toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
    expect((await guest.stats()).framesPosted).toBe(1);
  });

  it.each(['close', 'kill'] as const)(
    'after %s the region stays as a dead host leaves it',
    async (how) => {
      const guest = await start();
      const memory = open();
      await guest[how]();
      expect(await guest.exited).toEqual(
        how === 'close' ? { code: 0, signal: null } : { code: null, signal: 'SIGKILL' },
      );
      expect(memory.view.getUint32(0, true)).toBe(0x504d474c);
      const before = memory.view.getUint32(8, true);
      await expect(guest.stats()).rejects.toMatchObject({ code: 'ERR_KVMFR_CLOSED' });
      const next = await start();
      expect((await next.stats()).sessionId).not.toBe(before);
      expect(memory.view.getUint32(8, true)).toBe((await next.stats()).sessionId);
    },
  );

  it('ends when its signal says so', async () => {
    const stop = new AbortController();
    const guest = await start({ signal: stop.signal });
    stop.abort();
    expect(await guest.exited).toEqual({ code: 0, signal: null });
  });

  it('ends, with an error, when the region is replaced', async () => {
    const guest = await start();
    const error = once(guest, 'error');
    await rm(region);
    expect((await error)[0]).toMatchObject({ code: 'ERR_KVMFR_ABSENT' });
    await guest.exited;
  });

  it('ends with its parent, however that ends', async () => {
    const parent = fork(new URL('./process-parent.mjs', import.meta.url), [region]);
    const [pid] = await once(parent, 'message');
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await vi.waitUntil(() => !isAlive(pid), SOON);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
