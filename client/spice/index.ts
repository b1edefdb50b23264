/** A client for SPICE, as QEMU speaks it: input, clipboard, sound, and the screen of the boot. */
export { addressText, parseSpiceAddress, type SpiceAddress } from './address.ts';
export { type AgentEvent, MAX_CLIPBOARD_BYTES, type SpiceAgent } from './agent.ts';
export type { SpiceInfo } from './connection.ts';
export type { EventStream, EventStreamOptions } from './events.ts';
export type { LockState, SpiceInputs } from './inputs.ts';
export { connectSpice, type SpiceBackoff, type SpiceOptions, SpiceSession } from './session.ts';
export type { SpiceTls } from './socket.ts';
export type { SpiceState, SpiceStateName } from './state.ts';
export type { ClipboardType, Monitor, Selection } from './wire/agent.ts';
export type { ButtonName } from './wire/inputs.ts';
export type { MouseMode } from './wire/main.ts';
export type { Notice } from './wire/message.ts';
