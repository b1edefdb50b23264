import { KvmfrError } from '../../../protocol/error.ts';
import { Distinct } from './distinct.ts';
import { Mutator } from './mutator.ts';
import { Random } from './random.ts';

/** Something that reads bytes of somebody who may be anybody. */
export interface ParserTarget {
  readonly name: string;
  /** Inputs that are well formed, to begin with. */
  readonly seeds: readonly Uint8Array[];
  /** Texts that it looks for. */
  readonly words?: readonly string[];
  readonly maxBytes?: number;
  /** One of its runs takes as long as so many of the others. */
  readonly runsFor?: number;
  /**
   * Reads an input. What it refuses it refuses by a KvmfrError; any other error is a finding, and so
   * is one thrown because a result contradicts its promises.
   *
   * @returns what kind of answer it gave, so that inputs of every kind are mutated further
   */
  readonly read: (bytes: Uint8Array<ArrayBuffer>) => string | Promise<string>;
}

/** What came of a run. */
export interface ParserRun {
  readonly executions: number;
  /** Different inputs, at least. */
  readonly distinct: number;
  /** Kinds of answer that were seen: what is taken, and each sentence of refusal. */
  readonly answers: number;
  readonly findings: readonly string[];
}

const MOST_KEPT = 512;
const DEFAULT_BYTES = 4096;
/** Between two looks at the clock. */
const BATCH = 256;
const MOST_FINDINGS = 3;

/**
 * Feeds mutated inputs to a parser until it is told to stop. Inputs that get an answer of a new kind
 * are kept and mutated further. The same seed makes the same inputs.
 *
 * @param more asked now and then, with how many there were
 */
export async function runParser(
  target: ParserTarget,
  seed: number,
  more: (executions: number) => boolean | Promise<boolean>,
): Promise<ParserRun> {
  const random = new Random(seed);
  const { maxBytes = DEFAULT_BYTES, words } = target;
  const mutator = new Mutator(random, { maxBytes, words });
  const corpus = [...target.seeds];
  const answers = new Set<string>();
  const distinct = new Distinct();
  const findings: string[] = [];
  let executions = 0;
  const traces = Error.stackTraceLimit;
  // Most inputs are refused, and nobody reads where.
  Error.stackTraceLimit = 0;
  try {
    for (const bytes of target.seeds) await answerOf(target, Uint8Array.from(bytes));
    while (findings.length < MOST_FINDINGS && (await more(executions)))
      for (let i = 0; i < BATCH; i++) {
        const bytes = mutator.next(corpus);
        executions += 1;
        distinct.add(bytes);
        let answer: string;
        try {
          const given = target.read(bytes);
          answer = typeof given === 'string' ? given : await given;
        } catch (error) {
          if (!KvmfrError.is(error)) {
            findings.push(finding(target, { seed, executions, bytes, error }));
            break;
          }
          answer = kindOf(error);
        }
        if (answers.has(answer)) continue;
        answers.add(answer);
        if (corpus.length < MOST_KEPT) corpus.push(bytes.slice());
      }
  } finally {
    Error.stackTraceLimit = traces;
  }
  return { executions, distinct: distinct.count, answers: answers.size, findings };
}

/** Seeds are well formed: refusing one is a slip of the target, not of the parser. */
async function answerOf(target: ParserTarget, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await target.read(bytes);
  } catch (error) {
    throw new Error(`${target.name} does not take its own seed ${hexOf(bytes)}: ${String(error)}`, {
      cause: error,
    });
  }
}

/** A refusal without its numbers and names. */
function kindOf(error: KvmfrError): string {
  const sentence = error.message.replace(/0x[0-9a-f]+|[0-9]+|"[^"]*"|but (is|begins) .*/gs, '#');
  return `${error.code} ${sentence.slice(0, 60)}`;
}

function finding(
  { name }: ParserTarget,
  at: {
    readonly seed: number;
    readonly executions: number;
    readonly bytes: Uint8Array;
    readonly error: unknown;
  },
): string {
  const what = at.error instanceof Error ? at.error.message : String(at.error);
  return `${name}, seed ${at.seed}, input ${at.executions}: ${what}; bytes ${hexOf(at.bytes)}`;
}

function hexOf(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, 512)).toString('hex');
  return bytes.byteLength > 512 ? `${shown}... (${bytes.byteLength} bytes)` : shown;
}
