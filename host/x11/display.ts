import { KvmfrError } from '../../protocol/index.ts';

/** An X server, as `DISPLAY` names it. */
export interface DisplayName {
  /** As it was given. */
  readonly text: string;
  /** The machine it is on; undefined for this one, by a socket of the file system. */
  readonly host: string | undefined;
  readonly display: number;
  readonly screen: number;
}

const FIRST_PORT = 6000;
const MAX_DISPLAY = 65535 - FIRST_PORT;

/**
 * Reads the name of an X server: `:0`, `:99.1`, `unix:0` or `host:0`.
 *
 * @throws ERR_KVMFR_USAGE
 */
export function parseDisplay(text: string): DisplayName {
  const match = /^([^:/\s]*):(\d{1,5})(?:\.(\d{1,3}))?$/.exec(text);
  const display = Number(match?.[2]);
  if (match === null || display > MAX_DISPLAY)
    throw new KvmfrError(
      'ERR_KVMFR_USAGE',
      `a display must be :N, as in :0, but is ${JSON.stringify(text)}`,
    );
  const host = match[1] === '' || match[1] === 'unix' ? undefined : match[1];
  return { text, host, display, screen: Number(match[3] ?? 0) };
}

/** Where an X server listens: places to try, best first. */
export function addressesOf(
  name: DisplayName,
): readonly ({ readonly path: string } | { readonly host: string; readonly port: number })[] {
  if (name.host !== undefined) return [{ host: name.host, port: FIRST_PORT + name.display }];
  const path = `/tmp/.X11-unix/X${name.display}`;
  // Where /tmp is not the server's, the name without a file is left.
  return [{ path }, { path: `\0${path}` }];
}
