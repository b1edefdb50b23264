import { Body } from '../../../client/spice/wire/body.ts';
import { fields } from './fake-server.ts';

/** Top, left, bottom, right, as rects are on this wire. */
export type Box = readonly [number, number, number, number];

/** A body as a channel gives it: somewhere in a larger buffer. */
export function bodyOf(bytes: Uint8Array, what = 'a message'): Body {
  const all = Buffer.concat([Buffer.alloc(7, 0xee), bytes, Buffer.alloc(64, 0xee)]);
  return new Body().reset(what, all, 7, 7 + bytes.length);
}

/** A rect's bytes. */
export function rect([top, left, bottom, right]: Box): Buffer {
  return fields([4, top], [4, left], [4, bottom], [4, right]);
}

/** SURFACE_CREATE. */
export function surfaceCreate(width: number, height: number, id = 0, flags = 1): Buffer {
  return fields([4, id], [4, width], [4, height], [4, 32], [4, flags]);
}

/** Surface, box and clip of a draw. */
export function base(box: Box, clip?: readonly Box[], surface = 0): Buffer {
  const head = Buffer.concat([fields([4, surface]), rect(box)]);
  if (clip === undefined) return Buffer.concat([head, fields([1, 0])]);
  return Buffer.concat([head, fields([1, 1], [4, clip.length]), ...clip.map(rect)]);
}

/** No mask. */
export const NO_MASK: Buffer = Buffer.alloc(13);

/** A bitmap with its image header. */
export function bitmap(
  options: {
    readonly width: number;
    readonly height: number;
    readonly stride?: number;
    readonly format?: number;
    readonly flags?: number;
    readonly imageFlags?: number;
    readonly id?: number;
    readonly palette?: number;
  },
  data: Uint8Array,
): Buffer {
  const { width, height, format = 8, flags = 4, imageFlags = 0, id = 1, palette = 0 } = options;
  return Buffer.concat([
    fields([8, id], [1, 0], [1, imageFlags], [4, width], [4, height]),
    fields([1, format], [1, flags], [4, width], [4, height], [4, options.stride ?? width * 4]),
    fields([4, palette]),
    data,
  ]);
}

/** DRAW_COPY of an image, which follows the fields. */
export function drawCopy(
  box: Box,
  image: Uint8Array,
  options: { readonly clip?: readonly Box[]; readonly source?: Box; readonly rop?: number } = {},
): Buffer {
  const head = base(box, options.clip);
  const source = options.source ?? [0, 0, box[2] - box[0], box[3] - box[1]];
  const imageAt = head.length + 4 + 16 + 2 + 1 + 13;
  return Buffer.concat([
    head,
    fields([4, imageAt]),
    rect(source),
    fields([2, options.rop ?? 8], [1, 0]),
    NO_MASK,
    image,
  ]);
}
