import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SpiceTls } from '../client/spice/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { unreadable } from './reasons.ts';
import type { FlagSpecs, ParsedCommand } from './spec.ts';

/** Flags by which a SPICE server is reached by TLS. */
export const SPICE_TLS_FLAGS: FlagSpecs = {
  'spice-tls': { help: 'the address is that of its TLS port' },
  'spice-ca': { value: 'FILE', help: "what signed the server's certificate, or that itself (PEM)" },
};

/** How the SPICE server proves itself; undefined where it need not. @throws ERR_KVMFR_USAGE */
export function spiceTls(command: ParsedCommand): SpiceTls | undefined {
  const path = command.text('spice-ca');
  if (path !== undefined) return { ca: readCertificates(path) };
  return command.has('spice-tls') ? {} : undefined;
}

function readCertificates(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw unreadable('spice-ca', path, cause);
  }
  try {
    new X509Certificate(text);
    return text;
  } catch (cause) {
    throw new KvmfrError(
      'ERR_KVMFR_USAGE',
      `--spice-ca ${path} must be certificates as PEM, but is none`,
      { cause, path },
    );
  }
}
