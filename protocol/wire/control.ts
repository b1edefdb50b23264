import { MAX_REFRESH_HZ, MIN_REFRESH_HZ } from '../limits.ts';
import {
  booleanField,
  decodeJson,
  type Envelope,
  encodeJson,
  isObject,
  type JsonObject,
  numberField,
  textField,
  WIRE_VERSION,
  wireError,
} from './envelope.ts';
import { type Codec, isCodec } from './video.ts';

/** How the picture can travel in this version. Others are later additions to the list. */
export const ENCODINGS = ['lossless', 'video', 'jpeg'] as const;
/** One way for the picture to travel. */
export type Encoding = (typeof ENCODINGS)[number];

/** Codings of lossless tiles that not every viewer takes; raw and deflate are for all. */
export const TILE_CODING_NAMES = ['ops'] as const;
/** One coding of lossless tiles that not every viewer takes. */
export type TileCodingName = (typeof TILE_CODING_NAMES)[number];

/** States a viewer can be in; the same names in the API, on the page and in `--json`. */
export const STATES = [
  'waiting',
  'showing',
  'stale',
  'incompatible',
  'too-small',
  'denied',
  'failed',
] as const;
/** The name of a state. */
export type StateName = (typeof STATES)[number];

/** Where a picture can come from: the shared memory, or the guest's SPICE server. */
export const SOURCES = ['lgmp', 'spice'] as const;
/** What a picture comes from. */
export type SourceName = (typeof SOURCES)[number];

/** The relay's first message. */
export interface Hello {
  readonly wire: number;
  readonly version: string;
  readonly tilePx: number;
  readonly viewOnly: boolean;
  readonly encodings: readonly Encoding[];
  /** What encoding `video` may be coded in; empty when it is not offered. */
  readonly codecs: readonly Codec[];
}

/** What a person may be told about the guest. All text comes from the guest: show as text only. */
export interface SessionSummary {
  readonly release: string;
  readonly lgmpVersion: number;
  readonly kvmfrVersion: number;
  readonly hostVersion: string;
  readonly os?: string;
  readonly capture?: string;
  readonly cpu?: string;
}

/** The state of the guest's screen. */
export interface State {
  readonly state: StateName;
  /** One sentence for a person. */
  readonly message: string;
  /** What a person can do about it, one sentence. */
  readonly hint?: string;
  readonly code?: string;
  /** Region size that would be enough, when the state is `too-small`. */
  readonly needMib?: number;
  /** What the state is of, and the picture beside it; `lgmp` when left out. */
  readonly source?: SourceName;
  readonly session?: SessionSummary;
}

/** Numbers about the relay, once a second, for the statistics line. */
export interface RelayStats {
  readonly viewers: number;
  /** Frames the guest published in the last second, as far as they were seen. */
  readonly guestFps: number;
  readonly framesSkipped: number;
  readonly framesGivenUp: number;
}

/** The relay's last message. */
export interface Bye {
  readonly code: string;
  readonly message: string;
  /** Whether it makes sense to connect again. */
  readonly retry: boolean;
}

/** The viewer's first message. */
export interface ViewerHello {
  readonly wire: number;
  /** What it can decode, the one it likes best first. */
  readonly encodings: readonly Encoding[];
  /** Video codecs it can decode, the one it likes best first; empty when none. */
  readonly codecs: readonly Codec[];
  /** Codings of lossless tiles that it takes besides raw and deflate; none when left out. */
  readonly tileCodings?: readonly TileCodingName[];
  /** Whether it takes moves; not when left out. */
  readonly moves?: boolean;
  /** Whether it takes streams that show a part of the picture; not when left out. */
  readonly videoRegions?: boolean;
  readonly visible: boolean;
  /** How often its display is refreshed in a second, when it knows. */
  readonly refreshHz?: number;
}

