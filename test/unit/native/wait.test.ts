import { type ChildProcess, fork } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRegionFile, MAX_WATCHED_WORDS, Mapping } from '../../../native/index.ts';
import { REGION_BYTES, runChild, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };

describe.each([{ looks: 'thread' }, { looks: 'loop' }] as const)('$looks looks:', ({ looks }) => {
  const env = { LOOKS: looks };

  function openAt(name: string): Mapping {
    const path = join(folder, `${name}-${looks}`);
    createRegionFile(path, REGION_BYTES);
    return Mapping.open(path, { looks });
  }

  describe('Mapping.wait', () => {
    test('is changed at once when a word differs at the call', async () => {
      using mapping = openAt('differs');
      new Uint32Array(mapping.buffer)[2] = 5;
      const words = [
        { offsetBytes: 0, value: 0 },
        { offsetBytes: 8, value: 4 },
      ];
      expect(await mapping.wait(words, { timeoutMs: 0 })).toBe('changed');
    });

    test('only looks when the time is 0', async () => {
      using mapping = openAt('look');
      const words = [{ offsetBytes: 0, value: 0 }];
      expect(await mapping.wait(words, { timeoutMs: 0 })).toBe('timed-out');
    });

    test.each([false, true])('times out, and not before its time (cadence %s)', async (cadence) => {
      using mapping = openAt('time');
      const start = process.hrtime.bigint();
      const words = [{ offsetBytes: 0, value: 0 }];
      expect(await mapping.wait(words, { timeoutMs: 20, cadence })).toBe('timed-out');
      expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(20_000_000n);
    });

    test('is changed when any of its words changes', async () => {
      using mapping = openAt('any');
      const view = new Uint32Array(mapping.buffer);
      const words = Array.from({ length: MAX_WATCHED_WORDS }, (_, i) => ({
        offsetBytes: 4 * i,
        value: 0,
      }));
      for (const index of [0, 15, MAX_WATCHED_WORDS - 1]) {
        const wait = mapping.wait(words, FOREVER);
        view[index] = 1;
        expect(await wait).toBe('changed');
        view[index] = 0;
      }
    });

    test('reads words as unsigned: the highest value is one like the others', async () => {
      using mapping = openAt('unsigned');
      const view = new Uint32Array(mapping.buffer);
      view[1] = 0xffff_ffff;
      const wait = mapping.wait([{ offsetBytes: 4, value: 0xffff_ffff }], FOREVER);
      view[1] = 0;
      expect(await wait).toBe('changed');
    });

    test('watches the last word of the region', async () => {
      using mapping = openAt('last');
      const view = new Uint32Array(mapping.buffer);
      const wait = mapping.wait([{ offsetBytes: REGION_BYTES - 4, value: 0 }], FOREVER);
      view[view.length - 1] = 1;
      expect(await wait).toBe('changed');
    });

    test('with reaches, passes over every step below the value and ends at it or above', async () => {
      using mapping = openAt('reaches');
      const view = new Uint32Array(mapping.buffer);
      const target = [{ offsetBytes: 8, value: 100, reaches: true }];
      const wait = mapping.wait(target, { ...FOREVER, soon: true });
      let value = 0;
      for (const step of [1, 50, 99]) {
        // Ends by this step, and so after a look at it.
        const other = mapping.wait([{ offsetBytes: 8, value }], FOREVER);
        view[2] = value = step;
        expect(await other).toBe('changed');
        expect(await mapping.wait(target, { timeoutMs: 0 })).toBe('timed-out');
      }
      view[2] = 101;
      expect(await wait).toBe('changed');
      view[2] = 0xffff_ffff;
      expect(await mapping.wait(target, { timeoutMs: 0 })).toBe('changed');
    });

    test('with soon, is changed and times out as any other', async () => {
      using mapping = openAt('soon');
      const words = [{ offsetBytes: 0, value: 0 }];
      expect(await mapping.wait(words, { timeoutMs: 5, soon: true, cadence: true })).toBe(
        'timed-out',
      );
      const wait = mapping.wait(words, { ...FOREVER, soon: true });
      new Uint32Array(mapping.buffer)[0] = 1;
      expect(await wait).toBe('changed');
    });

    test.each([false, true])(
      'tells the last look before the change (cadence %s)',
      async (cadence) => {
        using mapping = openAt(`looks-${cadence}`);
        const view = new Uint32Array(mapping.buffer);
        const words = [{ offsetBytes: 0, value: 0 }];
        const looks = { beforeMs: 1 };
        const startMs = monotonicMs();
        const wait = mapping.wait(words, { ...FOREVER, cadence, looks });
        expect(looks.beforeMs).toBeNaN();
        // After a look at the word, at the least: another wait has ended by one.
        view[1] = 1;
        expect(await mapping.wait([{ offsetBytes: 4, value: 0 }], FOREVER)).toBe('changed');
        view[0] = 1;
        const changedMs = monotonicMs();
        expect(await wait).toBe('changed');
        expect(looks.beforeMs).toBeGreaterThanOrEqual(startMs);
        expect(looks.beforeMs).toBeLessThanOrEqual(changedMs);
      },
    );

    test('that times out tells the look at its end, and one that ends at the call tells none', async () => {
      using mapping = openAt('looks-end');
      const words = [{ offsetBytes: 0, value: 0 }];
      const looks = { beforeMs: 0 };
      const startMs = monotonicMs();
      expect(await mapping.wait(words, { timeoutMs: 5, looks })).toBe('timed-out');
      expect(looks.beforeMs).toBeGreaterThanOrEqual(startMs + 5);
      expect(looks.beforeMs).toBeLessThanOrEqual(monotonicMs());
      new Uint32Array(mapping.buffer)[0] = 1;
      expect(await mapping.wait(words, { ...FOREVER, looks })).toBe('changed');
      expect(looks.beforeMs).toBeNaN();
    });

    test('serves many waits at once, each by its own words', async () => {
      using mapping = openAt('many');
      const view = new Uint32Array(mapping.buffer);
      const waits = Array.from({ length: 500 }, (_, i) =>
        mapping.wait([{ offsetBytes: 4 * i, value: 0 }], { ...FOREVER, cadence: i % 2 === 0 }),
      );
      const timedOut = mapping.wait([{ offsetBytes: 4 * 600, value: 0 }], { timeoutMs: 10 });
      for (let i = 0; i < 500; i += 5) view[i] = i + 1;
      const changed = await Promise.all(waits.filter((_, i) => i % 5 === 0));
      expect(new Set(changed)).toEqual(new Set(['changed']));
      expect(await timedOut).toBe('timed-out');
      mapping.close();
      const rest = await Promise.all(waits.filter((_, i) => i % 5 !== 0));
      expect([rest.length, new Set(rest)]).toEqual([400, new Set(['closed'])]);
    });

    test('is closed when the mapping closes, and at once on a closed mapping', async () => {
      const mapping = openAt('closes');
      const words = [{ offsetBytes: 0, value: 0 }];
      const wait = mapping.wait(words, { ...FOREVER, cadence: true });
      mapping.close();
      expect(await wait).toBe('closed');
      expect(await mapping.wait(words, FOREVER)).toBe('closed');
    });

    test('may close its mapping from the wait that has just ended', async () => {
      const mapping = openAt('inside');
      const view = new Uint32Array(mapping.buffer);
      const other = mapping.wait([{ offsetBytes: 400, value: 0 }], FOREVER);
      const wait = mapping
        .wait([{ offsetBytes: 0, value: 0 }], FOREVER)
        .then(() => mapping.close());
      view[0] = 1;
      await wait;
      expect(await other).toBe('closed');
    });

    test('refuses words and times that are none', () => {
      using mapping = openAt('refused');
      const good = { offsetBytes: 0, value: 0 };
      const bad: readonly (readonly [unknown, unknown])[] = [
        [[], FOREVER],
        [undefined, FOREVER],
        [Array.from({ length: MAX_WATCHED_WORDS + 1 }, () => good), FOREVER],
        [[{ offsetBytes: 2, value: 0 }], FOREVER],
        [[{ offsetBytes: -4, value: 0 }], FOREVER],
        [[{ offsetBytes: REGION_BYTES, value: 0 }], FOREVER],
        [[{ offsetBytes: 2 ** 32, value: 0 }], FOREVER],
        [[{ offsetBytes: 0.5, value: 0 }], FOREVER],
        [[{ offsetBytes: 0, value: -1 }], FOREVER],
        [[{ offsetBytes: 0, value: 2 ** 32 }], FOREVER],
        [[{ offsetBytes: 0, value: '0' }], FOREVER],
        [[good], { timeoutMs: -1 }],
        [[good], { timeoutMs: Number.NaN }],
        [[good], {}],
      ];
      for (const args of bad) {
        const error = thrownBy(() => Reflect.apply(mapping.wait, mapping, args));
        expect(error.code).toBe('ERR_KVMFR_ARGUMENT');
      }
    });
  });

  describe('a wait with a signal', () => {
    const words = [{ offsetBytes: 0, value: 0 }];

    test('is cancelled by it, and leaves no listener', async () => {
      using mapping = openAt('cancelled');
      const controller = new AbortController();
      const wait = mapping.wait(words, { ...FOREVER, signal: controller.signal });
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
      controller.abort();
      expect(await wait).toBe('cancelled');
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    });

    test('leaves no listener when it ends otherwise', async () => {
      const mapping = openAt('listeners');
      const { signal } = new AbortController();
      const view = new Uint32Array(mapping.buffer);
      const changed = mapping.wait(words, { ...FOREVER, signal });
      view[0] = 1;
      expect(await changed).toBe('changed');
      const now = [{ offsetBytes: 0, value: 1 }];
      expect(await mapping.wait(now, { timeoutMs: 1, signal })).toBe('timed-out');
      const closed = mapping.wait(now, { ...FOREVER, signal });
      mapping.close();
      expect(await closed).toBe('closed');
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    test('is cancelled at once by a signal that was aborted before', async () => {
      using mapping = openAt('aborted');
      expect(await mapping.wait(words, { ...FOREVER, signal: AbortSignal.abort() })).toBe(
        'cancelled',
      );
    });

    test('leaves the other waits alone', async () => {
      using mapping = openAt('others');
      const controller = new AbortController();
      const cancelled = mapping.wait(words, { ...FOREVER, signal: controller.signal });
      const other = mapping.wait(words, FOREVER);
      controller.abort();
      expect(await cancelled).toBe('cancelled');
      new Uint32Array(mapping.buffer)[0] = 1;
      expect(await other).toBe('changed');
    });
  });

  describe('a wait for another process', () => {
    const path = join(folder, `other-process-${looks}`);
    let writer: ChildProcess;

    beforeAll(async () => {
      createRegionFile(path, REGION_BYTES);
      const script = fileURLToPath(new URL('./children/writer.mjs', import.meta.url));
      writer = fork(script, [path]);
      await once(writer, 'message');
    });
    afterAll(async () => {
      writer.disconnect();
      await once(writer, 'exit');
    });

    test('is changed by its store', async () => {
      using mapping = Mapping.open(path, { looks });
      const wait = mapping.wait([{ offsetBytes: 64, value: 0 }], FOREVER);
      writer.send({ offsetBytes: 64, value: 0xabcd });
      expect(await wait).toBe('changed');
      expect(new Uint32Array(mapping.buffer)[16]).toBe(0xabcd);
    });

    test.each([1, 7])('never misses the last of many stores, one every %d ms', async (everyMs) => {
      using mapping = Mapping.open(path, { looks });
      const view = new Uint32Array(mapping.buffer);
      const offsetBytes = 128 * everyMs;
      writer.send({ offsetBytes, count: 150, everyMs });
      let value = 0;
      while (value < 150) {
        const outcome = await mapping.wait([{ offsetBytes, value }], { ...FOREVER, cadence: true });
        expect(outcome).toBe('changed');
        const now = Atomics.load(view, offsetBytes / 4);
        expect(now).toBeGreaterThan(value);
        value = now;
      }
      expect(value).toBe(150);
    });
  });

  describe('a pending wait and the process', () => {
    test('the thread that waits keeps the nice value and the policy of its process', async () => {
      const path = openAt('nice').path;
      expect(await runChild('waiter-priority.mjs', [path], { env })).toEqual({
        status: 0,
        stdout: '[[5,0]]\n',
        stderr: '',
      });
    });

    test('a wait keeps the process alive until it ends', async () => {
      const path = openAt('alive').path;
      expect(await runChild('keep-alive.mjs', [path, 'true', '50'], { env })).toMatchObject({
        status: 0,
        stdout: '"timed-out"\n',
      });
    });

    test('a wait with keepAlive false lets the process end', async () => {
      const path = openAt('not-alive').path;
      // 13: Node's status for a main module whose await nobody will settle.
      expect(await runChild('keep-alive.mjs', [path, 'false', '3600000'], { env })).toMatchObject({
        status: 13,
        stdout: '"pending"\n',
      });
    });

    test('a process that exits while waits are pending exits well', async () => {
      const path = openAt('exits').path;
      expect(await runChild('exit-waiting.mjs', [path], { env })).toEqual({
        status: 0,
        stdout: '"leaving"\n',
        stderr: '',
      });
    });
  });
});
