import { MAX_MONITORS } from './limits.ts';
import { capabilityWords } from './link.ts';

/** Bytes of an agent message before its body. */
export const AGENT_HEADER_BYTES: number = 20;
/** First word of each agent message. */
export const AGENT_PROTOCOL = 1;

/** Messages between client and agent. */
export const AGENT_MESSAGES = {
  monitorsConfig: 2,
  reply: 3,
  clipboard: 4,
  announceCapabilities: 6,
  clipboardGrab: 7,
  clipboardRequest: 8,
  clipboardRelease: 9,
  maxClipboard: 14,
} as const;

/** What agent and client can do, by bit. */
export const AGENT_CAPABILITIES = {
  monitorsConfig: 1,
  reply: 2,
  clipboardByDemand: 5,
  clipboardSelection: 6,
  sparseMonitors: 7,
  lineEndLf: 8,
  lineEndCrlf: 9,
  maxClipboard: 10,
  noReleaseOnRegrab: 16,
  grabSerial: 17,
} as const;

/** Kinds of clipboard contents by their number on the wire. */
export const CLIPBOARD_TYPES = { text: 1, png: 2, bmp: 3, tiff: 4, jpeg: 5 } as const;

/** The name of a kind of clipboard contents. */
export type ClipboardType = keyof typeof CLIPBOARD_TYPES;

/** The clipboards of a guest by their number on the wire. */
export const SELECTIONS = { clipboard: 0, primary: 1, secondary: 2 } as const;

/** The name of a clipboard. */
export type Selection = keyof typeof SELECTIONS;

/** A screen that a guest is asked for. Units: pixels. */
export interface Monitor {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly x?: number;
  readonly y?: number;
}

const TYPE_NAMES = namesOf(CLIPBOARD_TYPES);
const SELECTION_NAMES = namesOf(SELECTIONS);

function namesOf<K extends string>(
  table: { readonly [name in K]: number },
): ReadonlyMap<number, K> {
  const names = new Map<number, K>();
  for (const name in table) names.set(table[name], name);
  return names;
}

/** The kind of contents with a number; undefined when it is not known here. */
export function clipboardTypeOf(value: number): ClipboardType | undefined {
  return TYPE_NAMES.get(value);
}

/** The clipboard with a number; undefined when there is none. */
export function selectionOf(value: number): Selection | undefined {
  return SELECTION_NAMES.get(value);
}

/** The header of an agent message. */
export interface AgentHeader {
  readonly protocol: number;
  readonly type: number;
  readonly size: number;
}

/** Reads a header from its 20 bytes. */
export function decodeAgentHeader(bytes: Buffer): AgentHeader {
  return {
    protocol: bytes.readUInt32LE(0),
    type: bytes.readUInt32LE(4),
    size: bytes.readUInt32LE(16),
  };
}

/** Writes a header. */
export function encodeAgentHeader(type: number, size: number): Buffer {
  const bytes = Buffer.alloc(AGENT_HEADER_BYTES);
  bytes.writeUInt32LE(AGENT_PROTOCOL, 0);
  bytes.writeUInt32LE(type, 4);
  bytes.writeUInt32LE(size, 16);
  return bytes;
}

/** What we can do, and whether the agent shall say what it can. */
export function encodeAnnounce(bits: readonly number[], answer: boolean): Buffer {
  return words([answer ? 1 : 0, ...capabilityWords(bits)]);
}

/** The first bytes of a clipboard message: which one, where the agent knows of several. */
export function encodeSelection(selection: Selection, several: boolean): Buffer {
  return several ? Buffer.from([SELECTIONS[selection], 0, 0, 0]) : Buffer.alloc(0);
}

/** So many u32, one after the other. */
export function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value >>> 0, 4 * i);
  });
  return bytes;
}

/** The screens that a guest is asked for. */
export function encodeMonitors(monitors: readonly Monitor[]): Buffer {
  const list = monitors.slice(0, MAX_MONITORS);
  const depth = 32;
  return words([
    list.length,
    0,
    ...list.flatMap(({ widthPx, heightPx, x = 0, y = 0 }) => [heightPx, widthPx, depth, x, y]),
  ]);
}
