import { chmodSync, mkdirSync, renameSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { REGION_BYTES, scratchFolder } from './scratch.ts';

const folder = scratchFolder();

function openAt(name: string): Mapping {
  const path = join(folder, name);
  createRegionFile(path, REGION_BYTES);
  return Mapping.open(path);
}

describe('Mapping.stillThere', () => {
  test('says same while nothing happens, also after the mode changes', () => {
    using mapping = openAt('same');
    expect(mapping.stillThere()).toBe('same');
    chmodSync(mapping.path, 0o600);
    expect(mapping.stillThere()).toBe('same');
  });

  test('says gone once the file is deleted, and the memory stays', () => {
    using mapping = openAt('gone');
    unlinkSync(mapping.path);
    expect(mapping.stillThere()).toBe('gone');
    expect(new Uint32Array(mapping.buffer)[0]).toBe(0);
  });

  test('says gone once the folder is moved away', () => {
    mkdirSync(join(folder, 'moving'));
    using mapping = openAt('moving/region');
    renameSync(join(folder, 'moving'), join(folder, 'moved'));
    expect(mapping.stillThere()).toBe('gone');
  });

  test('says replaced when another file has taken the name, whatever its size', () => {
    using mapping = openAt('replaced');
    unlinkSync(mapping.path);
    createRegionFile(mapping.path, REGION_BYTES);
    expect(mapping.stillThere()).toBe('replaced');
    createRegionFile(mapping.path, 2 * REGION_BYTES);
    expect(mapping.stillThere()).toBe('replaced');
  });

  test('says resized when the open file has another size', () => {
    using mapping = openAt('resized');
    truncateSync(mapping.path, 2 * REGION_BYTES);
    expect(mapping.stillThere()).toBe('resized');
    truncateSync(mapping.path, REGION_BYTES);
    expect(mapping.stillThere()).toBe('same');
  });
});
