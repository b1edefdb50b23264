import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Client, type ClientState } from '../../client/index.ts';
import { createRegionFile } from '../../native/index.ts';
import {
  belongings,
  GuestProcess,
  handIn,
  inState,
  stateForNobody,
  temporaryPath,
  zeros,
} from './client-guest.ts';

const MAGIC = 0x504d_474c;

function clientOf(path: string): Client {
  const client = new Client(path);
  onTestFinished(() => client.close());
  return client;
}

/** Puts a good region where the bad one was. */
function mend(path: string): void {
  const good = zeros();
  rmSync(path, { recursive: true, force: true });
  renameSync(good, path);
}

/** A client that meets a bad region is in this state, and goes on when a guest takes its place. */
async function meets(
  path: string,
  expected: Pick<ClientState, 'name' | 'code'>,
): Promise<ClientState> {
  const before = belongings(path);
  const client = new Client(path);
  const frames = client.frames();
  const next = frames.next();
  const state = await inState(client, ({ name }) => name === expected.name);
  expect(state).toMatchObject(expected);
  mend(path);
  const guest = await GuestProcess.start(path);
  await inState(client, 'showing');
  await guest.play({ widthPx: 64, heightPx: 48, everyMs: 4 });
  expect((await next).value?.widthPx).toBe(64);
  await client.close();
  expect(belongings(path)).toEqual(before);
  return state;
}

describe('a region that is none', () => {
  it('no file: it is waited for', async () => {
    const path = temporaryPath();
    const state = await meets(path, { name: 'waiting', code: 'ERR_KVMFR_ABSENT' });
    expect(state.message).toContain(path);
    expect(state.hint).toBeDefined();
  });

  it('no folder: it is waited for', async () => {
    const folder = temporaryPath();
    const client = clientOf(`${folder}/region`);
    expect(client.state).toMatchObject({ name: 'waiting', code: 'ERR_KVMFR_ABSENT' });
    mkdirSync(folder);
    createRegionFile(`${folder}/region`, 8 * 2 ** 20);
    await GuestProcess.start(`${folder}/region`);
    await inState(client, 'showing');
  });

  it('a directory: it is said so', async () => {
    const path = temporaryPath();
    mkdirSync(path);
    const state = await meets(path, { name: 'failed', code: 'ERR_KVMFR_NOT_A_REGION' });
    expect(state.message).toContain('directory');
  });

  it('a device that is no region: it is said so', async () => {
    const client = clientOf('/dev/null');
    expect(client.state).toMatchObject({ name: 'failed', code: 'ERR_KVMFR_NOT_A_REGION' });
  });

  it('a file without permission: which group or chmod would help', async () => {
    const path = zeros();
    chmodSync(dirname(path), 0o755);
    // Who is not root already is nobody enough, without any permission.
    if (process.getuid?.() !== 0) chmodSync(path, 0);
    const state = await stateForNobody(path);
    expect(state).toMatchObject({ name: 'denied', code: 'ERR_KVMFR_DENIED' });
    expect(state.message).toMatch(/uid \d+, gid \d+, mode 0[06]00/);
    expect(state.hint).toContain(`chmod 0660 ${path}`);
    expect(state.hint).toContain('group');
  });

  it.each([
    ['nothing', 0],
    ['a byte', 1],
    ['no whole page', 8 * 2 ** 20 + 1],
    ['less than a header and a frame', 4096],
  ])('a file of %s: the size is told', async (_, bytes) => {
    const path = temporaryPath();
    writeFileSync(path, new Uint8Array(bytes));
    const state = await meets(path, { name: 'failed', code: 'ERR_KVMFR_SIZE' });
    expect(state.message).toContain(`${path} has ${bytes}`);
  });

  it('a file of zeros: a publisher is waited for', async () => {
    const state = await meets(zeros(), { name: 'waiting', code: 'ERR_KVMFR_NO_HOST' });
    expect(state.hint).toContain('share=on');
  });

  it('a file of random bytes: a publisher is waited for, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const path = temporaryPath();
        const words = new Uint32Array(16 * 1024);
        let word = seed >>> 0;
        for (let i = 0; i < words.length; i++) {
          word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
          words[i] = word;
        }
        writeFileSync(path, words);
        await using client = new Client(path);
        const next = client.frames().next();
        await new Promise((resolve) => setImmediate(resolve));
        expect(client.state).toMatchObject({ name: 'waiting', code: 'ERR_KVMFR_NO_HOST' });
        await client.close();
        expect(await next).toEqual({ done: true, value: undefined });
      }),
      { numRuns: 20 },
    );
  });

  it('a header that is dead: it is named, and waited for', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    await guest.kill();
    const client = clientOf(path);
    const state = await inState(client, ({ code }) => code === 'ERR_KVMFR_NO_HOST');
    expect(state.name).toBe('waiting');
    expect(state.message).toContain('LGMP 6 (Looking Glass B7) at 0x0 ran here and is gone');
    await GuestProcess.start(path);
    await inState(client, 'showing');
  });
});

