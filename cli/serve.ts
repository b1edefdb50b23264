import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { createSecureContext } from 'node:tls';
import { KvmfrError } from '../protocol/error.ts';
import type { AssumedWire } from '../protocol/lgmp/detect.ts';
import type { ClipboardPolicy } from '../protocol/wire/index.ts';
import {
  createViewer,
  type Listening,
  listen,
  SpiceSource,
  type Viewer,
  type ViewerOptions,
} from '../viewer/relay/index.ts';
import { CPU_FLAG } from './cpu.ts';
import {
  clipboardPolicy,
  type Hands,
  type HandsOptions,
  handsOptions,
  openHands,
} from './hands.ts';
import { unreadable } from './reasons.ts';
import { cookieKey, readSecrets, type Secrets } from './secrets.ts';
import {
  addressFlag,
  choiceFlag,
  type FlagSpecs,
  grouped,
  numberFlag,
  type ParsedCommand,
  usageError,
} from './spec.ts';
import { stateFolder } from './state-folder.ts';
import { aborted, print, say } from './terminal.ts';
import type { Pem } from './tls/certificate.ts';
import { type OwnCertificate, ownCertificate } from './tls/own-certificate.ts';
import { packageVersion } from './version.ts';

/** Where `view` and `demo` listen when nothing is said. */
const DEFAULT_ADDRESS = { host: '127.0.0.1', port: 8400 };
/** How often it is looked whether our own certificate is about to end. */
const RENEWAL_CHECK_MS = 12 * 60 * 60_000;

/** Flags of every command that relays to browsers. */
export const SERVE_FLAGS: FlagSpecs = {
  ...grouped('Region', {
    'max-fps': { value: 'N', help: 'take at most N frames a second' },
    ...CPU_FLAG,
  }),
  ...grouped('Listening', {
    listen: {
      value: 'HOST:PORT',
      help: 'where browsers connect (default 127.0.0.1:8400; port 0: any free)',
    },
    'tls-cert': {
      value: 'FILE',
      help: 'certificate chain (PEM); off loopback one is made where none is given',
    },
    'tls-key': { value: 'FILE', help: 'its key (PEM)' },
    'allow-origin': {
      value: 'ORIGIN',
      help: 'let pages of this origin connect; may be repeated',
      multiple: true,
    },
  }),
  ...grouped('Access', {
    token: {
      value: 'TOKEN',
      help: 'the secret in the address (default: random; KVMFR_TOKEN works too)',
    },
  }),
  ...grouped('Video', {
    encode: {
      value: 'HOW',
      help: 'auto, lossless, video or jpeg (auto: exact at rest, video in motion)',
    },
    bitrate: { value: 'KBITS', help: 'most kilobits a second of video (default: by the size)' },
  }),
};

/** Flags of commands that go on serving, besides {@link SERVE_FLAGS}. */
export const DOOR_FLAGS: FlagSpecs = {
  ...grouped('Listening', {
    'trust-proxy': { help: 'believe X-Forwarded-For of a proxy on this machine' },
  }),
  ...grouped('Access', {
    'token-file': { value: 'FILE', help: 'the token is a line in FILE' },
    'view-token-file': { value: 'FILE', help: 'so is the token of who may only look' },
    'password-file': {
      value: 'FILE',
      help: 'people sign in: a password, or what kvmfr password prints',
    },
    'view-only': { help: 'nobody can act on the guest, all can only look' },
  }),
};

/** What a relay was told on the command line. */
export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: Pem | undefined;
  /** The certificate in `tls` when it is our own. */
  readonly ownCertificate: OwnCertificate | undefined;
  readonly secrets: Secrets;
  readonly viewOnly: boolean;
  readonly hands: HandsOptions | undefined;
  readonly clipboard: ClipboardPolicy | 'off';
  readonly trustProxy: boolean;
  readonly allowOrigins: readonly string[];
  readonly encode: 'auto' | 'lossless' | 'video' | 'jpeg';
  readonly bitrateKbits: number | undefined;
  readonly maxFps: number | undefined;
}

