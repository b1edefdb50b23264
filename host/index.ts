/** Layer 2, twin of the client: writes the region. LGMP's host role, which runs in the guest. */
export type {
  ClipboardContentFormat,
  ClipboardCounters,
  HostClipboard,
  HostContents,
} from './clipboard-events.ts';
export type { ColorTransformInput } from './color-transform.ts';
export type { CursorInput, CursorShapeInput } from './cursor.ts';
export type { FrameInput } from './frame-input.ts';
export type { HostEvents, HostOptions, HostStats } from './host-facts.ts';
export type { HostInput, InputCounters } from './input.ts';
export { createHost } from './open.ts';
export type { FrameTampering, OpenFrame } from './open-frame.ts';
export type { Pace } from './owner-lanes.ts';
export {
  defaultPitchBytes,
  type PackRequest,
  PUBLISHED_FORMATS,
  type PublishedFormat,
  packPicture,
  packPixels,
} from './pack.ts';
export { PATTERN_CONTENTS, type PatternContent } from './pattern/layout.ts';
export { type MarkedPicture, readMarker } from './pattern/marker.ts';
export {
  type GuestEvents,
  type GuestExit,
  type GuestOptions,
  GuestProcess,
  type GuestStats,
  spawnPattern,
} from './pattern/process.ts';
export { regionMibOf } from './plan.ts';
export { Host } from './publisher.ts';
export type { QueueName } from './session.ts';
export {
  type FrameSource,
  openSource,
  parseSource,
  type SourceName,
  type SourceOptions,
} from './source.ts';
export type { WireName } from './wire.ts';
