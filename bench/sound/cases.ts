import { setTimeout as sleep } from 'node:timers/promises';
import { spawnPattern } from '../../host/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { Disturbance } from '../support/disturbance.ts';
import { numberOf } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, quantile } from '../support/stats.ts';
import { CLICK_MS } from './clicking-guest.ts';
import { type Heard, Listener } from './listener.ts';

const TOKEN = 'bench-sound';
/** What the design promises: sound is in step with the picture. */
const MAX_BEHIND_MS = 60;

/** A page in a real browser with the picture of a desktop at 60 Hz, and a guest that clicks. */
async function run(options: RunOptions, steady: boolean): Promise<readonly Row[]> {
  using scratch = new Scratch();
  const region = scratch.path('region');
  const size = { widthPx: 1280, heightPx: 720 };
  await using guest = await spawnPattern({ region, content: 'desk', ...size, fps: 60 });
  await using relay = Child.start('sound/relay.js', [region, TOKEN]);
  const port = numberOf(await relay.hear('listening'), 'port');
  await using listener = await Listener.open(`http://127.0.0.1:${port}/?token=${TOKEN}`, steady);
  // The page knows by then how unevenly its pieces come.
  await sleep(options.quick ? 4000 : 10_000);
  const disturbance = new Disturbance([relay.pid, guest.pid ?? 0]);
  const before = await relay.ask('click');
  const heard = await listener.listen(options.quick ? 6000 : 30_000);
  const clickMs = numberOf(await relay.ask('click'), 'atMs');
  if (clickMs !== numberOf(before, 'atMs'))
    throw new Error('the guest must play as fast as time passes, but stood still');
  return rowsOf(steady ? 'sound/steady' : 'sound', heard, clickMs, disturbance.text());
}

function rowsOf(name: string, heard: Heard, clickMs: number, beside: string): readonly Row[] {
  const ages = heard.clicks.map((atMs) => (((atMs - clickMs) % CLICK_MS) + CLICK_MS) % CLICK_MS);
  const told = heard.sound.flatMap(({ latencyMs, behindPictureMs }) =>
    latencyMs === undefined || behindPictureMs === undefined
      ? []
      : [{ latencyMs, behindPictureMs }],
  );
  const pictureMs = median(told.map((one) => one.latencyMs - one.behindPictureMs));
  const apart = ages.map((age) => Math.abs(age - pictureMs));
  const last = heard.sound.at(-1);
  let ranOut = 0;
  for (const [at, { underruns }] of heard.sound.entries()) {
    // An output that takes the place of another counts from 0.
    const before = heard.sound[at - 1]?.underruns ?? underruns;
    ranOut += underruns < before ? underruns : underruns - before;
  }
  return [
    row({
      name: `${name}/apart/p50`,
      unit: 'ms',
      value: median(apart),
      samples: apart.length,
      atMost: MAX_BEHIND_MS,
      note: `a click leaves the page's audio output -> a picture of the same moment was handed to the display; ${spreadOf(apart)}; ${beside}`,
    }),
    row({
      name: `${name}/age/p50`,
      unit: 'ms',
      value: median(ages),
      samples: ages.length,
      note: `played in the guest -> out of the audio output, as an ear at the output hears it; ${spreadOf(ages)}; the picture is ${pictureMs.toFixed(1)} ms old`,
    }),
    row({
      name: `${name}/told/p50`,
      unit: 'ms',
      value: median(told.map(({ latencyMs }) => latencyMs)),
      samples: told.length,
      note: `the same as the page tells it; ${last?.codec}, ${median(heard.sound.map(({ bufferMs }) => bufferMs)).toFixed(1)} ms of it wait to be played`,
    }),
    row({
      name: `${name}/underruns`,
      unit: 'times',
      value: ranOut,
      samples: heard.sound.length,
      note: `nothing was left to play; ${heard.outputs - 1} outputs had to give way to a steady one`,
    }),
  ];
}

function spreadOf(list: readonly number[]): string {
  return `p95 ${quantile(list, 0.95).toFixed(1)}, p99 ${quantile(list, 0.99).toFixed(1)}, most ${Math.max(...list).toFixed(1)} ms`;
}

/** The guest's sound beside its picture, in a real browser. */
export const SOUND_CASES: readonly BenchCase[] = [
  { name: 'sound', run: (options) => run(options, false) },
];

/** The same where the browser's output keeps as much in advance as it holds to be safe. */
export const SOUND_STEADY_CASES: readonly BenchCase[] = [
  { name: 'sound/steady', run: (options) => run(options, true) },
];
