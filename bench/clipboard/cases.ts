import { setTimeout as sleep } from 'node:timers/promises';
import { spawnPattern } from '../../host/index.ts';
import { InputBrowser } from '../input/browser.ts';
import { BareSpiceServer } from '../input/spice-server.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf, type Report } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { quantile } from '../support/stats.ts';
import { BenchAgent } from './agent.ts';

const TOKEN = 'bench-clipboard';
/** What the design promises: a key's age while contents are on their way, of its age while none are. */
const MAX_RATIO = 1.5;
const PRESS_MS = 23;
const TRANSFER_LIMIT_MS = 60_000;

/** Ten million bytes and some of UTF-8. */
const LINE = 'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich 🐟\n';
const LINES = 136_000;

type Direction = 'to-guest' | 'from-guest';

interface Parts {
  readonly browser: InputBrowser;
  readonly relay: Child;
  readonly agent: BenchAgent;
}

/** How old keys were, and how long contents took. */
interface Phase {
  readonly agesMs: readonly number[];
  readonly transfersMs: readonly number[];
}

/** A page that types, while ten million bytes of text go one way and the other through the same relay. */
async function run(options: RunOptions): Promise<readonly Row[]> {
  const agent = new BenchAgent();
  const seen = { key: () => {}, pointer: () => {} };
  await using server = await BareSpiceServer.listen(seen, agent);
  using scratch = new Scratch();
  const region = scratch.path('region');
  const size = { widthPx: 1280, heightPx: 720 };
  await using guest = await spawnPattern({ region, content: 'desk', ...size, fps: 30 });
  await using relay = Child.start('input/relay.js', [region, TOKEN, server.address]);
  const port = numberOf(await relay.hear('listening'), 'port');
  await using browser = await InputBrowser.open(`http://127.0.0.1:${port}/?token=${TOKEN}`);
  const disturbance = new Disturbance([relay.pid, guest.pid ?? 0]);
  await browser.evaluate(
    `document.querySelector('kvmfr-view').setAttribute('manual-clipboard', '')`,
  );
  const parts = { browser, relay, agent };
  // Compiled, and every buffer as large as it gets.
  await phase(parts, 0, 'to-guest');
  await phase(parts, 0, 'from-guest');
  const phases: { [name in Direction | 'still']: Phase[] } = {
    still: [],
    'to-guest': [],
    'from-guest': [],
  };
  for (let round = 0; round < (options.quick ? 3 : 8); round++)
    for (const name of ['still', 'to-guest', 'from-guest'] as const)
      phases[name].push(await phase(parts, 100, name === 'still' ? undefined : name));
  const still = phases.still.flatMap(({ agesMs }) => agesMs);
  return (['to-guest', 'from-guest'] as const).flatMap((direction) => {
    const during = phases[direction].flatMap(({ agesMs }) => agesMs);
    const transfers = phases[direction].flatMap(({ transfersMs }) => transfersMs);
    return [
      row({
        name: `clipboard/${direction}/key-ratio`,
        unit: 'x',
        value: quantile(during, 0.5) / quantile(still, 0.5),
        samples: during.length,
        atMost: MAX_RATIO,
        note: `age of a key at the SPICE server's socket, p50: ${quantile(during, 0.5).toFixed(2)} ms while 10 MB of text are on their way, ${quantile(still, 0.5).toFixed(2)} ms while none are; p95 ${quantile(during, 0.95).toFixed(2)} and ${quantile(still, 0.95).toFixed(2)} ms; ${disturbance.text()}`,
      }),
      row({
        name: `clipboard/${direction}/10MB`,
        unit: 'ms',
        value: quantile(transfers, 0.5),
        samples: transfers.length,
        note: 'offered -> all of it on the other side, by the SPICE agent, with keys between',
      }),
    ];
  });
}

/** Presses keys for as long as contents go one way, or so many when none do. */
async function phase(parts: Parts, presses: number, direction?: Direction): Promise<Phase> {
  const { browser, relay } = parts;
  await relay.ask('begin');
  let isOver = false;
  const going = (
    direction === undefined ? Promise.resolve([]) : transfer(parts, direction).then((ms) => [ms])
  ).finally(() => {
    isOver = true;
  });
  for (let i = 0; direction === undefined ? i < presses : !isOver; i++) {
    await browser.key('KeyA', true);
    await sleep(PRESS_MS / 2);
    await browser.key('KeyA', false);
    await sleep(PRESS_MS / 2);
  }
  const transfersMs = await going;
  return { agesMs: agesOf(await relay.ask('presses')), transfersMs };
}

let made = 0;

/** One text of ten million bytes. The answer is how long it took. @throws when it is another one there */
async function transfer(parts: Parts, direction: Direction): Promise<number> {
  const { browser, agent } = parts;
  made += 1;
  const startMs = performance.now();
  const bytes = Buffer.from(textOf(made));
  if (direction === 'from-guest') {
    agent.copy(bytes);
    const got = await browser.evaluate(GET);
    if (got !== bytes.length)
      throw new Error(`the page must get ${bytes.length} bytes, but has got ${String(got)}`);
    return performance.now() - startMs;
  }
  const { pastes } = agent;
  // Made once: what is measured is not how long a page takes to make up a text.
  const line = JSON.stringify(LINE);
  await browser.evaluate(`document.querySelector('kvmfr-view').offerClipboard({
    text: '${made}\\n' + (window.lines ??= ${line}.repeat(${LINES})) })`);
  while (agent.pastes === pastes) {
    if (performance.now() - startMs > TRANSFER_LIMIT_MS)
      throw new Error('the guest must have got the text, but has not');
    await sleep(5);
  }
  if (!agent.pasted.equals(bytes)) throw new Error('the guest must get what was offered');
  return performance.now() - startMs;
}

/** Gets what was copied in the guest, once the page knows of it. */
const GET = `(async () => {
  const view = document.querySelector('kvmfr-view');
  window.gotOffer ??= 0;
  const limit = performance.now() + 30000;
  while ((view.clipboard?.offer ?? 0) <= window.gotOffer) {
    if (performance.now() > limit) return 'no offer';
    await new Promise((resolve) => view.addEventListener('clipboardchange', resolve, { once: true }));
  }
  window.gotOffer = view.clipboard.offer;
  return (await view.readGuestClipboard()).size;
})()`;

function textOf(number: number): string {
  return `${number}\n${LINE.repeat(LINES)}`;
}

function agesOf(told: Report): readonly number[] {
  const list: number[] = [];
  for (;;) {
    const value = told.values[`age-${list.length}`];
    if (value === undefined) return list;
    list.push(value);
  }
}

/** Typing beside large contents of clipboards. */
export const CLIPBOARD_CASES: readonly BenchCase[] = [{ name: 'clipboard', run }];
