import { describe, expect, it } from 'vitest';
import {
  type ClientState,
  noHost,
  sameState,
  stale,
  stateOfError,
  stateOfOpenError,
} from '../../../client/state.ts';
import { type StateSource, StateStream } from '../../../client/states.ts';
import { KvmfrError, type KvmfrErrorCode } from '../../../protocol/error.ts';

describe('the state of an error', () => {
  it.each<[KvmfrErrorCode, ClientState['name']]>([
    ['ERR_KVMFR_ABSENT', 'waiting'],
    ['ERR_KVMFR_DENIED', 'denied'],
    ['ERR_KVMFR_NOT_A_REGION', 'failed'],
    ['ERR_KVMFR_SIZE', 'failed'],
    ['ERR_KVMFR_SYSCALL', 'failed'],
  ])('%s while opening is %s', (code, name) => {
    expect(stateOfOpenError(new KvmfrError(code, 'so it is'))).toEqual({
      name,
      code,
      message: 'so it is',
    });
  });

  it('has a hint that is a sentence', () => {
    const hintOf = (hint: string): string | undefined =>
      stateOfError(new KvmfrError('ERR_KVMFR_SIZE', 'so it is', { hint })).hint;
    expect(hintOf('start the VM')).toBe('Start the VM.');
    expect(hintOf('Start the VM.')).toBe('Start the VM.');
  });

  it('is failed, without a code, for any other error', () => {
    expect(stateOfError(new TypeError('odd'))).toEqual({ name: 'failed', message: 'odd' });
    expect(stateOfError('odd')).toEqual({ name: 'failed', message: 'odd' });
  });
});

describe('the state without a publisher', () => {
  it('names the versions of dead ones', () => {
    const candidate = { timestampAt: 16, layout: undefined, plausible: true };
    const state = noHost('/dev/shm/x', {
      kind: 'silent',
      candidates: [
        { ...candidate, version: 12, magicAt: 9664 },
        { ...candidate, version: 6, magicAt: 0 },
      ],
    });
    expect(state.name).toBe('waiting');
    expect(state.message).toBe(
      'no Looking Glass host runs in /dev/shm/x; LGMP 12 (a development version of Looking Glass) at 0x25c0 and LGMP 6 (Looking Glass B7) at 0x0 ran here and is gone',
    );
    expect(noHost('/x', { kind: 'nothing' }).message).toBe('no Looking Glass host runs in /x');
    expect(state.hint).toContain('share=on');
  });

  it('is stale after one was shown', () => {
    expect(stale('it was switched off')).toMatchObject({
      name: 'stale',
      message: 'the guest does not answer: it was switched off',
    });
  });
});

describe('sameState()', () => {
  it('compares what a person reads', () => {
    const state: ClientState = { name: 'failed', message: 'a', code: 'ERR_KVMFR_LOCK' };
    expect(sameState(state, { ...state })).toBe(true);
    expect(sameState(state, { ...state, hint: 'b' })).toBe(false);
    expect(sameState(state, { ...state, source: 'spice' })).toBe(false);
    expect(sameState(state, { ...state, message: 'b' })).toBe(false);
    expect(sameState(state, { ...state, code: 'ERR_KVMFR_SIZE' })).toBe(false);
    expect(sameState(state, { ...state, name: 'stale' })).toBe(false);
  });
});

class Source implements StateSource {
  state: ClientState = { name: 'waiting', message: '0' };
  closed = false;
  waiting = 0;
  #wake: (() => void)[] = [];

  change(signal: AbortSignal): Promise<void> {
    this.waiting++;
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting--;
        resolve();
      };
      this.#wake.push(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  say(message: string): void {
    this.state = { name: 'waiting', message };
    this.wake();
  }

  wake(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

describe('StateStream', () => {
  it('gives the state now and each change, the newest only', async () => {
    const source = new Source();
    const states = new StateStream(source, undefined);
    expect((await states.next()).value?.message).toBe('0');
    const next = states.next();
    source.say('1');
    expect((await next).value?.message).toBe('1');
    source.say('2');
    source.say('3');
    expect((await states.next()).value?.message).toBe('3');
    await states.return();
  });

  it('waits on when woken for nothing', async () => {
    const source = new Source();
    const states = new StateStream(source, undefined);
    await states.next();
    const next = states.next();
    source.wake();
    await new Promise(setImmediate);
    source.say('1');
    expect((await next).value?.message).toBe('1');
  });

  it('ends while it waits: with return(), with the signal, with its client', async () => {
    const source = new Source();
    const stop = new AbortController();
    const streams = [
      new StateStream(source, undefined),
      new StateStream(source, stop.signal),
      new StateStream(source, undefined),
    ];
    for (const stream of streams) await stream.next();
    const [returned, aborted, closed] = streams.map((stream) => stream.next());
    await streams[0]?.return();
    expect((await returned)?.done).toBe(true);
    stop.abort();
    expect((await aborted)?.done).toBe(true);
    source.closed = true;
    source.wake();
    expect((await closed)?.done).toBe(true);
    expect((await streams[2]?.next())?.done).toBe(true);
    expect(source.waiting).toBeLessThanOrEqual(0);
  });

  it('gives nothing when the signal has fired before', async () => {
    const states = new StateStream(new Source(), AbortSignal.abort());
    expect((await states.next()).done).toBe(true);
  });
});
