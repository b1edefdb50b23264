import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { beginWrite, endWrite } from '../../client/tiles/shared-planes.ts';
import {
  startVideoEncoder,
  type VideoEncoder,
  type VideoEncoderOptions,
  type VideoState,
} from '../../viewer/encode/video/index.ts';
import { childProcesses, isAlive } from '../support/processes.ts';
import { chunkOf, decodeChunks, likeness, plaid, testPicture } from '../support/video.ts';

// What becomes of requests when the process of an encoder, its library or its memory fails.

const H264: VideoEncoderOptions = { codec: 'h264', bitrateKbits: 8000, framesPerSecond: 60 };

/** Longer than a process that works is late by on a busy machine. */
const DEADLINE_MS = 2000;

/** A library that fails as its URL says. */
function faulty(how: string): VideoEncoderOptions {
  const url = new URL(`../support/faulty-codec.mjs?${how}`, import.meta.url);
  return { ...H264, library: url.href };
}

function pidOf(encoder: VideoEncoder): number {
  if (encoder.pid === undefined) throw new Error('a ready encoder has a process');
  return encoder.pid;
}

describe('an encoder whose process ends', () => {
  it('codes the picture that was asked for in a new one, as a key frame', async () => {
    using picture = testPicture(320, 192);
    await using encoder = startVideoEncoder(H264);
    picture.draw(plaid(0));
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const pid = pidOf(encoder);
    picture.draw(plaid(1));
    process.kill(pid, 'SIGKILL');
    const next = chunkOf(await encoder.encode(picture.planes, { serial: 2 }));
    expect(next).toMatchObject({ serial: 2, keyFrame: true });
    expect(encoder.pid).not.toBe(pid);
    expect(encoder.stats).toMatchObject({ chunks: 2, keyFrames: 2, restarts: 1 });
    const [frame] = await decodeChunks([next]);
    expect(likeness(frame, picture).y).toBeGreaterThan(34);
  });

  it('goes on with the newest request, and tells the others so', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(H264);
    await encoder.settled();
    process.kill(pidOf(encoder), 'SIGSTOP');
    const outcomes = [1, 2, 3].map((serial) => encoder.encode(picture.planes, { serial }));
    process.kill(pidOf(encoder), 'SIGKILL');
    expect(await Promise.all(outcomes)).toMatchObject([
      { kind: 'replaced' },
      { kind: 'replaced' },
      { kind: 'chunk', serial: 3, keyFrame: true },
    ]);
    expect(encoder.stats).toMatchObject({ chunks: 1, replaced: 2, restarts: 1 });
  });

  it('says that it failed when that happens again and again', async () => {
    using picture = testPicture(160, 96);
    const states: VideoState[] = [];
    await using encoder = startVideoEncoder({
      ...faulty('exit=7'),
      onState: (state) => states.push(state),
    });
    const outcome = await encoder.encode(picture.planes, { serial: 1 });
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'ERR_KVMFR_VIDEO' } });
    expect(encoder.state).toBe(outcome);
    expect(states.map(({ kind }) => kind)).toEqual([...Array(5).fill('starting'), 'failed']);
    expect(outcome.kind === 'failed' && outcome.error.message).toMatch(
      /its process ended \(status 7\), after it had printed: the codec is tired$/,
    );
    expect(await encoder.encode(picture.planes, { serial: 2 })).toBe(outcome);
    expect(childProcesses()).not.toContain(encoder.pid);
  });

  it('can be closed while it starts again', async () => {
    const before = childProcesses();
    using picture = testPicture(160, 96);
    const encoder = startVideoEncoder(H264);
    await encoder.settled();
    const request = encoder.encode(picture.planes, { serial: 1 });
    process.kill(pidOf(encoder), 'SIGKILL');
    await encoder.close();
    expect(await request).toMatchObject({ kind: 'failed', error: { code: 'ERR_KVMFR_CLOSED' } });
    expect(childProcesses()).toEqual(before);
  });
});

