import { clipRect, type Rect, unionRect } from '../../protocol/index.ts';

/**
 * The boxes of a region within a screen, in at most `most` of them: when there are more, what lies in
 * the same band of rows becomes one. Boxes that did not overlap do not overlap afterwards.
 */
export function gatherBoxes(
  boxes: readonly Rect[],
  screen: { readonly widthPx: number; readonly heightPx: number },
  most: number,
): readonly Rect[] {
  const { widthPx, heightPx } = screen;
  const inside = boxes.flatMap((box) => clipRect(box, widthPx, heightPx) ?? []);
  if (inside.length <= most) return inside;
  const rows = Math.ceil(heightPx / most);
  const bands: (Rect | undefined)[] = new Array(Math.ceil(heightPx / rows)).fill(undefined);
  for (const box of inside)
    for (let band = Math.floor(box.y / rows); band * rows < box.y + box.height; band++) {
      const y = Math.max(box.y, band * rows);
      const height = Math.min(box.y + box.height, (band + 1) * rows) - y;
      const part = { x: box.x, y, width: box.width, height };
      const sum = bands[band];
      bands[band] = sum === undefined ? part : unionRect(sum, part);
    }
  return bands.filter((band) => band !== undefined);
}
