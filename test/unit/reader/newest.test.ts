import { describe, expect, it } from 'vitest';
import { NewestStream } from '../../../client/reader/newest.ts';

interface Value {
  readonly n: number;
}

describe('NewestStream', () => {
  it('gives the newest value, and each one once', async () => {
    const stream = new NewestStream<Value>(undefined, () => undefined);
    for (const n of [1, 2, 3]) stream.put({ n });
    expect(await stream.next()).toEqual({ done: false, value: { n: 3 } });
    const next = stream.next();
    stream.put({ n: 4 });
    stream.put({ n: 5 });
    expect(await next).toEqual({ done: false, value: { n: 4 } });
    expect(await stream.next()).toEqual({ done: false, value: { n: 5 } });
  });

  it('serves who asks for several at once in that order', async () => {
    const stream = new NewestStream<Value>(undefined, () => undefined);
    const asked = [stream.next(), stream.next(), stream.next()];
    stream.put({ n: 1 });
    expect((await asked[0])?.value).toEqual({ n: 1 });
    stream.put({ n: 2 });
    expect((await asked[1])?.value).toEqual({ n: 2 });
    stream.end();
    expect((await asked[2])?.done).toBe(true);
  });

  it('ends who waits when its signal fires, and says so once', async () => {
    const stop = new AbortController();
    let ended = 0;
    const stream = new NewestStream<Value>(stop.signal, () => {
      ended++;
      return undefined;
    });
    const next = stream.next();
    stop.abort();
    expect((await next).done).toBe(true);
    stream.put({ n: 1 });
    expect((await stream.next()).done).toBe(true);
    expect((await stream.return()).done).toBe(true);
    expect(ended).toBe(1);
  });

  it('is over from the start when its signal has fired before, and nobody has to stop', async () => {
    // Whoever feeds it has no stream yet that could be named here.
    const stream: NewestStream<Value> = new NewestStream(AbortSignal.abort(), () => {
      throw new Error(`ended ${stream.over}`);
    });
    expect(stream.over).toBe(true);
    expect((await stream.next()).done).toBe(true);
  });

  it('is not done before whoever feeds it has stopped', async () => {
    let stopped: () => void = () => {};
    const stopping = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    const stream = new NewestStream<Value>(undefined, () => stopping);
    const waiting = stream.next();
    let done = false;
    const returned = stream.return().then(() => {
      done = true;
    });
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    stopped();
    await returned;
    expect((await waiting).done).toBe(true);
  });
});
