import { describe, expect, it } from 'vitest';
import type { Frame } from '../../../client/frame.ts';
import type { FrameStream } from '../../../client/frames.ts';
import { Queue } from '../../../client/queue.ts';
import type { FrameScheduleMessage } from '../../../protocol/kvmfr/messages.ts';
import { eventually } from '../../support/eventually.ts';
import { DevGuest, type Reader } from './dev-guest.ts';
import { picture } from './guest.ts';

const HZ_60 = 1e9 / 60;
const HZ_144 = 1e9 / 144;
/** One subscriber in the first slot. */
const FIRST = 0x0001_0000;
const NOBODY = [0, 0, 0, 0];

async function nextFrame(frames: FrameStream): Promise<Frame> {
  const { value } = await frames.next();
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** A reader whose frames come by the lanes. */
async function owner(guest: DevGuest, periodNs = HZ_60): Promise<[Reader, FrameStream]> {
  const reader = guest.reader();
  const frames = reader.frames();
  reader.pace.set({ periodNs });
  const first = frames.next();
  await eventually(() => guest.host.frameOwner !== undefined);
  guest.host.publish(picture(1));
  (await first).value?.release();
  return [reader, frames];
}

function schedules(guest: DevGuest): FrameScheduleMessage[] {
  const heard: FrameScheduleMessage[] = [];
  guest.host.on('client-message', (message) => {
    if (message.type === 'frame-schedule') heard.push(message);
  });
  return heard;
}

describe('a claim to the pace', () => {
  it('is a slot of each queue under one id, and this message', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    const reader = guest.reader();
    reader.pace.set({ periodNs: 16_666_667 });
    const frames = reader.frames();
    void frames.next();
    await eventually(() => guest.word('pointer', 'cMsgAvail') === 15);
    expect(guest.subscribers).toEqual([FIRST, FIRST, FIRST, FIRST]);
    // The first id that the header gave out, on every queue.
    for (const queue of ['frame', 'lane0', 'lane1', 'pointer'] as const)
      expect(guest.word(queue, 'clientID')).toBe(1);
    const at = guest.queueAt('pointer') + 320;
    expect(Buffer.from(guest.region.copyOut(at, 80)).toString('hex')).toBe(
      [
        '40000000 01000000 0000000000000000', // 64 bytes of client 1
        '02000000 01000000 01000000 01000000', // frame schedule, client 1, generation 1, active
        '2b50fe0000000000 20a1070000000000', // 16666667 ns, ready 500000 ns before
        '0000000000000000 00000000 00000000', // no phase error, no frame
        '00000000 e8030000 0000000000000000', // no deadline, lease of 1000 ms
      ]
        .join('')
        .replaceAll(' ', ''),
    );
    // Not heard yet: it is not said again.
    expect(guest.word('pointer', 'cMsgWPos')).toBe(1);
    await frames.return();
    expect(guest.subscribers).toEqual(NOBODY);
  });

  it('is not made of a publisher that does not offer it', async () => {
    const guest = await DevGuest.start({ wire: 'B7' });
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames();
    const next = frames.next();
    await eventually(() => guest.host.watchers === 1);
    guest.host.publish(picture(1));
    expect((await next).value?.serial).toBe(0);
    expect([guest.host.cursorWatchers, reader.pace.pacing]).toEqual([0, 'asked']);
  });

  it('is made by the first loop of a client, and by another one when that ends', async () => {
    const guest = await DevGuest.start();
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const [a, b] = [reader.frames(), reader.frames()];
    void a.next();
    void b.next();
    await eventually(() => guest.host.frameOwner === 1);
    const second = guest.word('frame', 'clientID', 1);
    expect(second).toBe(2);
    await a.return();
    await eventually(() => guest.host.frameOwner === second);
    await b.return();
    expect(guest.subscribers).toEqual(NOBODY);
  });

  it('gives all slots back when one queue is full, and is made again when it is not', async () => {
    const guest = await DevGuest.start();
    const others = Array.from({ length: 8 }, () => {
      const queue = Queue.subscribe(guest.session, 4);
      if (typeof queue === 'string') throw new Error(queue);
      return queue;
    });
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames();
    const next = frames.next();
    await eventually(() => guest.host.watchers === 1);
    guest.host.publish(picture(1));
    expect((await next).value?.serial).toBe(1);
    expect(guest.subscribers).toEqual([FIRST, 0, 0x00ff_0000, 0]);
    expect(reader.pace.pacing).toBe('asked');
    others[5]?.unsubscribe();
    const after = frames.next();
    await eventually(() => guest.host.frameOwner === guest.word('frame', 'clientID'));
    expect(guest.word('lane1', 'clientID', 5)).toBe(guest.word('frame', 'clientID'));
    guest.host.publish(picture(2));
    expect((await after).value?.serial).toBe(2);
    expect(reader.pace.pacing).toBe('owner');
  });

  it('leaves nothing set when its loop is aborted, or its client closes', async () => {
    const guest = await DevGuest.start();
    const stop = new AbortController();
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames({ signal: stop.signal });
    const next = frames.next();
    await eventually(() => guest.host.frameOwner !== undefined);
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    await reader.close();
    expect(guest.subscribers).toEqual(NOBODY);
    for (const queue of ['frame', 'lane0', 'lane1', 'pointer'] as const)
      expect([guest.word(queue, 'clientID'), guest.word(queue, 'lock')]).toEqual([0, 0]);
    await eventually(() => guest.host.frameOwner === undefined);
  });

  it('ends when nothing is asked for any more, while the loop goes on', async () => {
    const guest = await DevGuest.start();
    const heard = schedules(guest);
    const [reader, frames] = await owner(guest);
    expect(reader.pace.pacing).toBe('owner');
    const next = frames.next();
    reader.pace.set(undefined);
    await eventually(() => guest.host.cursorWatchers === 0);
    expect(guest.subscribers).toEqual([FIRST, 0, 0, 0]);
    expect(heard.at(-1)).toMatchObject({ flags: 2, clientId: 1 });
    guest.host.publish(picture(2));
    expect((await next).value?.serial).toBe(2);
    expect(reader.pace.pacing).toBe('push');
  });
});

