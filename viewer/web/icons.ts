/** Pictograms of the message panel. */
export type IconName = 'screen' | 'link' | 'key' | 'lock' | 'memory' | 'versions' | 'alert';

// Paths on a grid of 48, drawn with a line of 2.
const PATHS: { readonly [name in IconName]: readonly string[] } = {
  screen: [
    'M8 9h32a3 3 0 0 1 3 3v20a3 3 0 0 1-3 3H8a3 3 0 0 1-3-3V12a3 3 0 0 1 3-3z',
    'M17 41h14M24 35v6',
  ],
  link: [
    'M20 28l8-8',
    'M22 15l4-4a8 8 0 0 1 11.3 11.3l-4 4',
    'M26 33l-4 4A8 8 0 0 1 10.7 25.700l4-4',
    'M14 10l2 4M8 16l4 2M34 38l-2-4M40 32l-4-2',
  ],
  key: [
    'M16 19.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z',
    'M22 22L38 6M32.5 11.5l5 5M27.5 16.5l3.5 3.5',
  ],
  lock: [
    'M13 21h22a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H13a3 3 0 0 1-3-3V24a3 3 0 0 1 3-3z',
    'M16 21v-6a8 8 0 0 1 16 0v6',
    'M24 29v4',
  ],
  memory: [
    'M14 10h20a4 4 0 0 1 4 4v20a4 4 0 0 1-4 4H14a4 4 0 0 1-4-4V14a4 4 0 0 1 4-4z',
    'M19 19h10v10H19z',
    'M18 10V5M24 10V5M30 10V5M18 43v-5M24 43v-5M30 43v-5M10 18H5M10 24H5M10 30H5M43 18h-5M43 24h-5M43 30h-5',
  ],
  versions: ['M7 15h27M27 8l7 7-7 7', 'M41 33H14M21 26l-7 7 7 7'],
  alert: ['M24 7l19 33H5z', 'M24 20v9M24 34v.5'],
};

const SVG = 'http://www.w3.org/2000/svg';

/** Draws a pictogram. */
export function newIcon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 48 48');
  svg.setAttribute('aria-hidden', 'true');
  for (const data of PATHS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', data);
    svg.append(path);
  }
  if (name === 'screen') {
    for (const x of [17, 24, 31]) {
      const dot = document.createElementNS(SVG, 'circle');
      dot.setAttribute('cx', String(x));
      dot.setAttribute('cy', '22');
      dot.setAttribute('r', '1.75');
      svg.append(dot);
    }
  }
  return svg;
}
