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
    const seen = [2, 3, 4].map(() => {
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
    const published = [1, 2, 3, 4].map(() => memory.host.publish(frame));
    expect(published).toEqual([true, true, true, true]);
    expect(owner.takeAll()).toEqual(['lane0 1/1 #1', 'lane1 1/2 #2']);
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

  it('begins a new epoch with a reset or a new generation', async () => {
    const memory = await hostOnMemory({ wire: 'dev12' });
    const owner = new Reader(memory, 10);
    owner.schedule();
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
