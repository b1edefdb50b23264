export * from './ack.ts';
export * from './control.ts';
export * from './cursor.ts';
export * from './envelope.ts';
export * from './moves.ts';
export * from './picture.ts';
export * from './times.ts';
export * from './video.ts';
