/** A guest's screen by SPICE: by itself, or while no Looking Glass host runs. */
export { SpiceSource, type SpiceSourceOptions } from './spice-source.ts';
export { SwitchingReader, type SwitchingReaderOptions } from './switching-reader.ts';
