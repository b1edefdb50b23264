import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { encodeAck, encodeRefresh, UNKNOWN_US } from '../../protocol/wire/index.ts';
import { parseExposition } from '../support/exposition.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';
import type { TestViewer } from '../unit/relay/test-viewer.ts';

afterEach(closeStages);

/** A viewer that comes to a picture which another one has waited for, and acknowledges it. */
async function comeTo(stage: Stage): Promise<TestViewer> {
  const first = stage.join({ acks: false });
  stage.guest.publish(noisy(1).frame());
  await first.until(() => first.updates.length === 1);
  const viewer = stage.join({ acks: false });
  await viewer.until(() => viewer.updates.length === 1);
  viewer.ack(0);
  await viewer.settle(PING);
  return viewer;
}

/** What a relay shows to who asks it, by path. */
async function ask(stage: Stage, path: string): Promise<string> {
  const answer = await fetch(new URL(`${path}?token=secret`, stage.door.url));
  expect(answer.status).toBe(200);
  return await answer.text();
}

describe('the latency of a relay', () => {
  it('counts a frame when its viewer has acknowledged it, by what relay and viewer tell', async () => {
    const stage = await Stage.open();
    await using _ = stage;
    const viewer = await comeTo(stage);
    expect(stage.relay.latency.summary()).toEqual({});
    await stage.show(noisy(2));
    await viewer.until(() => viewer.updates.length === 2);
    expect(stage.relay.latency.summary()).toEqual({});
    viewer.send(
      encodeAck({
        epoch: 1,
        serial: viewer.serial,
        networkUs: 111,
        boundUs: 1,
        decodeUs: 222,
        presentUs: 333,
      }),
    );
    await viewer.settle(PING);
    const { latency } = stage.relay;
    const told = viewer.times.at(-1)?.stages;
    expect(told).toBeDefined();
    for (const stageName of ['arrive', 'apply', 'queue', 'encode', 'send'] as const)
      expect(latency.of(stageName)?.sumUs).toBe(told?.[stageName]);
    expect(latency.of('network')?.sumUs).toBe(111);
    expect(latency.of('decode')?.sumUs).toBe(222);
    expect(latency.of('present')?.sumUs).toBe(333);
    const known = Object.entries(told ?? {}).filter(
      ([name, us]) => name !== 'producer' && us !== UNKNOWN_US,
    );
    const sumUs = known.reduce((sum, [, us]) => sum + us, 111 + 222 + 333);
    expect(latency.of('total')?.summary()).toMatchObject({ count: 1, minUs: sumUs, maxUs: sumUs });
  });

  it('does not count pictures that were there before the viewer looked, or that it asks for again', async () => {
    const stage = await Stage.open();
    await using _ = stage;
    const viewer = await comeTo(stage);
    viewer.send(encodeRefresh());
    await viewer.until(() => viewer.updates.length === 2);
    viewer.ack(1);
    await viewer.settle(PING);
    expect(stage.relay.latency.of('queue')?.count).toBe(0);
    await stage.show(noisy(2));
    await viewer.until(() => viewer.updates.length === 3);
    viewer.ack(2);
    await viewer.settle(PING);
    expect(stage.relay.latency.of('queue')?.count).toBe(1);
  });

  it('tells the channel of acknowledgements each picture that was presented', async () => {
    const stage = await Stage.open();
    await using _ = stage;
    const told: unknown[] = [];
    const hear = (message: unknown): void => void told.push(message);
    subscribe('kvmfr:relay:acknowledged', hear);
    onTestFinished(() => void unsubscribe('kvmfr:relay:acknowledged', hear));
    const viewer = await comeTo(stage);
    const [, { id } = { id: 0 }] = stage.relay.viewers;
    expect(told).toEqual([{ viewer: id, epoch: 1, serial: viewer.serial }]);
  });

  it('is a histogram of /metrics, and percentiles of /api/session', async () => {
    const stage = await Stage.open();
    await using _ = stage;
    const viewer = await comeTo(stage);
    for (const [index, decodeUs] of [50, 51, 2_000_000].entries()) {
      await stage.show(noisy(index + 2));
      await viewer.until(() => viewer.updates.length === index + 2);
      const { epoch, serial } = viewer.updates[index + 1] ?? { epoch: 0, serial: 0 };
      viewer.send(
        encodeAck({ epoch, serial, networkUs: UNKNOWN_US, boundUs: 0, decodeUs, presentUs: 0 }),
      );
      await viewer.settle(PING);
    }
    const metric = parseExposition(await ask(stage, 'metrics')).get('kvmfr_stage_seconds');
    expect(metric?.type).toBe('histogram');
    const of = (name: string, stageName: string): readonly (readonly [string, number])[] =>
      (metric?.samples.get(`kvmfr_stage_seconds_${name}`) ?? [])
        .filter(({ labels }) => labels['stage'] === stageName)
        .map(({ labels, value }) => [labels['le'] ?? '', value]);
    expect(of('bucket', 'decode')).toEqual([
      ['0.00005', 1],
      ['0.0001', 2],
      ['0.00025', 2],
      ['0.0005', 2],
      ['0.001', 2],
      ['0.0025', 2],
      ['0.005', 2],
      ['0.01', 2],
      ['0.025', 2],
      ['0.05', 2],
      ['0.1', 2],
      ['0.25', 2],
      ['0.5', 2],
      ['1', 2],
      ['+Inf', 3],
    ]);
    expect(of('sum', 'decode')).toEqual([['', 2.000101]]);
    expect(of('count', 'decode')).toEqual([['', 3]]);
    expect(of('count', 'network')).toEqual([['', 0]]);
    expect(of('count', 'total')).toEqual([['', 0]]);
    expect(of('count', 'encode')).toEqual([['', 3]]);
    const { stages } = JSON.parse(await ask(stage, 'api/session'));
    expect(stages.decode).toMatchObject({ count: 3, minUs: 50, p50Us: 51, maxUs: 2_000_000 });
    expect(stages).not.toHaveProperty('network');
  });
});
