import type {
  Bye,
  SessionSummary,
  SourceName,
  State,
  StateName,
} from '../../../protocol/wire/index.ts';
import type { Link } from './connection.ts';

/**
 * States of a view: those of the guest's screen, and three of the way to the relay:
 * `connecting` for the first time, `disconnected`, and `unauthorized` when the relay wants its
 * token.
 */
export type ViewStateName = StateName | 'connecting' | 'disconnected' | 'unauthorized';

/** The state of a view, with everything that a person may be told about it. */
export interface ViewStatus {
  readonly state: ViewStateName;
  /** One sentence from the relay; may hold text of the guest, so show it as text only. */
  readonly message?: string;
  /** What a person can do about it, from the relay; text only. */
  readonly hint?: string;
  readonly code?: string;
  readonly needMib?: number;
  /** What the picture comes from: shared memory (also when left out), or SPICE. */
  readonly source?: SourceName;
  /** The guest's session, as last heard of. */
  readonly session?: SessionSummary;
  /** Whether another attempt to connect comes by itself. */
  readonly retrying: boolean;
  /** When the state began. Units: milliseconds since 1970. */
  readonly sinceMs: number;
}

/** What a status is made from. */
export interface StatusParts {
  readonly link: Link;
  /** What the relay last said, on this connection. */
  readonly state: State | undefined;
  readonly session: SessionSummary | undefined;
  /** The relay's last words, if it had any. */
  readonly bye: Bye | undefined;
  /** A fault that ended the connection from this side. */
  readonly fault: { readonly code: string; readonly message: string } | undefined;
}

const REFUSED = {
  message: 'Something answers at this address, but it refuses the connection.',
  hint: 'A proxy in between has to pass WebSockets on, and pages of other origins have to be allowed with `--allow-origin`.',
} as const;

/** Puts the status together, all but when it began. */
export function viewStatus(parts: StatusParts): Omit<ViewStatus, 'sinceMs'> {
  const { link, state, bye, fault } = parts;
  const session = parts.session === undefined ? {} : { session: parts.session };
  if (link.name === 'open' && state !== undefined) {
    const { state: name, ...said } = state;
    return { ...said, ...session, state: name, retrying: false };
  }
  if (fault !== undefined)
    return { ...session, state: 'failed', ...fault, retrying: link.name !== 'idle' };
  if (link.name === 'connecting' || link.name === 'open')
    return { ...session, state: 'connecting', retrying: true };
  if (link.name === 'lost' && link.reason === 'unauthorized')
    return { state: 'unauthorized', retrying: true };
  if (link.name === 'lost' && link.reason === 'refused' && bye === undefined)
    return { ...session, ...REFUSED, state: 'disconnected', retrying: true };
  const said =
    bye === undefined
      ? {}
      : { message: bye.message, ...(bye.code === '' ? {} : { code: bye.code }) };
  return { ...session, ...said, state: 'disconnected', retrying: link.name === 'lost' };
}

/** Whether two statuses say the same, all but when they began. */
export function sameStatus(
  a: Omit<ViewStatus, 'sinceMs'>,
  b: Omit<ViewStatus, 'sinceMs'>,
): boolean {
  return (
    a.state === b.state &&
    a.message === b.message &&
    a.hint === b.hint &&
    a.code === b.code &&
    a.needMib === b.needMib &&
    a.source === b.source &&
    a.retrying === b.retrying &&
    sameSession(a.session, b.session)
  );
}

function sameSession(a: SessionSummary | undefined, b: SessionSummary | undefined): boolean {
  return (
    a?.release === b?.release &&
    a?.lgmpVersion === b?.lgmpVersion &&
    a?.kvmfrVersion === b?.kvmfrVersion &&
    a?.hostVersion === b?.hostVersion &&
    a?.os === b?.os &&
    a?.capture === b?.capture &&
    a?.cpu === b?.cpu
  );
}
