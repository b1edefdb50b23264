import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Client, connect, type FrameDeadline, type Pacing } from '../../client/index.ts';
import { spawnPattern } from '../../host/index.ts';
import { encodeView } from '../../protocol/wire/index.ts';
import { createViewer, listen } from '../../viewer/relay/index.ts';
import { eventually } from '../support/eventually.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { temporaryPath } from './client-guest.ts';

// A guest of dev12 in a process of its own, and who asks it for a pace.

const MS = 1_000_000;

/** A guest that draws another picture each time, in the background of what is tested. */
async function guestAt(fps: number): Promise<string> {
  const region = temporaryPath();
  const guest = await spawnPattern({
    region,
    wire: 'dev12',
    widthPx: 320,
    heightPx: 240,
    fps,
    content: 'game',
  });
  onTestFinished(() => guest.close());
  return region;
}

async function clientOf(path: string): Promise<Client> {
  const client = await connect(path);
  onTestFinished(() => client.close());
  return client;
}

/** Subscribers of the frame queue, both owner queues and the pointer queue. */
function subscribers(client: Client): readonly number[] {
  return [2, 3, 4, 1].map(
    (id) => client.queues().find((queue) => queue.id === id)?.subscribers ?? -1,
  );
}

/** Reads this many frames that were made for a deadline, and says how many came meanwhile. */
async function deadlines(
  client: Client,
  count: number,
): Promise<{ readonly met: readonly FrameDeadline[]; readonly frames: number }> {
  const met: FrameDeadline[] = [];
  let frames = 0;
  for await (const frame of client.frames()) {
    const { deadline } = frame;
    if (met.length > 0) frames += 1;
    if (deadline !== undefined) met.push(deadline);
    if (met.length === count) break;
  }
  return { met, frames };
}

function steps(met: readonly FrameDeadline[]): number[] {
  return met.slice(1).map((one, at) => one.deadlineSerial - (met[at]?.deadlineSerial ?? 0));
}

/** A reader in a process of its own, once its frames come at its own pace. */
function ownerOf(path: string, periodNs: number): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('paced-reader.mjs', import.meta.url));
  const child = fork(script, [path, `${periodNs}`], { execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    // All that it says is heard: two messages may come in one turn.
    child.on('message', (message: { readonly pacing: Pacing }) => {
      if (message.pacing === 'owner') resolve(child);
    });
    child.on('exit', () => reject(new Error('the reader ended before frames came at its pace')));
  });
}

describe('a guest that is asked for a pace', () => {
  it('makes no more than one frame for each period, where it would make three', async () => {
    const client = await clientOf(await guestAt(60));
    // Half of the period to be late in: the machine may be busy.
    client.schedule({ periodNs: 50 * MS, slackNs: 25 * MS });
    const { met, frames } = await deadlines(client, 12);
    expect(new Set(met.map(({ epoch }) => epoch)).size).toBe(1);
    const passed = steps(met);
    expect(Math.min(...passed)).toBeGreaterThan(0);
    expect(frames).toBeLessThanOrEqual(passed.reduce((sum, step) => sum + step, 0) + 1);
  });

  it('makes one for each period, where it would make one for ten', async () => {
    const client = await clientOf(await guestAt(5));
    client.schedule({ periodNs: 20 * MS, slackNs: 10 * MS });
    const { met } = await deadlines(client, 31);
    const sorted = steps(met).sort((a, b) => a - b);
    expect(sorted[0]).toBe(1);
    // A busy machine misses some; at its own pace the guest would take ten periods for each.
    expect(sorted[15]).toBeLessThan(10);
  });

  it('begins a new epoch for another period, and goes its own pace when it is let go', async () => {
    const path = await guestAt(60);
    const client = await clientOf(path);
    client.schedule({ periodNs: 30 * MS, slackNs: 15 * MS });
    const epochs: number[] = [];
    for await (const frame of client.frames()) {
      const epoch = frame.deadline?.epoch;
      if (epoch !== undefined && epoch !== epochs.at(-1)) {
        epochs.push(epoch);
        if (epochs.length === 1) client.schedule({ periodNs: 40 * MS, slackNs: 20 * MS });
        else client.schedule(undefined);
      }
      // It leaves its queues one after the other.
      const held = subscribers(client).slice(1);
      if (epochs.length === 2 && held.every((bits) => bits === 0)) break;
    }
    expect(epochs).toEqual([epochs[0], (epochs[0] ?? 0) + 1]);
    expect(client.stats).toMatchObject({ framesGivenUp: 0, framesRefused: 0, timedOut: 0 });
  });

  it('follows the next fastest when the fastest is killed, and nobody misses a frame for it', async () => {
    const path = await guestAt(60);
    const fast = await ownerOf(path, 10 * MS);
    const client = await clientOf(path);
    client.schedule({ periodNs: 20 * MS });
    const seen: string[] = [];
    for await (const frame of client.frames()) {
      frame.release();
      if (client.pacing !== seen.at(-1)) seen.push(client.pacing);
      if (seen.length === 1 && seen[0] === 'asked') fast.kill('SIGKILL');
      if (client.pacing === 'owner') break;
    }
    expect(seen).toEqual(['asked', 'owner']);
    expect(client.stats).toMatchObject({ framesGivenUp: 0, framesRefused: 0, timedOut: 0 });
  });

  it('is asked by a relay while somebody looks who knows their display', async () => {
    const path = await guestAt(60);
    const watcher = await clientOf(path);
    await using relay = createViewer({ source: path, token: 'secret', idleGraceMs: 0 });
    const door = await listen(relay, { host: '127.0.0.1', port: 0 });
    onTestFinished(() => door.close());
    const url = `${door.url.replace('http:', 'ws:')}ws?token=secret`;
    const viewer = new TestViewer(url, { hello: { refreshHz: 100 } });
    onTestFinished(() => viewer.socket.terminate());
    await viewer.until(() => viewer.updates.length > 2);
    // The relay's cursor loop and its claim both read the pointer queue.
    await viewer.until(() => subscribers(watcher).join() === '1,1,1,3');
    viewer.send(encodeView({ visible: false }));
    await eventually(() => subscribers(watcher).every((bits) => bits === 0));
  });
});
