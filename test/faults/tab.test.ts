import { afterAll, beforeAll, it } from 'vitest';
import { TestBrowser } from '../support/chromium.ts';
import { needs } from '../support/machine.ts';
import { LEAK_TEST_MS, leavesNothing } from './leaks.ts';
import { FaultStage, type WatchedPage } from './stage.ts';

let browser: TestBrowser;

/** The tab goes to sleep as the browser puts it there, timers and worker included; gives what wakes it. */
async function asleep({ view }: WatchedPage): Promise<() => Promise<void>> {
  const session = await view.page.context().newCDPSession(view.page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  return async () => {
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    await session.detach();
  };
}

needs('chromium').describe('a tab that was asleep is exact again when it wakes up', () => {
  beforeAll(async () => {
    browser = await TestBrowser.start();
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
  });

  it(
    'after its relay has ended and another one has taken its place',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        const wake = await asleep(page);
        await stage.killRelay();
        await stage.restartRelay();
        await stage.publish(round * 1000 + 1, 400, 120);
        await wake();
        if (stage.screen !== undefined) await page.shows(stage.screen);
      });
    },
    LEAK_TEST_MS,
  );

  it(
    'after the guest has begun anew in another size, with the connection alive',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        const wake = await asleep(page);
        await stage.restartGuest({ wire: 'B6' });
        await stage.publish(round * 1000 + 1, 200 + round, 120);
        await wake();
        if (stage.screen !== undefined) await page.shows(stage.screen);
      });
    },
    LEAK_TEST_MS,
  );
});