/** What a viewer changes about how it is served. */
export interface ViewChange {
  readonly visible?: boolean;
  readonly encoding?: Encoding | 'auto';
  readonly refreshHz?: number;
}

function isEncoding(value: unknown): value is Encoding {
  return ENCODINGS.some((name) => name === value);
}

function isState(value: unknown): value is StateName {
  return STATES.some((name) => name === value);
}

function isSource(value: unknown): value is SourceName {
  return SOURCES.some((name) => name === value);
}

function encodingList(value: unknown, what: string): readonly Encoding[] {
  if (!Array.isArray(value)) throw wireError(`encodings of a ${what} must be a list`);
  const known = value.slice(0, 16).filter(isEncoding);
  if (known.length === 0) throw wireError(`encodings of a ${what} must name one of ${ENCODINGS}`);
  return known;
}

/** Lists that came without codecs are of those who know none. */
function codecList(value: unknown): readonly Codec[] {
  return Array.isArray(value) ? value.slice(0, 16).filter(isCodec) : [];
}

function isTileCoding(value: unknown): value is TileCodingName {
  return TILE_CODING_NAMES.some((name) => name === value);
}

function tileCodingList(value: unknown): readonly TileCodingName[] | undefined {
  return Array.isArray(value) ? value.slice(0, 16).filter(isTileCoding) : undefined;
}

function wireVersion(object: JsonObject, what: string): number {
  const wire = object['wire'];
  if (wire !== WIRE_VERSION)
    throw wireError(`wire version of the ${what} must be ${WIRE_VERSION}, but is ${String(wire)}`);
  return WIRE_VERSION;
}

function refreshRate(object: JsonObject, what: string): number | undefined {
  const range = { min: MIN_REFRESH_HZ, max: MAX_REFRESH_HZ };
  const refreshHz = numberField(object, 'refreshHz', range);
  if (refreshHz === undefined && object['refreshHz'] !== undefined)
    throw wireError(`refreshHz of a ${what} must be ${MIN_REFRESH_HZ} to ${MAX_REFRESH_HZ}`);
  return refreshHz;
}

/** Writes the relay's first message. */
export function encodeHello(hello: Hello): Uint8Array<ArrayBuffer> {
  return encodeJson('hello', hello);
}

/** Reads the relay's first message. @throws ERR_KVMFR_WIRE */
export function decodeHello(envelope: Envelope): Hello {
  const object = decodeJson(envelope, 'hello');
  const tilePx = numberField(object, 'tilePx', { min: 8, max: 1024 });
  if (tilePx === undefined) throw wireError('tilePx of a hello must be 8 to 1024');
  return {
    wire: wireVersion(object, 'relay'),
    version: textField(object, 'version') ?? '',
    tilePx,
    viewOnly: booleanField(object, 'viewOnly') ?? true,
    encodings: encodingList(object['encodings'], 'hello'),
    codecs: codecList(object['codecs']),
  };
}

/** Writes a state. */
export function encodeState(state: State): Uint8Array<ArrayBuffer> {
  return encodeJson('state', state);
}

/** Reads a state. @throws ERR_KVMFR_WIRE */
export function decodeState(envelope: Envelope): State {
  const object = decodeJson(envelope, 'state');
  const state = object['state'];
  if (!isState(state)) throw wireError(`state must be one of ${STATES}`);
  const hint = textField(object, 'hint');
  const code = textField(object, 'code');
  const needMib = numberField(object, 'needMib', { min: 0, max: 65536 });
  const source = object['source'];
  const session = isObject(object['session']) ? decodeSession(object['session']) : undefined;
  return {
    state,
    message: textField(object, 'message') ?? '',
    ...(hint === undefined ? {} : { hint }),
    ...(code === undefined ? {} : { code }),
    ...(needMib === undefined ? {} : { needMib }),
    ...(isSource(source) ? { source } : {}),
    ...(session === undefined ? {} : { session }),
  };
}

