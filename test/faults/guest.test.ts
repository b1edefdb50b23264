import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WireName } from '../../host/index.ts';
import { handIn } from '../integration/client-guest.ts';
import { TestBrowser } from '../support/chromium.ts';
import { needs } from '../support/machine.ts';
import { LEAK_TEST_MS, leavesNothing } from './leaks.ts';
import { FaultStage, type WatchedPage } from './stage.ts';

let browser: TestBrowser;

/** What a person is told while the guest is away, with the last picture behind it. */
async function isStale(page: WatchedPage, stage: FaultStage): Promise<void> {
  await page.inState('stale');
  if (stage.screen !== undefined) await page.shows(stage.screen);
}

needs('chromium').describe('a page stays, and is exact again, when the guest', () => {
  beforeAll(async () => {
    browser = await TestBrowser.start();
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
  });

  it(
    'is killed and started again',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        await stage.guest.kill();
        await isStale(page, stage);
        await stage.restartGuest();
        await stage.publish(round * 1000 + 1, 400, 120 + round);
      });
    },
    LEAK_TEST_MS,
  );

  // The heartbeat is the only deadline that a standing guest meets: a minute is no different.
  it(
    'stands still until it is given up for stale, and goes on',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        const session = (await stage.guest.facts()).sessionId;
        stage.guest.signal('SIGSTOP');
        await isStale(page, stage);
        stage.guest.signal('SIGCONT');
        await page.inState('showing');
        await stage.publish(round * 1000 + 1);
        expect((await stage.guest.facts()).sessionId).toBe(session);
      });
    },
    LEAK_TEST_MS,
  );

  it(
    'is another release after each restart',
    async () => {
      const stage = await FaultStage.open({ wire: 'dev12' });
      const wires: readonly WireName[] = ['B7', 'B6', 'dev10', 'dev12'];
      await leavesNothing(stage, browser, async (page, round) => {
        for (const [at, wire] of wires.entries()) {
          await stage.restartGuest({ wire });
          await page.shows(await stage.publish(round * 1000 + 1 + at));
        }
      });
    },
    LEAK_TEST_MS,
  );

  it(
    'has its memory cleared under its feet, reboots, and begins another session',
    async () => {
      const stage = await FaultStage.open();
      const memory = handIn(stage.region);
      await leavesNothing(stage, browser, async (page, round) => {
        memory.bytes.fill(0);
        await stage.guest.kill();
        memory.bytes.fill(0);
        await isStale(page, stage);
        await stage.restartGuest();
        await stage.publish(round * 1000 + 1);
      });
    },
    LEAK_TEST_MS,
  );
});
