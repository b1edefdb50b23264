import { describe, expect, it } from 'vitest';
import {
  encodeFrameSchedule,
  type FrameScheduleMessage,
  SCHEDULE_FLAGS,
} from '../../../protocol/index.ts';
import { DevClient } from './dev-client.ts';
import { countingPicture, type HostOnMemory, hostOnMemory } from './fixture.ts';

const frame = {
  pixels: countingPicture(64),
  format: 'BGRA',
  widthPx: 4,
  heightPx: 4,
} as const;

/** A client that reads all of the queues that frames come by, and the pointer. */
class Reader {
  readonly clientId: number;
  readonly frames: DevClient;
  readonly lanes: readonly DevClient[];
  readonly pointer: DevClient;
  readonly #memory: HostOnMemory;

  constructor(memory: HostOnMemory, clientId: number) {
    const on = (queue: number): DevClient =>
      DevClient.subscribe(memory.region, 12, { queue, clientId });
    this.#memory = memory;
    this.clientId = clientId;
    this.frames = on(0);
    this.lanes = [on(1), on(2)];
    this.pointer = on(3);
  }

  schedule(change: Partial<Omit<FrameScheduleMessage, 'type'>> = {}): void {
    this.pointer.send(
      encodeFrameSchedule({
        clientId: this.clientId,
        generation: 1,
        flags: SCHEDULE_FLAGS.active,
        periodNs: 16_666_667,
        targetSlackNs: 500_000,
        phaseErrorNs: -1000,
        feedbackFrameSerial: 0,
        feedbackScheduleEpoch: 0,
        feedbackDeadlineSerial: 0,
        leaseMs: 1000,
        ...change,
      }),
      this.clientId,
    );
    this.#memory.advance(10);
  }

  /** Takes everything: which way each frame came, its udata and its serial. */
  takeAll(): string[] {
    const ways = { frame: this.frames, lane0: this.lanes[0], lane1: this.lanes[1] };
    return Object.entries(ways).flatMap(([way, client]) => {
      const seen: string[] = [];
      for (let message = client?.take(); message !== undefined; message = client?.take()) {
        const serial = this.#memory.region.view.getUint32(message.offset + 4, true);
        seen.push(`${way} ${message.udata >> 32n}/${message.udata & 0xffffffffn} #${serial}`);
      }
      return seen;
    });
  }
}