/** A publisher's header that somebody keeps alive: just a heartbeat, at whatever place. */
function beating(path: string, timestampAt: number): ReturnType<typeof handIn> & { stop(): void } {
  const region = handIn(path);
  const timer = setInterval(() => {
    const now = region.view.getBigUint64(timestampAt, true);
    region.view.setBigUint64(timestampAt, now + 10n, true);
  }, 10);
  onTestFinished(() => clearInterval(timer));
  return Object.assign(region, { stop: () => clearInterval(timer) });
}

describe('a publisher of another version', () => {
  it.each([
    [8, 0, 16],
    [9, 8, 0],
    [11, 8064, 0],
    [1234, 0, 16],
  ])('LGMP %i is named, while it lives; B7 is shown after it', async (version, at, timestampAt) => {
    const path = zeros();
    const region = beating(path, timestampAt);
    region.view.setUint32(at, MAGIC, true);
    region.view.setUint32(at + 4, version, true);
    const client = clientOf(path);
    const state = await inState(client, 'incompatible');
    expect(state.code).toBe('ERR_KVMFR_LGMP_VERSION');
    expect(state.message).toContain(`LGMP ${version} `);
    expect(state.message).toMatch(/nearest to it, it reads \w+ \(KVMFR \d+ on LGMP \d+\)/);
    expect(state.hint).toContain('B7');
    region.stop();
    await inState(client, 'waiting');
    await GuestProcess.start(path);
    await inState(client, 'showing');
  });

  it('KVMFR of another version is named with its LGMP, and its two neighbours', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path, { hostVersion: 'B8-rc1' });
    const region = handIn(path);
    region.view.setUint32(5756 + 8, 34, true);
    const client = clientOf(path);
    const state = await inState(client, 'incompatible');
    expect(state.code).toBe('ERR_KVMFR_KVMFR_VERSION');
    expect(state.message).toContain('B8-rc1 with KVMFR 34 on LGMP 6');
    expect(state.message).toContain('dev10 (KVMFR 20 on LGMP 10) and dev12 (KVMFR 34 on LGMP 12)');
    region.view.setUint32(5756 + 8, 20, true);
    await inState(client, 'showing');
    expect(client.session?.id).toBe((await guest.facts()).sessionId);
  });

  it('a session blob without KVMFR--- is told, with what it begins with', async () => {
    const path = zeros();
    await GuestProcess.start(path);
    const region = handIn(path);
    region.bytes[5756] = 0x58;
    const client = clientOf(path);
    const state = await inState(client, 'failed');
    expect(state.code).toBe('ERR_KVMFR_MAGIC');
    expect(state.message).toContain('XVMFR---');
    region.bytes[5756] = 0x4b;
    await inState(client, 'showing');
  });

  it('another version that takes over a region that was shown is named', async () => {
    const path = zeros();
    const guest = await GuestProcess.start(path);
    const client = clientOf(path);
    await inState(client, 'showing');
    await guest.kill();
    // A development host keeps its heartbeat where the magic of B7 was.
    const region = beating(path, 0);
    region.view.setBigUint64(0, 77n, true);
    region.view.setUint32(8064, MAGIC, true);
    region.view.setUint32(8068, 11, true);
    const state = await inState(client, 'incompatible');
    expect(state.message).toContain('LGMP 11 ');
    expect(client.session?.release).toBe('B7');
    region.stop();
    await inState(client, 'stale');
  });
});
