import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Client, connect, inspectRegion } from '../../client/index.ts';
import { exchangeU32 } from '../../protocol/memory/word.ts';
import { FIXTURE_NAMES, type Fixture, FixtureHost, loadFixture } from '../support/fixture.ts';
import { handIn, inState, subscribers, temporaryPath } from './client-guest.ts';

const OS_KINDS = ['linux', 'bsd', 'osx', 'windows', 'other'];

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What the records of a dump say, as a session's information does. */
function expectedInfo({ facts }: Fixture): object {
  const vm = facts.kvmfr.records.find(({ type }) => type === 1);
  const os = facts.kvmfr.records.find(({ type }) => type === 2);
  return {
    id: facts.lgmp.sessionID,
    lgmpVersion: facts.lgmp.version,
    kvmfrVersion: facts.kvmfr.version,
    release: 'B7',
    hostVersion: facts.kvmfr.hostver,
    features: facts.kvmfr.features,
    vm: {
      uuid: /^0+$/.test(vm?.uuid ?? '') ? undefined : vm?.uuid,
      capture: vm?.capture,
      cpus: vm?.cpus,
      cores: vm?.cores,
      sockets: vm?.sockets,
      model: vm?.model,
    },
    os: { kind: OS_KINDS[os?.os ?? 4], name: os?.name },
  };
}

describe.each(FIXTURE_NAMES)('a region that Looking Glass B7 wrote, %s', (name) => {
  const fixture = loadFixture(name);
  const { facts } = fixture;
  const frameFacts = facts.framesPending.at(-1);
  if (frameFacts === undefined) throw new Error('no frame in the dump');
  const shapeFacts = lastShape(fixture);

  it('gives the session, the pixels and the pointer that an independent reader saw', async () => {
    const path = temporaryPath();
    await fixture.writeTo(path);
    await using host = await FixtureHost.start(path);
    await using client = await connect(path);
    expect(client.session).toEqual(expectedInfo(fixture));

    const cursors = client.cursor();
    const frames = client.frames();
    const { value: frame } = await frames.next();
    expect(frame).toMatchObject({
      format: 'BGRA',
      serial: frameFacts.frameSerial,
      formatVersion: frameFacts.formatVer,
      widthPx: frameFacts.frameWidth,
      heightPx: frameFacts.frameHeight,
      dataHeightPx: frameFacts.dataHeight,
      screenWidthPx: frameFacts.screenWidth,
      screenHeightPx: frameFacts.screenHeight,
      pitchBytes: frameFacts.pitch,
      rotation: 0,
      truncated: false,
      damage: [],
      complete: frameFacts.dataHeight,
    });
    const rowBytes = frameFacts.frameWidth * 4;
    const packed = new Uint8Array(rowBytes * frameFacts.frameHeight);
    for (let y = 0; y < frameFacts.frameHeight; y++) {
      const at = y * frameFacts.pitch;
      packed.set(frame?.pixels.subarray(at, at + rowBytes) ?? [], y * rowBytes);
    }
    expect(sha256(packed)).toBe(frameFacts.sha256PackedBGRA);

    let cursor = (await cursors.next()).value;
    while (cursor?.shape === undefined) cursor = (await cursors.next()).value;
    expect(sha256(cursor.shape.raw.bytes)).toBe(shapeFacts.shapeSha256);
    expect(cursor.shape).toMatchObject({
      kind: 'color',
      widthPx: shapeFacts.width,
      heightPx: shapeFacts.height,
      hotspotX: shapeFacts.hx,
      hotspotY: shapeFacts.hy,
    });
    const messages = [...facts.pointerConsumedBefore, ...facts.pointerPending];
    const moved = messages.findLast(({ flags }) => (flags & 1) !== 0);
    expect(cursor).toMatchObject({ visible: true, x: moved?.x, y: moved?.y });

    expect(client.queues().map(({ id, slots }) => ({ id, slots }))).toEqual(
      facts.lgmp.queues.map(({ queueID, numMessages }) => ({ id: queueID, slots: numMessages })),
    );
    await client.close();
    // The dead reader of the dump was given up, and freed when we subscribed or left to the next.
    expect(subscribers(handIn(path)).frame & ~1).toBe(0);
    expect(host.events.filter(({ event }) => event === 'client-message')).toEqual([]);
  });

  it('is told of by a look that writes nothing, dead as it is', async () => {
    const path = temporaryPath();
    await fixture.writeTo(path);
    const found = await inspectRegion(path);
    expect(found).toMatchObject({
      alive: false,
      sizeBytes: facts.shmSize,
      session: expectedInfo(fixture),
      problem: { code: 'ERR_KVMFR_NO_HOST' },
    });
    expect(found.queues).toEqual(
      facts.lgmp.queues.map((queue) => ({
        id: queue.queueID,
        slots: queue.numMessages,
        used: queue.count,
        position: queue.position,
        subscribers: queue.subsOn,
        timedOut: queue.subsBad,
        maxTimeMs: queue.maxTime,
      })),
    );
    expect(found.frame).toMatchObject({
      serial: frameFacts.frameSerial,
      dataAt: frameFacts.dataOffset,
      writtenBytes: frameFacts.wp,
    });
    const region = handIn(path);
    expect(Buffer.compare(region.bytes, fixture.bytes)).toBe(0);
  });
});

/** The newest shape that the publisher had sent, read by then or not. */
function lastShape({ facts }: Fixture): Fixture['facts']['pointerPending'][number] {
  const shape = [...facts.pointerConsumedBefore, ...facts.pointerPending].findLast(
    ({ shapeSha256 }) => shapeSha256 !== undefined,
  );
  if (shape === undefined) throw new Error('no shape in the dump');
  return shape;
}

describe('a publisher that never puts a lock right, as that of B7', () => {
  it('whose lock a dead client holds: failed, with a code, until it is started again', async () => {
    const path = temporaryPath();
    await loadFixture('640x480').writeTo(path);
    const first = await FixtureHost.start(path, { newSession: true });
    const region = handIn(path);
    const client = new Client(path);
    onTestFinished(() => client.close());
    await inState(client, 'showing');
    // Of the frame queue, the first of the two.
    exchangeU32(region, 32 + 408, 1);
    const frame = client.frames().next();
    const names: string[] = [];
    const watching = (async () => {
      for await (const state of client.states()) names.push(state.name);
    })();
    const state = await inState(client, 'failed');
    expect(state.code).toBe('ERR_KVMFR_LOCK');
    expect(state.message).toContain('frame queue');
    expect(state.hint).toContain('Restart the Looking Glass host');
    // It stays so: no going to and fro between attempts.
    await first.kill();
    await inState(client, 'stale');
    await using second = await FixtureHost.start(path, { newSession: true });
    await inState(client, 'showing');
    await second.served('frame');
    expect((await frame).value?.widthPx).toBe(640);
    await client.close();
    await watching;
    expect(names.filter((name, i) => name !== names[i - 1])).toEqual([
      'showing',
      'failed',
      'stale',
      'showing',
    ]);
  });
});
