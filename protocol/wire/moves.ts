import type { Rect } from '../rect.ts';
import { type Envelope, exactBody, needBody, newMessage, wireError } from './envelope.ts';

/** Pixels that are taken from elsewhere in the same picture. Units: pixels. */
export interface Move {
  /** Where they go. */
  readonly to: Rect;
  /** Where their left upper corner was. */
  readonly fromX: number;
  readonly fromY: number;
}

/**
 * What has merely moved since the update before. The moves are made one after the other, each as if
 * its pixels were copied away first, and before anything else of their update is drawn.
 *
 * Shape: head of 12 bytes: epoch u32, serial u32, count u32 (1 to 16); then for each move 24 bytes:
 * x u32, y u32, width u32, height u32, fromX u32, fromY u32.
 */
export interface MovesMessage {
  readonly epoch: number;
  /** Serial of the picture this update leads to. */
  readonly serial: number;
  readonly moves: readonly Move[];
}

/** Most moves in an update: who lacks more is better served with pixels. */
export const MAX_MOVES: number = 16;

const HEAD_BYTES = 12;
const MOVE_BYTES = 24;

/** Writes a moves message. */
export function encodeMoves({ epoch, serial, moves }: MovesMessage): Uint8Array<ArrayBuffer> {
  const { message, body } = newMessage('moves', HEAD_BYTES + moves.length * MOVE_BYTES);
  body.setUint32(0, epoch, true);
  body.setUint32(4, serial, true);
  body.setUint32(8, moves.length, true);
  let at = HEAD_BYTES;
  for (const { to, fromX, fromY } of moves)
    for (const value of [to.x, to.y, to.width, to.height, fromX, fromY]) {
      body.setUint32(at, value, true);
      at += 4;
    }
  return message;
}

/** Reads a moves message for a picture it must fit. @throws ERR_KVMFR_WIRE */
export function decodeMoves(
  envelope: Envelope,
  size: { readonly widthPx: number; readonly heightPx: number },
): MovesMessage {
  needBody(envelope, HEAD_BYTES, 'moves message');
  const { body } = envelope;
  const count = body.getUint32(8, true);
  if (count < 1 || count > MAX_MOVES)
    throw wireError(`an update must have 1 to ${MAX_MOVES} moves, but has ${count}`);
  exactBody(envelope, HEAD_BYTES + count * MOVE_BYTES, `moves message with ${count} of them`);
  const moves: Move[] = [];
  for (let i = 0; i < count; i++) {
    const at = HEAD_BYTES + i * MOVE_BYTES;
    const word = (index: number): number => body.getUint32(at + index * 4, true);
    const to = { x: word(0), y: word(1), width: word(2), height: word(3) };
    const move = { to, fromX: word(4), fromY: word(5) };
    if (!lies(to, size) || !lies({ ...to, x: move.fromX, y: move.fromY }, size))
      throw wireError(
        `a move of ${to.width} x ${to.height} from ${move.fromX},${move.fromY} to ${to.x},${to.y} must lie in ${size.widthPx} x ${size.heightPx}`,
      );
    moves.push(move);
  }
  return { epoch: body.getUint32(0, true), serial: body.getUint32(4, true), moves };
}

function lies(
  { x, y, width, height }: Rect,
  { widthPx, heightPx }: { readonly widthPx: number; readonly heightPx: number },
): boolean {
  return width >= 1 && height >= 1 && x + width <= widthPx && y + height <= heightPx;
}
