import type { EncodingObstacle, SoundStats, ViewPicture, ViewStats, ViewStatus } from '../index.ts';
import { sourceText } from './source-chip.ts';

/** A line of the guest's particulars: what it is, and the value as plain text. */
export type Particular = readonly [name: string, value: string];

/** What is known about the guest, in the order in which people ask. */
export function guestParticulars(
  status: ViewStatus,
  picture: ViewPicture | undefined,
): readonly Particular[] {
  const lines: Particular[] = [];
  const { session, source, hint } = status;
  if (source === 'spice') lines.push(['Shown', joined(sourceText(status), hint)]);
  if (session !== undefined) {
    const versions = `LGMP ${session.lgmpVersion}, KVMFR ${session.kvmfrVersion}`;
    if (session.os !== undefined && session.os !== '') lines.push(['System', session.os]);
    lines.push(['Looking Glass', hostVersion(session.release, session.hostVersion)]);
    lines.push(['Protocol', versions]);
    if (session.capture !== undefined && session.capture !== '')
      lines.push(['Capture', session.capture]);
    if (session.cpu !== undefined && session.cpu !== '') lines.push(['Processor', session.cpu]);
  }
  if (picture !== undefined) lines.push(['Screen', screenSize(picture)]);
  return lines.filter(([, value]) => value !== '');
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join('. ');
}

function hostVersion(release: string, version: string): string {
  // The host's own version mostly begins with the name of its release.
  if (version.startsWith(release)) return version;
  return [release, version].filter((text) => text !== '').join(' · ');
}

function screenSize(picture: ViewPicture): string {
  const frame = `${picture.widthPx} × ${picture.heightPx}`;
  const scaled =
    picture.screenWidthPx !== picture.widthPx || picture.screenHeightPx !== picture.heightPx;
  return scaled ? `${frame}, from ${picture.screenWidthPx} × ${picture.screenHeightPx}` : frame;
}

/** The statistics line. */
export function statsLine(stats: ViewStats, picture: ViewPicture | undefined): string {
  const parts = [`${stats.fps.toFixed(0)} fps`, `${megabits(stats.mbitPerS)} Mbit/s`];
  if (picture !== undefined) parts.push(`${picture.widthPx} × ${picture.heightPx}`);
  return parts.join('  ·  ');
}

const WAYS = { lossless: 'lossless tiles', jpeg: 'JPEG', video: 'video' } as const;
const CODECS = { h264: 'H.264', vp8: 'VP8' } as const;

/** How the picture travels, who decodes it, and what was passed over. */
export function encodingLine(
  stats: ViewStats,
  obstacle: EncodingObstacle | undefined,
  source?: ViewStatus['source'],
): string {
  const { encodings, video, dropped } = stats;
  const ways = encodings.map((encoding) =>
    encoding === 'video' && video !== undefined ? CODECS[video.codec] : WAYS[encoding],
  );
  const parts = [ways.length === 0 ? 'Nothing has been sent yet' : ways.join(' and ')];
  if (encodings.includes('video') && video !== undefined) {
    const drawn = video.drawnBy === 'track' ? 'on its own layer' : 'on the canvas';
    parts.push(`WebCodecs, ${drawn}`);
  }
  if (source === 'spice') parts.push('by SPICE');
  if (dropped > 0) parts.push(`${dropped} dropped`);
  if (obstacle === 'insecure') parts.push('no video over plain http');
  return capital(parts.join('  ·  '));
}

/** How old the guest's sound is when it is heard, and what went wrong with it. */
export function soundLine(sound: SoundStats | undefined): string {
  if (sound === undefined) return '';
  const { codec, latencyMs, behindPictureMs, bufferMs, underruns, concealed, skipped } = sound;
  const parts = [`Sound: ${codec === 'opus' ? 'Opus' : 'PCM'}`];
  if (latencyMs !== undefined)
    parts.push(`${latencyMs.toFixed(0)} ms old, ${bufferMs.toFixed(0)} of them kept`);
  if (behindPictureMs !== undefined) {
    const apart = Math.abs(behindPictureMs).toFixed(0);
    parts.push(`${apart} ms ${behindPictureMs < 0 ? 'before' : 'behind'} the picture`);
  }
  if (underruns > 0) parts.push(`ran out ${underruns} ×`);
  const lost = concealed + skipped;
  if (lost > 0) parts.push(`${lost} lost`);
  return parts.join('  ·  ');
}

/** Why an encoding cannot be chosen, and what to do about it. */
export function obstacleText(obstacle: EncodingObstacle): string {
  switch (obstacle) {
    case 'insecure':
      return 'Browsers decode video only on pages that came safely. Open this page over https, or through an SSH tunnel as http://localhost.';
    case 'no-decoder':
      return 'This browser has no video decoder for pages (WebCodecs). A newer one, or another, may have it.';
    case 'no-codec':
      return 'This browser decodes none of the codecs that the relay has.';
    case 'not-offered':
      return 'The relay does not offer it.';
  }
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function megabits(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** A file name for a snapshot: `kvmfr-2026-03-09-140507.png`, by the clock on the wall. */
export function snapshotName(time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join('');
  return `kvmfr-${day}-${clock}.png`;
}
