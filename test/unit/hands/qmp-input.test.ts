import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEYS, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import { type GuestScreen, QmpInput, type QmpInputOptions } from '../../../viewer/hands/index.ts';
import { MAX_UNANSWERED } from '../../../viewer/hands/qmp-link.ts';
import { fuzzed, fuzzTimeoutMs } from '../../fuzz/runs.ts';
import { FakeQemu, type FakeQemuOptions, type QmpStage } from './fake-qemu.ts';

const SCREEN: GuestScreen = { screenWidthPx: 1920, screenHeightPx: 1080, rotation: 0 };
const QUICK: QmpInputOptions = { backoff: { firstMs: 1, longestMs: 1 }, nowMs: () => 0 };
const A_DOWN = '{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"a"}}}';
const A_UP = '{"type":"key","data":{"down":false,"key":{"type":"qcode","data":"a"}}}';
const B_UP = '{"type":"key","data":{"down":false,"key":{"type":"qcode","data":"b"}}}';
const LEFT_DOWN = '{"type":"btn","data":{"down":true,"button":"left"}}';
const LEFT_UP = '{"type":"btn","data":{"down":false,"button":"left"}}';

interface Stage extends AsyncDisposable {
  readonly qemu: FakeQemu;
  readonly input: QmpInput;
  until(holds: () => boolean): Promise<void>;
}

async function stage(options: FakeQemuOptions = {}, more: QmpInputOptions = {}): Promise<Stage> {
  const qemu = await FakeQemu.listen(options);
  const input = new QmpInput(qemu.path, { ...QUICK, ...more });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds())
      await new Promise<void>((resolve) => {
        const end = input.watch(() => {
          end();
          resolve();
        });
      });
  };
  return {
    ...{ qemu, input, until },
    [Symbol.asyncDispose]: async () => {
      await input.close();
      await qemu[Symbol.asyncDispose]();
    },
  };
}

async function connected(options: FakeQemuOptions = {}): Promise<Stage> {
  const it = await stage(options);
  await it.until(() => it.input.state.name === 'connected');
  return it;
}

function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

/** What is down in the guest after these events: QEMU keeps what it was told, whoever leaves. */
function downOf(events: readonly string[]): readonly string[] {
  const down = new Set<string>();
  for (const text of events) {
    const { data } = JSON.parse(text);
    const name = String(data.button ?? data.key?.data);
    if (data.down === true) down.add(name);
    else if (data.down === false) down.delete(name);
  }
  return [...down];
}