describe('the schedule', () => {
  it('is told again before it lapses, and under a new number when it is another one', async () => {
    const guest = await DevGuest.start();
    const heard = schedules(guest);
    const [reader] = await owner(guest);
    await eventually(() => heard.length === 2);
    expect(heard[1]).toEqual(heard[0]);
    reader.pace.set({ periodNs: HZ_60 * 0.98 });
    await eventually(() => heard.at(-1)?.generation === 2);
    expect(heard.at(-1)).toMatchObject({ flags: 1, periodNs: 16_333_333 });
    // So much faster that the count of deadlines begins anew.
    reader.pace.set({ periodNs: HZ_144, slackNs: 300_000 });
    await eventually(() => heard.at(-1)?.generation === 3);
    expect(heard.at(-1)).toMatchObject({ flags: 5, periodNs: 6_944_444, targetSlackNs: 300_000 });
  });

  it('is not told again before the publisher has heard it', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    void reader.frames().next();
    await eventually(() => guest.word('pointer', 'cMsgWPos') === 1);
    reader.pace.set({ periodNs: HZ_144 });
    // The loop is nudged, and looks; many turns later it has still not spoken.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(guest.word('pointer', 'cMsgWPos')).toBe(1);
    guest.host.housekeep();
    await eventually(() => guest.word('pointer', 'cMsgWPos') === 2);
    // Type 2, client 1, generation 2, active and reset.
    const at = guest.queueAt('pointer') + 320 + 80 + 16;
    expect([0, 4, 8, 12].map((field) => guest.view.getUint32(at + field, true))).toEqual([
      2, 1, 2, 5,
    ]);
  });

  it('lets what comes down the pointer queue pass, so that nobody waits for us', async () => {
    const guest = await DevGuest.start();
    await owner(guest);
    for (let x = 0; x < 100; x++) {
      expect(guest.host.setCursor({ position: { x, y: 0 }, visible: true })).toBe(true);
      await eventually(() => guest.word('pointer', 'count') === 0);
    }
  });

  it.each([[{ periodNs: 1_999_999 }], [{ periodNs: 1_000_000_001 }], [{ periodNs: Number.NaN }]])(
    'is not taken when it is %j',
    async (options) => {
      const { pace } = (await DevGuest.start()).reader();
      expect(() => pace.set(options)).toThrow(
        expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
      );
      expect(() => pace.set({ periodNs: 2_000_000, slackNs: 2_000_000 })).toThrow(
        expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
      );
      expect(pace.pacing).toBe('push');
    },
  );
});