/** Reads the flags of a relay. @throws ERR_KVMFR_USAGE, ERR_KVMFR_UNSUPPORTED */
export function serveOptions(command: ParsedCommand): ServeOptions {
  const { host, port } = addressFlag(command, 'listen') ?? DEFAULT_ADDRESS;
  const allowOrigins = command.texts('allow-origin');
  for (const origin of allowOrigins)
    if (!/^https?:\/\/[a-z0-9.:[\]_-]+$/i.test(origin))
      throw usageError(
        `--allow-origin takes an origin like https://console.example:443, not ${origin}`,
      );
  const given = {
    host,
    port,
    allowOrigins,
    viewOnly: command.has('view-only'),
    trustProxy: command.has('trust-proxy'),
    encode: choiceFlag(command, 'encode', { now: ['auto', 'lossless', 'video', 'jpeg'] }) ?? 'auto',
    bitrateKbits: numberFlag(command, 'bitrate', { min: 100, max: 1_000_000 }),
    maxFps: numberFlag(command, 'max-fps', { min: 1, max: 1000 }),
  };
  const files = tlsFiles(command);
  const secrets = readSecrets(command);
  const hands = handsOptions(command, secrets.spicePassword);
  const clipboard = clipboardPolicy(command);
  // Last, because it may write: not for a command line that is refused.
  const own = files === undefined && !isLoopback(host) ? ownCertificate(host) : undefined;
  return { ...given, secrets, hands, clipboard, tls: files ?? own, ownCertificate: own };
}

function tlsFiles(command: ParsedCommand): Pem | undefined {
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
    throw unreadable(flag, path, cause);
  }
}

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

/** A region that is to be read; without one the guest is shown by SPICE alone. */
export interface ServeSource {
  readonly path?: string;
  readonly assume?: AssumedWire | undefined;
}

/** Makes the relay of a region, or of a SPICE server's screen. */
export function openRelay(
  source: ServeSource,
  options: ServeOptions,
  log: (line: string) => void,
  hands?: Hands,
): Viewer {
  const { token, viewToken, password } = options.secrets;
  // A token that is made up has no cookies from before.
  const key = token === undefined && viewToken === undefined ? undefined : cookieKey();
  return createViewer({
    ...screenOf(source, hands, options.viewOnly),
    assume: source.assume,
    encode: options.encode,
    allowOrigins: options.allowOrigins,
    trustProxy: options.trustProxy,
    version: packageVersion(),
    log,
    input: options.viewOnly ? undefined : hands?.input,
    sound: hands?.sound,
    microphone: options.viewOnly ? undefined : hands?.microphone,
    ...(options.viewOnly || hands?.clipboard === undefined
      ? {}
      : { clipboard: { guest: hands.clipboard, policy: options.clipboard } }),
    ...(options.viewOnly ? { viewOnly: true } : {}),
    ...(token === undefined ? {} : { token }),
    ...(viewToken === undefined ? {} : { viewToken }),
    ...(password === undefined ? {} : { password }),
    ...(key === undefined ? {} : { cookieKey: key }),
    ...(options.maxFps === undefined ? {} : { maxFps: options.maxFps }),
    ...(options.bitrateKbits === undefined ? {} : { bitrateKbits: options.bitrateKbits }),
  });
}

/** Not for those who only look: but for the boot screen by SPICE. */
function handsOf({ path, assume }: ServeSource, options: ServeOptions): Hands | undefined {
  const { hands, viewOnly } = options;
  if (viewOnly && hands?.kind !== 'spice') return undefined;
  const used = viewOnly && hands?.kind === 'spice' ? { ...hands, qmp: undefined } : hands;
  const clipboard = options.clipboard !== 'off';
  return openHands(used, path === undefined ? undefined : { path, assume, clipboard });
}