describe('an encoder whose process hangs', () => {
  it('is started again after the deadline, and goes on with a key frame', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder({ ...H264, deadlineMs: DEADLINE_MS });
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const pid = pidOf(encoder);
    process.kill(pid, 'SIGSTOP');
    expect(await encoder.encode(picture.planes, { serial: 2 })).toMatchObject({
      kind: 'chunk',
      serial: 2,
      keyFrame: true,
    });
    expect(encoder.stats.restarts).toBe(1);
    await encoder.close();
    expect(isAlive(pid)).toBe(false);
  });

  it('is closed all the same', async () => {
    const encoder = startVideoEncoder(H264);
    await encoder.settled();
    const pid = pidOf(encoder);
    process.kill(pid, 'SIGSTOP');
    await encoder.close();
    expect(isAlive(pid)).toBe(false);
  });
});

describe('an encoder whose library fails', () => {
  it.each([
    ['throws', 'throw=2'],
    ['reports an error', 'error=2'],
    ['makes nothing of a picture', 'silent=2'],
  ])('is started again when it %s', async (_, how) => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder({ ...faulty(how), deadlineMs: DEADLINE_MS });
    const chunks = [];
    for (let serial = 1; serial <= 3; serial++)
      chunks.push(chunkOf(await encoder.encode(picture.planes, { serial })));
    expect(chunks.map(({ keyFrame }) => keyFrame)).toEqual([true, true, true]);
    expect(encoder.stats).toMatchObject({ chunks: 3, restarts: 2 });
  });

  it('fails when each stream begins without its parameters', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(faulty('headless'));
    const outcome = await encoder.encode(picture.planes, { serial: 1 });
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'ERR_KVMFR_VIDEO' } });
  });

  it.each([
    ['no-such-package-as-this', /Cannot find package 'no-such-package-as-this'/],
    [faulty('refuse').library, /there is no such processor/],
    [faulty('unsupported').library, /cannot encode avc1\.42E01F/],
  ])('says at once that %s cannot be used', async (library, reason) => {
    using picture = testPicture(160, 96);
    const before = childProcesses();
    const encoder = startVideoEncoder({ ...H264, library: library ?? '' });
    const outcome = encoder.encode(picture.planes, { serial: 1 });
    const state = await encoder.settled();
    expect(state).toMatchObject({ kind: 'failed', error: { code: 'ERR_KVMFR_UNSUPPORTED' } });
    expect(state.kind === 'failed' && state.error.message).toMatch(reason);
    expect(await outcome).toBe(state);
    expect(encoder.stats.restarts).toBe(0);
    await encoder.close();
    expect(childProcesses()).toEqual(before);
  });
});

describe('an encoder whose picture is written', () => {
  it('misses it, and makes the key frame that was asked for of the next one', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(H264);
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    beginWrite(picture.epoch);
    const missed = await encoder.encode(picture.planes, { serial: 2, keyFrame: true });
    expect(missed).toEqual({ kind: 'missed' });
    endWrite(picture.epoch);
    const next = chunkOf(await encoder.encode(picture.planes, { serial: 3 }));
    expect(next.keyFrame).toBe(true);
    expect(encoder.stats).toMatchObject({ chunks: 2, missed: 1, restarts: 0 });
  });

  it('misses it when its memory has gone', async () => {
    await using encoder = startVideoEncoder(H264);
    const picture = testPicture(160, 96);
    const { path, inode, byteLength } = picture.memory;
    picture.memory.close();
    const planes = { ...picture.planes, memory: { path, inode, byteLength } };
    expect(await encoder.encode(planes, { serial: 1 })).toEqual({ kind: 'missed' });
  });
});

describe('requests while another is worked on', () => {
  it('replace each other, and the last takes over the wish for a key frame', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(H264);
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const outcomes = await Promise.all([
      encoder.encode(picture.planes, { serial: 2 }),
      encoder.encode(picture.planes, { serial: 3, keyFrame: true }),
      encoder.encode(picture.planes, { serial: 4 }),
    ]);
    expect(outcomes).toMatchObject([
      { kind: 'chunk', serial: 2, keyFrame: false },
      { kind: 'replaced' },
      { kind: 'chunk', serial: 4, keyFrame: true },
    ]);
  });
});

describe('the process of an encoder', () => {
  it('ends with the program that started it', async () => {
    const script = fileURLToPath(new URL('../support/video-parent.mjs', import.meta.url));
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('keeps what the library prints for whoever asks', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(H264);
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    await expect.poll(() => encoder.printed.join()).toContain('OpenH264');
    expect(encoder.printed.length).toBeLessThanOrEqual(32);
  });
});
