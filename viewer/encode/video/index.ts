/** The picture as video: one interface, a process for each encoder. */
export type { SharedPlanes } from '../../../client/tiles/shared-planes.ts';
export * from './encoder.ts';
export { codecFits } from './library.ts';
export { type PrintedLine, startVideoEncoder, type VideoEncoderOptions } from './process.ts';
