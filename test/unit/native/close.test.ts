import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { copyRows, createRegionFile, Mapping } from '../../../native/index.ts';
import { askChild, REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();

function regionAt(name: string): string {
  const path = join(folder, name);
  createRegionFile(path, REGION_BYTES);
  return path;
}

describe('Mapping.close', () => {
  test('leaves every view empty: nothing faults, reads give undefined, stores go nowhere', () => {
    const path = regionAt('views');
    const mapping = Mapping.open(path);
    const buffer = mapping.buffer;
    const words = new Uint32Array(buffer);
    const data = new DataView(buffer);
    const bytes = Buffer.from(buffer, 4096, 100);
    words[0] = 1;
    mapping.close();

    expect(mapping.closed).toBe(true);
    expect(buffer.byteLength).toBe(0);
    expect([words.length, bytes.length]).toEqual([0, 0]);
    expect(words[0]).toBeUndefined();
    words[0] = 2;
    expect(() => data.getUint32(0)).toThrow(TypeError);
    expect(() => Atomics.load(words, 0)).toThrow();
    using again = Mapping.open(path);
    expect(new Uint32Array(again.buffer)[0]).toBe(1);
  });

  test('leaves nothing for a kernel to read either', () => {
    const mapping = Mapping.open(regionAt('kernel'));
    const src = new Uint8Array(mapping.buffer);
    mapping.close();
    const dst = new Uint8Array(64);
    const rows = { srcOffset: 0, srcPitchBytes: 64, rowBytes: 64, rows: 1 };
    const error = thrownBy(() => copyRows({ dst, dstOffset: 0, dstPitchBytes: 64, src, ...rows }));
    expect(error.code).toBe('ERR_KVMFR_BOUNDS');
  });

  test('does nothing the second time', () => {
    const mapping = Mapping.open(regionAt('twice'));
    mapping.close();
    mapping.close();
    mapping[Symbol.dispose]();
    expect(mapping.closed).toBe(true);
  });

  test('works on a mapping whose buffer nobody has looked at', () => {
    Mapping.open(regionAt('untouched')).close();
  });

  test('makes every later use CLOSED', () => {
    const path = regionAt('later');
    const mapping = Mapping.open(path);
    mapping.close();
    expect(thrownBy(() => mapping.buffer)).toMatchObject({ code: 'ERR_KVMFR_CLOSED', path });
    expect(thrownBy(() => mapping.stillThere()).code).toBe('ERR_KVMFR_CLOSED');
    expect([mapping.byteLength, mapping.path]).toEqual([REGION_BYTES, path]);
  });

  test('keeps the memory of a buffer that was transferred, which it cannot detach', () => {
    const mapping = Mapping.open(regionAt('transferred'));
    new Uint32Array(mapping.buffer)[3] = 33;
    let moved: ArrayBuffer;
    try {
      moved = structuredClone(mapping.buffer, { transfer: [mapping.buffer] });
    } catch {
      // An engine that refuses to transfer it is as good.
      mapping.close();
      return;
    }
    mapping.close();
    expect(new Uint32Array(moved)[3]).toBe(33);
  });
});

describe.each(['thread', 'loop'])('a mapping that nobody closes, whose %s looks', (looks) => {
  test('is collected, stays mapped while a view is left, and is unmapped with the last one', async () => {
    expect(
      await askChild('collect.mjs', [regionAt(`collect-${looks}`)], {
        flags: ['--expose-gc'],
        env: { LOOKS: looks },
      }),
    ).toEqual({
      mappingCollected: true,
      mappedWhileViewed: true,
      readThroughView: 0xc0ffee,
      unmappedAfterView: true,
      heldByWait: true,
      wait: 'closed',
    });
  });
});

describe.each(['thread', 'loop'])('what is left over, whose %s looked', (looks) => {
  test('a process lives on whose workers are ended at any moment of their looks', async () => {
    const region = regionAt(`end-in-a-look-${looks}`);
    const result = await askChild('end-in-a-look.mjs', [region, '120'], { env: { LOOKS: looks } });
    expect(result).toEqual({ rounds: 120 });
  });

  test('1000 mappings and 5 workers that ended waiting leave no descriptor, thread or mapping', async () => {
    const result = await askChild('left-over.mjs', [regionAt(`left-over-${looks}`)], {
      env: { LOOKS: looks },
    });
    expect(result).toMatchObject({
      before: { waiters: 0, mappings: 0 },
      afterMappings: { waiters: 0, mappings: 0 },
      afterWorkers: { waiters: 0, mappings: 0 },
      outcomes: ['closed'],
    });
    const { before, afterMappings, afterWorkers } = result as {
      readonly [when: string]: { readonly descriptors: number };
    };
    expect(afterMappings?.descriptors).toBe(before?.descriptors);
    expect(afterWorkers?.descriptors).toBe(before?.descriptors);
  });
});
