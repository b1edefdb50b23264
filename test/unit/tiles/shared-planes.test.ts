import { describe, expect, it } from 'vitest';
import { beginWrite, endWrite, PlanesMemory } from '../../../client/tiles/shared-planes.ts';
import { convertToI420, openSharedMemory } from '../../../native/index.ts';

describe('PlanesMemory', () => {
  it('tells readers where its writer writes', () => {
    using memory = new PlanesMemory({ widthPx: 3, heightPx: 3 });
    const { path, inode, byteLength } = memory.planes.memory;
    using mapping = openSharedMemory(path, byteLength, { access: 'read-only' });
    expect(mapping.inode).toBe(inode);
    const picture = new Uint8Array(3 * 3 * 4).fill(255);
    memory.beginWrite();
    convertToI420({
      picture,
      picturePitchBytes: 12,
      widthPx: 3,
      heightPx: 3,
      x: 0,
      y: 0,
      width: 3,
      height: 3,
      planes: memory.i420,
    });
    memory.endWrite();
    const { y, u, v } = memory.planes;
    expect([y, u, v]).toEqual([
      { offsetBytes: 64, pitchBytes: 3 },
      { offsetBytes: 73, pitchBytes: 2 },
      { offsetBytes: 77, pitchBytes: 2 },
    ]);
    // White: 235, and no colour.
    const expected = [...Array(9).fill(235), ...Array(8).fill(128), 0];
    expect([...new Uint8Array(mapping.buffer, 64, 18)]).toEqual(expected);
  });

  it('marks its planes while they are written', () => {
    using memory = new PlanesMemory({ widthPx: 2, heightPx: 2 });
    const { path, byteLength } = memory.planes.memory;
    using mapping = openSharedMemory(path, byteLength);
    const epoch = new Int32Array(mapping.buffer, memory.planes.epochOffsetBytes, 1);
    const seen = [epoch[0]];
    memory.beginWrite();
    seen.push(epoch[0]);
    memory.endWrite();
    seen.push(epoch[0]);
    expect(seen).toEqual([0, 1, 2]);
  });

  it('is known by plain data, which can be sent to another thread', () => {
    using memory = new PlanesMemory({ widthPx: 2, heightPx: 2 });
    expect(structuredClone(memory.planes)).toEqual(memory.planes);
  });
});

describe('beginWrite and endWrite', () => {
  it('leave an odd number between them and another even one behind', () => {
    const epoch = new Int32Array(1);
    beginWrite(epoch);
    beginWrite(epoch);
    expect(epoch[0]).toBe(1);
    endWrite(epoch);
    expect(epoch[0]).toBe(2);
    epoch[0] = 2 ** 31 - 2;
    beginWrite(epoch);
    endWrite(epoch);
    expect(epoch[0]).toBe(-(2 ** 31));
  });
});
