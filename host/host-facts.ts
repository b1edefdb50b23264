import type {
  KvmfrClientMessage,
  KvmfrError,
  OsRecord,
  RecoveryRequestName,
  VmRecord,
} from '../protocol/index.ts';
import type { ClipboardCounters, HostClipboard } from './clipboard-events.ts';
import type { HostInput, InputCounters } from './input.ts';
import type { QueueName } from './session.ts';
import type { WireName } from './wire.ts';

/** How `createHost` publishes. */
export interface HostOptions {
  /** B7 when left out. */
  readonly wire?: WireName | undefined;
  readonly hostVersion?: string | undefined;
  /** Fields of the VMInfo record; this machine's when left out. `capture` names the source. */
  readonly vm?: Partial<VmRecord> | undefined;
  readonly os?: OsRecord | undefined;
  /** FEATURES that are acted on; none when left out. */
  readonly features?: number | undefined;
  /** Makes the region file with this size when there is none. */
  readonly regionMib?: number | undefined;
  /**
   * Keeps a recovery region in the last 64 KiB, in which a client can ask for a fallback display.
   * Left out: where the wire has it (dev12). false: the end of the region is LGMP's as well.
   */
  readonly recovery?: boolean | undefined;
  /**
   * Takes keys and pointer of clients (dev12): see the event `input`. Adds FEATURES.input, whose queue
   * and streams take 137 KiB of the region.
   */
  readonly input?: boolean | undefined;
  /**
   * Shares a clipboard with a client (dev12): see the event `clipboard`, `Host.setClipboard` and
   * `Host.readClipboard`. Adds FEATURES.clipboard, whose streams take 2 MiB of the region.
   */
  readonly clipboard?: boolean | undefined;
  /** Closes the host. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Time between heartbeats; 10 when left out, and 50 while nobody has been there for a second. 0: none
   * by itself, call `Host.housekeep`.
   */
  readonly housekeepingMs?: number | undefined;
  /** Milliseconds that never run backwards; the machine's monotonic clock when left out. */
  readonly clock?: (() => number) | undefined;
}

/** What a host tells its owner. */
export interface HostEvents {
  /**
   * A client wants something. It is acknowledged when the listeners return. Who it is is known from
   * LGMP 11 on.
   */
  'client-message': [message: KvmfrClientMessage, queue: QueueName, clientId: number | undefined];
  /** A client asks for the normal display, or for the fallback. It is told that it has it. */
  'recovery-request': [request: RecoveryRequestName];
  /** A client does something with keyboard or pointer. */
  input: [input: HostInput];
  /** A client does something with the clipboard. */
  clipboard: [clipboard: HostClipboard];
  /** There is another pace, or none any more: see `Host.pace`. */
  pace: [];
  /** Somebody subscribed and gets the newest frame, or the pointer, again. */
  subscriber: [event: { readonly queue: QueueName }];
  /**
   * A new session began in place, because the memory was wiped or a lock was lost. No frame is in it
   * until the next `publish`: who publishes on change only publishes again now.
   */
  session: [id: number];
  /** The host was closed, by its owner, its signal or itself. */
  close: [];
  /**
   * The region's file was removed, replaced or cut, or has no room (the host closes itself then); or a
   * source failed.
   */
  error: [error: KvmfrError];
}

/** What a host has counted since it was made, over all of its sessions. */
export interface HostStats {
  readonly framesPosted: number;
  /** Publishing failed because every slot was still being read. */
  readonly framesDropped: number;
  readonly framesRepeated: number;
  readonly framesTruncated: number;
  readonly cursorsPosted: number;
  readonly cursorsDelayed: number;
  readonly subscribers: number;
  readonly subscribersTimedOut: number;
  readonly subscribersReaped: number;
  readonly clientMessages: number;
  /** Messages of clients that are no live subscribers: from LGMP 11 on they are dropped. */
  readonly clientMessagesRefused: number;
  /** Numbers of the region that contradicted ours and were put right. */
  readonly repairs: number;
  /** Sessions that were begun again in place. */
  readonly restarts: number;
  /** What came of the records of clients; undefined without input. */
  readonly input: Readonly<InputCounters> | undefined;
  /** The same of the clipboard. */
  readonly clipboard: Readonly<ClipboardCounters> | undefined;
}
