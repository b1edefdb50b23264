import { type Envelope, exactBody, newMessage } from './envelope.ts';

/**
 * A viewer has presented an update, and gives its credit back.
 *
 * Shape: 24 bytes: epoch u32, serial u32, networkUs u32 (handed to the socket -> received), boundUs
 * u32 (how far networkUs may be off), decodeUs u32 (received -> decoded), presentUs u32 (decoded ->
 * handed to the display). Times that are not known are `UNKNOWN_US`.
 */
export interface AckMessage {
  readonly epoch: number;
  readonly serial: number;
  readonly networkUs: number;
  readonly boundUs: number;
  readonly decodeUs: number;
  readonly presentUs: number;
}

const ACK_BYTES = 24;

/** Writes an acknowledgement. */
export function encodeAck(ack: AckMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('ack', ACK_BYTES);
  body.setUint32(0, ack.epoch, true);
  body.setUint32(4, ack.serial, true);
  body.setUint32(8, ack.networkUs, true);
  body.setUint32(12, ack.boundUs, true);
  body.setUint32(16, ack.decodeUs, true);
  body.setUint32(20, ack.presentUs, true);
  return message;
}

/** Reads an acknowledgement. @throws ERR_KVMFR_WIRE */
export function decodeAck(envelope: Envelope): AckMessage {
  exactBody(envelope, ACK_BYTES, 'acknowledgement');
  return {
    epoch: envelope.body.getUint32(0, true),
    serial: envelope.body.getUint32(4, true),
    networkUs: envelope.body.getUint32(8, true),
    boundUs: envelope.body.getUint32(12, true),
    decodeUs: envelope.body.getUint32(16, true),
    presentUs: envelope.body.getUint32(20, true),
  };
}

/**
 * A question after the time, and its answer.
 *
 * Shape: ping 8 bytes: viewerMs f64 (the viewer's clock); pong 16 bytes: the same viewerMs, then
 * relayMs f64 (the relay's clock when it answered).
 */
export interface PongMessage {
  readonly viewerMs: number;
  readonly relayMs: number;
}

/** Writes a ping. Units: milliseconds of the viewer's clock. */
export function encodePing(viewerMs: number): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('ping', 8);
  body.setFloat64(0, viewerMs, true);
  return message;
}

/** Reads a ping. @throws ERR_KVMFR_WIRE */
export function decodePing(envelope: Envelope): number {
  exactBody(envelope, 8, 'ping');
  return envelope.body.getFloat64(0, true);
}

/** Writes the answer to a ping. */
export function encodePong(pong: PongMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('pong', 16);
  body.setFloat64(0, pong.viewerMs, true);
  body.setFloat64(8, pong.relayMs, true);
  return message;
}

/** Reads the answer to a ping. @throws ERR_KVMFR_WIRE */
export function decodePong(envelope: Envelope): PongMessage {
  exactBody(envelope, 16, 'pong');
  return {
    viewerMs: envelope.body.getFloat64(0, true),
    relayMs: envelope.body.getFloat64(8, true),
  };
}

/** Writes a viewer's wish for the whole picture and cursor again. */
export function encodeRefresh(): Uint8Array<ArrayBuffer> {
  return newMessage('refresh', 0).message;
}
