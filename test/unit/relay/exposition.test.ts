import { describe, expect, it } from 'vitest';
import { parseExposition } from '../../support/exposition.ts';

const HEAD = '# HELP a_seconds how long\n# TYPE a_seconds histogram\n';
const GOOD =
  'a_seconds_bucket{s="x",le="0.1"} 1\na_seconds_bucket{s="x",le="+Inf"} 2\n' +
  'a_seconds_sum{s="x"} 0.7\na_seconds_count{s="x"} 2\n';

describe('parseExposition, the reader that metrics are tested with', () => {
  it('reads a histogram', () => {
    const metric = parseExposition(HEAD + GOOD).get('a_seconds');
    expect(metric?.help).toBe('how long');
    expect(metric?.samples.get('a_seconds_bucket')).toEqual([
      { labels: { s: 'x', le: '0.1' }, value: 1 },
      { labels: { s: 'x', le: '+Inf' }, value: 2 },
    ]);
  });

  it.each([
    ['a last line that does not end', HEAD + GOOD.slice(0, -1)],
    ['a sample of no metric', GOOD],
    ['a type without help', `# TYPE a counter\na 1\n`],
    ['a metric twice', HEAD + GOOD + HEAD],
    ['a sample twice', '# HELP a x\n# TYPE a gauge\na 1\na 2\n'],
    ['a sample of another metric', '# HELP a x\n# TYPE a gauge\nb 1\n'],
    ['a value that is none', '# HELP a x\n# TYPE a gauge\na NaNa\n'],
    ['labels without quotes', '# HELP a x\n# TYPE a gauge\na{b=c} 1\n'],
    ['buckets that fall', HEAD + GOOD.replace('} 1\n', '} 3\n')],
    ['a count that is not that of +Inf', HEAD + GOOD.replace('count{s="x"} 2', 'count{s="x"} 3')],
    ['no +Inf', HEAD + GOOD.replace('+Inf', '0.2')],
    ['no sum', HEAD + GOOD.replace(/a_seconds_sum.*\n/, '')],
  ])('refuses %s', (_, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});
