/** Layer 3, lower half: from picture and sound to bytes for viewers. Knows nothing of sockets. */
export * from './encoder.ts';
export * from './image.ts';
export * from './jpeg.ts';
export * from './lossless.ts';
export * from './sound/index.ts';
export * from './spare-memory.ts';
export * from './video/index.ts';