/** What is shown: the region, and by SPICE what there is to see while nothing comes by it. */
function screenOf(
  { path }: ServeSource,
  hands: Hands | undefined,
  onlyLooks: boolean,
): Pick<ViewerOptions, 'source' | 'bootScreen'> {
  const spice =
    hands?.spice === undefined ? undefined : new SpiceSource(hands.spice, { onlyLooks });
  if (path !== undefined) return { source: path, bootScreen: spice };
  if (spice !== undefined) return { source: spice };
  throw usageError('there is nothing to show: give REGION or --spice');
}

/** Lets browsers in where it was said. @throws ERR_KVMFR_LISTEN */
export async function openDoor(viewer: Viewer, options: ServeOptions): Promise<Listening> {
  const { host, port, tls, ownCertificate: own } = options;
  const door = await listen(viewer, { host, port, ...(tls === undefined ? {} : { tls }) });
  if (own === undefined) return door;
  let { fingerprint } = own;
  const renewing = setInterval(() => {
    const found = ownCertificate(host);
    if (found.fingerprint === fingerprint) return;
    door.renew(found);
    fingerprint = found.fingerprint;
    say(`  the certificate was about to end. SHA-256 of the new one: ${fingerprint}`);
  }, RENEWAL_CHECK_MS).unref();
  const close = async (): Promise<void> => {
    clearInterval(renewing);
    await door.close();
  };
  return { ...door, close, [Symbol.asyncDispose]: close };
}

/** The address that a person opens: with the token, unless it was told in a way that keeps it unseen. */
export function addressOf(door: Listening, viewer: Viewer, options: ServeOptions): string {
  const url = new URL(door.url);
  // No browser on another machine gets anywhere by the address that stands for all of them.
  if (options.host === '0.0.0.0' || options.host === '::') url.hostname = hostname();
  if (options.secrets.tokenShown && viewer.token !== undefined)
    url.searchParams.set('token', viewer.token);
  return url.href;
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
  await using hands = handsOf(source, options);
  await using viewer = openRelay(source, options, (line) => say(`  ${line}`), hands);
  const door = await openDoor(viewer, options);
  try {
    say(`kvmfr ${packageVersion()}: ${context.title}`);
    for (const line of doorLines(viewer, options)) say(line);
    print(addressOf(door, viewer, options));
    if (!options.viewOnly) hands?.tell(viewer.reader);
    const telling = tellStates(viewer.reader, context.signal);
    await aborted(context.signal);
    await telling;
  } finally {
    // The relay first: it tells its viewers goodbye over the door's sockets.
    await viewer.close();
    await door.close();
  }
}

/** What a person should know before the address. */
function doorLines(viewer: Viewer, options: ServeOptions): readonly string[] {
  const { ownCertificate: own, secrets } = options;
  const lines = secrets.warnings.map((warning) => `  warning: ${warning}`);
  if (own !== undefined) {
    lines.push(
      `  The certificate is this machine's own, and a browser asks once whether it may be trusted.`,
    );
    lines.push(`  SHA-256 ${own.fingerprint}`);
    if (!own.kept)
      lines.push(
        `  warning: it cannot be kept in ${stateFolder()}, and is another one at each start`,
      );
  }
  if (options.viewOnly && options.hands !== undefined)
    lines.push(
      options.hands.kind === 'qmp'
        ? '  With --view-only nobody acts on the guest, and --qmp is not used.'
        : '  With --view-only nobody acts on the guest, and --spice brings its boot screen and sound only.',
    );
  if (viewer.takesPassword) lines.push('  People sign in with the password.');
  else if (!secrets.tokenShown) lines.push('  The token that was given has to be added: ?token=…');
  lines.push('Open this address in a browser (Ctrl+C ends it):');
  return lines;
}

async function tellStates(reader: Viewer['reader'], signal: AbortSignal): Promise<void> {
  let told = '';
  for await (const state of reader.states({ signal })) {
    const line = `  ${state.name}: ${state.message}`;
    if (line !== told) say(line);
    told = line;
    if (state.hint !== undefined && state.name !== 'stale') say(`    ${state.hint}`);
  }
}
