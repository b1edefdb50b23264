import { randomBytes } from 'node:crypto';
import { KvmfrError } from '../../protocol/error.ts';
import type { AssumedWire } from '../../protocol/lgmp/detect.ts';
import { MAX_VIEWERS } from '../../protocol/limits.ts';
import {
  CLIPBOARD_POLICIES,
  type ClipboardLimits,
  type ClipboardPolicy,
  MAX_CLIPBOARD_CONTENTS_BYTES,
} from '../../protocol/wire/index.ts';
import type { GuestClipboard, GuestInput, GuestMicrophone, GuestSound } from '../hands/index.ts';
import { CLIPBOARD_LIMITS } from './clipboard-desk.ts';
import type { GuestSource } from './source.ts';

/** How the guest's clipboard is shared with who has the input. */
export interface ClipboardOptions {
  readonly guest: GuestClipboard;
  /** Which way contents may go; `both` when left out, `off`: neither. */
  readonly policy?: ClipboardPolicy | 'off';
  /** Most bytes that pass; 16 MiB of text and PNG files of 32 MiB when left out. */
  readonly limits?: Partial<ClipboardLimits>;
}

/** How a relay is made. */
export interface ViewerOptions {
  /**
   * The path of a region, which is read in a thread of its own; or a client, which is read in this
   * thread and stays its maker's to close.
   */
  readonly source: GuestSource | string;
  /**
   * What is shown in the place of `source` while that has nothing to show, as a boot screen by SPICE.
   *
   * Ownership: stays its maker's to close.
   */
  readonly bootScreen?: GuestSource | undefined;
  /** For a path: read an unknown newer wire by the rules of a known one, at one's own risk. */
  readonly assume?: AssumedWire | undefined;
  /** How the picture may travel: `auto` leaves the choice to each viewer. */
  readonly encode?: 'auto' | 'lossless' | 'video' | 'jpeg';
  /** Most bits in a second of a stream of video; by the picture's size when left out. Units: kilobits. */
  readonly bitrateKbits?: number;
  /** 1 to 100; 80 when left out. */
  readonly jpegQuality?: number;
  /**
   * The secret that opens everything; a random one when neither it nor a password is given. `false`:
   * whoever embeds the relay keeps strangers out.
   */
  readonly token?: string | false;
  /** Another secret, for viewers that may only look. */
  readonly viewToken?: string;
  /** What people sign in with: a password, or its hash as {@link hashPassword} makes it. */
  readonly password?: string;
  /**
   * At least 16 secret bytes that cookies are made with. Kept by who runs the relay, cookies of a
   * token outlive a restart; random when left out.
   */
  readonly cookieKey?: Uint8Array;
  /** Whether `X-Forwarded-For` of a proxy on this machine is believed. */
  readonly trustProxy?: boolean;
  /** Origins besides the relay's own whose pages may connect, as `https://name:port`. */
  readonly allowOrigins?: readonly string[];
  /** Names besides loopback and the listening address under which the relay answers; `*`: any. */
  readonly allowHosts?: readonly string[];
  /** Keyboard and pointer of the guest; without it viewers only look. */
  readonly input?: GuestInput | undefined;
  /** The guest's clipboard, for who has the input; without it clipboards stay apart. */
  readonly clipboard?: ClipboardOptions | undefined;
  /** What the guest plays, for all viewers. */
  readonly sound?: GuestSound | undefined;
  /** The guest's microphone, for who has the input. */
  readonly microphone?: GuestMicrophone | undefined;
  /** Whether viewers may only look; true when left out and there is no `input`. */
  readonly viewOnly?: boolean;
  /** Most frames taken from the guest in a second; no bound when left out. */
  readonly maxFps?: number;
  /** Most viewers at the same time. */
  readonly maxViewers?: number;
  /** Where the relay lies in its server, beginning and ending with a slash. */
  readonly mount?: string;
  /** Updates a viewer may be sent without acknowledging any. */
  readonly credit?: number;
  /** How long a viewer may leave an update unacknowledged before it is dropped. */
  readonly ackTimeoutMs?: number;
  /** How long the guest is still watched after the last viewer has left. */
  readonly idleGraceMs?: number;
  /** Name of the version that viewers and scripts are told. */
  readonly version?: string;
  /** Given each line that a person who runs the relay may want to read. */
  readonly log?: (line: string) => void;
  /** Closes the relay when it fires. */
  readonly signal?: AbortSignal;
}

/** The options with nothing left out. */
export type Settings = Required<
  Omit<
    ViewerOptions,
    | 'signal'
    | 'maxFps'
    | 'jpegQuality'
    | 'bitrateKbits'
    | 'token'
    | 'viewToken'
    | 'password'
    | 'cookieKey'
    | 'input'
    | 'clipboard'
    | 'bootScreen'
    | 'sound'
    | 'microphone'
  >
> & {
  readonly bootScreen: GuestSource | undefined;
  readonly token: string | false | undefined;
  readonly viewToken: string | undefined;
  readonly password: string | undefined;
  readonly cookieKey: Uint8Array | undefined;
  readonly input: GuestInput | undefined;
  readonly clipboard: ClipboardSettings | undefined;
  readonly sound: GuestSound | undefined;
  readonly microphone: GuestMicrophone | undefined;
  readonly bitrateKbits: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly maxFps: number | undefined;
  readonly jpegQuality: number | undefined;
};

