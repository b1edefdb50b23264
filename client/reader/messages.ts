import type { AssumedWire } from '../../protocol/lgmp/detect.ts';
import type { FrameDeadline } from '../pace.ts';
import type { SessionInfo } from '../session.ts';
import type { ClientState } from '../state.ts';
import type { SharedEpoch } from '../tiles/shared-view.ts';
import { MAILBOX_BYTES } from './mailbox.ts';
import type { PictureUpdate } from './reader.ts';
import type { GuestCursor } from './source.ts';

/** What a reader's thread is started with. */
export interface ThreadStart {
  readonly path: string;
  readonly assume: AssumedWire | undefined;
  /** The serial and epoch to count on from. */
  readonly after: { readonly serial: number; readonly epoch: number };
  /** See {@link threadMemory}. */
  readonly memory: SharedArrayBuffer;
}

/** What a reader's thread is told. */
export type ThreadCommand =
  /** Take frames into the picture. */
  | { readonly do: 'follow'; readonly maxFps: number | undefined }
  | { readonly do: 'rest' }
  /** Follow the pointer. */
  | { readonly do: 'point' }
  | { readonly do: 'rest-pointer' }
  | { readonly do: 'i420'; readonly on: boolean }
  | { readonly do: 'schedule'; readonly periodNs: number | undefined }
  | { readonly do: 'presented'; readonly deadline: FrameDeadline; readonly waitedNs: number }
  /** What waits in a mailbox may be sent. */
  | { readonly do: 'flush'; readonly what: MailboxName }
  | { readonly do: 'close' };

/** What a reader's thread says. Those with the name of a mailbox come through it. */
export type ThreadNews =
  | { readonly say: 'picture'; readonly update: PictureUpdate }
  | { readonly say: 'state'; readonly state: ClientState }
  | {
      readonly say: 'cursor';
      readonly cursor: Omit<GuestCursor, 'shape'>;
      /** The shape, when it is another one than that of the message before. */
      readonly shape: GuestCursor['shape'];
    }
  /** Before the first message of a session. */
  | { readonly say: 'session'; readonly session: SessionInfo | undefined }
  /** Before the first message of an epoch, and when planes begin or end. */
  | { readonly say: 'epoch'; readonly epoch: SharedEpoch }
  | { readonly say: 'log'; readonly line: string }
  /** The frames have ended by themselves. */
  | { readonly say: 'ended' };

/** A mailbox of the thread. */
export type MailboxName = 'picture' | 'state' | 'cursor';

const NAMES: readonly MailboxName[] = ['picture', 'state', 'cursor'];

/** The numbers that a thread keeps: of its client, and of what became of frames. */
export const THREAD_COUNTS = [
  'sessions',
  'framesSeen',
  'framesSkipped',
  'framesGivenUp',
  'changed',
  'same',
  'given-up',
] as const;

/** The plain memory that two threads share beside the picture. */
export interface ThreadMemory {
  readonly buffer: SharedArrayBuffer;
  /** In the order of {@link THREAD_COUNTS}; written by the reader's thread. */
  readonly counts: Float64Array<SharedArrayBuffer>;
  readonly mailboxes: { readonly [name in MailboxName]: Int32Array<SharedArrayBuffer> };
}

/** Lays a thread's memory out: the counts, then the mailboxes. Made anew when none is given. */
export function threadMemory(given?: SharedArrayBuffer): ThreadMemory {
  const countBytes = THREAD_COUNTS.length * Float64Array.BYTES_PER_ELEMENT;
  const buffer = given ?? new SharedArrayBuffer(countBytes + NAMES.length * MAILBOX_BYTES);
  const mailbox = (name: MailboxName): Int32Array<SharedArrayBuffer> =>
    new Int32Array(buffer, countBytes + NAMES.indexOf(name) * MAILBOX_BYTES, MAILBOX_BYTES / 4);
  return {
    buffer,
    counts: new Float64Array(buffer, 0, THREAD_COUNTS.length),
    mailboxes: {
      picture: mailbox('picture'),
      state: mailbox('state'),
      cursor: mailbox('cursor'),
    },
  };
}
