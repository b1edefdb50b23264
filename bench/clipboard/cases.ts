import { setTimeout as sleep } from 'node:timers/promises';
import { spawnPattern } from '../../host/index.ts';
import { InputBrowser } from '../input/browser.ts';
import { BareSpiceServer } from '../input/spice-server.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import type { Row } from '../support/report.ts';
import { BenchAgent } from './agent.ts';
import { textOf } from './text.ts';
import { typeBeside } from './typing.ts';

const TOKEN = 'bench-clipboard';
const TRANSFER_LIMIT_MS = 60_000;
const ROUNDS = { quick: 1, whole: 8 };

/** Keys and contents by SPICE: a server without a machine, with an agent. */
async function runSpice(options: RunOptions): Promise<readonly Row[]> {
  const agent = new BenchAgent();
  const seen = { key: () => {}, pointer: () => {} };
  await using server = await BareSpiceServer.listen(seen, agent);
  using scratch = new Scratch();
  const region = scratch.path('region');
  const size = { widthPx: 1280, heightPx: 720 };
  await using picture = await spawnPattern({ region, content: 'desk', ...size, fps: 30 });
  await using relay = Child.start('input/relay.js', [region, TOKEN, server.address]);
  await using browser = await pageOf(relay);
  const disturbance = new Disturbance([relay.pid, picture.pid ?? 0]);
  let text: Buffer = Buffer.alloc(0);
  const guest = {
    browser,
    prepare: async (number: number) => {
      text = textOf(number);
      return text.length;
    },
    copy: async () => agent.copy(text),
    pasted: async (offer: () => Promise<unknown>) => {
      const { pastes } = agent;
      await offer();
      await until(() => agent.pastes > pastes);
    },
    holds: async () => agent.pasted.equals(text),
    begin: async () => void (await relay.ask('begin')),
    agesMs: async () => listOf(await relay.ask('presses'), 'age'),
  };
  return await typeBeside(guest, {
    name: 'clipboard/spice',
    arrival: "at the SPICE server's socket",
    by: 'the SPICE agent',
    rounds: options.quick ? ROUNDS.quick : ROUNDS.whole,
    beside: () => disturbance.text(),
  });
}

/** Keys and contents by the region: the guest is a host of ours, in a process of its own. */
async function runRegion(options: RunOptions): Promise<readonly Row[]> {
  using scratch = new Scratch();
  const region = scratch.path('region');
  await using machine = Child.start('clipboard/region-guest.js', [region]);
  await machine.hear('ready');
  await using relay = Child.start('clipboard/region-relay.js', [region, TOKEN]);
  await using browser = await pageOf(relay);
  const disturbance = new Disturbance([relay.pid, machine.pid]);
  const guest = {
    browser,
    prepare: async (number: number) => numberOf(await machine.ask('prepare', { number }), 'bytes'),
    copy: () => machine.ask('copy'),
    pasted: async (offer: () => Promise<unknown>) => {
      let isPasted = false;
      const pasted = machine.hear('pasted').then(() => {
        isPasted = true;
      });
      await offer();
      await Promise.race([pasted, until(() => isPasted)]);
    },
    holds: async () => numberOf(await machine.ask('holds'), 'is') === 1,
    begin: async () => {
      await machine.ask('begin');
      await relay.ask('begin');
    },
    agesMs: async () => {
      const told = await relay.ask('presses');
      // What was written last is read by the next look.
      await sleep(SETTLE_MS);
      return agesInGuest(told, await machine.ask('presses'));
    },
  };
  return await typeBeside(guest, {
    name: 'clipboard/region',
    arrival: 'in the guest',
    by: 'the region',
    rounds: options.quick ? ROUNDS.quick : ROUNDS.whole,
    beside: () => disturbance.text(),
  });
}

const SETTLE_MS = 500;
/** Keys that may be lost in a row and the next still be known: half of those that are pressed. */
const MAX_LOST = 13;

/** How old keys were in the guest. One that was lost with the input, as on a busy machine, has no age. */
function agesInGuest(applied: Report, seen: Report): readonly number[] {
  const usages = listOf(seen, 'usage');
  const seenUs = listOf(seen, 'seen');
  const appliedUs = listOf(applied, 'applied');
  const agesMs = listOf(applied, 'age');
  let next = 0;
  return listOf(applied, 'usage').flatMap((usage, index) => {
    const at = usages.indexOf(usage, next);
    if (at < 0 || at > next + MAX_LOST) return [];
    next = at + 1;
    return [(agesMs[index] ?? 0) + ((seenUs[at] ?? 0) - (appliedUs[index] ?? 0)) / 1000];
  });
}

async function pageOf(relay: Child): Promise<InputBrowser> {
  const port = numberOf(await relay.hear('listening'), 'port');
  return await InputBrowser.open(`http://127.0.0.1:${port}/?token=${TOKEN}`);
}

async function until(holds: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > TRANSFER_LIMIT_MS)
      throw new Error('the guest must have got the text, but has not');
    await sleep(5);
  }
}

function listOf(told: Report, name: string): readonly number[] {
  const list: number[] = [];
  for (;;) {
    const value = told.values[`${name}-${list.length}`];
    if (value === undefined) return list;
    list.push(value);
  }
}

/** Typing beside large contents of clipboards. */
export const CLIPBOARD_CASES: readonly BenchCase[] = [
  { name: 'clipboard/spice', run: runSpice },
  { name: 'clipboard/region', run: runRegion },
];