describe('input by QMP', () => {
  it('begins with the capabilities, and asks what there is', async () => {
    await using it = await connected();
    expect(it.qemu.commands).toEqual([
      { execute: 'qmp_capabilities' },
      { execute: 'query-status' },
      { execute: 'query-mice' },
    ]);
    expect(it.input.abilities).toEqual({ keyboard: true, absolute: true, relative: true });
    expect(it.input.locks).toBeUndefined();
  });

  it('sends keys by their names, and those without one by their scancode', async () => {
    await using it = await connected();
    it.input.apply(key('KeyA', true));
    it.input.apply(key('KeyA', false));
    it.input.apply(key('F13', true));
    it.input.apply(key('BrowserSearch', true));
    await it.qemu.until(() => it.qemu.events.length === 4);
    expect(it.qemu.events).toEqual([
      A_DOWN,
      A_UP,
      '{"type":"key","data":{"down":true,"key":{"type":"number","data":93}}}',
      '{"type":"key","data":{"down":true,"key":{"type":"number","data":229}}}',
    ]);
  });

  it('puts the pointer to the middle of its pixel, of 32768 places on each side', async () => {
    await using it = await connected();
    it.input.apply({ kind: 'position', x: 959, y: 0 }, SCREEN);
    it.input.apply({ kind: 'button', button: 0, down: true });
    it.input.apply({ kind: 'button', button: 0, down: false });
    await it.qemu.until(() => it.qemu.events.length === 4);
    expect(it.qemu.events).toEqual([
      '{"type":"abs","data":{"axis":"x","value":16375}}',
      '{"type":"abs","data":{"axis":"y","value":15}}',
      LEFT_DOWN,
      LEFT_UP,
    ]);
  });

  it('moves it by steps, and turns both wheels by notches', async () => {
    await using it = await connected({ mice: [{ absolute: false }] });
    expect(it.input.abilities).toMatchObject({
      ...{ absolute: false, relative: true },
      reason: 'the pointer moves by steps: the virtual machine has no tablet',
    });
    it.input.apply({ kind: 'position', x: 5, y: 5 }, SCREEN);
    it.input.apply({ kind: 'motion', dx: -7, dy: 0 }, SCREEN);
    it.input.apply({ kind: 'wheel', dx: 60, dy: 120 });
    it.input.apply({ kind: 'wheel', dx: 60, dy: 0 });
    await it.qemu.until(() => it.qemu.events.length === 5);
    const turn = (button: string): readonly string[] =>
      [true, false].map((down) => JSON.stringify({ type: 'btn', data: { down, button } }));
    expect(it.qemu.events).toEqual([
      '{"type":"rel","data":{"axis":"x","value":-7}}',
      ...turn('wheel-down'),
      ...turn('wheel-right'),
    ]);
  });

  it('keeps nothing but the newest place and the sum of steps for a QEMU that is slow', async () => {
    const held: (() => void)[] = [];
    await using it = await connected();
    it.qemu.options = {
      answer: (_, id) => {
        held.push(() => it.qemu.send(JSON.stringify({ return: {}, id })));
        return null;
      },
    };
    for (let x = 0; x < 1000; x++) it.input.apply({ kind: 'position', x, y: 7 }, SCREEN);
    await it.qemu.until(() => held.length === 4);
    expect(it.qemu.events).toHaveLength(8);
    for (let i = 0; i < 1000; i++) it.input.apply({ kind: 'motion', dx: 1, dy: 2 }, SCREEN);
    held.shift()?.();
    await it.qemu.until(() => held.length === 4);
    expect(it.qemu.events.slice(8).map((event) => JSON.parse(event).data.value)).toEqual([
      ...[Math.floor((999.5 * 32768) / 1920), Math.floor((7.5 * 32768) / 1080), 1000, 2000],
    ]);
  });

  it('leaves out presses that a QEMU without answers has no room for, and no release', async () => {
    await using it = await connected();
    it.qemu.options = { answer: () => null };
    for (const { code } of KEYS) it.input.apply(key(code, true));
    it.input.apply({ kind: 'release' });
    await it.qemu.until(() => it.qemu.events.some((event) => event.includes('false')));
    const ups = it.qemu.events.filter((event) => event.includes('"down":false'));
    expect(it.qemu.events.length - ups.length).toBe(MAX_UNANSWERED);
    expect(ups).toHaveLength(MAX_UNANSWERED);
  });

  it('lets go of what is held when it is closed, and waits until QEMU has done it', async () => {
    await using it = await connected();
    it.input.apply(key('KeyA', true));
    it.input.apply({ kind: 'button', button: 0, down: true });
    await it.input.close();
    expect(it.qemu.events).toEqual([A_DOWN, LEFT_DOWN, A_UP, LEFT_UP]);
    expect(it.input.abilities.keyboard).toBe(false);
    it.input.apply(key('KeyA', true));
    expect(it.qemu.events).toHaveLength(4);
  });

  it('lets go of what was held when the connection broke, once there is another', async () => {
    await using it = await connected();
    it.input.apply(key('KeyA', true));
    it.input.apply(key('KeyB', true));
    await it.qemu.until(() => it.qemu.events.length === 2);
    it.qemu.drop();
    await it.until(() => it.input.state.name === 'waiting');
    expect(it.input.abilities).toMatchObject({ keyboard: false, absolute: false, relative: false });
    it.input.apply(key('KeyA', false));
    it.input.apply(key('KeyC', true));
    await it.qemu.until(() => it.qemu.events.length === 4);
    expect(it.qemu.events.slice(2)).toEqual([A_UP, B_UP]);
    expect(it.input.state.name).toBe('connected');
  });

  it('lets go once more of what a connection that broke was told, and did not answer', async () => {
    let answers = true;
    await using it = await connected({
      answer: (execute) => (execute === 'input-send-event' && !answers ? null : undefined),
    });
    it.input.apply(key('KeyA', true));
    await it.qemu.until(() => it.qemu.events.length === 1);
    answers = false;
    it.input.apply(key('KeyA', false));
    await it.qemu.until(() => it.qemu.events.length === 2);
    answers = true;
    it.qemu.drop();
    await it.qemu.until(() => it.qemu.events.length === 3);
    expect(it.qemu.events).toEqual([A_DOWN, A_UP, A_UP]);
  });

  it(
    'leaves nothing down, whenever connections break',
    async () => {
      const codes = ['KeyA', 'KeyB', 'ShiftLeft'] as const;
      const step = fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({ code: fc.constantFrom(...codes), down: fc.boolean() }),
        },
        { weight: 3, arbitrary: fc.record({ button: fc.nat(4), down: fc.boolean() }) },
        { weight: 2, arbitrary: fc.constantFrom('drop', 'turn', 'connect', 'release') },
      );
      let broken = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), async (steps) => {
          await using it = await connected();
          for (const one of steps)
            if (one === 'drop') it.qemu.drop();
            else if (one === 'turn') await new Promise<void>((resolve) => setImmediate(resolve));
            else if (one === 'connect') await it.until(() => it.input.state.name === 'connected');
            else if (one === 'release') it.input.apply({ kind: 'release' });
            else if ('code' in one) it.input.apply(key(one.code, one.down));
            else it.input.apply({ kind: 'button', ...one });
          it.input.apply({ kind: 'release' });
          // A key that nobody else presses comes after all of it, by a connection that holds.
          const ended = (): boolean =>
            it.qemu.events.some((event) => /"down":false.*"f9"/.test(event));
          while (!ended()) {
            await it.until(() => it.input.abilities.keyboard);
            it.input.apply(key('F9', true));
            it.input.apply(key('F9', false));
            await new Promise<void>((resolve) => setImmediate(resolve));
          }
          broken += it.qemu.connections - 1;
          expect(downOf(it.qemu.events)).toEqual([]);
        }),
        fuzzed(40),
      );
      expect(broken).toBeGreaterThan(0);
    },
    fuzzTimeoutMs(),
  );

  it('takes nothing while the machine is paused, and lets go when it goes on', async () => {
    await using it = await connected();
    it.input.apply(key('KeyA', true));
    await it.qemu.until(() => it.qemu.events.length === 1);
    it.qemu.send('{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}');
    await it.until(() => !it.input.abilities.keyboard);
    expect(it.input.abilities.reason).toBe('the virtual machine is paused');
    it.input.apply(key('KeyA', false));
    it.input.apply(key('KeyB', true));
    it.input.apply({ kind: 'motion', dx: 1, dy: 1 }, SCREEN);
    it.qemu.send('{"event": "RESUME"}');
    await it.qemu.until(() => it.qemu.events.length === 2);
    expect(it.qemu.events).toEqual([A_DOWN, A_UP]);
    expect(it.input.abilities.keyboard).toBe(true);
  });

  it('knows a machine that was paused before', async () => {
    await using it = await connected({ running: false });
    expect(it.input.abilities.reason).toBe('the virtual machine is paused');
  });

  it('asks again what there is when an event is refused', async () => {
    await using it = await connected();
    it.qemu.options = {
      mice: [],
      answer: (execute, id) =>
        execute === 'input-send-event'
          ? JSON.stringify({ error: { class: 'GenericError', desc: 'no handler' }, id })
          : undefined,
    };
    it.input.apply({ kind: 'position', x: 1, y: 1 }, SCREEN);
    await it.until(() => !it.input.abilities.absolute);
    expect(it.input.abilities).toMatchObject({ keyboard: true, relative: false });
  });
});

