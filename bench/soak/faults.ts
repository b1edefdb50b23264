import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireName } from '../../host/index.ts';
import { Mapping } from '../../native/index.ts';
import { Child } from '../support/child.ts';
import type { SeededRandom } from '../support/random.ts';
import type { SoakStage } from './stage.ts';
import { childrenOf } from './watch.ts';

/** Something that goes wrong, and is over when `run` settles: from then on all must be well again. */
export interface Fault {
  readonly name: string;
  readonly run: (stage: SoakStage, random: SeededRandom) => Promise<void>;
}

/** Longer than a heart may stand still, a lock be held, and a frame be kept. */
const STOPPED_MS = 2500;
/** Header, queues and session blob of every version end before this. */
const HEADER_BYTES = 2 ** 16;
const WIRES: readonly WireName[] = ['B6', 'B7', 'dev10', 'dev12'];
const SIZES = [
  { widthPx: 960, heightPx: 540, mib: 32 },
  { widthPx: 1280, heightPx: 720, mib: 48 },
  { widthPx: 801, heightPx: 600, mib: 32 },
] as const;

function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('there is nothing to choose from');
  return item;
}

/**
 * The memory of the machine is cleared while the guest and the reader are at work on it; its header
 * last, because a guest that has begun anew cannot know of pixels that are cleared after that.
 */
function wipe(path: string): void {
  using mapping = Mapping.open(path);
  const bytes = new Uint8Array(mapping.buffer);
  bytes.fill(0, HEADER_BYTES);
  bytes.fill(0, 0, HEADER_BYTES);
}

async function killedReader(stage: SoakStage, task: 'hold' | 'lock'): Promise<void> {
  const reader = Child.start('soak/reader.js', [stage.region, task]);
  await reader.hear('holding');
  await reader.kill();
}

/** How the tab sleeps when there is one; the longer way round when there is none. */
export function napOf(ms: number): Fault {
  return { name: 'tab-asleep', run: async (stage) => await stage.browser?.nap(ms) };
}

/** The guest stands still for this long. */
export function guestStopped(name: string, ms: number): Fault {
  return {
    name,
    run: async ({ guest }) => {
      process.kill(guest.pid, 'SIGSTOP');
      await sleep(ms);
      process.kill(guest.pid, 'SIGCONT');
    },
  };
}

/** What ends a relay, and with it the run of its memory: for the beginning of a soak. */
export const RELAY_KILLED: Fault = {
  name: 'relay-killed',
  run: async (stage) => {
    await stage.killRelay();
    await stage.newRelay();
  },
};

/** What a relay lives through. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'guest-killed',
    run: async (stage) => {
      await stage.killGuest();
      await stage.newGuest();
    },
  },
  guestStopped('guest-stopped', STOPPED_MS),
  {
    name: 'guest-of-another-wire',
    run: async (stage, random) => {
      await stage.killGuest();
      const others = WIRES.filter((wire) => wire !== stage.facts.wire);
      await stage.newGuest({ wire: pick(random, others) });
    },
  },
  {
    name: 'machine-rebooted',
    run: async (stage) => {
      wipe(stage.region);
      await stage.killGuest();
      wipe(stage.region);
      await stage.newGuest();
    },
  },
  {
    name: 'memory-wiped',
    run: async (stage) => wipe(stage.region),
  },
  {
    name: 'region-replaced',
    run: async (stage, random) => {
      await stage.killGuest();
      rmSync(stage.region);
      await stage.newGuest(pick(random, SIZES));
    },
  },
  { name: 'reader-killed-with-a-frame', run: (stage) => killedReader(stage, 'hold') },
  { name: 'reader-killed-with-a-lock', run: (stage) => killedReader(stage, 'lock') },
  {
    name: 'relay-stopped',
    run: async ({ relay }) => {
      relay.signal('SIGSTOP');
      await sleep(STOPPED_MS);
      relay.signal('SIGCONT');
    },
  },
  {
    name: 'all-stopped',
    run: async ({ relay, guest, reader }) => {
      for (const signal of ['SIGSTOP', 'SIGCONT'] as const) {
        relay.signal(signal);
        for (const { pid } of [guest, reader]) process.kill(pid, signal);
        if (signal === 'SIGSTOP') await sleep(STOPPED_MS);
      }
    },
  },
  {
    name: 'encoder-killed',
    run: async ({ relay }) => {
      for (const pid of childrenOf(relay.pid)) process.kill(pid, 'SIGKILL');
    },
  },
];
