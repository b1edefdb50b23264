// What implementations of WebCodecs that do wrong have in common: an encoder that does with the
// picture or piece of sound of a number what the URL says of that number.

export class FaultyEncoder {
  #wrong;
  #error;
  #done = 0;

  constructor(wrong, error) {
    this.#wrong = wrong;
    this.#error = error;
  }

  configure() {}

  close() {}

  /** Begins the next one. The answer is its number; undefined when nothing comes of it. */
  begin() {
    const at = String(++this.#done);
    if (this.#wrong.get('throw') === at) throw new Error('out of ideas');
    if (this.#wrong.get('error') === at) {
      this.#error(new Error('lost the thread'));
      return undefined;
    }
    return this.#wrong.get('silent') === at ? undefined : at;
  }
}

/** What a library that is asked for does wrong. */
export function wrongOf(url) {
  const wrong = new Map(new URL(url).searchParams);
  if (wrong.has('refuse')) throw new Error('there is no such processor');
  return wrong;
}
