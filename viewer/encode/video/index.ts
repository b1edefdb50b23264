/** The picture as video: one interface, a process for each encoder. */
export * from './encoder.ts';
export { codecFits } from './library.ts';
export type { PlaneLayout, SharedPlanes } from './planes.ts';
export { beginWrite, endWrite } from './planes.ts';
export { type PrintedLine, startVideoEncoder, type VideoEncoderOptions } from './process.ts';
