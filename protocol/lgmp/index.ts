export * from './detect.ts';
export * from './layout.ts';
export * from './lock.ts';
export * from './status.ts';
export * from './subscribers.ts';
export * from './v5.ts';
export * from './v6.ts';
