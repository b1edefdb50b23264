/** Runs calls one after the other, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> | undefined;

  /** Does the work when all that was asked for before is done, well or badly. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const result = before === undefined ? work() : before.then(work, work);
    this.#last = result;
    const leave = (): void => {
      if (this.#last === result) this.#last = undefined;
    };
    result.then(leave, leave);
    return result;
  }
}