function decodeSession(object: JsonObject): SessionSummary {
  const os = textField(object, 'os');
  const capture = textField(object, 'capture');
  const cpu = textField(object, 'cpu');
  return {
    release: textField(object, 'release') ?? '',
    lgmpVersion: numberField(object, 'lgmpVersion', { min: 0, max: 0xffff_ffff }) ?? 0,
    kvmfrVersion: numberField(object, 'kvmfrVersion', { min: 0, max: 0xffff_ffff }) ?? 0,
    hostVersion: textField(object, 'hostVersion') ?? '',
    ...(os === undefined ? {} : { os }),
    ...(capture === undefined ? {} : { capture }),
    ...(cpu === undefined ? {} : { cpu }),
  };
}

/** Writes the relay's numbers. */
export function encodeStats(stats: RelayStats): Uint8Array<ArrayBuffer> {
  return encodeJson('stats', stats);
}

/** Reads the relay's numbers. @throws ERR_KVMFR_WIRE */
export function decodeStats(envelope: Envelope): RelayStats {
  const object = decodeJson(envelope, 'stats message');
  const count = { min: 0, max: Number.MAX_SAFE_INTEGER };
  return {
    viewers: numberField(object, 'viewers', count) ?? 0,
    guestFps: numberField(object, 'guestFps', count) ?? 0,
    framesSkipped: numberField(object, 'framesSkipped', count) ?? 0,
    framesGivenUp: numberField(object, 'framesGivenUp', count) ?? 0,
  };
}

/** Writes the relay's last message. */
export function encodeBye(bye: Bye): Uint8Array<ArrayBuffer> {
  return encodeJson('bye', bye);
}

/** Reads the relay's last message. @throws ERR_KVMFR_WIRE */
export function decodeBye(envelope: Envelope): Bye {
  const object = decodeJson(envelope, 'bye');
  return {
    code: textField(object, 'code') ?? '',
    message: textField(object, 'message') ?? '',
    retry: booleanField(object, 'retry') ?? true,
  };
}

/** Writes the viewer's first message. */
export function encodeViewerHello(hello: ViewerHello): Uint8Array<ArrayBuffer> {
  return encodeJson('viewerHello', hello);
}

/** Reads the viewer's first message. @throws ERR_KVMFR_WIRE */
export function decodeViewerHello(envelope: Envelope): ViewerHello {
  const object = decodeJson(envelope, "viewer's hello");
  const refreshHz = refreshRate(object, "viewer's hello");
  const tileCodings = tileCodingList(object['tileCodings']);
  const moves = booleanField(object, 'moves');
  const videoRegions = booleanField(object, 'videoRegions');
  return {
    wire: wireVersion(object, 'viewer'),
    encodings: encodingList(object['encodings'], "viewer's hello"),
    codecs: codecList(object['codecs']),
    ...(tileCodings === undefined ? {} : { tileCodings }),
    ...(moves === undefined ? {} : { moves }),
    ...(videoRegions === undefined ? {} : { videoRegions }),
    visible: booleanField(object, 'visible') ?? true,
    ...(refreshHz === undefined ? {} : { refreshHz }),
  };
}

/** Writes what a viewer changes. */
export function encodeView(view: ViewChange): Uint8Array<ArrayBuffer> {
  return encodeJson('view', view);
}

/** Reads what a viewer changes. @throws ERR_KVMFR_WIRE */
export function decodeView(envelope: Envelope): ViewChange {
  const object = decodeJson(envelope, 'view message');
  const visible = booleanField(object, 'visible');
  const encoding = object['encoding'];
  if (encoding !== undefined && encoding !== 'auto' && !isEncoding(encoding))
    throw wireError(`encoding of a view message must be auto or one of ${ENCODINGS}`);
  const refreshHz = refreshRate(object, 'view message');
  return {
    ...(visible === undefined ? {} : { visible }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(refreshHz === undefined ? {} : { refreshHz }),
  };
}
