import { afterAll, beforeAll, expect, it } from 'vitest';
import { childrenOf } from '../../bench/soak/watch.ts';
import { TestBrowser } from '../support/chromium.ts';
import { needs } from '../support/machine.ts';
import { isAlive } from '../support/processes.ts';
import { LEAK_TEST_MS, leavesNothing } from './leaks.ts';
import { FaultStage } from './stage.ts';

const PATIENT = { timeout: 60_000 } as const;

let browser: TestBrowser;

needs('chromium').describe('a page comes back by itself, and is exact, when the relay', () => {
  beforeAll(async () => {
    browser = await TestBrowser.start();
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
  });

  it(
    'is killed and started again; its encoders and its place in the guest go with it',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        // The encoder is started when a page comes that knows video.
        await expect.poll(() => stage.held.children, PATIENT).toBe(1);
        const encoders = childrenOf(stage.relay.pid);
        await stage.killRelay();
        await page.inState('disconnected');
        await expect.poll(() => encoders.filter(isAlive), PATIENT).toEqual([]);
        // A dead reader's place is taken back when it does not read a message.
        await stage.publish(round * 1000 + 1);
        await expect.poll(() => stage.watchers(), PATIENT).toBe(0);
        await stage.restartRelay();
        await page.inState('showing');
      });
    },
    LEAK_TEST_MS,
  );

  it(
    'stands still for longer than the page waits for a word',
    async () => {
      const stage = await FaultStage.open();
      await leavesNothing(stage, browser, async (page, round) => {
        stage.relay.kill('SIGSTOP');
        await page.inState('disconnected');
        await stage.publish(round * 1000 + 1);
        stage.relay.kill('SIGCONT');
        await page.inState('showing');
        if (stage.screen !== undefined) await page.shows(stage.screen);
      });
    },
    LEAK_TEST_MS,
  );
});
