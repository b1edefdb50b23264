import { describe, expect, it } from 'vitest';
import { encodingObstacle } from '../../../viewer/web/obstacles.ts';

const OFFERED = { encodings: ['lossless', 'video'], codecs: ['h264'] } as const;
const BOTH = { offered: OFFERED, codecs: ['vp8', 'h264'], isSecure: true } as const;

describe('encodingObstacle()', () => {
  it('is none for what both sides have', () => {
    expect(encodingObstacle('lossless', BOTH)).toBeUndefined();
    expect(encodingObstacle('video', BOTH)).toBeUndefined();
  });

  it('is none as long as nobody knows', () => {
    expect(encodingObstacle('jpeg', { ...BOTH, offered: undefined })).toBeUndefined();
    expect(encodingObstacle('video', { ...BOTH, codecs: undefined })).toBeUndefined();
  });

  it('is the relay’s for what it does not offer, whatever the browser has', () => {
    expect(encodingObstacle('jpeg', BOTH)).toBe('not-offered');
    const offered = { encodings: ['lossless'], codecs: [] } as const;
    expect(encodingObstacle('video', { offered, codecs: [], isSecure: false })).toBe('not-offered');
  });

  it('is the way the page came, where that takes the decoder away', () => {
    expect(encodingObstacle('video', { ...BOTH, codecs: [], isSecure: false })).toBe('insecure');
    expect(encodingObstacle('video', { ...BOTH, codecs: [] })).toBe('no-decoder');
    expect(encodingObstacle('lossless', { ...BOTH, codecs: [], isSecure: false })).toBeUndefined();
  });

  it('is the codecs, where the two sides have none in common', () => {
    expect(encodingObstacle('video', { ...BOTH, codecs: ['vp8'] })).toBe('no-codec');
  });
});
