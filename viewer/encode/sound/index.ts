/** The guest's sound as Opus: one encoder for all viewers, in a process of its own. */
export * from './encoder.ts';
export { type SoundEncoderOptions, startSoundEncoder } from './process.ts';
