import { beforeEach, describe, expect, it } from 'vitest';
import { keyOfCode } from '../../../../protocol/keys.ts';
import type { InputEvent } from '../../../../protocol/wire/index.ts';
import { InputGate } from '../../../../viewer/web/clipboard/input-gate.ts';

let sent: string[];
let timers: Map<() => void, number>;
let gate: InputGate;

beforeEach(() => {
  sent = [];
  timers = new Map();
  gate = new InputGate({
    send: (events, atMs) => sent.push(...events.map((event) => `${nameOf(event)}@${atMs}`)),
    after: (ms, run) => {
      timers.set(run, ms);
      return () => timers.delete(run);
    },
  });
});

function nameOf(event: InputEvent): string {
  if (event.kind === 'key') return `${event.key.code}${event.down ? '+' : '-'}`;
  return event.kind === 'position' ? `at ${event.x}` : event.kind;
}

function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

function place(x: number): InputEvent {
  return { kind: 'position', x, y: 0 };
}

describe('the gate before what is pasted', () => {
  it('lets pass at once what it does not hold', () => {
    gate.pass([key('KeyA', true)], 1);
    expect(sent).toEqual(['KeyA+@1']);
    expect(timers.size).toBe(0);
  });

  it('holds all back, in its order and with its times, until it is opened', () => {
    gate.hold(100);
    gate.pass([key('KeyV', true)], 1);
    gate.pass([place(5)], 2);
    gate.pass([place(6)], 3);
    gate.pass([{ kind: 'button', button: 0, down: true }], 4);
    gate.pass([place(7)], 5);
    gate.pass([key('KeyV', false)], 6);
    expect(sent).toEqual([]);
    gate.open();
    // Of places that follow each other the newest is enough.
    expect(sent).toEqual(['KeyV+@1', 'at 6@3', 'button@4', 'at 7@5', 'KeyV-@6']);
    gate.pass([key('KeyA', true)], 7);
    expect(sent.at(-1)).toBe('KeyA+@7');
    expect(timers.size).toBe(0);
  });

  it('opens by itself after the time that it was told last', () => {
    gate.hold(100);
    gate.hold(600);
    gate.pass([key('KeyV', true)], 1);
    expect([...timers.values()]).toEqual([600]);
    for (const run of timers.keys()) run();
    expect(sent).toEqual(['KeyV+@1']);
    expect(gate.isClosed).toBe(false);
  });

  it('opens when more waits than a person does', () => {
    gate.hold(100);
    for (let at = 0; at < 400; at++) gate.pass([place(at)], at);
    expect(sent).toEqual([]);
    for (let at = 0; at < 300; at++) gate.pass([key('KeyA', at % 2 === 0)], at);
    expect(sent).toHaveLength(301);
    expect(gate.isClosed).toBe(false);
  });
});
