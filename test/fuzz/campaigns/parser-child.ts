import { runParser } from '../loop/parser-target.ts';
import { PARSERS } from '../parsers/all.ts';

/** What the process of a parser tells. */
export interface ParserNews {
  /** It still moves. */
  readonly executions: number;
  /** It is through. */
  readonly done?: Awaited<ReturnType<typeof runParser>>;
  readonly seconds: number;
}

// The process that feeds one parser: `parser-child.js NAME SEED SECONDS`. Of its own, so that one
// that crashes, hangs or eats all memory takes nothing else down.
const [name, seed, seconds] = process.argv.slice(2);
const target = PARSERS.find((each) => each.name === name);
if (target === undefined) throw new Error(`there is no parser ${name}`);

const TELL_MS = 1000;
const startMs = performance.now();
let toldMs = startMs;
const secondsSince = (): number => (performance.now() - startMs) / 1000;
const done = await runParser(target, Number(seed), (executions) => {
  const nowMs = performance.now();
  if (nowMs - toldMs >= TELL_MS) {
    toldMs = nowMs;
    process.send?.({ executions, seconds: secondsSince() } satisfies ParserNews);
  }
  return nowMs - startMs < Number(seconds) * 1000;
});
const news: ParserNews = { executions: done.executions, done, seconds: secondsSince() };
process.send?.(news, () => process.disconnect());
