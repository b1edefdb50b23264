import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(path, root)), 'utf8');
}

/** The rows of the tables below "Promises": what is promised, and where it is held. */
function promises(text: string): readonly (readonly [promise: string, heldBy: string])[] {
  const section = /\n## Promises\n([\s\S]*?)\n## /.exec(text)?.[1] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| promise |'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, promise = '', heldBy = '']) => [promise, heldBy]);
}

const PROMISES = promises(read('docs/security.md'));

describe('docs/security.md', () => {
  it('has promises', () => {
    expect(PROMISES.length).toBeGreaterThan(25);
  });

  it.each(PROMISES)('names a test that there is for: %s', (_, heldBy) => {
    const tests = [...heldBy.matchAll(/`(test\/[^`]+\.test\.ts)` "([^"]+)"/g)];
    // All that is named was understood.
    expect(tests).toHaveLength(heldBy.split(' · ').length);
    for (const [, path = '', title = ''] of tests) expect(read(path)).toContain(title);
  });
});
