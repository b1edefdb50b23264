export * from './ack.ts';
export * from './control.ts';
export * from './cursor.ts';
export * from './envelope.ts';
export * from './picture.ts';
