import type * as words from '../../protocol/memory/word.ts';

/** The functions that touch shared words. */
export type Words = typeof words;

/** Called before each access to a shared word, with its place; undefined: nobody listens. */
export const wordHook: { before: ((at: number, bytes: 1 | 4 | 8) => void) | undefined } = {
  before: undefined,
};

function widthOf(name: string): 1 | 4 | 8 {
  if (name.endsWith('U8')) return 1;
  return name.endsWith('U64') ? 8 : 4;
}

/**
 * The module `protocol/memory/word.ts` with the hook before every access: a peer can act between any
 * two of ours, and every access can be counted and checked. For `vi.mock`.
 */
export function hookedWords(original: Words): Words {
  const hooked = Object.entries(original).map(([name, call]) => [
    name,
    (region: never, at: number, ...rest: never[]): unknown => {
      wordHook.before?.(at, widthOf(name));
      return (call as (...args: unknown[]) => unknown)(region, at, ...rest);
    },
  ]);
  return Object.fromEntries(hooked) as Words;
}

/**
 * Does something with `act` done before its `nth` access to a shared word.
 *
 * @returns what it gave, and whether there was such an access
 */
export function interrupted<T>(
  work: () => T,
  nth: number,
  act: () => void,
): { readonly result: T; readonly acted: boolean } {
  let left = nth;
  let acted = false;
  wordHook.before = () => {
    if (left-- !== 0) return;
    acted = true;
    // What the peer does is not ours to interrupt.
    wordHook.before = undefined;
    act();
  };
  try {
    return { result: work(), acted };
  } finally {
    wordHook.before = undefined;
  }
}
