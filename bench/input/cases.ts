import { setTimeout as sleep } from 'node:timers/promises';
import { spawnPattern } from '../../host/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { nowNs, quantile } from '../support/stats.ts';
import { InputBrowser } from './browser.ts';
import { BareSpiceServer } from './spice-server.ts';

const TOKEN = 'bench-input';
/** What the design promises. */
const MAX_KEY_MS = 5;
const MAX_AGE_MS = 10;
/** From one press to the next: quicker than people type, and no rhythm of the browser's frames. */
const PRESS_MS = 23;
const MOVE_MS = 1;

/** How keys and moves are counted where they arrive. */
interface Arrivals {
  readonly keysUs: number[];
  moves: number;
}

/** A page in a real browser, a relay that acts on a guest by SPICE, and a region with a still desktop. */
async function run(options: RunOptions): Promise<readonly Row[]> {
  const arrivals: Arrivals = { keysUs: [], moves: 0 };
  await using server = await BareSpiceServer.listen({
    key: (_, down) => {
      if (down) arrivals.keysUs.push(nowUs());
    },
    pointer: () => {
      arrivals.moves += 1;
    },
  });
  using scratch = new Scratch();
  const region = scratch.path('region');
  const size = { widthPx: 1280, heightPx: 720 };
  await using guest = await spawnPattern({ region, content: 'desk', ...size, fps: 30 });
  await using relay = Child.start('input/relay.js', [region, TOKEN, server.address]);
  const port = numberOf(await relay.hear('listening'), 'port');
  await using browser = await InputBrowser.open(`http://127.0.0.1:${port}/?token=${TOKEN}`);
  const disturbance = new Disturbance([relay.pid, guest.pid ?? 0]);
  return [
    ...(await keys({ browser, relay, arrivals, presses: options.quick ? 150 : 600, disturbance })),
    ...(await moves({ browser, relay, arrivals, ms: options.quick ? 2500 : 10_000, disturbance })),
  ];
}

interface Parts {
  readonly browser: InputBrowser;
  readonly relay: Child;
  readonly arrivals: Arrivals;
  readonly disturbance: Disturbance;
}

async function keys(parts: Parts & { readonly presses: number }): Promise<readonly Row[]> {
  const { browser, relay, arrivals, presses, disturbance } = parts;
  // Compiled, and every buffer as large as it gets.
  for (let i = 0; i < 20; i++) await press(browser);
  await relay.ask('begin');
  arrivals.keysUs.length = 0;
  const sentUs: number[] = [];
  for (let i = 0; i < presses; i++) {
    sentUs.push(nowUs());
    await press(browser);
  }
  await untilSteady(() => arrivals.keysUs.length);
  const told = await relay.ask('presses');
  const ages = listOf(told, 'age');
  const whole = arrivals.keysUs.map((us, index) => (us - (sentUs[index] ?? us)) / 1000);
  return [
    row({
      name: 'input/key/p50',
      unit: 'ms',
      value: quantile(ages, 0.5),
      samples: ages.length,
      atMost: MAX_KEY_MS,
      note: `pressed in the page -> written to the SPICE server's socket, by the page's clock; ${spreadOf(ages)}; ${disturbance.text()}`,
    }),
    row({
      name: 'input/key/whole/p50',
      unit: 'ms',
      value: quantile(whole, 0.5),
      samples: whole.length,
      note: `told to the browser -> read by the SPICE server, with the debugging connection; ${spreadOf(whole)}`,
    }),
    row({
      name: 'input/key/lost',
      unit: 'keys',
      value: presses - arrivals.keysUs.length,
      samples: presses,
      atMost: 0,
      note: 'presses that did not arrive',
    }),
  ];
}

async function press(browser: InputBrowser): Promise<void> {
  await browser.key('KeyA', true);
  await sleep(PRESS_MS / 2);
  await browser.key('KeyA', false);
  await sleep(PRESS_MS / 2);
}

