import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { type HugeFolder, hugeFolder } from '../../support/huge-pages.ts';
import { thrownBy } from './scratch.ts';

const HUGE = 2 * 2 ** 20;
const PAGES = 8;

let made: HugeFolder | string = '';

beforeAll(() => {
  made = hugeFolder(PAGES);
  if (typeof made === 'string') process.stderr.write(`SKIPPED: regions on huge pages: ${made}\n`);
});

afterAll(() => {
  if (typeof made !== 'string') made[Symbol.dispose]();
});

/** A file on huge pages; skips the test where there are none. */
function fileFor(context: TestContext, name: string): string {
  if (typeof made === 'string') return context.skip(made);
  return join(made.path, name);
}

function numberOfPages(): number {
  return Number(readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', 'latin1'));
}

function mapsOf(path: string): number {
  return readFileSync('/proc/self/maps', 'utf8').split(path).length - 1;
}

describe('a region on huge pages', () => {
  test('is shared as any other, and knows its pages', (context) => {
    const path = fileFor(context, 'shared');
    createRegionFile(path, 2 * HUGE);
    using one = Mapping.open(path);
    using other = Mapping.open(path, { access: 'read-only' });
    expect([one.kind, one.byteLength, one.pageBytes]).toEqual(['file', 2 * HUGE, HUGE]);
    new Uint32Array(one.buffer)[HUGE / 4 + 1] = 0xbeef;
    expect(new Uint32Array(other.buffer)[HUGE / 4 + 1]).toBe(0xbeef);
  });

  test('is made of whole pages, whatever size was wanted', (context) => {
    const path = fileFor(context, 'rounded');
    createRegionFile(path, HUGE / 2);
    expect(statSync(path).size).toBe(HUGE);
  });

  test('that somebody has made of less is unmapped whole', (context) => {
    const path = fileFor(context, 'odd');
    execFileSync('fallocate', ['-l', String(HUGE + HUGE / 2), path]);
    using mapping = Mapping.open(path);
    expect(mapping.byteLength).toBe(HUGE + HUGE / 2);
    expect(mapsOf(path)).toBe(1);
    mapping.close();
    expect(mapsOf(path)).toBe(0);
  });

  test('that is cut reads zeros from the page of the cut on, and is lost', (context) => {
    const path = fileFor(context, 'cut');
    createRegionFile(path, 2 * HUGE);
    using mapping = Mapping.open(path);
    const bytes = new Uint8Array(mapping.buffer);
    bytes[5] = 1;
    bytes[HUGE + 5] = 2;
    truncateSync(path, HUGE);
    expect([bytes[HUGE + 5], bytes[5], mapping.lost]).toEqual([0, 1, true]);
  });

  test('for which there are too few pages says how to get more', (context) => {
    const path = fileFor(context, 'large');
    const large = (numberOfPages() + 100) * HUGE;
    const few = /expected enough free pages of 2 MiB for .*large, but there are too few/;
    const making = thrownBy(() => createRegionFile(path, large));
    expect(making.message).toMatch(few);
    expect(making.hint).toContain('hugepages-2048kB/nr_hugepages');
    writeFileSync(path, '');
    truncateSync(path, large);
    expect(thrownBy(() => Mapping.open(path)).message).toMatch(few);
  });
});
