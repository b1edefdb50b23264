import { columnsText, number, type Row } from './report.ts';

/** Something the project promises, and the rows that show whether it holds. */
interface Promised {
  readonly what: string;
  readonly figures: readonly { readonly of: string; readonly rows: RegExp }[];
  /** Where it is measured when no row of this run has to do with it. */
  readonly elsewhere: string;
}

const HELD = 'thread|held|loop';

/** In the order of the design. */
const PROMISED: readonly Promised[] = [
  {
    what: 'published -> JavaScript holds the frame, 60 Hz',
    figures: [
      { of: 'p50', rows: new RegExp(`^latency/(${HELD})/p50$`) },
      { of: 'p99', rows: new RegExp(`^latency/(${HELD})/p99$`) },
      { of: 'CPU at 60 Hz', rows: new RegExp(`^latency/(${HELD})/cpu$`) },
      { of: 'CPU without frames', rows: /^latency\/(thread-)?idle\/cpu$/ },
    ],
    elsewhere: 'latency',
  },
  {
    what: "the reader's work for a frame with full damage, I420 too",
    figures: [
      {
        of: '1080p',
        rows: /^i420\/1080p\/pass\/compare, copy and I420, all changed, p50 of both$/,
      },
      { of: '4K', rows: /^i420\/4K\/pass\/compare, copy and I420, all changed, p50 of both$/ },
    ],
    elsewhere: 'i420',
  },
  {
    what: 'damage of one rect of 256 x 64 on 4K',
    figures: [{ of: '', rows: /^i420\/4K\/pass\/compare, copy and I420, one rect of 256 x 64$/ }],
    elsewhere: 'i420',
  },
  ...['desk', 'scroll', 'game'].map((content) => ({
    what: `published -> drawn in Chromium, 1080p60: ${content}`,
    figures: [
      { of: 'frames', rows: new RegExp(`^browser/1080p60/${content}/frames$`) },
      { of: 'p50', rows: new RegExp(`^browser/1080p60/${content}/p50$`) },
      { of: 'p95', rows: new RegExp(`^browser/1080p60/${content}/p95$`) },
    ],
    elsewhere: 'browser/1080p60',
  })),
  {
    what: 'sound heard beside the picture of its moment',
    figures: [{ of: 'p50', rows: /^sound\/(steady\/)?apart\/p50$/ }],
    elsewhere: '^sound',
  },
  {
    what: 'key pressed in the page, until',
    figures: [
      { of: "SPICE server's socket, p50", rows: /^input\/(guest\/)?key\/p50$/ },
      { of: 'event in the guest, p50', rows: /^input\/guest\/evdev\/p50$/ },
    ],
    elsewhere: '^input$',
  },
  {
    what: 'a mouse of 1000 Hz: older than 10 ms, and sent after a newer one',
    figures: [{ of: '', rows: /^input\/mouse-1000hz\/late$/ }],
    elsewhere: '^input$',
  },
  {
    what: 'age of a key while 10 MB of text go by the clipboard, of its age else',
    figures: [
      { of: 'to the guest', rows: /^clipboard\/\w+\/to-guest\/key-ratio$/ },
      { of: 'from the guest', rows: /^clipboard\/\w+\/from-guest\/key-ratio$/ },
    ],
    elsewhere: 'clipboard',
  },
  {
    what: '8 viewers of one guest, CPU of the relay',
    figures: [{ of: '', rows: /^relay\/\w+\/8-viewers\/cpu-ratio$/ }],
    elsewhere: 'relay',
  },
  {
    what: 'rate of a viewer while strangers do what they can, of undisturbed',
    figures: [{ of: '', rows: /^relay\/abuse\/frame-rate$/ }],
    elsewhere: 'relay/abuse',
  },
  {
    what: 'nobody looks, CPU of the relay',
    figures: [{ of: '', rows: /^relay\/\w+\/0-viewers\/cpu$/ }],
    elsewhere: 'relay',
  },
  {
    what: 'one viewer stalled, growth of the relay',
    figures: [{ of: '', rows: /^relay\/\w+\/stall\/memory-growth$/ }],
    elsewhere: 'stall',
  },
  {
    what: 'soak with guest restarts',
    figures: [
      { of: 'growth', rows: /^relay\/soak\/memory-growth$/ },
      { of: 'left over', rows: /^relay\/soak\/\w+-left$/ },
    ],
    elsewhere: 'soak',
  },
];

/**
 * What the design promises as a table: the reach, the figure of this run, and whether it was
 * reached. Where several rows tell of one promise, the least good of each decides, and all stand.
 */
export function promiseText(rows: readonly Row[]): string {
  const lines: string[][] = [['promised', 'reach', 'figure', 'ok']];
  let kept = 0;
  let limited = 0;
  for (const { what, figures, elsewhere } of PROMISED) {
    let title = what;
    for (const { of, rows: pattern } of figures) {
      const found = rows.filter(({ name, limit }) => limit !== null && pattern.test(name));
      if (found.length === 0) continue;
      limited++;
      const ok = found.every((row) => row.ok === true);
      if (ok) kept++;
      lines.push([title, reachText(of, found), figureText(found), ok ? 'ok' : 'MISSED']);
      title = '';
    }
    if (title !== '') lines.push([title, '', `not in this run: --only ${elsewhere}`, '']);
  }
  if (limited === 0) return 'No figure of these is promised.';
  return `${kept} of ${limited} promises are kept\n\n${columnsText(lines)}\n${floorText(rows)}`;
}

/** What no program that sleeps between frames can be better than, where it was measured. */
function floorText(rows: readonly Row[]): string {
  const figures = [
    ['a thread wakes another: p50', /^latency\/floor\/wake\/p50$/],
    ['p99', /^latency\/floor\/wake\/p99$/],
    ['a bare timer of 60 Hz', /^latency\/floor\/timer\/cpu$/],
  ] as const;
  const parts = figures.flatMap(([of, pattern]) => {
    const found = rows.find(({ name }) => pattern.test(name));
    return found === undefined ? [] : [`${of} ${number(found.value)} ${found.unit}`];
  });
  return parts.length === 0 ? '' : `\nThis machine by itself: ${parts.join(', ')}.`;
}

function reachText(of: string, [first]: readonly Row[]): string {
  if (first === undefined || first.limit === null) return '';
  const side =
    first.unit.includes('cheaper') || first.unit.includes('undisturbed') || first.unit === 'fps'
      ? '>='
      : '<=';
  return `${of} ${side} ${number(first.limit)} ${first.unit}`.trim();
}

/** Several figures with the part of the name in which they differ. */
function figureText(found: readonly Row[]): string {
  if (found.length === 1) return number(found[0]?.value ?? Number.NaN);
  const names = found.map(({ name }) => name.split('/'));
  const at = names[0]?.findIndex((part, i) => names.some((name) => name[i] !== part)) ?? 0;
  return found.map(({ value }, i) => `${number(value)} (${names[i]?.[at] ?? ''})`).join(', ');
}