describe('the owner of the pacing', () => {
  it('gets frames by its two queues in turn, everybody else by the shared one', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    const other = new Reader(memory, 11);
    memory.advance(10);
    memory.host.publish(frame);
    expect([owner.takeAll(), other.takeAll()]).toEqual([['frame 0/0 #1'], ['frame 0/0 #1']]);
    owner.schedule();
    expect(memory.host.frameOwner).toBe(10);
    // A new epoch begins with the newest frame, which was made for no deadline.
    expect(owner.takeAll()).toEqual(['lane0 1/0 #1']);
    // A period is 16.7 ms: each in time for a deadline.
    const seen = [14, 17, 17].map((ms) => {
      memory.advance(ms);
      memory.host.publish(frame);
      return [...owner.takeAll(), ...other.takeAll()];
    });
    expect(seen).toEqual([
      ['lane1 1/1 #2', 'frame 0/0 #2'],
      ['lane0 1/2 #3', 'frame 0/0 #3'],
      ['lane1 1/3 #4', 'frame 0/0 #4'],
    ]);
  });

  it('finds generation, epoch and deadline in the header as well', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule({ generation: 77 });
    memory.advance(14);
    memory.host.publish(frame);
    const at = owner.lanes[0]?.take()?.offset ?? 0;
    expect([160, 164, 168].map((field) => memory.region.view.getUint32(at + field, true))).toEqual([
      77, 1, 1,
    ]);
  });

  it('that reads slowly gets the newest frame, and holds no more than its two', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule();
    memory.advance(14);
    const published = [1, 2, 3, 4].map(() => memory.host.publish(frame));
    expect(published).toEqual([true, true, true, true]);
    expect(owner.takeAll()).toEqual(['lane0 1/1 #1', 'lane1 1/0 #2']);
    memory.advance(10);
    expect(owner.takeAll()).toEqual(['lane0 1/0 #4']);
  });

  it('is the fastest, but not for a difference that nobody sees', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const a = new Reader(memory, 10);
    const b = new Reader(memory, 11);
    a.schedule({ periodNs: 10_000_000 });
    b.schedule({ periodNs: 9_960_000 });
    expect(memory.host.frameOwner).toBe(10);
    b.schedule({ periodNs: 9_940_000 });
    expect(memory.host.frameOwner).toBe(11);
    b.schedule({ flags: SCHEDULE_FLAGS.release });
    expect(memory.host.frameOwner).toBe(10);
  });

  it('is nobody any more when its lease is over, or it reads one of the queues no longer', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule({ leaseMs: 100 });
    memory.advance(90);
    expect(memory.host.frameOwner).toBe(10);
    memory.advance(20);
    expect(memory.host.frameOwner).toBeUndefined();
    memory.host.publish(frame);
    expect(owner.takeAll()).toEqual(['frame 0/0 #1']);
    owner.schedule();
    expect(memory.host.frameOwner).toBe(10);
    owner.lanes[1]?.unsubscribe();
    memory.advance(10);
    expect(memory.host.frameOwner).toBeUndefined();
  });

  it('is sent its frame by the shared queue when others hold its lanes, with the same words', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const before = new Reader(memory, 10);
    const owner = new Reader(memory, 11);
    before.schedule();
    for (let i = 0; i < 2; i++) memory.host.publish(frame);
    // The owner before has read nothing of its two when another one takes its place.
    owner.frames.take();
    owner.schedule({ periodNs: 10_000_000 });
    expect(memory.host.frameOwner).toBe(11);
    expect(owner.takeAll()).toEqual(['frame 2/0 #2']);
    before.takeAll();
    memory.advance(8);
    memory.host.publish(frame);
    expect([owner.takeAll(), before.takeAll()]).toEqual([['lane0 2/1 #3'], ['frame 0/0 #2']]);
  });

  it('is sent it there as well when somebody keeps the locks of both lanes', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule();
    for (const lane of [1, 2]) memory.region.view.setUint32(64 + lane * 1600 + 64, 1, true);
    memory.advance(14);
    memory.host.publish(frame);
    expect(owner.takeAll()).toEqual(['frame 1/1 #1']);
    for (const lane of [1, 2]) memory.region.view.setUint32(64 + lane * 1600 + 64, 0, true);
    memory.advance(17);
    memory.host.publish(frame);
    expect(owner.takeAll()).toEqual(['lane0 1/2 #2']);
    expect(memory.host.stats.framesDropped).toBe(0);
  });

  it('begins a new epoch with a reset or a new generation', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule();
    memory.advance(14);
    memory.host.publish(frame);
    expect(owner.takeAll()).toEqual(['lane0 1/1 #1']);
    owner.schedule();
    expect(owner.takeAll()).toEqual([]);
    owner.schedule({ flags: SCHEDULE_FLAGS.active | SCHEDULE_FLAGS.reset });
    expect(owner.takeAll()).toEqual(['lane1 2/0 #1']);
    owner.schedule({ generation: 2 });
    expect(owner.takeAll()).toEqual(['lane0 3/0 #1']);
    owner.schedule({ generation: 2, flags: SCHEDULE_FLAGS.active | SCHEDULE_FLAGS.immediate });
    expect(owner.takeAll()).toEqual(['lane1 3/0 #1']);
  });

  it.each([
    [{ clientId: 11 }],
    [{ flags: 0 }],
    [{ flags: 0x11 }],
    [{ periodNs: 1_999_999 }],
    [{ periodNs: 1_000_000_001 }],
    [{ targetSlackNs: 16_666_667 }],
    [{ phaseErrorNs: -16_666_668 }],
    [{ leaseMs: 99 }],
    [{ leaseMs: 5001 }],
  ])('does not become who says %j', async (change) => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const reader = new Reader(memory, 10);
    // `clientId` in the message differs from the sender's then.
    reader.schedule(change);
    expect(memory.host.frameOwner).toBeUndefined();
    expect(reader.pointer.acknowledged).toBe(1);
  });

  it('does not become who reads the shared queue only', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const reader = new Reader(memory, 10);
    for (const lane of reader.lanes) lane.unsubscribe();
    reader.schedule();
    expect(memory.host.frameOwner).toBeUndefined();
  });
});

