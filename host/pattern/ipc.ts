import type { KvmfrErrorCode } from '../../protocol/index.ts';
import type { HostStats } from '../host-facts.ts';
import type { PublishedFormat } from '../pack.ts';
import type { WireName } from '../wire.ts';
import type { PatternContent } from './layout.ts';

/** What a synthetic guest is told when it starts. */
export interface GuestOptions {
  /** Path of the region. */
  readonly region: string;
  /** Makes the region file with this size when there is none; what its frames need when left out. */
  readonly regionMib?: number | undefined;
  /** 1920 x 1080 when left out. */
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  /** 60 when left out. */
  readonly fps?: number | undefined;
  /** B7 when left out. */
  readonly wire?: WireName | undefined;
  /** BGRA when left out. */
  readonly format?: PublishedFormat | undefined;
  readonly content?: PatternContent | undefined;
  readonly seed?: number | undefined;
  readonly hostVersion?: string | undefined;
}

/** What a synthetic guest has done. */
export interface GuestStats extends HostStats {
  readonly sessionId: number;
  /** Frames that were drawn and published while somebody looked. */
  readonly framesDrawn: number;
  /** Milliseconds spent drawing and publishing them. */
  readonly busyMs: number;
  /** Processor time of the process. Units: milliseconds. */
  readonly cpuMs: number;
}

/** Commands to the process, by what they do. Each is answered. */
export type GuestCommand =
  | { readonly do: 'start'; readonly options: GuestOptions }
  | { readonly do: 'resize'; readonly widthPx: number; readonly heightPx: number }
  | { readonly do: 'pause' | 'resume' | 'freeze' | 'thaw' | 'stats' };

/** A command as it travels. */
export interface GuestRequest {
  readonly id: number;
  readonly command: GuestCommand;
}

/** An error as it travels. */
export interface GuestFailure {
  readonly code: KvmfrErrorCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What the process says: answers, and news of its own. */
export type GuestReply =
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly stats: GuestStats | undefined;
      readonly failure: GuestFailure | undefined;
    }
  | { readonly kind: 'session'; readonly sessionId: number }
  | { readonly kind: 'error'; readonly failure: GuestFailure }
  | { readonly kind: 'closed' };
