import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Client } from '../../client/index.ts';
import { belongings, GuestProcess, holdingReader, zeros } from '../integration/client-guest.ts';

const WIRES = ['B6', 'B7', 'dev10', 'dev12'] as const;
const PLAY = { widthPx: 64, heightPx: 48, everyMs: 4 } as const;

/** A reader in a process of its own that has taken the lock of the frame queue. */
async function lockingReader(path: string): Promise<{ kill(): Promise<void> }> {
  const script = fileURLToPath(new URL('../../dist/bench/soak/reader.js', import.meta.url));
  const child = fork(script, [path, 'lock'], { execArgv: [] });
  const exited = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await Promise.race([once(child, 'message'), exited]);
  if (child.exitCode !== null) throw new Error('the reader ended before it had the lock');
  return {
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Reads until a picture is seen that was made after now, in whatever session. */
async function readsOn(client: Client): Promise<void> {
  let first: number | undefined;
  for await (const frame of client.frames()) {
    const number = new DataView(frame.pixels.buffer, frame.pixels.byteOffset).getUint32(0, true);
    first ??= number;
    if (number > first) return;
  }
  throw new Error('the stream has ended');
}

describe.each(WIRES)('a reader of %s that is killed', (wire) => {
  it('with the lock of a queue keeps nobody out for long: others read on, and new ones come', async () => {
    const path = zeros(16);
    const guest = await GuestProcess.start(path, { wire });
    const before = belongings(path);
    const other = new Client(path);
    onTestFinished(() => other.close());
    await guest.play(PLAY);
    await readsOn(other);
    const reader = await lockingReader(path);
    await reader.kill();
    // The publisher finds the lock held by nobody, and begins another session in place.
    for await (const { name } of other.states())
      if (name === 'showing' && (await guest.facts()).stats.restarts > 0) break;
    await readsOn(other);
    await using newcomer = new Client(path);
    await readsOn(newcomer);
    await newcomer.close();
    await other.close();
    expect(belongings(path)).toEqual(before);
  });

  it('with a frame gives its slot back: others read on, and its place is free again', async () => {
    const path = zeros(16);
    const guest = await GuestProcess.start(path, { wire });
    await guest.play(PLAY);
    const reader = await holdingReader(path);
    await reader.kill();
    await using other = new Client(path);
    await readsOn(other);
    await expect
      .poll(async () => (await guest.facts()).watchers, { timeout: 60_000 })
      .toBeLessThanOrEqual(1);
    await other.close();
    await expect.poll(async () => (await guest.facts()).watchers, { timeout: 60_000 }).toBe(0);
    expect((await guest.facts()).stats.restarts).toBe(0);
  });
});