describe('what is told of a frame that was shown', () => {
  /** A frame that was made for a deadline, and met it. */
  async function timely(guest: DevGuest, frames: FrameStream): Promise<Frame> {
    for (let seed = 2; ; seed++) {
      const next = nextFrame(frames);
      await eventually(() => (guest.host.pace?.dueInMs ?? 99) < 8);
      guest.host.publish(picture(seed));
      const frame = await next;
      if (frame.deadline !== undefined) return frame;
    }
  }

  it('reaches the publisher with the frame, its deadline, and how early it was', async () => {
    const guest = await DevGuest.start();
    const heard = schedules(guest);
    const [reader, frames] = await owner(guest, 40_000_000);
    const { deadline, serial } = await timely(guest, frames);
    if (deadline === undefined) throw new Error('no deadline');
    expect(deadline).toMatchObject({ frameSerial: serial, generation: 1, epoch: 1 });
    const before = heard.length;
    reader.pace.presented(deadline, 2_500_000);
    await eventually(() => heard.length > before && heard.at(-1)?.feedbackFrameSerial === serial);
    expect(heard.at(-1)).toMatchObject({
      flags: 1,
      generation: 1,
      // 2.5 ms, of which half a millisecond was asked for.
      phaseErrorNs: 2_000_000,
      feedbackFrameSerial: serial,
      feedbackScheduleEpoch: 1,
      feedbackDeadlineSerial: deadline.deadlineSerial,
    });
    await eventually(() => heard.at(-1)?.feedbackFrameSerial === 0);
  });

  it('is a mean of what is within half a period; nothing of another schedule', async () => {
    const { pace } = (await DevGuest.start()).reader();
    pace.set({ periodNs: 10_000_000, slackNs: 1_000_000 });
    const deadline = { frameSerial: 1, generation: 1, epoch: 1, deadlineSerial: 1 };
    const told = (waitedNs: number, change = {}): number | undefined => {
      pace.presented({ ...deadline, ...change }, waitedNs);
      return pace.feedback?.phaseErrorNs;
    };
    expect(told(2_000_000, { generation: 2 })).toBeUndefined();
    expect(told(5_000_000)).toBe(4_000_000);
    expect(told(0)).toBe((4_000_000 * 7 - 1_000_000) / 8);
    // It has just missed a refresh: two milliseconds late. Another epoch has a mean of its own.
    expect(told(9_000_000, { epoch: 2 })).toBe(-2_000_000);
    // Whoever showed it was busy.
    expect(told(16_000_000, { epoch: 2 })).toBe(-2_000_000);
    pace.set({ periodNs: 20_000_000 });
    expect(pace.feedback).toBeUndefined();
  });

  it('is nothing of a frame that was made for no deadline', async () => {
    const guest = await DevGuest.start();
    const [reader, frames] = await owner(guest, 40_000_000);
    await eventually(() => (guest.host.pace?.dueInMs ?? 99) < 8);
    // Two for the same one: the second is tied to none.
    for (const seed of [2, 3]) guest.host.publish(picture(seed));
    const frame = await nextFrame(frames);
    expect([frame.serial, frame.deadline, reader.pace.pacing]).toEqual([3, undefined, 'owner']);
  });
});

