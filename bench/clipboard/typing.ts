import { setTimeout as sleep } from 'node:timers/promises';
import type { InputBrowser } from '../input/browser.ts';
import { type Row, row } from '../support/report.ts';
import { quantile } from '../support/stats.ts';
import { LINE, LINES } from './text.ts';

/** What the design promises: a key's age while contents are on their way, of its age while none are. */
const MAX_RATIO = 1.5;
const PRESS_MS = 23;
const PRESSES = 100;
const DIRECTIONS = ['to-guest', 'from-guest'] as const;

/** Which way contents go. */
export type Direction = (typeof DIRECTIONS)[number];

/** A guest, and the way to it, in which a page types. */
export interface TypedGuest {
  readonly browser: InputBrowser;
  /** Makes up the text of a number, on the guest's side. Gives its bytes. */
  prepare(number: number): Promise<number>;
  /** It is copied in the guest. */
  copy(): Promise<unknown>;
  /** Settles when the guest has pasted what this offers. */
  pasted(offer: () => Promise<unknown>): Promise<unknown>;
  /** Whether that is the text that was made up. */
  holds(): Promise<boolean>;
  /** Keys are counted from here. */
  begin(): Promise<void>;
  /** How old each key since {@link begin} was when it arrived. */
  agesMs(): Promise<readonly number[]>;
}

/** What the rows say of it. */
export interface TypingFacts {
  /** Of the rows' names. */
  readonly name: string;
  /** Where a key's age is taken. */
  readonly arrival: string;
  /** By what contents go. */
  readonly by: string;
  readonly rounds: number;
  /** What went on beside it. */
  readonly beside: () => string;
}

/** How old keys were, and how long contents took. */
interface Phase {
  readonly agesMs: readonly number[];
  readonly transfersMs: readonly number[];
}

/** Types while ten million bytes of text go one way and the other, and while none do, in turns. */
export async function typeBeside(guest: TypedGuest, facts: TypingFacts): Promise<readonly Row[]> {
  await guest.browser.evaluate(
    `document.querySelector('kvmfr-view').setAttribute('manual-clipboard', '')`,
  );
  // Compiled, and every buffer as large as it gets.
  for (const direction of DIRECTIONS) await phase(guest, direction);
  const phases: { [name in Direction | 'still']: Phase[] } = {
    still: [],
    'to-guest': [],
    'from-guest': [],
  };
  for (let round = 0; round < facts.rounds; round++)
    for (const name of ['still', ...DIRECTIONS] as const)
      phases[name].push(await phase(guest, name === 'still' ? undefined : name));
  const still = phases.still.flatMap(({ agesMs }) => agesMs);
  return DIRECTIONS.flatMap((direction) => {
    const during = phases[direction].flatMap(({ agesMs }) => agesMs);
    const transfers = phases[direction].flatMap(({ transfersMs }) => transfersMs);
    const [high, highStill] = [quantile(during, 0.95), quantile(still, 0.95)];
    return [
      row({
        name: `${facts.name}/${direction}/key-ratio`,
        unit: 'x',
        value: quantile(during, 0.5) / quantile(still, 0.5),
        samples: during.length,
        atMost: MAX_RATIO,
        note: `age of a key ${facts.arrival}, p50: ${quantile(during, 0.5).toFixed(2)} ms while 10 MB of text are on their way, ${quantile(still, 0.5).toFixed(2)} ms while none are; ${facts.beside()}`,
      }),
      row({
        name: `${facts.name}/${direction}/key-ratio-p95`,
        unit: 'x',
        value: high / highStill,
        samples: during.length,
        note: `the same at p95: ${high.toFixed(2)} ms, of ${highStill.toFixed(2)} ms; most ${Math.max(...during).toFixed(2)}, of ${Math.max(...still).toFixed(2)} ms`,
      }),
      row({
        name: `${facts.name}/${direction}/10MB`,
        unit: 'ms',
        value: quantile(transfers, 0.5),
        samples: transfers.length,
        note: `offered -> all of it on the other side, by ${facts.by}, with keys between`,
      }),
    ];
  });
}

let made = 0;

/** Presses keys for as long as contents go one way, or so many when none do. */
async function phase(guest: TypedGuest, direction?: Direction): Promise<Phase> {
  const { browser } = guest;
  made += 1;
  // What is measured is not how long it takes to make up a text.
  const bytes = await guest.prepare(made);
  await browser.evaluate(`window.made = '${made}\\n' + ${JSON.stringify(LINE)}.repeat(${LINES});
    window.made.charCodeAt(window.made.length - 1)`);
  await guest.begin();
  let isOver = false;
  const going = transfer(guest, direction).finally(() => {
    isOver = true;
  });
  for (let i = 0; direction === undefined ? i < PRESSES : !isOver; i++) {
    // One after the other, so that each is known where it arrives.
    const code = `Key${String.fromCharCode(0x41 + (i % 26))}`;
    await browser.key(code, true);
    await sleep(PRESS_MS / 2);
    await browser.key(code, false);
    await sleep(PRESS_MS / 2);
  }
  const { ms, got } = await going;
  const agesMs = await guest.agesMs();
  if (direction === 'from-guest' && got !== bytes)
    throw new Error(`the page must get ${bytes} bytes, but has got ${String(got)}`);
  if (direction === 'to-guest' && !(await guest.holds()))
    throw new Error('the guest must get what was offered');
  return { agesMs, transfersMs: direction === undefined ? [] : [ms] };
}

/** One text of ten million bytes. The answer is how long it took, and what the page has got. */
async function transfer(
  guest: TypedGuest,
  direction: Direction | undefined,
): Promise<{ readonly ms: number; readonly got?: unknown }> {
  const { browser } = guest;
  const startMs = performance.now();
  if (direction === 'from-guest') {
    await guest.copy();
    const got = await browser.evaluate(GET);
    return { ms: performance.now() - startMs, got };
  }
  if (direction === 'to-guest') await guest.pasted(() => browser.evaluate(OFFER));
  return { ms: performance.now() - startMs };
}

const OFFER = `document.querySelector('kvmfr-view').offerClipboard({ text: window.made })`;

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
