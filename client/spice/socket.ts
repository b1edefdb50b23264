import { createHash, X509Certificate } from 'node:crypto';
import { connect as connectNet, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { KvmfrError } from '../../protocol/error.ts';
import { addressText, type SpiceAddress } from './address.ts';
import { KEEP_ALIVE_MS } from './wire/limits.ts';

/** How the server proves itself on a TLS port. With neither field the system's authorities count. */
export interface SpiceTls {
  /** Certificates of the authority that signed the server's, or its own, in PEM. */
  readonly ca?: string;
  /** SHA-256 of the server's certificate in hex, colons allowed; no authority is needed then. */
  readonly fingerprint?: string;
  /** The name in the certificate, where it is not the address's. */
  readonly serverName?: string;
}

/** Who takes what a socket gives. */
export interface SocketSink {
  connected(): void;
  /** The bytes from 0 to `size`: overwritten when it returns. */
  received(bytes: Buffer, size: number): void;
  /** Called once, whatever the reason; nothing comes afterwards. */
  closed(reason: KvmfrError | undefined): void;
}

/** What the system's names for a server that is not there mean. */
const ABSENCES: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nobody listens there'],
  ['ENOENT', 'there is no such socket'],
  ['ENOTFOUND', 'there is no such name'],
]);
/** Names of Node's errors for a certificate that is not trusted. */
const TLS_REFUSALS = /CERT|SIGNATURE|ISSUER|ALTNAME|CRL/;
/** Bytes of the one buffer that a plain socket reads into. */
const READ_BYTES = 1 << 16;

/** A connected stream to a SPICE server; plain ones read into one buffer, again and again. */
export class SpiceSocket {
  readonly #socket: Socket;
  readonly #where: string;
  readonly #sink: SocketSink;
  #reason: KvmfrError | undefined;
  #closed = false;

  constructor(address: SpiceAddress, tls: SpiceTls | undefined, sink: SocketSink) {
    this.#where = addressText(address);
    this.#sink = sink;
    this.#socket = tls === undefined ? this.#plain(address) : this.#secure(address, tls);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason ??= this.#asKvmfrError(error);
    });
    this.#socket.on('close', () => {
      if (this.#closed) return;
      this.#closed = true;
      sink.closed(this.#reason);
    });
  }

  /** Bytes that were sent and that the system has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Sends bytes that nobody changes any more. */
  send(bytes: Uint8Array): void {
    if (!this.#closed) this.#socket.write(bytes);
  }

  /** Ends it at once; the sink hears no more. */
  destroy(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  /** Sends what waits, then ends it; the sink hears no more. Resolves when it is gone. */
  async finish(limitMs: number): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#closed = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), limitMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.end(() => this.#socket.destroy());
    });
  }

  #plain(address: SpiceAddress): Socket {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const onread = {
      buffer,
      callback: (size: number): boolean => {
        if (!this.#closed) this.#sink.received(buffer, size);
        return true;
      },
    };
    const place =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
    return connectNet({ ...place, onread }).once('connect', () => this.#connected());
  }

  #secure(address: SpiceAddress, tls: SpiceTls): TLSSocket {
    const place =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
    const socket = connectTls({
      ...place,
      ...(tls.ca === undefined ? {} : { ca: tls.ca, checkServerIdentity: ownOrNamed(tls.ca) }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
      // With a fingerprint the certificate itself is what is trusted, whoever signed it.
      rejectUnauthorized: tls.fingerprint === undefined,
    });
    socket.once('secureConnect', () => {
      const wrong =
        tls.fingerprint === undefined ? undefined : this.#otherKey(socket, tls.fingerprint);
      if (wrong === undefined) return this.#connected();
      socket.destroy(wrong);
    });
    socket.on('data', (bytes: Buffer) => {
      if (!this.#closed) this.#sink.received(bytes, bytes.length);
    });
    return socket;
  }

  #connected(): void {
    if (!this.#closed) this.#sink.connected();
  }

  #otherKey(socket: TLSSocket, fingerprint: string): KvmfrError | undefined {
    const wanted = fingerprint.replaceAll(':', '').toLowerCase();
    const found = createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex');
    if (found === wanted) return undefined;
    return new KvmfrError(
      'ERR_KVMFR_DENIED',
      `the certificate of the SPICE server at ${this.#where} must have SHA-256 ${wanted}, but has ${found}`,
      { hint: 'see whether it is the right server, then give the fingerprint that it has' },
    );
  }

  #asKvmfrError(error: NodeJS.ErrnoException): KvmfrError {
    if (KvmfrError.is(error)) return error;
    const code = error.code ?? error.name;
    const details = {
      cause: error,
      errno: code,
      ...(error.syscall === undefined ? {} : { syscall: error.syscall }),
    };
    const why = ABSENCES.get(code) ?? error.message;
    const message = `a SPICE server must answer at ${this.#where}, but ${why}`;
    if (code === 'ENOENT' || code === 'ECONNREFUSED')
      return new KvmfrError('ERR_KVMFR_ABSENT', message, {
        ...details,
        hint: 'start the virtual machine with -spice, and see whether the address is the same',
      });
    if (code === 'EACCES' || code === 'EPERM')
      return new KvmfrError('ERR_KVMFR_DENIED', message, {
        ...details,
        hint: 'give this user access to the socket',
      });
    if (TLS_REFUSALS.test(code))
      return new KvmfrError('ERR_KVMFR_DENIED', message, {
        ...details,
        hint: 'give the certificate of its authority, or its own',
      });
    return new KvmfrError('ERR_KVMFR_SYSCALL', message, details);
  }
}

/** A certificate that was given as it is needs no name in it: it is known who it is. */
function ownOrNamed(ca: string): (host: string, found: PeerCertificate) => Error | undefined {
  return (host, found) => {
    let given: X509Certificate | undefined;
    try {
      given = new X509Certificate(ca);
    } catch {
      // It is told as what it is where it is used.
    }
    if (given?.raw.equals(found.raw) === true) return undefined;
    return checkServerIdentity(host, found);
  };
}
