import { subscribe } from 'node:diagnostics_channel';
import type { AppliedInput } from '../../viewer/relay/index.ts';
import {
  createViewer,
  listen,
  SpiceClipboard,
  SpiceInput,
  SpiceSession,
} from '../../viewer/relay/index.ts';
import { say, serve } from '../support/child.ts';
import { nowNs } from '../support/stats.ts';

// The relay of the input bench: `kvmfr view REGION --spice ADDR`, which tells when it has applied what.

const [region = '', token = '', address = '', password = ''] = process.argv.slice(2);
const session = new SpiceSession(address, { password });
const input = new SpiceInput(session);
const clipboard = { guest: new SpiceClipboard(session) };
const viewer = createViewer({ source: region, token, input, clipboard });
const door = await listen(viewer, { host: '127.0.0.1', port: 0 });

/** Of each message since `begin`, in order. */
interface Message {
  readonly doneMs: number;
  readonly ageMs: number;
  readonly events: number;
  /** Of the clock that all processes share. */
  readonly appliedUs: number;
  readonly isKeyDown: boolean;
}

let messages: Message[] = [];

subscribe('kvmfr:relay:input', (told) => {
  const { doneMs, appliedMs, events } = told as AppliedInput;
  if (doneMs === undefined) return;
  messages.push({
    doneMs,
    ageMs: appliedMs - doneMs,
    events: events.length,
    appliedUs: Number(nowNs() / 1000n),
    isKeyDown: events.some((event) => event.kind === 'key' && event.down),
  });
});

serve({
  begin() {
    messages = [];
    return {};
  },
  /** The presses since `begin`: how old each was, and when it was applied. */
  presses() {
    const values: { [name: string]: number } = {};
    for (const [index, { ageMs, appliedUs }] of messages.filter((one) => one.isKeyDown).entries()) {
      values[`age-${index}`] = ageMs;
      values[`applied-${index}`] = appliedUs;
    }
    return values;
  },
  /** The messages since `begin`, each by when it was done, its age, and its events. */
  moves() {
    const values: { [name: string]: number } = {};
    for (const [index, { doneMs, ageMs, events }] of messages.entries()) {
      values[`done-${index}`] = doneMs;
      values[`age-${index}`] = ageMs;
      values[`events-${index}`] = events;
    }
    return values;
  },
});
await say('listening', { port: door.port });