/** What is shared of the clipboard, with nothing left out. */
export interface ClipboardSettings {
  readonly guest: GuestClipboard;
  readonly policy: ClipboardPolicy;
  readonly limits: ClipboardLimits;
}

/** Random bytes in a token that is made up: 144 bits, which nobody guesses. */
const TOKEN_BYTES = 18;
const MIN_KEY_BYTES = 16;
const ENCODE_NAMES: readonly string[] = ['auto', 'lossless', 'video', 'jpeg'];
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]_-]+$/i;
const MOUNT = /^\/(?:(?!\.{1,2}\/)[A-Za-z0-9._~-]+\/)*$/;

/** The options, checked and completed. @throws ERR_KVMFR_ARGUMENT */
export function settle(options: ViewerOptions): Settings {
  const settings: Settings = {
    source: options.source,
    bootScreen: options.bootScreen,
    assume: options.assume,
    encode: options.encode ?? 'auto',
    token: options.token ?? (options.password === undefined ? makeToken() : undefined),
    viewToken: options.viewToken,
    password: options.password,
    cookieKey: options.cookieKey,
    trustProxy: options.trustProxy ?? false,
    allowOrigins: options.allowOrigins ?? [],
    allowHosts: options.allowHosts ?? [],
    input: options.input,
    clipboard: settleClipboard(options),
    sound: options.sound,
    microphone: options.microphone,
    viewOnly: options.viewOnly ?? options.input === undefined,
    maxViewers: options.maxViewers ?? MAX_VIEWERS,
    mount: options.mount ?? '/',
    credit: options.credit ?? 2,
    ackTimeoutMs: options.ackTimeoutMs ?? 30_000,
    idleGraceMs: options.idleGraceMs ?? 2000,
    version: options.version ?? '',
    log: options.log ?? (() => {}),
    signal: options.signal,
    maxFps: options.maxFps,
    bitrateKbits: options.bitrateKbits,
    jpegQuality: options.jpegQuality,
  };
  check(settings);
  return settings;
}

/** @throws ERR_KVMFR_ARGUMENT */
function settleClipboard({ clipboard, input }: ViewerOptions): ClipboardSettings | undefined {
  if (clipboard === undefined || clipboard.policy === 'off') return undefined;
  const { guest, policy = 'both' } = clipboard;
  if (input === undefined)
    throw badArgument('clipboard', 'given together with input, as who has that has it', 'alone');
  if (!CLIPBOARD_POLICIES.includes(policy))
    throw badArgument('clipboard.policy', `${CLIPBOARD_POLICIES.join(', ')} or off`, policy);
  const limits = { ...CLIPBOARD_LIMITS, ...clipboard.limits };
  const range = { min: 0, max: MAX_CLIPBOARD_CONTENTS_BYTES };
  for (const kind of ['text', 'png'] as const)
    checkCount(`clipboard.limits.${kind}`, limits[kind], range);
  return { guest, policy, limits };
}

function makeToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

function checkSecrets(settings: Settings): void {
  const { token, viewToken, cookieKey } = settings;
  // What is wrong with a secret is said without it.
  if (token !== false && token !== undefined && (typeof token !== 'string' || token === ''))
    throw badArgument('token', 'text that is not empty, or false', typeof token);
  if (viewToken !== undefined && (typeof viewToken !== 'string' || viewToken === ''))
    throw badArgument('viewToken', 'text that is not empty', typeof viewToken);
  if (viewToken !== undefined && viewToken === token)
    throw badArgument('viewToken', 'another text than token', 'the same');
  if (cookieKey !== undefined && cookieKey.byteLength < MIN_KEY_BYTES)
    throw badArgument('cookieKey', `${MIN_KEY_BYTES} bytes or more`, `${cookieKey.byteLength}`);
}

function check(settings: Settings): void {
  checkSecrets(settings);
  const { encode, mount, maxFps, jpegQuality } = settings;
  if (!ENCODE_NAMES.includes(encode))
    throw badArgument('encode', ENCODE_NAMES.join(', '), String(encode));
  for (const origin of settings.allowOrigins)
    if (!ORIGIN.test(origin)) throw badArgument('allowOrigins', 'https://NAME:PORT', origin);
  if (!MOUNT.test(mount)) throw badArgument('mount', 'a path like /screen/', mount);
  if (maxFps !== undefined && !(maxFps > 0 && maxFps <= 1000))
    throw badArgument('maxFps', 'above 0 and at most 1000', String(maxFps));
  if (settings.bitrateKbits !== undefined)
    checkCount('bitrateKbits', settings.bitrateKbits, { min: 100, max: 1_000_000 });
  if (jpegQuality !== undefined) checkCount('jpegQuality', jpegQuality, { min: 1, max: 100 });
  checkCount('maxViewers', settings.maxViewers, { min: 1, max: 10_000 });
  checkCount('credit', settings.credit, { min: 1, max: 16 });
  checkCount('ackTimeoutMs', settings.ackTimeoutMs, { min: 1, max: 3_600_000 });
  checkCount('idleGraceMs', settings.idleGraceMs, { min: 0, max: 3_600_000 });
}

function checkCount(
  what: string,
  value: number,
  range: { readonly min: number; readonly max: number },
): void {
  if (!Number.isInteger(value) || value < range.min || value > range.max)
    throw badArgument(what, `a whole number from ${range.min} to ${range.max}`, String(value));
}

function badArgument(what: string, expected: string, found: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `${what} of a viewer must be ${expected}, but is ${found}`,
  );
}
