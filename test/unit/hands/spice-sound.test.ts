import { describe, expect, it } from 'vitest';
import { connectSpice, SpiceSession } from '../../../client/spice/index.ts';
import type { SoundPacket } from '../../../viewer/hands/index.ts';
import { SpiceMicrophone, SpiceSound } from '../../../viewer/hands/index.ts';
import { FakeServer, fields } from '../spice/fake-server.ts';

const PLAYBACK = 5;
const RECORD = 6;
const START = fields([4, 2], [2, 1], [4, 48_000], [4, 1000]);

/** Settles when a watched thing is as it should be. */
function becomes(
  watched: { watch(changed: () => void): () => void },
  holds: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds()) return;
      end();
      resolve();
    };
    const end = watched.watch(look);
    look();
  });
}

describe('SpiceSound', () => {
  it('hands on what the guest plays, with its volume, while somebody listens', async () => {
    await using server = await FakeServer.listen({ channels: [[PLAYBACK, 0]] });
    await using session = await connectSpice(server.address);
    const channel = await server.channel(PLAYBACK);
    const sound = new SpiceSound(session, { nowMs: () => 1234 });
    expect(sound.ability).toEqual({ available: true });
    const packets: SoundPacket[] = [];
    const heard = await new Promise<readonly SoundPacket[]>((resolve) => {
      sound.listen({
        packet: (packet) => packets.push(packet),
        ended: () => resolve(packets),
      });
      channel.send(105, fields([1, 2], [2, 0xffff], [2, 0]));
      channel.send(103, START);
      channel.send(101, Buffer.concat([fields([4, 7]), Buffer.from('01000200', 'hex')]));
      channel.send(104);
    });
    expect(heard).toEqual([
      {
        samples: Uint8Array.of(1, 0, 2, 0),
        ...{ channels: 2, rateHz: 48_000, atMs: 1234, volumes: [1, 0], muted: false },
      },
    ]);
    sound.close();
  });

  it('tells when the guest mutes it, and how loud it has set it', async () => {
    await using server = await FakeServer.listen({ channels: [[PLAYBACK, 0]] });
    await using session = await connectSpice(server.address);
    const channel = await server.channel(PLAYBACK);
    const sound = new SpiceSound(session);
    expect(sound.loudness).toBe(1);
    channel.send(106, fields([1, 1]));
    await becomes(sound, () => sound.loudness === 0);
    channel.send(106, fields([1, 0]));
    channel.send(105, fields([1, 1], [2, 0x3333]));
    await becomes(sound, () => sound.loudness === 0.2);
    sound.close();
  });

  it('reads nothing for who has gone', async () => {
    await using server = await FakeServer.listen({ channels: [[PLAYBACK, 0]] });
    await using session = await connectSpice(server.address);
    const channel = await server.channel(PLAYBACK);
    const sound = new SpiceSound(session);
    const lost: SoundPacket[] = [];
    const end = sound.listen({ packet: (packet) => lost.push(packet), ended: () => undefined });
    end();
    // Another listener hears what comes then: so all that was sent has been read.
    await new Promise<void>((resolve) => {
      sound.listen({ packet: () => resolve(), ended: () => undefined });
      channel.send(103, START);
      channel.send(101, fields([4, 7], [4, 1]));
    });
    expect(lost).toEqual([]);
    sound.close();
  });

  it('says why the guest cannot be heard, and when it can', async () => {
    await using mute = await FakeServer.listen({ channels: [[3, 0]] });
    await using deaf = await connectSpice(mute.address);
    const none = new SpiceSound(deaf);
    expect(none.ability).toEqual({
      available: false,
      reason: 'the virtual machine has no sound device that its SPICE server plays',
    });
    none.close();
    await using server = await FakeServer.listen({ channels: [[PLAYBACK, 0]] });
    await using session = new SpiceSession(server.address);
    const sound = new SpiceSound(session);
    expect(sound.ability).toMatchObject({ available: false });
    await becomes(sound, () => sound.ability.available);
    sound.close();
  });
});

describe('SpiceMicrophone', () => {
  it('says what it is told while the guest records, in its format', async () => {
    await using server = await FakeServer.listen({ channels: [[RECORD, 0]] });
    await using session = await connectSpice(server.address, { record: true });
    const microphone = new SpiceMicrophone(session);
    const channel = await server.channel(RECORD);
    expect(microphone.recording).toBe(false);
    microphone.say(Int16Array.of(9));
    channel.send(101, START);
    await becomes(microphone, () => microphone.recording);
    microphone.say(new Int16Array(480));
    microphone.say(Int16Array.of(1, -2));
    await channel.until((messages) => messages.length === 4);
    expect(channel.messages.map(({ type }) => type)).toEqual([102, 103, 101, 101]);
    expect(channel.messages.at(-1)?.body.toString('hex')).toBe(
      '0a000000 0100 0100 feff feff'.replaceAll(' ', ''),
    );
    channel.send(102);
    await becomes(microphone, () => !microphone.recording);
    microphone.close();
  });

  it('says it as fast as the guest wants to have it', async () => {
    await using server = await FakeServer.listen({ channels: [[RECORD, 0]] });
    await using session = await connectSpice(server.address, { record: true });
    const microphone = new SpiceMicrophone(session);
    const channel = await server.channel(RECORD);
    channel.send(101, fields([4, 1], [2, 1], [4, 24_000], [4, 0]));
    await becomes(microphone, () => microphone.recording);
    microphone.say(Int16Array.of(10, 20, 30, 40));
    await channel.until((messages) => messages.length === 3);
    expect(channel.messages.at(-1)?.body.toString('hex')).toBe('000000000a001e00');
    microphone.close();
  });

  it('is there only where it was asked for', async () => {
    await using server = await FakeServer.listen({ channels: [[RECORD, 0]] });
    await using session = await connectSpice(server.address);
    const microphone = new SpiceMicrophone(session);
    expect(microphone.ability).toEqual({
      available: false,
      reason: 'the microphone was not asked for',
    });
    microphone.say(Int16Array.of(1));
    microphone.close();
  });
});
