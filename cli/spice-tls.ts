import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SpiceTls } from '../client/spice/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { unreadable } from './reasons.ts';
import type { FlagSpec, ParsedCommand } from './spec.ts';

/** Flags by which a SPICE server is reached by TLS. */
export const SPICE_TLS_FLAGS: { readonly [flag: string]: FlagSpec } = {
  'spice-tls': { help: 'the address is that of the TLS port', toldBeside: 'spice' },
  'spice-ca': {
    value: 'FILE',
    help: "certificates that signed the SPICE server's, or its own (PEM)",
    toldBeside: 'spice',
  },
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