describe('a frame that is made for a deadline', () => {
  /** timingFlags and readyLeadTime of the frame that a lane names. */
  function timing(memory: HostOnMemory, owner: Reader): [number, number] | undefined {
    const message = owner.lanes.map((lane) => lane.take()).find((found) => found !== undefined);
    if (message === undefined) return undefined;
    const { view } = memory.region;
    expect(view.getUint32(message.offset + 116, true)).toBe(1);
    return [
      view.getUint32(message.offset + 120, true),
      Number(view.getBigUint64(message.offset + 104, true)),
    ];
  }

  it('says that its phase counts, and how long before its deadline it was whole', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule({ periodNs: 20_000_000 });
    memory.advance(17);
    memory.host.publish(frame);
    expect(timing(memory, owner)).toEqual([1, 3_000_000]);
    // The same deadline again; then one that comes far too early for its own.
    memory.host.publish(frame);
    expect(timing(memory, owner)).toEqual([0, 0]);
    memory.advance(8);
    memory.host.publish(frame);
    expect(timing(memory, owner)).toEqual([0, 0]);
    memory.advance(13);
    memory.host.publish(frame);
    expect(timing(memory, owner)).toEqual([1, 2_000_000]);
  });

  it('and is whole too late does not', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule({ periodNs: 20_000_000 });
    memory.advance(17);
    const open = memory.host.openFrame(frame);
    memory.advance(4);
    open?.end();
    expect(timing(memory, owner)).toEqual([0, 0]);
  });

  it('tells its source when the next one is due, and that there is a pace', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    const told: (number | undefined)[] = [];
    memory.host.on('pace', () => told.push(memory.host.pace?.periodNs));
    expect(memory.host.pace).toBeUndefined();
    owner.schedule({ periodNs: 20_000_000 });
    // Half a millisecond of slack, a quarter for what goes wrong.
    expect(memory.host.pace).toEqual({ periodNs: 20_000_000, dueInMs: 19.25 });
    memory.advance(15);
    expect(memory.host.pace?.dueInMs).toBe(4.25);
    memory.host.publish(frame);
    expect(memory.host.pace?.dueInMs).toBe(24.25);
    owner.schedule({ flags: SCHEDULE_FLAGS.release });
    expect(memory.host.pace).toBeUndefined();
    expect(told).toEqual([20_000_000, undefined]);
  });

  it('moves by a quarter of the error that is reported of it, once, and only for its own', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    const periodNs = 20_000_000;
    owner.schedule({ periodNs });
    memory.advance(16);
    memory.host.publish(frame);
    const report = (change: Partial<FrameScheduleMessage>): number | undefined => {
      const before = memory.host.pace?.dueInMs ?? Number.NaN;
      owner.schedule({
        periodNs,
        phaseErrorNs: 4_000_000,
        feedbackFrameSerial: 1,
        feedbackScheduleEpoch: 1,
        feedbackDeadlineSerial: 1,
        ...change,
      });
      // Ten milliseconds went by; what was due in less is due a period later.
      return ((memory.host.pace?.dueInMs ?? Number.NaN) - before + 10 + 20) % 20;
    };
    expect(report({ feedbackScheduleEpoch: 2 })).toBeCloseTo(0);
    expect(report({ feedbackFrameSerial: 2 })).toBeCloseTo(0);
    expect(report({ feedbackDeadlineSerial: 2 })).toBeCloseTo(0);
    expect(report({})).toBeCloseTo(1);
    expect(report({})).toBeCloseTo(0);
  });
});
