import { expect } from 'vitest';
import type { Frame } from '../../../client/frame.ts';
import { FrameStream, type FramesOptions } from '../../../client/frames.ts';
import type { FrameTampering, OpenFrame } from '../../../host/index.ts';
import type { Rect } from '../../../protocol/rect.ts';
import { type Guest, picture } from './guest.ts';

/** Damage. */
export const RECT_A: Rect = { x: 1, y: 2, width: 3, height: 4 };
/** Damage elsewhere. */
export const RECT_B: Rect = { x: 10, y: 20, width: 30, height: 8 };

/** The frame of a result, or an error when the stream has ended. */
export async function given(result: Promise<IteratorResult<Frame, undefined>>): Promise<Frame> {
  const { value } = await result;
  if (value === undefined) throw new Error('the stream has ended');
  return value;
}

/** A stream that has subscribed and has been given the picture with seed 0. */
export async function begun(
  guest: Guest,
  options: FramesOptions = {},
): Promise<{ readonly frames: FrameStream; readonly first: Frame }> {
  const frames = new FrameStream(guest, options);
  const next = frames.next();
  await guest.subscriber();
  guest.host.publish(picture(0));
  return { frames, first: await given(next) };
}

/** Expects the same bytes. */
export function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(found.byteLength).toBe(expected.byteLength);
  expect(Buffer.compare(found, expected)).toBe(0);
}

/** A frame that is posted, and whose pixels follow. */
export function opened(guest: Guest, tampering: FrameTampering = {}): OpenFrame {
  const frame = guest.host.openFrame(picture(9), tampering);
  if (frame === undefined) throw new Error('both slots are taken');
  return frame;
}
