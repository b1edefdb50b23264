// Source: ITU-T H.264, table A-1 (limits of levels), 7.3.2.1.1 (sequence parameter set), annex B.

/** Levels as a codec string writes them: the most macroblocks of a picture, and of a second. */
const LEVELS: readonly (readonly [level: number, perPicture: number, perSecond: number])[] = [
  [30, 1620, 40_500],
  [31, 3600, 108_000],
  [32, 5120, 216_000],
  [40, 8192, 245_760],
  [42, 8704, 522_240],
  [50, 22_080, 589_824],
  [51, 36_864, 983_040],
  [52, 36_864, 2_073_600],
];
const HIGHEST_LEVEL = 62;
/** Level 5.2, the highest that software encoders take: 4096 x 2304 for example. */
const MAX_MACROBLOCKS = 36_864;
const SEQUENCE_PARAMETER_SET = 7;

/** Whether a picture is not too large for what encodes and decodes H.264. */
export function h264Fits(width: number, height: number): boolean {
  return macroblocksOf(width, height) <= MAX_MACROBLOCKS;
}

/** Constrained baseline (no reordering) in the lowest level that the size and rate fit. */
export function h264CodecString(video: {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}): string {
  const macroblocks = macroblocksOf(video.width, video.height);
  const rate = macroblocks * video.framesPerSecond;
  const fit = LEVELS.find(([, most, perSecond]) => macroblocks <= most && rate <= perSecond);
  return `avc1.42E0${(fit?.[0] ?? HIGHEST_LEVEL).toString(16).toUpperCase()}`;
}

/**
 * The codec string that an H.264 stream says of itself: profile, constraints and level of its first
 * sequence parameter set; undefined when there is none before the first picture.
 *
 * @param stream bytes in Annex B
 */
export function codecStringOf(stream: Uint8Array): string | undefined {
  for (let at = 0; at + 6 < stream.length; at++) {
    if (stream[at] !== 0 || stream[at + 1] !== 0 || stream[at + 2] !== 1) continue;
    const type = (stream[at + 3] ?? 0) & 0x1f;
    if (type === SEQUENCE_PARAMETER_SET) {
      const numbers = stream.subarray(at + 4, at + 7);
      return `avc1.${Buffer.from(numbers).toString('hex').toUpperCase()}`;
    }
    if (type >= 1 && type <= 5) return undefined;
  }
  return undefined;
}

function macroblocksOf(width: number, height: number): number {
  return Math.ceil(width / 16) * Math.ceil(height / 16);
}
