// The viewers of the soak in a process of their own: `viewers.js URL`. Two stay, others come and go.
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { SoakViewer, type ViewerCounts } from './soak-viewer.ts';

const [url = ''] = process.argv.slice(2);
const counts: ViewerCounts = { updates: 0, bytes: 0, videos: 0, connections: 0, wrong: 0 };
let steady: SoakViewer[] = [];
let passing: SoakViewer[] = [];
let stalled: SoakViewer[] = [];

serve({
  start() {
    steady = [false, true].map((video) => new SoakViewer({ url, video, stays: true, counts }));
    return {};
  },
  join(report) {
    const video = numberOf(report, 'video') === 1;
    passing.push(new SoakViewer({ url, video, stays: false, counts }));
    return { passing: passing.length };
  },
  /** The one that came first leaves: 0 politely, 1 by breaking the line, 2 by not reading any more. */
  leave(report) {
    const how = numberOf(report, 'how');
    const viewer = passing.shift();
    if (how === 2 && viewer !== undefined) {
      viewer.stall();
      stalled.push(viewer);
    } else viewer?.leave(how === 0);
    passing = passing.filter((each) => !each.ended);
    if (stalled.length > 2) stalled.shift()?.cut();
    return { passing: passing.length };
  },
  async until(report) {
    const stamp = numberOf(report, 'stamp');
    await steady[0]?.until((viewer) => viewer.stamp > stamp);
    return {};
  },
  async exact(report) {
    const hash = numberOf(report, 'hash');
    await Promise.all([...steady, ...passing].map((viewer) => viewer.exact(hash)));
    return {};
  },
  gone() {
    for (const viewer of [...steady, ...passing]) viewer.leave(true);
    for (const viewer of stalled) viewer.cut();
    [steady, passing, stalled] = [[], [], []];
    return {};
  },
  count() {
    return { ...counts, steady: steady[0]?.updates ?? 0, stamp: steady[0]?.stamp ?? 0 };
  },
});
