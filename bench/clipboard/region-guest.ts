import { createHost, openSource } from '../../host/index.ts';
import { say, serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { nowNs } from '../support/stats.ts';
import { textOf } from './text.ts';

// A guest that takes keys and clipboard by its region: it notes when a key reached it, and pastes what
// it is offered at once.

const [region = ''] = process.argv.slice(2);
const size = { widthPx: 1280, heightPx: 720 };
const options = { wire: 'dev12', content: 'desk', fps: 30, ...size } as const;
const source = await openSource({ kind: 'pattern' }, options);
const host = await createHost(region, {
  wire: 'dev12',
  regionMib: source.regionMib,
  features: source.features,
  input: true,
  clipboard: true,
  // As often as the driver looks when nothing comes.
  housekeepingMs: 1,
});
let seen: { readonly usage: number; readonly us: number }[] = [];
let held: readonly number[] = [];
let text: Uint8Array = new Uint8Array(0);
let pasted: Uint8Array = new Uint8Array(0);

host.on('input', (input) => {
  if (input.kind !== 'keyboard') return;
  const us = Number(nowNs() / 1000n);
  for (const usage of input.keys) if (!held.includes(usage)) seen.push({ usage, us });
  held = input.keys;
});

host.on('clipboard', (event) => {
  if (event.kind === 'offer') void paste();
});

async function paste(): Promise<void> {
  const contents = await host.readClipboard('text');
  // A client that was lost on the way offers it again.
  if (contents === undefined) return;
  pasted = contents;
  await say('pasted');
}

serve({
  begin() {
    seen = [];
    return {};
  },
  /** The presses that reached the guest since `begin`: of which key, and when by the clock of all. */
  presses() {
    const values: { [name: string]: number } = {};
    for (const [index, { usage, us }] of seen.entries()) {
      values[`usage-${index}`] = usage;
      values[`seen-${index}`] = us;
    }
    return values;
  },
  /** Makes up the text of a number. */
  prepare(report) {
    text = textOf(numberOf(report, 'number'));
    return { bytes: text.length };
  },
  copy() {
    host.setClipboard(new Map([['text', text]]));
    return {};
  },
  /** Whether what was pasted last is the text that was made up: 1 or 0. */
  holds() {
    return { is: Buffer.compare(text, pasted) === 0 ? 1 : 0 };
  },
});
void source.run(host);
await say('ready');