describe('a control socket that is none, or lies', () => {
  it.each<[what: string, options: FakeQemuOptions, says: RegExp]>([
    ['greets otherwise', { greeting: 'SSH-2.0-OpenSSH_9.2' }, /must greet as QMP does.*SSH-2/],
    ['greets with a list', { greeting: '[1, 2]' }, /must greet as QMP does/],
    ['sends an endless line', { greeting: 'x'.repeat(70_000) }, /lines of at most 65536/],
    ['answers before it greets', { greeting: '{"return": {}, "id": 1}' }, /must greet/],
    [
      'refuses the capabilities',
      { answer: (_, id) => JSON.stringify({ error: { desc: 'not now' }, id }) },
      /must take qmp_capabilities, but said: not now/,
    ],
    ['answers with nonsense', { answer: () => 'null' }, /must answer as QMP does, but sent "null/],
    ['greets twice', { answer: () => '{"QMP": {}}' }, /must answer as QMP does/],
  ])('%s: it says so, and tries again', async (_, options, says) => {
    await using it = await stage(options);
    await it.until(() => it.input.state.name === 'waiting');
    expect(it.input.state.message).toMatch(says);
    expect(it.input.state.hint).toMatch(/something else listens there/);
    expect(it.input.abilities).toMatchObject({ keyboard: false });
    it.qemu.options = {};
    await it.until(() => it.input.state.name === 'connected');
  });

  it.each<QmpStage>(['connected', 'half-greeting', 'greeting', 'capabilities', 'status'])(
    'goes away at %s: it says so, and tries again',
    async (endAt) => {
      await using it = await stage({ endAt });
      await it.until(() => it.input.state.name === 'waiting');
      expect(it.input.state.message).toMatch(/must stay open, but was closed/);
      it.input.apply(key('KeyA', true));
      it.qemu.options = {};
      await it.until(() => it.input.state.name === 'connected');
      expect(it.qemu.events).toEqual([]);
    },
  );

  it.each<[what: string, options: FakeQemuOptions, says: RegExp]>([
    ['never greets', { greeting: '' }, /must greet in 300 ms/],
    ['never answers', { answer: () => null }, /must (greet|answer) in 300 ms/],
    [
      'answers what was not asked',
      { answer: () => '{"return": {}, "id": 99}' },
      /must (greet|answer) in/,
    ],
  ])('%s: it is not waited for', async (_, options, says) => {
    await using it = await stage(options, { limitMs: 300 });
    await it.until(() => it.input.state.name === 'waiting');
    expect(it.input.state.message).toMatch(says);
  });

  it('is not there: it is waited for', async () => {
    const input = new QmpInput('/nowhere/qmp.sock', QUICK);
    await new Promise<void>((resolve) => {
      input.watch(resolve);
    });
    expect(input.state).toMatchObject({ name: 'waiting', error: { code: 'ERR_KVMFR_ABSENT' } });
    await input.close();
  });
});
