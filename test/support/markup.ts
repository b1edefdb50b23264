/** An element of a page that was read strictly. */
export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** All text in it, entities resolved. */
  text: string;
}

const VOID = new Set(['meta', 'br', 'link', 'img', 'input', 'hr']);
/** What is in them is no markup. */
const RAW = new Set(['style', 'script', 'title']);
const TAG = /^<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+(?:="[^"<>]*")?)*)\s*(\/?)>/;
const ENTITIES: { readonly [name: string]: string } = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  '#39': "'",
};

/**
 * Reads HTML and the SVG in it, and throws where tags do not nest, attributes are not quoted, or a
 * sign that belongs to markup stands in text.
 */
export function parseMarkup(html: string): readonly Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  let rest = html.replace(/^<!doctype html>\s*/i, '');
  const take = (length: number): string => {
    const taken = rest.slice(0, length);
    rest = rest.slice(length);
    return taken;
  };
  while (rest !== '') {
    const inside = open.at(-1)?.name ?? '';
    if (!rest.startsWith('<') || (RAW.has(inside) && !rest.startsWith(`</${inside}>`))) {
      const end = RAW.has(inside) ? rest.indexOf(`</${inside}>`) : rest.indexOf('<');
      const raw = take(end < 0 ? rest.length : end);
      const text = inside === 'style' ? raw : resolve(raw);
      for (const element of open) element.text += text;
      continue;
    }
    const match = TAG.exec(rest);
    if (match === null) throw new Error(`no tag: ${rest.slice(0, 60)}`);
    take(match[0].length);
    const [, close, name = '', attributes = '', selfClosed] = match;
    if (close === '/') {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> closes <${last?.name ?? 'nothing'}>`);
      continue;
    }
    const element: Element = { name, attributes: parseAttributes(attributes), text: '' };
    elements.push(element);
    if (selfClosed !== '/' && !VOID.has(name)) open.push(element);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  return elements;
}

function parseAttributes(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/([\w:-]+)(?:="([^"]*)")?/g)) {
    if (found.has(name)) throw new Error(`attribute ${name} comes twice`);
    found.set(name, resolve(value));
  }
  return found;
}

function resolve(text: string): string {
  if (text.includes('>')) throw new Error(`a bare > in ${text.slice(0, 60)}`);
  return text.replace(/&([^;]{0,8});?/g, (whole, name: string) => {
    const sign = ENTITIES[name];
    if (sign === undefined || !whole.endsWith(';')) throw new Error(`a bare & in ${text}`);
    return sign;
  });
}
