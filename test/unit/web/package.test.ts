import { describe, expect, it } from 'vitest';

describe('kvmfr/web', () => {
  it('can be imported where there is no page, and does nothing there', async () => {
    const web = await import('../../../viewer/web/index.ts');
    expect(web.KVMFR_VIEW_TAG).toBe('kvmfr-view');
    expect(typeof web.KvmfrView).toBe('function');
    expect(web.KvmfrView.observedAttributes).toEqual([
      'src',
      'token',
      'scale',
      'encoding',
      'rotation',
      'pointer',
      'sensitivity',
      'escape',
      'view-only',
      'muted',
    ]);
    expect(() => web.defineKvmfrView()).not.toThrow();
  });
});
