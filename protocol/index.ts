/**
 * What the bytes mean: layouts and parsers of LGMP, KVMFR and the wire between relay and viewer.
 * Pure and synchronous; runs anywhere.
 */
export * from './error.ts';
export * from './kvmfr/index.ts';
export * from './lgmp/index.ts';
export * from './limits.ts';
export * from './memory/layout.ts';
export * from './memory/region.ts';
export * from './memory/word.ts';
export * from './pixel.ts';
export * from './rect.ts';
export * from './text.ts';
export * from './wire/index.ts';