describe('frames by the lanes', () => {
  it('come in order, with the damage since the one before, whichever way each came', async () => {
    const guest = await DevGuest.start();
    const [, frames] = await owner(guest);
    const damage = [{ x: 1, y: 2, width: 3, height: 4 }];
    for (let serial = 2; serial < 12; serial++) {
      const next = frames.next();
      guest.host.publish({ ...picture(serial), damage });
      const { value } = await next;
      expect([value?.serial, value?.damage, value?.skipped]).toEqual([serial, damage, 0]);
    }
  });

  it('that wait on both are walked in order: the newest is given, damage adds up', async () => {
    const guest = await DevGuest.start();
    const [, frames] = await owner(guest);
    const rect = (x: number) => ({ x, y: 0, width: 1, height: 1 });
    // One on each lane, while nobody reads.
    guest.host.publish({ ...picture(2), damage: [rect(2)] });
    guest.host.publish({ ...picture(3), damage: [rect(3)] });
    const frame = await nextFrame(frames);
    expect([frame.serial, frame.skipped]).toEqual([3, 1]);
    expect(frame.damage).toEqual([rect(2), rect(3)]);
    expect(frame.pixels.slice(0, 8)).toEqual(picture(3).pixels.slice(0, 8));
  });

  it('are not given when they were overtaken', async () => {
    const guest = await DevGuest.start();
    const [reader, frames] = await owner(guest);
    for (const serial of [2, 3]) {
      const next = frames.next();
      guest.host.publish(picture(serial));
      await next;
    }
    const next = frames.next();
    // Somebody turns the clock of a frame back: the next one says it is the second.
    const opened = guest.host.openFrame(picture(4), { header: { frameSerial: 2 } });
    opened?.end();
    await eventually(() => guest.word('lane0', 'count') + guest.word('lane1', 'count') === 0);
    guest.host.publish(picture(5));
    expect((await next).value?.serial).toBe(5);
    expect(reader.stats).toMatchObject({ framesRefused: 0, framesGivenUp: 0 });
  });

  it('go to the fastest client; when it goes, to the next, and nobody misses one', async () => {
    const guest = await DevGuest.start();
    const [slow, slowFrames] = await owner(guest, HZ_60);
    const fast = guest.reader();
    fast.pace.set({ periodNs: HZ_144 });
    const fastFrames = fast.frames();
    await nextFrame(fastFrames);
    const slowId = guest.word('frame', 'clientID', 0);
    const fastId = guest.word('frame', 'clientID', 1);
    await eventually(() => guest.host.frameOwner === fastId);
    const read = async (serial: number, ...streams: readonly FrameStream[]) => {
      const nexts = streams.map((stream) => nextFrame(stream));
      guest.host.publish(picture(serial));
      const frames = await Promise.all(nexts);
      expect(frames.map((frame) => frame.serial)).toEqual(streams.map(() => serial));
    };
    await read(2, slowFrames, fastFrames);
    expect([slow.pace.pacing, fast.pace.pacing]).toEqual(['asked', 'owner']);
    await fastFrames.return();
    await eventually(() => guest.host.frameOwner === slowId);
    await read(3, slowFrames);
    expect([slow.pace.pacing, fast.pace.pacing]).toEqual(['owner', 'asked']);
    expect(slow.stats).toMatchObject({ framesSeen: 3, framesSkipped: 0, timedOut: 0 });
  });
});

