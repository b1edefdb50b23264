import { describe, expect, it } from 'vitest';
import { KvmfrError } from '../../protocol/error.ts';
import { type ParserTarget, runParser } from './loop/parser-target.ts';

/** Steps of a parser that refuses most, and has a fault behind what it takes. */
function faulty(seen: string[] = []): ParserTarget {
  return {
    name: 'a parser with a fault',
    words: ['MAGIC'],
    maxBytes: 64,
    seeds: [new Uint8Array(16)],
    read: (bytes) => {
      seen.push(Buffer.from(bytes).toString('hex'));
      const text = Buffer.from(bytes).toString('latin1');
      if (!text.includes('MAGIC')) return 'no magic';
      if (bytes.byteLength < 20) throw new KvmfrError('ERR_KVMFR_SIZE', 'too short');
      if ((bytes[bytes.byteLength - 1] ?? 0) < 0x80) return 'nothing';
      throw new RangeError('an index out of range');
    },
  };
}

describe('the loop that feeds parsers', () => {
  it('finds what lies behind several steps, and says by which bytes', async () => {
    const { findings, answers } = await runParser(faulty(), 3, (done) => done < 100_000);
    expect(findings[0]).toMatch(
      /^a parser with a fault, seed 3, input \d+: an index out of range; bytes [0-9a-f]*4d41474943/,
    );
    expect(answers).toBe(3);
  });

  it('gives the same inputs for the same seed, and others for another', async () => {
    const inputs = async (seed: number): Promise<readonly string[]> => {
      const seen: string[] = [];
      await runParser(faulty(seen), seed, (done) => done < 2000);
      return seen.slice(0, 2000);
    };
    const first = await inputs(5);
    expect(await inputs(5)).toEqual(first);
    expect(await inputs(6)).not.toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(first.length / 2);
  });

  it('takes no seed for well formed that its parser refuses', async () => {
    const target = { ...faulty(), seeds: [Buffer.from('MAGIC')] };
    await expect(runParser(target, 1, () => true)).rejects.toThrow(/does not take its own seed/);
  });
});
