import type { ViewPicture, ViewStats, ViewStatus } from '../index.ts';

/** A line of the guest's particulars: what it is, and the value as plain text. */
export type Particular = readonly [name: string, value: string];

/** What is known about the guest, in the order in which people ask. */
export function guestParticulars(
  status: ViewStatus,
  picture: ViewPicture | undefined,
): readonly Particular[] {
  const lines: Particular[] = [];
  const { session } = status;
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
  parts.push(`decode ${stats.decodeMs.toFixed(1)} ms`);
  return parts.join('  ·  ');
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
