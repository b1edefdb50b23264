import type { PatternContent, PublishedFormat, WireName } from '../host/index.ts';
import { choiceFlag, type FlagSpecs, numberFlag, type ParsedCommand, sizeFlag } from './spec.ts';

const FORMATS = ['BGRA', 'RGBA', 'RGBA10', 'RGBA16F', 'BGR_32', 'RGB_24'] as const;
const WIRES = ['B6', 'B7', 'dev10', 'dev12'] as const;

/** Flags of every command that publishes a synthetic guest. */
export const GUEST_FLAGS: FlagSpecs = {
  size: { value: 'WxH', help: 'size of the pattern (default 1920x1080)' },
  fps: { value: 'N', help: 'frames a second of the pattern, or looks at a screen (default 60)' },
  content: { value: 'WHAT', help: 'demo, desk, scroll or game (default demo)' },
  format: { value: 'NAME', help: `${FORMATS.join(', ')} (default BGRA)` },
  wire: { value: 'NAME', help: `speak as Looking Glass ${WIRES.join(', ')} does (default B7)` },
};

/** What a synthetic guest was told on the command line. */
export interface GuestOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  readonly content: PatternContent;
  readonly format: PublishedFormat;
  readonly wire: WireName;
}

/** Reads the flags of a synthetic guest; `wire` is what it speaks unless told. @throws ERR_KVMFR_USAGE, ERR_KVMFR_UNSUPPORTED */
export function guestOptions(command: ParsedCommand, wire: WireName = 'B7'): GuestOptions {
  const size = sizeFlag(command, 'size') ?? { widthPx: 1920, heightPx: 1080 };
  return {
    ...size,
    fps: numberFlag(command, 'fps', { min: 1, max: 1000 }) ?? 60,
    content: choiceFlag(command, 'content', { now: ['demo', 'desk', 'scroll', 'game'] }) ?? 'demo',
    format: choiceFlag(command, 'format', { now: FORMATS }) ?? 'BGRA',
    wire: choiceFlag(command, 'wire', { now: WIRES }) ?? wire,
  };
}
