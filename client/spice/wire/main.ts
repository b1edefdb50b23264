import type { Body } from './body.ts';
import { MAX_CHANNELS, MAX_TEXT_BYTES } from './limits.ts';
import { decodeText, messageU16, messageU32, newMessage } from './message.ts';

/** Messages of MAIN from the server. */
export const MAIN_FROM_SERVER = {
  init: 103,
  channelsList: 104,
  mouseMode: 105,
  multiMediaTime: 106,
  agentConnected: 107,
  agentDisconnected: 108,
  agentData: 109,
  agentToken: 110,
  name: 113,
  uuid: 114,
  agentConnectedTokens: 115,
} as const;

/** Messages of MAIN to the server. */
export const MAIN_TO_SERVER = {
  attachChannels: 104,
  mouseModeRequest: 105,
  agentStart: 106,
  agentData: 107,
  agentToken: 108,
} as const;

/** Capabilities of MAIN by bit. */
export const MAIN_CAPABILITIES = { nameAndUuid: 1, agentConnectedTokens: 2 } as const;

/** How pointer positions travel: `server` moves by steps, `client` names places. Bits on the wire. */
export const MOUSE_MODES = { server: 1, client: 2 } as const;

/** The name of a mouse mode. */
export type MouseMode = keyof typeof MOUSE_MODES;

/** MAIN's first message. */
export interface MainInit {
  readonly sessionId: number;
  readonly supportedMouseModes: number;
  readonly mouseMode: MouseMode;
  readonly agentConnected: boolean;
  readonly agentTokens: number;
  /** The server's clock for sound and video. Units: milliseconds, wraps at 32 bits. */
  readonly mediaTimeMs: number;
}

/** Reads INIT. */
export function decodeMainInit(body: Body): MainInit {
  const sessionId = body.u32('session id');
  body.skip(4, 'display hint');
  const supportedMouseModes = body.u32('supported mouse modes');
  const mouseMode = mouseModeOf(body.u32('mouse mode'));
  const agentConnected = body.u32('agent flag') !== 0;
  const agentTokens = body.u32('agent tokens');
  const mediaTimeMs = body.u32('media time');
  return { sessionId, supportedMouseModes, mouseMode, agentConnected, agentTokens, mediaTimeMs };
}

function mouseModeOf(value: number): MouseMode {
  return value === MOUSE_MODES.client ? 'client' : 'server';
}

/** A channel that the server has. */
export interface ChannelEntry {
  readonly type: number;
  readonly id: number;
}

/** Reads CHANNELS_LIST. */
export function decodeChannelsList(body: Body): readonly ChannelEntry[] {
  const count = body.count('number of channels', MAX_CHANNELS);
  return Array.from({ length: count }, () => ({ type: body.u8('type'), id: body.u8('id') }));
}

/** Reads MOUSE_MODE. */
export function decodeMouseMode(body: Body): {
  readonly supported: number;
  readonly current: MouseMode;
} {
  return { supported: body.u16('supported modes'), current: mouseModeOf(body.u16('current mode')) };
}

/** Reads NAME. */
export function decodeName(body: Body): string {
  return decodeText(body, body.count('length', MAX_TEXT_BYTES), MAX_TEXT_BYTES);
}

/** Reads UUID, in the usual way of writing it; undefined when it is all zero: none was given. */
export function decodeUuid(body: Body): string | undefined {
  const digits = body.view(16, 'uuid').toString('hex');
  if (/^0+$/.test(digits)) return undefined;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Asks for the list of channels. */
export function encodeAttachChannels(): Buffer {
  return newMessage(MAIN_TO_SERVER.attachChannels, 0);
}

/** Asks for a mouse mode. */
export function encodeMouseModeRequest(mode: MouseMode): Buffer {
  return messageU16(MAIN_TO_SERVER.mouseModeRequest, MOUSE_MODES[mode]);
}

/** Opens the way to the agent, and grants tokens for the way back. */
export function encodeAgentStart(tokens: number): Buffer {
  return messageU32(MAIN_TO_SERVER.agentStart, tokens);
}

/** Grants tokens for the agent's data. */
export function encodeAgentToken(tokens: number): Buffer {
  return messageU32(MAIN_TO_SERVER.agentToken, tokens);
}
