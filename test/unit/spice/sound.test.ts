import { describe, expect, it } from 'vitest';
import { connectSpice } from '../../../client/spice/index.ts';
import { type PlaybackEvent, SpicePlayback } from '../../../client/spice/playback.ts';
import { bodyOf } from './display-bytes.ts';
import { FakeServer, fields } from './fake-server.ts';

const START = fields([4, 2], [2, 1], [4, 48_000], [4, 1000]);

function playback(opus = false): SpicePlayback {
  return new SpicePlayback({ opus });
}

function send(to: SpicePlayback, type: number, bytes: Uint8Array = Buffer.alloc(0)): boolean {
  return to.message(type, bodyOf(bytes));
}

async function all(to: SpicePlayback, play: () => void): Promise<readonly PlaybackEvent[]> {
  const events = to.events();
  play();
  to.close();
  const seen: PlaybackEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe('sound of the guest', () => {
  it('is offered in Opus only to who can decode it', () => {
    expect(playback().capabilities).toEqual([1, 2]);
    expect(playback(true).capabilities).toEqual([1, 2, 3]);
  });

  it('starts, plays and stops, each packet with its time', async () => {
    const sound = playback(true);
    const events = await all(sound, () => {
      send(sound, 102, fields([4, 0], [2, 3]));
      send(sound, 103, START);
      send(sound, 105, fields([1, 2], [2, 0xffff], [2, 0]));
      send(sound, 106, fields([1, 1]));
      send(sound, 101, Buffer.concat([fields([4, 0xffff_fff0]), Buffer.from('opus')]));
      send(sound, 107, fields([4, 40]));
      send(sound, 104);
      send(sound, 104);
    });
    expect(events).toEqual([
      { kind: 'start', mode: 'opus', channels: 2, rateHz: 48_000 },
      { kind: 'volume', volumes: [1, 0] },
      { kind: 'mute', muted: true },
      { kind: 'data', timeMs: 0xffff_fff0, data: Uint8Array.from(Buffer.from('opus')) },
      { kind: 'stop' },
    ]);
    expect(sound.latencyMs).toBe(40);
  });

  it('is as loud as its loudest channel, and not while it is muted', async () => {
    const sound = playback();
    const loudnesses = sound.loudnesses();
    const next = async (): Promise<number | undefined> => (await loudnesses.next()).value;
    expect(await next()).toBe(1);
    send(sound, 105, fields([1, 2], [2, 0x3333], [2, 0x6666]));
    expect(await next()).toBe(0.4);
    send(sound, 106, fields([1, 1]));
    expect(await next()).toBe(0);
    send(sound, 106, fields([1, 0]));
    expect(await next()).toBe(0.4);
    send(sound, 105, fields([1, 0]));
    expect(await next()).toBe(1);
    sound.close();
    expect((await loudnesses.next()).done).toBe(true);
  });

  it('is as loud as it is after a new connection, however a guest before had set it', async () => {
    const sound = playback();
    send(sound, 105, fields([1, 1], [2, 0x3333]));
    send(sound, 106, fields([1, 1]));
    const loudnesses = sound.loudnesses();
    expect((await loudnesses.next()).value).toBe(0);
    sound.detach();
    sound.attach();
    expect((await loudnesses.next()).value).toBe(1);
    sound.close();
  });

  it('that plays already begins with its format', async () => {
    const sound = playback();
    send(sound, 103, START);
    const { value } = await sound.events().next();
    expect(value).toEqual({ kind: 'start', mode: 'raw', channels: 2, rateHz: 48_000 });
  });

  it('that nobody takes in time is lost, the oldest first, but not that it starts and stops', async () => {
    const sound = playback();
    const events = sound.events();
    send(sound, 103, START);
    for (let time = 0; time < 300; time++) send(sound, 101, fields([4, time], [4, 0]));
    send(sound, 104);
    sound.close();
    const seen: PlaybackEvent[] = [];
    for await (const event of events) seen.push(event);
    expect(seen.map(({ kind }) => kind)).toEqual(['start', ...Array(98).fill('data'), 'stop']);
    expect(seen.at(1)).toMatchObject({ timeMs: 202 });
    expect(events.lost).toBe(202);
  });

  it.each([
    ['no channels', fields([4, 0], [2, 1], [4, 48_000], [4, 0])],
    ['a billion channels', fields([4, 1e9], [2, 1], [4, 48_000], [4, 0])],
    ['another format', fields([4, 2], [2, 2], [4, 48_000], [4, 0])],
    ['no rate', fields([4, 2], [2, 1], [4, 0], [4, 0])],
    ['half of its fields', START.subarray(0, 8)],
  ])('of %s is refused', (_, bytes) => {
    expect(() => send(playback(), 103, bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_SPICE' }),
    );
  });

  it('in a way that is not known here is refused', () => {
    expect(() => send(playback(), 102, fields([4, 0], [2, 2]))).toThrow(
      /mode of a message must be 1/,
    );
  });
});

describe('the microphone', () => {
  it('is linked only when it was asked for', async () => {
    await using server = await FakeServer.listen({
      channels: [
        [3, 0],
        [6, 0],
      ],
    });
    await using session = await connectSpice(server.address);
    expect(session.record).toBeUndefined();
    expect(session.info?.channels).not.toContain('record');
  });

  it('sends samples while the guest records, after their mode and their time', async () => {
    await using server = await FakeServer.listen({ channels: [[6, 0]] });
    await using session = await connectSpice(server.address, { record: true });
    const channel = await server.channel(6);
    const { record } = session;
    expect(record?.write(Buffer.alloc(4), 1)).toBe(false);
    const events = record?.events();
    channel.send(101, fields([4, 1], [2, 1], [4, 44_100]));
    expect((await events?.next())?.value).toEqual({ kind: 'start', channels: 1, rateHz: 44_100 });
    expect(record?.write(Buffer.from('0102', 'hex'), 7)).toBe(true);
    expect(record?.write(Buffer.from('0304', 'hex'), 8)).toBe(true);
    await channel.until((messages) => messages.length === 4);
    expect(channel.messages.map(({ type, body }) => `${type} ${body.toString('hex')}`)).toEqual([
      '102 070000000100',
      '103 07000000',
      '101 070000000102',
      '101 080000000304',
    ]);
    expect(() => record?.write(Buffer.alloc(3), 9)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
    channel.send(102);
    expect((await events?.next())?.value).toEqual({ kind: 'stop' });
    expect(record?.write(Buffer.alloc(2), 10)).toBe(false);
  });
});
