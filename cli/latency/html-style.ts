/** The style of a report: dark and light as its reader likes it, and fit for paper. */
export const REPORT_STYLE: string = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b1f27; --soft: #5b6472; --line: #e1e5eb;
  --producer: #6b7280;
  --notice: #174f8f; --arrive: #2f84c8; --apply: #86bde8;
  --queue: #a85608; --encode: #e08c22; --send: #f3c47c;
  --network: #5d3291; --decode: #9461c9; --present: #c9a9e9;
  --total: #0f766e; --inputToPicture: #be3455; --inputToAck: #e0708a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #171b21; --ink: #e8ebf0; --soft: #98a2b0; --line: #2a303a;
    --producer: #9aa3b0;
    --notice: #3f86d4; --arrive: #62abe6; --apply: #a8d4f5;
    --queue: #c8741b; --encode: #eda33f; --send: #f6d196;
    --network: #8b5bc7; --decode: #ac80dc; --present: #d6bdf0;
    --total: #35b8a8; --inputToPicture: #ea5f80; --inputToAck: #f294a9;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2.2rem 1.4rem 3rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; }
h1 { margin: 0; font-size: 1.7rem; font-weight: 650; letter-spacing: -0.015em; }
h1 + p { margin: .2rem 0 1.6rem; color: var(--soft); }
h2 { margin: 0 0 .2rem; font-size: 1.05rem; font-weight: 650; }
h2 + p { margin: 0 0 1rem; color: var(--soft); font-size: .88rem; }
section {
  margin: 0 0 1.1rem; padding: 1.2rem 1.3rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1.1rem; padding: 0; border: 0; background: none; }
.tiles > div { padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles b { display: block; font-size: 1.75rem; font-weight: 650; letter-spacing: -0.02em; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .88em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.panels .tick { font-size: 12px; }
.area { stroke: var(--card); stroke-width: .6; }
.hover { fill: transparent; }
.hover:hover { fill: var(--ink); fill-opacity: .09; }
.other { fill: none; stroke: var(--soft); stroke-width: 1; stroke-opacity: .16; }
.curve { stroke-width: 2; stroke-linejoin: round; }
.under { opacity: .14; }
.dot { stroke: var(--card); stroke-width: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; margin: .9rem 0 0; padding: 0; list-style: none; font-size: .84rem; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; }
.legend i { display: inline-block; width: .75rem; height: .75rem; margin-right: .45rem; border-radius: 3px; vertical-align: -.06rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(225px, 1fr)); gap: 1.3rem 1.2rem; }
figure { margin: 0; }
figcaption { margin: 0 0 .35rem; font-size: .8rem; color: var(--soft); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
figcaption b { display: block; color: var(--ink); font-size: .9rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { font-weight: 600; color: var(--soft); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td { text-align: right; white-space: nowrap; }
th, td { padding: .42rem .6rem; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
td:first-child { font-weight: 600; }
td.why { text-align: left; color: var(--soft); font-style: italic; }
td.strip, th.strip { width: 170px; padding-right: 0; }
td.strip svg { width: 160px; height: 24px; margin-left: auto; }
th.strip svg { width: 160px; margin-left: auto; }
th.strip text { fill: var(--soft); font-size: 9px; font-weight: 400; }
tr.sum td { background: color-mix(in srgb, var(--total) 9%, transparent); }
footer { margin: 1.6rem .2rem 0; color: var(--soft); font-size: .84rem; }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } body { padding: 1.2rem .8rem 2rem; } }
@media print { body { background: none; padding: 0; } section, figure { break-inside: avoid; } }
`;

/** A rule for each stage's colour. */
export function colourRules(names: readonly string[]): string {
  return names
    .map(
      (name) =>
        `.c-${name}{--stage:var(--${name})}path.area.c-${name},path.under.c-${name},.dot.c-${name},rect.c-${name}` +
        `{fill:var(--${name})}.curve.c-${name}{fill:none;stroke:var(--${name})}i.c-${name}{background:var(--${name})}`,
    )
    .join('\n');
}
