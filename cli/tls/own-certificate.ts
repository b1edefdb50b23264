import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { keepSecret, readSecret } from '../state-folder.ts';
import { makeCertificate, type Pem } from './certificate.ts';

/** The certificate that a relay uses when it is given none. */
export interface OwnCertificate extends Pem {
  /** SHA-256 over the certificate, as browsers show it. */
  readonly fingerprint: string;
  readonly notAfter: Date;
  /** Whether it is kept for the next start; when not, the fingerprint is another one then. */
  readonly kept: boolean;
}

const FILE = 'tls.pem';
const DAY_MS = 24 * 60 * 60_000;
/** Browsers take none that is good for longer than 398 days. */
const GOOD_DAYS = 397;
/** So long before its end it is made anew. */
const RENEW_DAYS = 30;
/** A machine has a handful of addresses; with containers, dozens. */
const MAX_NAMES = 64;
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i;

/** The certificate from the state folder, or a new one that is kept there. */
export function ownCertificate(host: string, nowMs: number = Date.now()): OwnCertificate {
  const known = readSecret(FILE)?.toString('latin1');
  const pem = known === undefined ? undefined : split(known);
  if (pem !== undefined && isGood(pem, host, nowMs)) return described(pem, true);
  const made = makeCertificate({
    names: namesOf(host),
    commonName: `kvmfr on ${hostname()}`,
    // A machine whose clock is a little behind shall not find it too young.
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + GOOD_DAYS * DAY_MS),
  });
  return described(made, keepSecret(FILE, made.cert + made.key));
}

function described(pem: Pem, kept: boolean): OwnCertificate {
  const { fingerprint256, validTo } = new X509Certificate(pem.cert);
  return { ...pem, fingerprint: fingerprint256, notAfter: new Date(validTo), kept };
}

function isGood(pem: Pem, host: string, nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(pem.cert);
    return (
      certificate.checkPrivateKey(createPrivateKey(pem.key)) &&
      Date.parse(certificate.validFrom) <= nowMs &&
      Date.parse(certificate.validTo) - nowMs > RENEW_DAYS * DAY_MS &&
      covers(certificate, host)
    );
  } catch {
    return false;
  }
}

/** On a wildcard the addresses may change with each network; a new certificate would help nobody then. */
function covers(certificate: X509Certificate, host: string): boolean {
  if (WILDCARDS.includes(host)) return true;
  const found = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  return found !== undefined;
}

/** All names under which this machine may be opened when it listens there. */
function namesOf(host: string): readonly string[] {
  const own = hostname();
  const listening = WILDCARDS.includes(host) ? interfaceAddresses() : [host];
  const names = ['localhost', own, `${own}.local`, '127.0.0.1', '::1', ...listening];
  const usable = names.filter((name) => isIP(name) !== 0 || DNS_NAME.test(name));
  return [...new Set(usable)].slice(0, MAX_NAMES);
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);
}

function split(text: string): Pem | undefined {
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0];
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0];
  return cert === undefined || key === undefined ? undefined : { cert, key };
}