describe('a claim under attack', () => {
  /** The stream goes on, and is the owner again a little later. */
  async function recovers(guest: DevGuest, reader: Reader, frames: FrameStream): Promise<void> {
    for (
      let serial = guest.host.stats.framesPosted + 1;
      reader.pace.pacing !== 'owner' || serial < 5;
      serial++
    ) {
      const next = frames.next();
      guest.host.publish(picture(serial));
      expect((await next).value?.serial).toBe(serial);
    }
    await frames.return();
    for (const queue of ['frame', 'lane0', 'lane1', 'pointer'] as const)
      expect(guest.word(queue, 'lock')).toBe(0);
  }

  it.each(['lane0', 'lane1', 'pointer'] as const)(
    'whose bit on %s is cleared by somebody gets frames by the shared queue, and is made again',
    async (queue) => {
      const guest = await DevGuest.start();
      const [reader, frames] = await owner(guest);
      guest.setWord(queue, 'subs', 0);
      await recovers(guest, reader, frames);
      expect(guest.subscribers).toEqual(NOBODY);
    },
  );

  it('whose slot somebody else writes their id in leaves that slot to them', async () => {
    const guest = await DevGuest.start();
    const [reader, frames] = await owner(guest);
    guest.setWord('lane1', 'clientID', 4711);
    await recovers(guest, reader, frames);
    expect(guest.subscribers).toEqual([0, 0, FIRST, 0]);
    expect(guest.word('lane1', 'clientID')).toBe(4711);
  });

  it('that is said to have timed out on one queue is made again on all', async () => {
    const guest = await DevGuest.start();
    const [reader, frames] = await owner(guest);
    guest.setWord('lane0', 'subs', 0x0001_0001);
    await recovers(guest, reader, frames);
  });

  it('with a lane that names what is no place is let go of', async () => {
    const guest = await DevGuest.start();
    const [reader, frames] = await owner(guest);
    const next = frames.next();
    const at = guest.region.byteLength - 60;
    guest.host.openFrame(picture(2), { message: { at, bytes: 64 } })?.end();
    // By the shared queue, from its true place.
    expect((await next).value?.serial).toBe(2);
    expect(reader.stats).toMatchObject({ messagesRefused: 1, framesRefused: 0 });
    await recovers(guest, reader, frames);
  });

  it('with a position that is no place reads on by the shared queue', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    const reader = guest.reader();
    const frames = reader.frames();
    reader.pace.set({ periodNs: HZ_60 });
    const next = frames.next();
    await eventually(() => guest.word('pointer', 'cMsgAvail') === 15);
    guest.setWord('lane0', 'position', 77);
    guest.setWord('lane1', 'position', 0xffff_ffff);
    guest.host.publish(picture(1));
    expect((await next).value?.serial).toBe(1);
    await frames.return();
    expect(guest.subscribers).toEqual(NOBODY);
  });

  it('with locks that nobody gives back keeps no one from the shared queue', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    guest.setWord('lane0', 'lock', 1);
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames();
    const next = frames.next();
    await eventually(() => guest.host.watchers === 1);
    guest.host.publish(picture(1));
    expect((await next).value?.serial).toBe(1);
    expect(guest.subscribers).toEqual([FIRST, 0, 0, 0]);
  });

  it('never hears back, and then closes all the same', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames();
    void frames.next();
    await eventually(() => guest.word('pointer', 'cMsgAvail') === 15);
    await frames.return();
    // What it asked for, and that it is over.
    expect(guest.word('pointer', 'cMsgWPos')).toBe(2);
    expect(guest.subscribers).toEqual(NOBODY);
  });

  it('by a ring of messages that is full, or says so, waits', async () => {
    const guest = await DevGuest.start({ housekeepingMs: 0 });
    guest.setWord('pointer', 'cMsgAvail', 0);
    const reader = guest.reader();
    reader.pace.set({ periodNs: HZ_60 });
    const frames = reader.frames();
    void frames.next();
    await eventually(() => guest.word('pointer', 'subs') === FIRST);
    guest.setWord('pointer', 'cMsgAvail', 99);
    await eventually(() => reader.stats.messagesRefused > 0);
    guest.setWord('pointer', 'cMsgAvail', 16);
    await eventually(() => guest.word('pointer', 'cMsgWPos') === 1);
    await frames.return();
    expect(guest.subscribers).toEqual(NOBODY);
  });
});
