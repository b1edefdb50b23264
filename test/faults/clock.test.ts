import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Client } from '../../client/index.ts';
import { SessionWatch } from '../../client/session-watch.ts';
import { createHost } from '../../host/index.ts';
import { belongings, zeros } from '../integration/client-guest.ts';
import { beat, makeRegion } from '../support/region-factory.ts';
import { noWaiter } from '../unit/client/bare.ts';
import { closeStages, noisy, Stage } from '../unit/relay/stage.ts';

// A machine was suspended, frozen or moved, or a process stopped: time has gone on, and nothing else.

const HOUR_MS = 3_600_000;
/** What the heart beats by, and how often a client looks. */
const STEP_MS = 100;

/** A clock of this process that can be set forward. */
function jumpingClock(): { jump(ms: number): void } {
  const real = performance.now.bind(performance);
  let aheadMs = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
  onTestFinished(() => clock.mockRestore());
  return {
    jump: (ms) => {
      aheadMs += ms;
    },
  };
}

afterEach(closeStages);

describe('an hour in which everything stood still', () => {
  it('makes nobody stale: the guest gets its second to show that it lives', () => {
    const region = makeRegion({ version: 6 });
    const watch = new SessionWatch({ mapping: noWaiter, region });
    let nowMs = 0;
    const look = (beats: boolean): string => {
      nowMs += STEP_MS;
      if (beats) beat(region, 6, 10n);
      const found = watch.look(nowMs);
      return found.kind === 'attached' ? found.pulse : found.kind;
    };
    while (look(true) !== 'alive');
    nowMs += HOUR_MS;
    expect(look(false)).toBe('alive');
    expect(look(true)).toBe('alive');
    // Who stays silent after that is found out as fast as ever.
    const pulses = Array.from({ length: 11 }, () => look(false));
    expect(pulses).toEqual([...Array(10).fill('alive'), 'stale']);
  });

  it('costs the relay no viewer, and the viewer no picture', async () => {
    const clock = jumpingClock();
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    const [before, after] = [noisy(1), noisy(2)];
    await stage.show(before);
    await viewer.untilShows(before.rgb);
    clock.jump(HOUR_MS);
    const ticks = viewer.stats.length;
    await viewer.until(({ stats }) => stats.length > ticks + 1);
    viewer.acks = true;
    for (const at of viewer.updates.keys()) viewer.ack(at);
    await stage.show(after);
    await viewer.untilShows(after.rgb);
    expect([viewer.closeCode, viewer.pictures.length]).toEqual([undefined, 1]);
  });

  it('does not save a viewer that goes on to be silent', async () => {
    const clock = jumpingClock();
    const stage = await Stage.open();
    const viewer = stage.join({ acks: false });
    const screen = noisy(1);
    await stage.show(screen);
    await viewer.untilShows(screen.rgb);
    clock.jump(HOUR_MS);
    for (let ticks = 0; viewer.bye === undefined; ticks = viewer.stats.length) {
      await viewer.until(({ stats, bye }) => stats.length > ticks || bye !== undefined);
      clock.jump(3000);
    }
    expect(viewer.bye.code).toBe('ERR_KVMFR_TIMEOUT');
  });

  it('on the guest’s clock alone gives readers up that read on at once, in the same session', async () => {
    const path = zeros();
    const before = belongings(path);
    let aheadMs = 0;
    const host = await createHost(path, { clock: () => performance.now() + aheadMs });
    onTestFinished(() => host.close());
    const picture = (number: number): boolean =>
      host.publish({
        pixels: new Uint8Array(64 * 48 * 4).fill(number),
        format: 'BGRA',
        widthPx: 64,
        heightPx: 48,
      });
    const client = new Client(path);
    onTestFinished(() => client.close());
    let number = 1;
    const timer = setInterval(() => {
      if (picture(number)) number = (number % 200) + 1;
    }, 4);
    onTestFinished(() => clearInterval(timer));
    const frames = client.frames();
    const session = host.sessionId;
    for (let jumps = 0; jumps < 5; jumps++) {
      const { value: held } = await frames.next();
      expect(held?.widthPx).toBe(64);
      // The frame is still borrowed: a message of an hour ago, to the publisher.
      aheadMs += HOUR_MS;
      host.housekeep();
    }
    const { value } = await frames.next();
    expect(value?.pixels[0]).toBeGreaterThan(0);
    expect([host.sessionId, host.stats.restarts, client.stats.sessions]).toEqual([session, 0, 1]);
    expect(host.stats.subscribersTimedOut).toBeGreaterThan(0);
    await client.close();
    await host.close();
    expect(belongings(path)).toEqual({ ...before, files: 0, maps: 0 });
  });
});
