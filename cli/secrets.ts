import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unreadable } from './reasons.ts';
import { type ParsedCommand, usageError } from './spec.ts';
import { isOpenToOthers, keepSecret, readSecret } from './state-folder.ts';

/** The secrets that a relay was given, and where from. */
export interface Secrets {
  readonly token: string | undefined;
  readonly viewToken: string | undefined;
  readonly password: string | undefined;
  /** What the guest's SPICE server asks for. */
  readonly spicePassword: string | undefined;
  /** Whether the token is one that may be printed: made up here, or typed in this terminal. */
  readonly tokenShown: boolean;
  /** What a person should know of the files they lie in. */
  readonly warnings: readonly string[];
}

const TOKEN = /^[\w.~-]{8,200}$/;
const TOKEN_RULE = '8 to 200 letters, digits, and . _ ~ -';
const MAX_SECRET_FILE_BYTES = 4096;
const COOKIE_KEY_FILE = 'cookie-key';
const COOKIE_KEY_BYTES = 32;

/**
 * Reads the secrets that the flags, the environment and files tell, and takes out of sight what can
 * be taken: arguments from `ps`, variables from the environment of processes that we start.
 *
 * @throws ERR_KVMFR_USAGE; never with the secret in its message
 */
export function readSecrets(command: ParsedCommand): Secrets {
  const warnings: string[] = [];
  const inFlag = command.text('token');
  // The arguments of a process are for all users to see; the title takes their place.
  if (inFlag !== undefined) process.title = 'kvmfr';
  const inFile = fromFile(command, 'token-file', warnings);
  const inVariable = takeVariable('KVMFR_TOKEN');
  const token =
    checkedToken(inFlag, '--token') ??
    checkedToken(inFile, '--token-file') ??
    checkedToken(inVariable, 'KVMFR_TOKEN');
  const viewToken =
    checkedToken(fromFile(command, 'view-token-file', warnings), '--view-token-file') ??
    checkedToken(takeVariable('KVMFR_VIEW_TOKEN'), 'KVMFR_VIEW_TOKEN');
  if (inFlag !== undefined && inFile !== undefined)
    throw usageError('--token and --token-file tell the same: give one of them');
  if (viewToken !== undefined && viewToken === token)
    throw usageError('the token of those who may only look must be another one');
  const password = fromFile(command, 'password-file', warnings);
  const spiceVariable = takeVariable('KVMFR_SPICE_PASSWORD');
  const spicePassword = fromFile(command, 'spice-password-file', warnings) ?? spiceVariable;
  return {
    token,
    viewToken,
    password,
    spicePassword,
    tokenShown: inFlag !== undefined || (token === undefined && password === undefined),
    warnings,
  };
}

/**
 * The key that cookies are made with, from the state folder: with it, browsers are still let in
 * after a restart. Undefined where nothing can be kept.
 */
export function cookieKey(): Uint8Array | undefined {
  const known = readSecret(COOKIE_KEY_FILE);
  if (known?.byteLength === COOKIE_KEY_BYTES) return known;
  const made = randomBytes(COOKIE_KEY_BYTES);
  return keepSecret(COOKIE_KEY_FILE, made) ? made : undefined;
}

function checkedToken(token: string | undefined, where: string): string | undefined {
  if (token !== undefined && !TOKEN.test(token)) throw usageError(`${where} takes ${TOKEN_RULE}`);
  return token;
}

function takeVariable(name: string): string | undefined {
  const value = process.env[name];
  delete process.env[name];
  return value;
}

/** The first line of a file that a flag names. */
function fromFile(command: ParsedCommand, flag: string, warnings: string[]): string | undefined {
  const path = command.text(flag);
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if (isOpenToOthers(path))
      warnings.push(`others can read ${path}, and what is in it: chmod 600 ${path}`);
  } catch (cause) {
    throw unreadable(flag, path, cause);
  }
  const line = text.split(/\r?\n/)[0] ?? '';
  if (line === '' || Buffer.byteLength(text) > MAX_SECRET_FILE_BYTES)
    throw usageError(`--${flag} ${path} must have one line with the secret, and nothing else`);
  return line;
}
