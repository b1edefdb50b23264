// The guest of the soak: `guest.js PATH WIRE STAMP WIDTH HEIGHT MIB`. Publishes 60 numbered pictures
// a second until it is told to rest, and then tells what the last one looks like.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHost, type WireName } from '../../host/index.ts';
import type { Rect } from '../../protocol/index.ts';
import { serve } from '../support/child.ts';
import { SoakScreen } from './soak-screen.ts';

const FRAME_MS = 1000 / 60;
/** Frames that are later than this are not made up for. */
const LATE_MS = 100;

const [path = '', wire = '', stamp = '', width = '', height = '', mib = ''] = process.argv.slice(2);
const screen = new SoakScreen({ widthPx: Number(width), heightPx: Number(height) }, Number(stamp));
const wires: readonly WireName[] = ['B6', 'B7', 'dev10', 'dev12'];
const host = await createHost(path, {
  wire: wires.find((name) => name === wire),
  regionMib: Number(mib),
});
let timer: NodeJS.Timeout | undefined;
let dueMs = performance.now();

function publish(damage?: readonly Rect[]): boolean {
  const { bgra: pixels, widthPx, heightPx } = screen;
  const frame = { pixels, format: 'BGRA', widthPx, heightPx } as const;
  return host.publish(damage === undefined ? frame : { ...frame, damage });
}

function play(): void {
  const nowMs = performance.now();
  publish(screen.next());
  dueMs = Math.max(dueMs + FRAME_MS, nowMs - LATE_MS);
  timer = setTimeout(play, Math.max(0, dueMs - nowMs));
}

// What was lost with the memory is shown again, also by who rests.
host.on('session', () => publish());
host.on('error', () => {});
// Its region was replaced: as a machine whose device was taken away, it is of no use any more.
host.on('close', () => process.exit(0));
play();

serve({
  async rest() {
    clearTimeout(timer);
    const damage = screen.next();
    while (!publish(damage)) await sleep(5);
    return { stamp: screen.stamp, hash: screen.hash() };
  },
  play() {
    clearTimeout(timer);
    dueMs = performance.now();
    play();
    return {};
  },
  /** Leaves its picture beside its region, as viewers should show it. */
  leave() {
    writeFileSync(`${path}.rgb`, screen.rgb());
    return {};
  },
  facts() {
    const { framesPosted, framesDropped, restarts, subscribersTimedOut } = host.stats;
    return {
      stamp: screen.stamp,
      posted: framesPosted,
      dropped: framesDropped,
      restarts,
      timedOut: subscribersTimedOut,
      watchers: host.watchers + host.cursorWatchers,
    };
  },
});
