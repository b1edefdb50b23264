// The viewers of the soak in a process of their own: `viewers.js URL PICTURE`. Two stay, others come
// and go. PICTURE is where the guest leaves what they should show, when one of them does not.
import { readFileSync } from 'node:fs';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { SoakViewer, type ViewerCounts } from './soak-viewer.ts';

const [url = '', picturePath = ''] = process.argv.slice(2);
/** Longer than a picture takes to come. */
const NEWCOMER_MS = 5000;

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
  /** Who does not show what it should, and a newcomer beside them: it knows no more than the relay. */
  async inexact(report) {
    const hash = numberOf(report, 'hash');
    const rgb = readFileSync(picturePath);
    const newcomer = new SoakViewer({ url, video: false, stays: false, counts });
    const impatient = setTimeout(() => newcomer.leave(true), NEWCOMER_MS);
    await newcomer.exact(hash);
    clearTimeout(impatient);
    const [lossless, video] = steady;
    const named = { lossless, video, newcomer };
    const facts: { [name: string]: number } = {};
    for (const [who, viewer] of Object.entries(named))
      for (const [name, value] of Object.entries(viewer?.facts(rgb) ?? {}))
        facts[`${who} ${name}`] = value;
    newcomer.leave(true);
    return facts;
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
