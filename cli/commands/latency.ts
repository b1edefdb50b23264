import { Client } from '../../client/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import type { PictureUpdate, Viewer } from '../../viewer/relay/index.ts';
import { keepToCpus } from '../cpu.ts';
import { Display } from '../latency/display.ts';
import { reportHtml } from '../latency/html.ts';
import { Measurement } from '../latency/measurement.ts';
import { makeReport } from '../latency/report.ts';
import { Stimulus } from '../latency/stimulus.ts';
import { checkWritable, writeWhole } from '../output.ts';
import { ASSUME_FLAG, assumedWire, regionOf } from '../region.ts';
import { addressOf, openDoor, openRelay, SERVE_FLAGS, serveOptions } from '../serve.ts';
import {
  type CommandSpec,
  choiceFlag,
  grouped,
  numberFlag,
  type ParsedCommand,
  usageError,
} from '../spec.ts';
import { EXIT, print } from '../terminal.ts';

/** What `kvmfr latency` takes. */
export const spec: CommandSpec = {
  name: 'latency',
  summary: 'how long frames take, stage by stage, live and at the end',
  args: '[REGION]',
  positionals: [{ name: 'REGION', required: false }],
  flags: {
    duration: { value: 'S', help: 'measure for so many seconds (default: until interrupted)' },
    json: { value: 'FILE', help: 'write the figures as JSON; - is standard output' },
    html: { value: 'FILE', help: 'write a report for people, in one file' },
    stimulus: {
      value: 'pattern',
      help: 'measure from input to picture too; the guest must be a pattern',
    },
    ...SERVE_FLAGS,
    ...grouped('Listening', {
      listen: { value: 'HOST:PORT', help: 'let browsers take part (port 0: any free)' },
    }),
    ...grouped('Region', ASSUME_FLAG),
  },
  example: 'kvmfr latency --duration 60 --listen 127.0.0.1:8400 --html latency.html',
};

const SAMPLE_MS = 1000;
const MAX_DURATION_S = 7 * 24 * 3600;

/** What was asked for, besides how browsers are let in. */
interface Wishes {
  readonly path: string;
  readonly durationMs: number | undefined;
  readonly json: string | undefined;
  readonly html: string | undefined;
  readonly listening: boolean;
  readonly stimulus: boolean;
}

/** Runs `kvmfr latency`. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  keepToCpus(command);
  const wishes = wishesOf(command);
  const serving = serveOptions(command);
  const assume = assumedWire(command);
  const display = new Display(wishes.json === '-' ? process.stderr : process.stdout);
  const { path } = wishes;
  await using relay = openRelay({ path, assume }, serving, (line) => display.say(`  ${line}`));
  // The relay's own is in another thread.
  await using client = wishes.stimulus ? new Client(path, { assume }) : undefined;
  const door = wishes.listening ? await openDoor(relay, serving) : undefined;
  try {
    if (door !== undefined) {
      display.say('Open this address in a browser, to measure up to it:');
      display.say(addressOf(door, relay, serving));
    }
    return await measure(wishes, { client, relay, display, signal, maxFps: serving.maxFps });
  } finally {
    // The relay first: it tells its viewers goodbye over the door's sockets.
    await relay.close();
    await door?.close();
  }
}

function wishesOf(command: ParsedCommand): Wishes {
  const path = regionOf(command);
  const seconds = numberFlag(command, 'duration', { min: 1, max: MAX_DURATION_S });
  const json = command.text('json');
  const html = command.text('html');
  for (const file of [json, html])
    if (file !== undefined && file !== '-') checkWritable(file, 'ERR_KVMFR_SYSCALL');
  if (html === '-') throw usageError('--html takes a file, not -');
  const listening = command.text('listen') !== undefined;
  for (const flag of Object.keys(SERVE_FLAGS))
    if (!listening && flag !== 'max-fps' && flag !== 'cpu' && isGiven(command, flag))
      throw usageError(`--${flag} is for browsers: give --listen HOST:PORT too`);
  return {
    path,
    durationMs: seconds === undefined ? undefined : seconds * 1000,
    json,
    html,
    listening,
    stimulus: choiceFlag(command, 'stimulus', { now: ['pattern'] }) === 'pattern',
  };
}

function isGiven(command: ParsedCommand, flag: string): boolean {
  return command.text(flag) !== undefined || command.texts(flag).length > 0;
}

/** Measures until the time is over or somebody interrupts, and shows and writes what was found. */
async function measure(
  wishes: Wishes,
  world: {
    /** By which input is sent, where it is to be. */
    readonly client: Client | undefined;
    readonly relay: Viewer;
    readonly display: Display;
    readonly signal: AbortSignal;
    readonly maxFps: number | undefined;
  },
): Promise<number> {
  const { client, relay, display, signal } = world;
  const startedAt = new Date();
  const measurement = new Measurement({ ...wishes, relay, maxFps: world.maxFps });
  const stimulus = client === undefined ? undefined : new Stimulus({ client, relay, measurement });
  const end = new AbortController();
  const stop = AbortSignal.any([signal, end.signal]);
  const over = setTimeout(() => end.abort(), wishes.durationMs ?? 2 ** 31 - 1);
  if (wishes.durationMs === undefined) clearTimeout(over);
  const samples = setInterval(
    () => display.show(measurement, titleOf(relay), measurement.sample()),
    SAMPLE_MS,
  );
  const updated = (update: PictureUpdate): void => stimulus?.updated(update);
  try {
    // Whoever fails ends the others.
    await Promise.all(
      [
        measurement.follow(stop, updated),
        tellStates(relay, display, stop),
        stimulus?.run(stop),
      ].map(async (work) => {
        try {
          await work;
        } catch (error) {
          end.abort();
          throw error;
        }
      }),
    );
  } finally {
    clearTimeout(over);
    clearInterval(samples);
  }
  measurement.sample();
  display.end(measurement, titleOf(relay));
  const { path, json, html } = wishes;
  const report = makeReport({
    measurement,
    relay,
    region: path,
    startedAt,
    interrupted: signal.aborted,
    stimulus: stimulus?.counts,
  });
  if (html !== undefined) await writeWhole(html, reportHtml(report), 'ERR_KVMFR_SYSCALL');
  if (!signal.aborted && measurement.frames === 0) throw noFrames(relay, wishes);
  if (json === '-') print(JSON.stringify(report));
  else if (json !== undefined)
    await writeWhole(json, `${JSON.stringify(report)}\n`, 'ERR_KVMFR_SYSCALL');
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}

/** What is measured, in a line. */
function titleOf({ reader }: Viewer): string {
  const { session, state, picture } = reader;
  if (session === undefined || state.name !== 'showing') return `${state.name}: ${state.message}`;
  const { geometry } = picture;
  const size =
    geometry === undefined ? '' : `, ${geometry.widthPx} x ${geometry.heightPx} ${geometry.format}`;
  return `Looking Glass ${session.release}${size}`;
}

async function tellStates(relay: Viewer, display: Display, signal: AbortSignal): Promise<void> {
  for await (const state of relay.reader.states({ signal })) {
    display.say(`${state.name}: ${state.message}`);
    if (state.hint !== undefined && state.name !== 'stale') display.say(`  ${state.hint}`);
  }
}

function noFrames({ reader }: Viewer, { path, durationMs = 0 }: Wishes): KvmfrError {
  const { state } = reader;
  return new KvmfrError(
    state.code ?? 'ERR_KVMFR_TIMEOUT',
    `no whole frame came from ${path} in ${durationMs / 1000} s: ${state.message}`,
    state.hint === undefined ? {} : { hint: state.hint },
  );
}
