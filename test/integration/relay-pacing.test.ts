import { afterEach, describe, expect, it } from 'vitest';
import { encodeView } from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { closeStages, noisy, PING, Stage } from '../unit/relay/stage.ts';

afterEach(closeStages);

const HZ_60 = 16_666_667;
const HZ_144 = 6_944_444;

describe('the pace that a relay asks a guest for', () => {
  it('is that of the fastest viewer that is visible, whoever comes, hides and goes', async () => {
    const stage = await Stage.open();
    const { schedules } = stage.guest;
    const slow = stage.join({ hello: { refreshHz: 60 } });
    await eventually(() => schedules.length === 1);
    const fast = stage.join({ hello: { refreshHz: 144, visible: false } });
    await fast.until(() => fast.states.length > 0);
    expect(schedules).toEqual([HZ_60]);
    fast.send(encodeView({ visible: true }));
    await eventually(() => schedules.length === 2);
    fast.send(encodeView({ visible: false }));
    await eventually(() => schedules.length === 3);
    fast.send(encodeView({ visible: true }));
    await eventually(() => schedules.length === 4);
    await fast.close();
    await eventually(() => schedules.length === 5);
    slow.send(encodeView({ refreshHz: 144 }));
    await eventually(() => schedules.length === 6);
    slow.send(encodeView({ visible: false }));
    await eventually(() => schedules.length === 7);
    expect(schedules).toEqual([HZ_60, HZ_144, HZ_60, HZ_144, HZ_60, HZ_144, undefined]);
  });

  it('is let go of with the last viewer, and with the relay', async () => {
    const stage = await Stage.open();
    const { schedules } = stage.guest;
    const viewer = stage.join({ hello: { refreshHz: 60 } });
    await eventually(() => schedules.length === 1);
    await viewer.close();
    await eventually(() => schedules.length === 2);
    stage.join({ hello: { refreshHz: 60 } });
    await eventually(() => schedules.length === 3);
    await stage.relay.close();
    expect(schedules).toEqual([HZ_60, undefined, HZ_60, undefined]);
  });

  it('is nothing that a viewer with an absurd display decides', async () => {
    const stage = await Stage.open();
    const { schedules } = stage.guest;
    const viewer = stage.join({ hello: { refreshHz: 10_000 } });
    await eventually(() => schedules.length === 1);
    viewer.send(encodeView({ refreshHz: -1 }));
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
    expect(schedules).toEqual([2_000_000, undefined]);
  });

  it('is moved by what that viewer tells of its display', async () => {
    const stage = await Stage.open();
    const { guest } = stage;
    const viewer = stage.join({ hello: { refreshHz: 60 } });
    await eventually(() => guest.watched);
    const deadline = { frameSerial: 4, generation: 1, epoch: 2, deadlineSerial: 5 };
    const frame = Object.assign(noisy(1).frame(), { deadline });
    guest.publish(frame);
    await viewer.until(() => viewer.updates.length === 1);
    // It acknowledges with 20 microseconds from decoded to presented.
    await eventually(() => guest.shown.length === 1);
    expect(guest.shown).toEqual([[5, 20_000]]);
  });

  it('is nothing while no viewer tells what its display does', async () => {
    const stage = await Stage.open();
    const viewer = stage.join();
    await viewer.until(() => viewer.states.length > 0);
    await viewer.settle(PING);
    expect(stage.guest.schedules).toEqual([]);
  });
});
