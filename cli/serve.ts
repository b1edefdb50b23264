import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { KvmfrError } from '../protocol/error.ts';
import type { AssumedWire } from '../protocol/lgmp/detect.ts';
import { createViewer, type Listening, listen, type Viewer } from '../viewer/relay/index.ts';
import {
  addressFlag,
  choiceFlag,
  type FlagSpec,
  numberFlag,
  type ParsedCommand,
  usageError,
} from './spec.ts';
import { aborted, print, say } from './terminal.ts';
import { packageVersion } from './version.ts';

/** Where `view` and `demo` listen when nothing is said. */
const DEFAULT_ADDRESS = { host: '127.0.0.1', port: 8400 };

/** Flags of every command that relays to browsers. */
export const SERVE_FLAGS: { readonly [flag: string]: FlagSpec } = {
  listen: {
    value: 'HOST:PORT',
    help: 'where browsers connect (default 127.0.0.1:8400; port 0: any free)',
  },
  token: {
    value: 'TOKEN',
    help: 'the secret in the address (default: random; KVMFR_TOKEN works too)',
  },
  'allow-origin': {
    value: 'ORIGIN',
    help: 'let pages of this origin connect; may be repeated',
    multiple: true,
  },
  encode: {
    value: 'HOW',
    help: 'auto, lossless, video or jpeg (auto: exact at rest, video in motion)',
  },
  bitrate: { value: 'KBITS', help: 'most kilobits a second of video (default: by the size)' },
  'tls-cert': { value: 'FILE', help: 'certificate chain (PEM): serves https; needed off loopback' },
  'tls-key': { value: 'FILE', help: 'its key (PEM)' },
  'max-fps': { value: 'N', help: 'take at most N frames a second from the guest' },
};

/** Flags of `view` that later versions have. */
export const SERVE_LATER: { readonly [flag: string]: string } = {
  'password-file': 'viewers are let in by token only',
  'view-only': 'every viewer can only look',
  spice: 'there is no input, clipboard or sound yet',
};

/** What a relay was told on the command line. */
export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly token: string | undefined;
  readonly allowOrigins: readonly string[];
  readonly encode: 'auto' | 'lossless' | 'video' | 'jpeg';
  readonly bitrateKbits: number | undefined;
  readonly maxFps: number | undefined;
}

/** Reads the flags of a relay. @throws ERR_KVMFR_USAGE, ERR_KVMFR_UNSUPPORTED */
export function serveOptions(command: ParsedCommand): ServeOptions {
  const { host, port } = addressFlag(command, 'listen') ?? DEFAULT_ADDRESS;
  const tls = tlsFiles(command);
  if (tls === undefined && !isLoopback(host))
    throw usageError(
      `--listen ${host}:${port} is open to the network: give --tls-cert and --tls-key, or listen on 127.0.0.1 and come through ssh -L 8400:127.0.0.1:8400`,
    );
  const token = command.text('token') ?? process.env['KVMFR_TOKEN'];
  if (token !== undefined && !/^[\w.~-]{8,200}$/.test(token))
    throw usageError('--token takes 8 to 200 letters, digits, and . _ ~ -');
  const allowOrigins = command.texts('allow-origin');
  for (const origin of allowOrigins)
    if (!/^https?:\/\/[a-z0-9.:[\]_-]+$/i.test(origin))
      throw usageError(
        `--allow-origin takes an origin like https://console.example:443, not ${origin}`,
      );
  return {
    host,
    port,
    tls,
    token,
    allowOrigins,
    encode: choiceFlag(command, 'encode', { now: ['auto', 'lossless', 'video', 'jpeg'] }) ?? 'auto',
    bitrateKbits: numberFlag(command, 'bitrate', { min: 100, max: 1_000_000 }),
    maxFps: numberFlag(command, 'max-fps', { min: 1, max: 1000 }),
  };
}

function tlsFiles(
  command: ParsedCommand,
): { readonly cert: string; readonly key: string } | undefined {
  const cert = command.text('tls-cert');
  const key = command.text('tls-key');
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw usageError('--tls-cert and --tls-key go together');
  const files = { cert: readText('tls-cert', cert), key: readText('tls-key', key) };
  try {
    createSecureContext(files);
  } catch (cause) {
    throw new KvmfrError(
      'ERR_KVMFR_USAGE',
      `--tls-cert ${cert} and --tls-key ${key} must be a certificate and its key as PEM: ${cause instanceof Error ? cause.message : 'they are not'}`,
      { cause },
    );
  }
  return files;
}

function readText(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KvmfrError('ERR_KVMFR_USAGE', `--${flag} ${path} cannot be read`, { cause, path });
  }
}

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/** A region that is to be read. */
export interface ServeSource {
  readonly path: string;
  readonly assume?: AssumedWire | undefined;
}

/** Makes the relay of a region. */
export function openRelay(
  source: ServeSource,
  options: ServeOptions,
  log: (line: string) => void,
): Viewer {
  return createViewer({
    source: source.path,
    assume: source.assume,
    encode: options.encode,
    allowOrigins: options.allowOrigins,
    version: packageVersion(),
    log,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.maxFps === undefined ? {} : { maxFps: options.maxFps }),
    ...(options.bitrateKbits === undefined ? {} : { bitrateKbits: options.bitrateKbits }),
  });
}

/** Lets browsers in where it was said. @throws ERR_KVMFR_LISTEN */
export async function openDoor(viewer: Viewer, options: ServeOptions): Promise<Listening> {
  const { host, port, tls } = options;
  return await listen(viewer, { host, port, ...(tls === undefined ? {} : { tls }) });
}

/**
 * Relays a region to browsers until the signal fires, and tells a person where and what happens.
 *
 * @throws ERR_KVMFR_LISTEN
 */
export async function serve(
  source: ServeSource,
  options: ServeOptions,
  context: { readonly signal: AbortSignal; readonly title: string },
): Promise<void> {
  await using viewer = openRelay(source, options, (line) => say(`  ${line}`));
  const door = await openDoor(viewer, options);
  try {
    say(`kvmfr ${packageVersion()}: ${context.title}`);
    say('Open this address in a browser (Ctrl+C ends it):');
    print(`${door.url}?token=${viewer.token}`);
    const telling = tellStates(viewer.reader, context.signal);
    await aborted(context.signal);
    await telling;
  } finally {
    // The relay first: it tells its viewers goodbye over the door's sockets.
    await viewer.close();
    await door.close();
  }
}

async function tellStates(reader: Viewer['reader'], signal: AbortSignal): Promise<void> {
  for await (const state of reader.states({ signal })) {
    say(`  ${state.name}: ${state.message}`);
    if (state.hint !== undefined && state.name !== 'stale') say(`    ${state.hint}`);
  }
}
