/** Package `kvmfr`: read a guest's screen from its region. */
export type { DoorbellSummary, Placement } from '../native/index.ts';
export { KvmfrError, type KvmfrErrorCode } from '../protocol/error.ts';
export type { PixelFormat } from '../protocol/pixel.ts';
export type { Rect } from '../protocol/rect.ts';
export type { StateName } from '../protocol/wire/control.ts';
export { Client, type ClientOptions } from './client.ts';
export { type ClientStats, READER_STAGES, type ReaderStage } from './client-stats.ts';
export {
  GuestClipboardLine,
  type GuestClipboardOptions,
  type GuestClipboardState,
} from './clipboard.ts';
export type { GiveContents } from './clipboard-gives.ts';
export type { ClipboardOwnerCounters } from './clipboard-owner.ts';
export type { ContentFormat } from './clipboard-reads.ts';
export { type ConnectedClient, connect } from './connect.ts';
export { type CursorOptions, type CursorShape, type CursorState, CursorStream } from './cursor.ts';
export { HeartbeatWatch, type Sighting } from './detect.ts';
export { Frame } from './frame.ts';
export type { FramesOptions } from './frames.ts';
export { GuestInputLine, type InputOptions, type InputState, type PointerReport } from './input.ts';
export type { InputOwner, InputSenderCounters } from './input-sender.ts';
export {
  type CursorSummary,
  type FrameSummary,
  type Inspection,
  inspectRegion,
} from './inspect.ts';
export {
  checkRegionName,
  DEFAULT_REGIONS,
  defaultRegionPath,
  type OpenRegion,
  openRegion,
  reachRegion,
} from './open.ts';
export type { FrameDeadline, Pacing, ScheduleOptions } from './pace.ts';
export {
  type GuestPointerCounters,
  GuestPointerLine,
  type GuestPointerOptions,
} from './pointer-line.ts';
export { Queue, type QueueStatus } from './queue.ts';
export {
  type RecoveryOptions,
  type RecoveryOutcome,
  type RecoverySummary,
  requestDisplay,
} from './recovery.ts';
export { type QueueInfo, readQueues } from './ring.ts';
export { Session, type SessionInfo } from './session.ts';
export {
  MAX_STAGE_US,
  type PercentilePoint,
  STAGE_BUCKETS_US,
  StageHistogram,
  StageHistograms,
  type StageSummary,
} from './stage-histograms.ts';
export type { ClientState } from './state.ts';
