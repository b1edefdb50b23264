import { beforeEach, describe, expect, it } from 'vitest';
import { keyOfCode } from '../../../../protocol/keys.ts';
import {
  decodeInput,
  type InputEvent,
  type InputMessage,
  MAX_INPUT_EVENTS,
  readEnvelope,
} from '../../../../protocol/wire/index.ts';
import { InputOutbox } from '../../../../viewer/web/core/input-outbox.ts';

let sent: InputMessage[];
let buffered: number;
let timers: (() => void)[];
let nowMs: number;
let outbox: InputOutbox;

const place = (x: number): InputEvent => ({ kind: 'position', x, y: 0 });
const step = (dx: number): InputEvent => ({ kind: 'motion', dx, dy: -dx });
function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

beforeEach(() => {
  sent = [];
  buffered = 0;
  timers = [];
  nowMs = 0;
  outbox = new InputOutbox({
    send: (message) => sent.push(decodeInput(readEnvelope(message))),
    buffered: () => buffered,
    after: (_, run) => {
      timers.push(run);
      return () => {
        timers = timers.filter((each) => each !== run);
      };
    },
    nowMs: () => nowMs,
    relayMs: (atMs) => atMs + 500,
  });
});

function look(): void {
  for (const run of timers.splice(0)) run();
}

describe('the outbox of input', () => {
  it('sends at once, with the time by the relay', () => {
    outbox.add([key('KeyA', true)], 10);
    outbox.add([key('KeyA', false)], 20);
    expect(sent.map(({ atMs, events }) => [atMs, events.length])).toEqual([
      [510, 1],
      [520, 1],
    ]);
    expect(timers).toEqual([]);
  });

  it('sends moves once in a millisecond, and no key or button waits for that', () => {
    outbox.add([place(1)], 0);
    for (let x = 2; x < 9; x++) outbox.add([place(x)], 0);
    expect([sent.length, outbox.waiting, timers.length]).toEqual([1, 1, 1]);
    outbox.add([key('KeyA', true)], 0);
    expect(sent.map(({ events }) => events)).toEqual([[place(1)], [place(8), key('KeyA', true)]]);
    expect(timers).toEqual([]);
    outbox.add([step(3)], 0);
    outbox.add([step(4)], 0);
    nowMs += 1;
    look();
    expect(sent.at(-1)?.events).toEqual([step(7)]);
    outbox.add([place(9)], 0);
    nowMs += 1;
    outbox.add([place(10)], 0);
    look();
    expect(sent.at(-1)?.events).toEqual([place(10)]);
  });

  it('makes less of what has to wait, and keeps the order of keys', () => {
    buffered = 1e6;
    for (let at = 0; at < 1000; at++) outbox.add([place(at)], at);
    outbox.add([key('KeyA', true)], 1000);
    for (let at = 0; at < 1000; at++) outbox.add([step(1)], 1001);
    look();
    expect(sent).toEqual([]);
    expect(outbox.waiting).toBe(3);
    buffered = 0;
    look();
    expect(sent).toEqual([{ atMs: 500, events: [place(999), key('KeyA', true), step(1000)] }]);
    expect(timers).toEqual([]);
  });

  it('lets everything go rather than type what is long past', () => {
    buffered = 1e6;
    for (let press = 0; press <= MAX_INPUT_EVENTS / 2; press++)
      outbox.add([key('KeyA', true), key('KeyA', false)], 0);
    buffered = 0;
    look();
    expect(sent[0]?.events[0]).toEqual({ kind: 'release' });
    expect(sent[0]?.events.length).toBeLessThan(4);
  });

  it('forgets what waits when the line is gone', () => {
    buffered = 1e6;
    outbox.add([place(1)], 0);
    outbox.clear();
    expect(timers).toEqual([]);
    buffered = 0;
    outbox.add([place(2)], 5);
    expect(sent).toEqual([{ atMs: 505, events: [place(2)] }]);
  });
});
