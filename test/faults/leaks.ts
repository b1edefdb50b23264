import { expect } from 'vitest';
import { belongingsOf } from '../../bench/soak/watch.ts';
import type { TestBrowser } from '../support/chromium.ts';
import { type FaultStage, type Held, WatchedPage } from './stage.ts';

/** Two rounds with a browser, and the seconds that it keeps its lines, on a machine with other work. */
export const LEAK_TEST_MS = 120_000;
/** What a heap may have grown by in a round; a region or an encoder more is above it. */
const GROWN_MIB = 24;

/**
 * Runs a fault twice with a page open, each time in a new tab, and looks at what is held when everybody
 * has left: both times it must be the same.
 *
 * The fault gets a page that shows the guest's picture, and is over when the page has shown, without
 * being loaded again, what the guest published last.
 */
export async function leavesNothing(
  stage: FaultStage,
  browser: TestBrowser,
  fault: (page: WatchedPage, round: number) => Promise<void>,
): Promise<void> {
  const round = async (count: number): Promise<Held & { readonly ownMib: number }> => {
    const page = await WatchedPage.open(browser, stage.url);
    await page.shows(await stage.publish(count * 1000));
    await fault(page, count);
    await page.inState('showing');
    if (stage.screen !== undefined) await page.shows(stage.screen);
    await page.view.page.close();
    const held = await stage.deserted();
    return { ...held, ownMib: belongingsOf(stage.relay.pid)?.ownMib ?? Number.NaN };
  };
  const { ownMib: beforeMib, ...before } = await round(1);
  const { ownMib: afterMib, ...after } = await round(2);
  for (const kind of ['descriptors', 'threads', 'children'] as const) {
    expect(after[kind], `${kind}, ${before[kind]} of them before`).toBeLessThanOrEqual(
      before[kind],
    );
  }
  expect(afterMib - beforeMib).toBeLessThan(GROWN_MIB);
  await stage.socketsClosed();
}
