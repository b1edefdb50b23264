import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Mapping, parseCpuList, placementOf } from '../../../native/index.ts';
import { askChild, REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();

describe('where the memory of a region is', () => {
  test('is told of the pages that are there, and the machine’s nodes are counted', () => {
    const path = join(folder, 'region');
    writeFileSync(path, new Uint8Array(REGION_BYTES));
    using mapping = Mapping.open(path, { access: 'read-only' });
    const found = placementOf(mapping);
    expect(found.nodes).toBeGreaterThanOrEqual(1);
    expect(found.pages.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(mapping.pageNodes()).toHaveLength(REGION_BYTES / 4096);
    expect(found.nearCpus).toMatch(/^\d+([-,]\d+)*$/);
  });

  test('is told of nothing that is not there, and brings nothing into being', () => {
    const path = join(folder, 'holes');
    writeFileSync(path, '');
    truncateSync(path, REGION_BYTES);
    using mapping = Mapping.open(path);
    expect(placementOf(mapping).pages).toEqual([]);
    expect(statSync(path).blocks).toBe(0);
    new Uint8Array(mapping.buffer)[8192] = 1;
    expect(mapping.pageNodes()).toHaveLength(1);
    expect(statSync(path).blocks).toBe(8);
  });
});

describe('a list of processors', () => {
  test.each([
    ['0', [0]],
    ['0-3,8', [0, 1, 2, 3, 8]],
    ['5,2-3,2', [2, 3, 5]],
  ] as const)('%s is read', (text, cpus) => {
    expect(parseCpuList(text)).toEqual(cpus);
  });

  test.each(['', ',', '3-1', '-1', '0-', 'all', '0 1', '0-99999', '4096'])('%j is none', (text) => {
    expect(thrownBy(() => parseCpuList(text)).code).toBe('ERR_KVMFR_ARGUMENT');
  });

  test('keeps every thread of a process, and what it starts, on them', async () => {
    const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
    const cpu = Number(allowed?.[1]);
    expect(await askChild('pinned.mjs', [String(cpu)])).toEqual({
      threads: [String(cpu)],
      child: String(cpu),
      nowhere: 'ERR_KVMFR_ARGUMENT',
    });
  });
});
