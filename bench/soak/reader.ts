// Readers of the soak: `reader.js PATH TASK`.
//   follow    a program that takes every frame it can, for as long as the soak lasts
//   hold      takes a frame and keeps it until it is killed
//   lock      takes the lock of the frame queue and keeps it until it is killed
import { Client } from '../../client/index.ts';
import { Mapping } from '../../native/index.ts';
import { LGMP_LAYOUTS, Region, tryLock } from '../../protocol/index.ts';
import { say, serve } from '../support/child.ts';

const [path = '', task = 'follow'] = process.argv.slice(2);
const client = new Client(path);

async function follow(): Promise<void> {
  for await (const frame of client.frames()) frame.release();
}

async function hold(): Promise<void> {
  for await (const frame of client.frames()) {
    await say('holding', { serial: frame.serial });
    await new Promise(() => setInterval(() => frame.serial, 1000));
  }
}

async function lock(): Promise<void> {
  const { lgmpVersion } = await client.attached();
  const layout = LGMP_LAYOUTS.get(lgmpVersion);
  if (layout === undefined) throw new Error(`there is no LGMP ${lgmpVersion}`);
  const mapping = Mapping.open(path);
  const region = new Region(mapping.buffer);
  const at = layout.header.queues + layout.queue.lock;
  while (!tryLock(region, at, layout.lockBytes));
  await say('holding');
  await new Promise(() => setInterval(() => mapping.byteLength, 1000));
}

serve({
  count() {
    const { framesSeen, framesSkipped, framesGivenUp, framesRefused, sessions } = client.stats;
    return { framesSeen, framesSkipped, framesGivenUp, framesRefused, sessions };
  },
  async close() {
    await client.close();
    return {};
  },
});

if (task === 'hold') await hold();
else if (task === 'lock') await lock();
else await follow();