/** A mouse that tells of itself 1000 times a second. */
async function moves(parts: Parts & { readonly ms: number }): Promise<readonly Row[]> {
  const { browser, relay, arrivals, ms, disturbance } = parts;
  await relay.ask('begin');
  arrivals.moves = 0;
  const startMs = performance.now();
  const sent: Promise<void>[] = [];
  while (performance.now() - startMs < ms) {
    const due = Math.floor((performance.now() - startMs) / MOVE_MS);
    for (; sent.length < due; )
      sent.push(browser.move(200 + (sent.length % 800), 100 + (sent.length % 500)));
    await sleep(1);
  }
  await Promise.all(sent);
  const seconds = (performance.now() - startMs) / 1000;
  await untilSteady(() => arrivals.moves);
  const told = await relay.ask('moves');
  const done = listOf(told, 'done');
  const ages = listOf(told, 'age');
  const depths = listOf(told, 'events');
  let newestMs = Number.NEGATIVE_INFINITY;
  let late = 0;
  for (const [index, doneMs] of done.entries()) {
    if (doneMs < newestMs && (ages[index] ?? 0) > MAX_AGE_MS) late += 1;
    newestMs = Math.max(newestMs, doneMs);
  }
  return [
    row({
      name: 'input/mouse-1000hz/late',
      unit: 'messages',
      value: late,
      samples: done.length,
      atMost: 0,
      note: `older than ${MAX_AGE_MS} ms and sent after a newer one; ${(sent.length / seconds).toFixed(0)} moves/s of the mouse, ${(done.length / seconds).toFixed(0)} messages/s of the page, ${(arrivals.moves / seconds).toFixed(0)}/s read by the SPICE server`,
    }),
    row({
      name: 'input/mouse-1000hz/age/p50',
      unit: 'ms',
      value: quantile(ages, 0.5),
      samples: ages.length,
      note: `done in the page -> written to the SPICE server's socket; p95 ${quantile(ages, 0.95).toFixed(2)}, p99 ${quantile(ages, 0.99).toFixed(2)}, most ${Math.max(...ages).toFixed(2)} ms; ${disturbance.text()}`,
    }),
    row({
      name: 'input/mouse-1000hz/queue',
      unit: 'events',
      value: Math.max(...depths),
      samples: depths.length,
      note: 'most events that had waited in the page for one message',
    }),
  ];
}

function spreadOf(list: readonly number[]): string {
  return `p95 ${quantile(list, 0.95).toFixed(2)}, p99 ${quantile(list, 0.99).toFixed(2)}, most ${Math.max(...list).toFixed(2)} ms`;
}

/** Waits until a number has not grown for a while. */
async function untilSteady(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(100);
  }
}

function listOf(report: Report, name: string): readonly number[] {
  const list: number[] = [];
  for (;;) {
    const value = report.values[`${name}-${list.length}`];
    if (value === undefined) return list;
    list.push(value);
  }
}

function nowUs(): number {
  return Number(nowNs() / 1000n);
}

/**
 * The same with a real guest. Its clock is not ours, so its end is the line by which it says that it
 * got the key: a serial line of a machine in software emulation is in it, and nothing is subtracted.
 */
async function runGuest(options: RunOptions): Promise<readonly Row[]> {
  using scratch = new Scratch();
  const region = scratch.path('region');
  const socket = scratch.path('spice.sock');
  await using machine = Child.start('input/guest.js', [socket]);
  await machine.hear('ready');
  const size = { widthPx: 1280, heightPx: 720 };
  await using guest = await spawnPattern({ region, content: 'desk', ...size, fps: 30 });
  await using relay = Child.start('input/relay.js', [region, TOKEN, `unix:${socket}`]);
  const port = numberOf(await relay.hear('listening'), 'port');
  await using browser = await InputBrowser.open(`http://127.0.0.1:${port}/?token=${TOKEN}`);
  const disturbance = new Disturbance([relay.pid, guest.pid ?? 0, machine.pid]);
  const presses = options.quick ? 150 : 600;
  for (let i = 0; i < 20; i++) await press(browser);
  await sleep(500);
  await relay.ask('begin');
  await machine.ask('begin');
  for (let i = 0; i < presses; i++) await press(browser);
  await sleep(1000);
  const told = await relay.ask('presses');
  const ages = listOf(told, 'age');
  const appliedUs = listOf(told, 'applied');
  const seenUs = listOf(await machine.ask('presses'), 'seen');
  const whole = ages.map(
    (age, index) => age + ((seenUs[index] ?? Number.NaN) - (appliedUs[index] ?? 0)) / 1000,
  );
  return [
    row({
      name: 'input/guest/key/p50',
      unit: 'ms',
      value: quantile(ages, 0.5),
      samples: ages.length,
      atMost: MAX_KEY_MS,
      note: `pressed in the page -> written to QEMU's SPICE socket, by the page's clock; ${spreadOf(ages)}; ${disturbance.text()}`,
    }),
    row({
      name: 'input/guest/evdev/p50',
      unit: 'ms',
      value: quantile(whole, 0.5),
      samples: seenUs.length,
      atMost: MAX_KEY_MS,
      note: `pressed in the page -> the guest's line that tells of the event is read (at most this: emulated serial line and all); ${spreadOf(whole)}`,
    }),
    row({
      name: 'input/guest/lost',
      unit: 'keys',
      value: presses - seenUs.length,
      samples: presses,
      atMost: 0,
      note: 'presses that the guest did not tell of',
    }),
  ];
}

/** From a person's hand to the guest's input, of a machine with a keyboard and nothing behind it. */
export const INPUT_CASES: readonly BenchCase[] = [{ name: 'input', run }];

/** The same into a real guest. */
export const INPUT_GUEST_CASES: readonly BenchCase[] = [{ name: 'input/guest', run: runGuest }];
