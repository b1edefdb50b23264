/** Text as it may stand in HTML and SVG, also inside of attributes in double quotes. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A place on a drawing, with no more figures than can be seen. */
export function px(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Round values from 0 to at least `most`, about `wanted` of them. */
export function niceTicks(most: number, wanted: number): readonly number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * decade >= rough) ?? 10;
  const ticks: number[] = [];
  for (let i = 0; ; i++) {
    // Multiplied, so that errors do not add up.
    const value = Number((i * step * decade).toPrecision(12));
    ticks.push(value);
    if (value >= most) return ticks;
  }
}

/** A line through points. */
export function linePath(points: readonly (readonly [x: number, y: number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${px(x)} ${px(y)}`).join('');
}
