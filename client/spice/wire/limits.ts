/** Bounds on everything a SPICE server sends. Each has its reason beside it. */
import { MAX_CURSOR_BYTES, MAX_PICTURE_PX } from '../../../protocol/limits.ts';

/** Longest link reply that is read; servers send 182 to 200 bytes. */
export const MAX_LINK_REPLY_BYTES: number = 4096;
/** Longest password of the protocol, without its NUL. */
export const MAX_PASSWORD_BYTES: number = 60;
/** Largest MAIN message: the bandwidth probe has 256,012 bytes. */
export const MAX_MAIN_MESSAGE_BYTES: number = 1 << 20;
/** Largest INPUTS message; the largest known has 4 bytes, pings excepted. */
export const MAX_INPUTS_MESSAGE_BYTES: number = 1 << 16;
/** Largest DISPLAY message: a draw of the largest picture, with room for its fields. */
export const MAX_DISPLAY_MESSAGE_BYTES: number = MAX_PICTURE_PX * 4 + (1 << 16);
/** Largest CURSOR message: the largest shape, with room for its fields. */
export const MAX_CURSOR_MESSAGE_BYTES: number = MAX_CURSOR_BYTES + (1 << 10);
/** Largest PLAYBACK or RECORD message: seconds of sound; servers send 10 ms at a time. */
export const MAX_SOUND_MESSAGE_BYTES: number = 1 << 20;
/** Channels of a session that are believed; known servers have under ten. */
export const MAX_CHANNELS: number = 256;
/** Surfaces that are kept at a time; the screen is one, old guest drivers make some more. */
export const MAX_SURFACES: number = 1024;
/** Pixels of all surfaces together: the largest screen, and as much beside it. */
export const MAX_SURFACES_PX: number = MAX_PICTURE_PX * 2;
/** Rects of one clip; more than this is no drawing of a desktop. */
export const MAX_CLIP_RECTS: number = 4096;
/** Bytes of images that the server told us to keep. We ask it for none, so few come. */
export const MAX_IMAGE_CACHE_BYTES: number = 64 << 20;
/** Palettes that are kept. */
export const MAX_PALETTES: number = 64;
/** Cursor shapes that are kept to be named again; servers keep up to 256. */
export const MAX_CURSOR_SHAPES: number = 256;
/** Bytes of agent data in one message of MAIN: the protocol's number. */
export const AGENT_PIECE_BYTES: number = 2048;
/** Tokens that the server's agent data is granted at a time. */
export const AGENT_TOKENS: number = 16;
/** Largest message of the agent that is put together: contents of a clipboard. */
export const MAX_AGENT_MESSAGE_BYTES: number = 64 << 20;
/** Bytes that may wait to be sent to the agent; a larger clipboard is refused. */
export const MAX_AGENT_QUEUE_BYTES: number = 64 << 20;
/** Screens that a guest can be asked for. */
export const MAX_MONITORS: number = 16;
/** Channels of sound that are believed. */
export const MAX_SOUND_CHANNELS: number = 8;
/** Highest sample rate that is believed. Units: Hz. */
export const MAX_SOUND_RATE_HZ: number = 384_000;
/** Bytes that may wait in a socket; who reads nothing for so long is gone. */
export const MAX_UNSENT_BYTES: number = 1 << 18;
/** Characters of a text from the server that are kept. */
export const MAX_TEXT_BYTES: number = 4096;
/** A link that takes longer than this is given up; a loaded server needs 60 ms. */
export const LINK_TIMEOUT_MS: number = 10_000;
/** An idle connection is probed by the system after this time. */
export const KEEP_ALIVE_MS: number = 10_000;
/** Scancode bytes of one message. */
export const MAX_SCANCODE_BYTES: number = 256;
/** Motion messages of which the server confirms the last: the protocol's number. */
export const MOTIONS_PER_ACK: number = 4;
/** Motion messages that may be on their way unconfirmed. */
export const MAX_MOTIONS_UNCONFIRMED: number = MOTIONS_PER_ACK * 2;
