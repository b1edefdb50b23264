import { type Envelope, exactBody, newMessage } from './envelope.ts';

/** Stands for a time that is not known. */
export const UNKNOWN_US: number = 0xffff_ffff;

/**
 * The stages of a frame's way through the relay, in their order. All but `producer` are measured by
 * the VM host's monotonic clock, and `producer` is a span of the guest's own clock.
 *
 * - `producer`: the guest captured the frame -> it published it (KVMFR 34 tells it, others do not)
 * - `notice`: published -> seen here; an upper bound, because the region has no wake-up
 * - `arrive`: seen -> its last row was there
 * - `apply`: last row there -> compared, copied and converted into the picture
 * - `queue`: in the picture -> taken to be encoded
 * - `encode`: taken -> coded
 * - `send`: coded -> the last of it handed to the socket
 */
export const RELAY_STAGES = [
  'producer',
  'notice',
  'arrive',
  'apply',
  'queue',
  'encode',
  'send',
] as const;
/** The name of a stage of the relay. */
export type RelayStage = (typeof RELAY_STAGES)[number];

/**
 * The stages that the viewer measures, in their order.
 *
 * - `network`: handed to the socket -> the last of it received, by the relay's clock mapped to the viewer's
 * - `decode`: received -> decoded
 * - `present`: decoded -> handed to the display
 */
export const VIEWER_STAGES = ['network', 'decode', 'present'] as const;
/** The name of a stage of the viewer. */
export type ViewerStage = (typeof VIEWER_STAGES)[number];

/** Units: microseconds, each at most 0xfffffffe; {@link UNKNOWN_US} when not known. */
export type RelayTimes = { readonly [stage in RelayStage]: number };

/**
 * What an update's frame has been through. Comes before the last message of the update.
 *
 * Shape: 44 bytes: epoch u32, serial u32, the seven stages u32 in microseconds, then sentMs f64.
 */
export interface TimesMessage {
  readonly epoch: number;
  readonly serial: number;
  readonly stages: RelayTimes;
  /** The relay's clock when the last message was handed over. Units: milliseconds since 1970. */
  readonly sentMs: number;
}

const TIMES_BYTES = 44;
const STAGES_AT = 8;
const SENT_AT = 36;

/** A span of milliseconds as the wire has it: microseconds, never negative, capped. */
export function wireMicroseconds(ms: number | undefined): number {
  if (ms === undefined || Number.isNaN(ms)) return UNKNOWN_US;
  return Math.min(UNKNOWN_US - 1, Math.max(0, Math.round(ms * 1000)));
}

/** Writes what a frame has been through. */
export function encodeTimes(times: TimesMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('times', TIMES_BYTES);
  body.setUint32(0, times.epoch, true);
  body.setUint32(4, times.serial, true);
  for (const [index, stage] of RELAY_STAGES.entries())
    body.setUint32(STAGES_AT + index * 4, times.stages[stage], true);
  body.setFloat64(SENT_AT, times.sentMs, true);
  return message;
}

/** Reads what a frame has been through. @throws ERR_KVMFR_WIRE */
export function decodeTimes(envelope: Envelope): TimesMessage {
  exactBody(envelope, TIMES_BYTES, 'times message');
  const { body } = envelope;
  const stage = (index: number): number => body.getUint32(STAGES_AT + index * 4, true);
  return {
    epoch: body.getUint32(0, true),
    serial: body.getUint32(4, true),
    stages: {
      producer: stage(0),
      notice: stage(1),
      arrive: stage(2),
      apply: stage(3),
      queue: stage(4),
      encode: stage(5),
      send: stage(6),
    },
    sentMs: body.getFloat64(SENT_AT, true),
  };
}
