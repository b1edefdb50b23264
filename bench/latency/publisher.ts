// The guest of the latency bench: publishes frames at a steady rate and notes when.
import { randomInt } from 'node:crypto';
import { createHost } from '../../host/index.ts';
import { HostQueue } from '../../host/queue.ts';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { waitUntil } from '../support/pace.ts';
import { latencyHistogram, nowNs } from '../support/stats.ts';
import { Stamps } from './stamps.ts';

const [path = '', stampsPath = ''] = process.argv.slice(2);
const stamps = new Stamps(stampsPath);
const host = await createHost(path, { wire: 'B7' });
const widthPx = 1920;
const heightPx = 1080;
const pixels = new Uint8Array(widthPx * heightPx * 4).fill(0x5a);
/** Changed from frame to frame where it is asked for: as when a caret blinks. */
const RECT = { x: 1000, y: 500, width: 256, height: 64 };
const late = latencyHistogram();
const copy = latencyHistogram();
let serial = 0;
let dropped = 0;
let running = false;
let rectOnly = false;
let postedNs = 0n;
let loop: Promise<void> = Promise.resolve();

// The moment of the post lies inside of publish(): what the publisher does before it, in a real
// guest in another language, is no concern of the reader's.
const { post } = HostQueue.prototype;
HostQueue.prototype.post = function stamped(payload, udata, nowMs) {
  postedNs = nowNs();
  stamps.set(serial, postedNs);
  return post.call(this, payload, udata, nowMs);
};

async function publishFrames(fps: number, jitterUs: number): Promise<void> {
  const periodNs = 1e9 / fps;
  const startNs = nowNs();
  for (let frame = 1; running; frame++) {
    const jitterNs = jitterUs === 0 ? 0 : randomInt(-jitterUs * 1000, jitterUs * 1000 + 1);
    const dueNs = startNs + BigInt(Math.round(frame * periodNs + jitterNs));
    await waitUntil(dueNs);
    publishOne(dueNs);
  }
}

function publishOne(dueNs: bigint): void {
  if (rectOnly)
    for (let y = RECT.y; y < RECT.y + RECT.height; y++) {
      const at = (y * widthPx + RECT.x) * 4;
      pixels.fill(serial & 0xff, at, at + RECT.width * 4);
    }
  const damage = rectOnly ? { damage: [RECT] } : {};
  if (!host.publish({ pixels, format: 'BGRA', widthPx, heightPx, ...damage })) {
    dropped++;
    return;
  }
  copy.record(Number(nowNs() - postedNs));
  late.record(Math.max(1, Number(postedNs - dueNs)));
  serial++;
}

serve({
  start(report) {
    running = true;
    rectOnly = numberOf(report, 'rectOnly') === 1;
    dropped = 0;
    late.reset();
    copy.reset();
    loop = publishFrames(numberOf(report, 'fps'), numberOf(report, 'jitterUs'));
    return {};
  },
  async stop() {
    running = false;
    await loop;
    if (host.stats.framesPosted !== serial)
      throw new Error(
        `${serial} frames must have been posted, but ${host.stats.framesPosted} were`,
      );
    return {
      dropped,
      lateP99Ns: late.percentile(99),
      copyP50Ns: copy.percentile(50),
      timedOut: host.stats.subscribersTimedOut,
    };
  },
});
