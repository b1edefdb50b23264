import { describe, expect, it, vi } from 'vitest';
import { KvmfrError, Region } from '../../../protocol/index.ts';

const native = vi.hoisted(() => ({ calls: 0 }));

vi.mock('../../../native/index.ts', () => ({
  copyRows: () => {
    native.calls++;
    throw new KvmfrError('ERR_KVMFR_NATIVE', 'not built');
  },
}));

describe('copyRows()', () => {
  it('does without the native module, and looks for it only once', async () => {
    const { copyRows } = await import('../../../host/copy.ts');
    const source = Uint8Array.from({ length: 100 }, (_, index) => index);
    for (let i = 0; i < 3; i++) {
      const region = new Region(new ArrayBuffer(128));
      copyRows(region, 8, source, 3, { pitchBytes: 20, rowBytes: 5, rows: 4 });
      const expected = new Uint8Array(128);
      for (let row = 0; row < 4; row++)
        for (let at = 0; at < 5; at++) expected[8 + row * 20 + at] = 3 + row * 20 + at;
      expect(region.bytes).toEqual(expected);
    }
    expect(native.calls).toBe(1);
  });
});
