import { closeSync, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { KvmfrError, type KvmfrErrorDetails } from '../protocol/error.ts';
import type { LinuxAddon, NativeFdWatch } from './addon.ts';
import { errnoOf, errorName, systemError } from './failure.ts';
import {
  encodeIvshmem,
  IVSHMEM_MEMORY,
  IVSHMEM_VERSION,
  MAX_IVSHMEM_PEERS,
  MAX_IVSHMEM_VECTORS,
} from './ivshmem-message.ts';
import { linuxAddon } from './load.ts';

/** How {@link IvshmemServer} serves. */
export interface IvshmemServerOptions {
  /** Where peers connect. Made with mode 0600. */
  readonly socketPath: string;
  /** Size of the memory, a power of two; that of the file when there is one. Units: bytes. */
  readonly byteLength: number;
  /** A file for the memory; without one it has no name, and ends with its last user. */
  readonly file?: string | undefined;
  /** Interrupts of each peer; 1 when left out. */
  readonly vectors?: number;
  /** Most peers at a time; 16 when left out. Who comes then is sent away. */
  readonly maxPeers?: number;
  /** Is told who comes and goes. */
  readonly told?: (event: IvshmemEvent) => void;
}

/** What happens at an {@link IvshmemServer}. */
export interface IvshmemEvent {
  readonly kind: 'joined' | 'left' | 'refused';
  /** Number of the peer; of one that was refused there is none. */
  readonly id: number | undefined;
  readonly peers: number;
}

interface Peer {
  readonly id: number;
  readonly socket: number;
  readonly watch: NativeFdWatch;
  readonly events: readonly number[];
}

const MAX_PEERS = 16;
const BACKLOG = 16;
/** Connections that are taken in one turn of the event loop. */
const ACCEPTS_PER_TURN = 32;
const NOTHING = -1;

/**
 * An ivshmem-server: gives all peers the same memory, and each a doorbell to every other.
 *
 * Source: QEMU's docs/specs/ivshmem-spec, protocol version 0.
 *
 * Ownership: {@link close} ends every connection and removes the socket; who has the memory keeps it.
 */
export class IvshmemServer implements AsyncDisposable {
  readonly socketPath: string;
  /** Units: bytes. */
  readonly byteLength: number;
  readonly #addon: LinuxAddon;
  readonly #memory: number;
  readonly #socketFile: string;
  readonly #listener: number;
  readonly #watch: NativeFdWatch;
  readonly #vectors: number;
  readonly #maxPeers: number;
  readonly #told: (event: IvshmemEvent) => void;
  readonly #peers: Map<number, Peer> = new Map();
  /** A descriptor to give up when there are no others. */
  #spare: number;
  #closed = false;

  /**
   * Starts to serve.
   *
   * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_BUSY (somebody serves there), ERR_KVMFR_SIZE,
   *   ERR_KVMFR_ABSENT, ERR_KVMFR_DENIED, ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE
   */
  constructor(options: IvshmemServerOptions) {
    const { socketPath, vectors = 1, maxPeers = MAX_PEERS } = options;
    checkNumber('vectors', vectors, MAX_IVSHMEM_VECTORS);
    checkNumber('maxPeers', maxPeers, MAX_IVSHMEM_PEERS);
    this.#addon = linuxAddon();
    this.#vectors = vectors;
    this.#maxPeers = maxPeers;
    this.#told = options.told ?? (() => {});
    this.socketPath = socketPath;
    const { memory, byteLength } = openMemory(this.#addon, options);
    this.#memory = memory;
    this.byteLength = byteLength;
    try {
      this.#listener = listenAt(this.#addon, socketPath);
      this.#socketFile = identity(socketPath);
      this.#watch = this.#watchOf(this.#listener, () => this.#accept());
      this.#watch.keepAlive(true);
      this.#spare = this.#addon.createEvent();
    } catch (error) {
      closeSync(memory);
      throw error;
    }
  }

  /** Numbers of those who are connected. */
  get peers(): readonly number[] {
    return [...this.#peers.keys()];
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#watch.close();
    if (identity(this.socketPath) === this.#socketFile) removeQuietly(this.socketPath);
    for (const peer of this.#peers.values()) this.#release(peer);
    this.#peers.clear();
    closeSync(this.#memory);
    if (this.#spare >= 0) closeSync(this.#spare);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #watchOf(fd: number, readable: () => void): NativeFdWatch {
    const watch = new this.#addon.FdWatch(fd, readable);
    if (watch.errorNumber === 0) return watch;
    closeSync(fd);
    throw systemError(this.socketPath, 'epoll_ctl', watch.errorNumber);
  }

  #accept(): void {
    for (let i = 0; i < ACCEPTS_PER_TURN && !this.#closed; i++) {
      const socket = this.#addon.acceptFrom(this.#listener);
      // Nobody more, or one who has gone again.
      if (socket < 0 && !isFull(socket)) return;
      if (socket < 0) {
        this.#turnAway();
        return;
      }
      if (this.#peers.size >= this.#maxPeers) {
        closeSync(socket);
        this.#tell('refused', undefined);
      } else this.#join(socket);
    }
  }

  /** No file can be opened any more: who waits would have us called for ever. */
  #turnAway(): void {
    if (this.#spare >= 0) closeSync(this.#spare);
    const socket = this.#addon.acceptFrom(this.#listener);
    if (socket >= 0) closeSync(socket);
    this.#spare = this.#addon.createEvent();
    this.#tell('refused', undefined);
  }

  #join(socket: number): void {
    const id = this.#freeId();
    const events: number[] = [];
    while (events.length < this.#vectors) {
      const event = this.#addon.createEvent();
      if (event < 0) break;
      events.push(event);
    }
    if (events.length < this.#vectors) {
      for (const fd of [socket, ...events]) closeSync(fd);
      this.#tell('refused', undefined);
      return;
    }
    const watch = new this.#addon.FdWatch(socket, () => {
      const peer = this.#peers.get(id);
      if (peer !== undefined) this.#hear(peer);
    });
    if (watch.errorNumber !== 0) {
      for (const fd of [socket, ...events]) closeSync(fd);
      this.#tell('refused', undefined);
      return;
    }
    const peer = { id, socket, watch, events };
    const others = [...this.#peers.values()];
    this.#peers.set(id, peer);
    this.#tell('joined', id);
    if (!this.#greet(peer, others)) {
      this.#leave(peer);
      return;
    }
    for (const other of others) this.#announce(other, peer);
  }

  #greet(peer: Peer, others: readonly Peer[]): boolean {
    return (
      this.#send(peer, IVSHMEM_VERSION) &&
      this.#send(peer, peer.id) &&
      this.#send(peer, IVSHMEM_MEMORY, this.#memory) &&
      [...others, peer].every(({ id, events }) =>
        events.every((event) => this.#send(peer, id, event)),
      )
    );
  }

  #announce(to: Peer, { id, events }: Peer): void {
    if (!this.#peers.has(to.id)) return;
    if (!events.every((event) => this.#send(to, id, event))) this.#leave(to);
  }

  /** Whether it went whole: who does not read what it is sent is no peer any more. */
  #send(to: Peer, value: number, passed: number = NOTHING): boolean {
    const bytes = encodeIvshmem(value);
    return this.#addon.sendTo(to.socket, bytes, passed) === bytes.length;
  }

  /** A peer has nothing to say: it has gone, or is none. */
  #hear(peer: Peer): void {
    const passed: number[] = [];
    const count = this.#addon.receiveFrom(peer.socket, new Uint8Array(1), passed);
    for (const fd of passed) closeSync(fd);
    if (count < 0 && errorName(-count) === 'EAGAIN') return;
    this.#leave(peer);
  }

  #leave(peer: Peer): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    this.#release(peer);
    this.#tell('left', peer.id);
    for (const other of [...this.#peers.values()])
      if (this.#peers.get(other.id) === other && !this.#send(other, peer.id)) this.#leave(other);
  }

  #release({ watch, events }: Peer): void {
    watch.close();
    for (const event of events) closeSync(event);
  }

  #freeId(): number {
    let id = 0;
    while (this.#peers.has(id)) id += 1;
    return id;
  }

  #tell(kind: IvshmemEvent['kind'], id: number | undefined): void {
    this.#told({ kind, id, peers: this.#peers.size });
  }
}

/** Whether the system, or this process, has as many open files as it may. */
function isFull(result: number): boolean {
  const errno = errorName(-result);
  return errno === 'EMFILE' || errno === 'ENFILE';
}

function checkNumber(name: string, found: number, max: number): void {
  if (Number.isInteger(found) && found >= 1 && found <= max) return;
  throw new KvmfrError(
    'ERR_KVMFR_ARGUMENT',
    `expected ${name} to be 1 to ${max}, got ${String(found)}`,
  );
}

function openMemory(
  addon: LinuxAddon,
  { byteLength, file }: IvshmemServerOptions,
): { readonly memory: number; readonly byteLength: number } {
  if (file === undefined) {
    checkSize('the memory', byteLength);
    const memory = addon.createSealedMemory(byteLength);
    if (memory < 0) throw systemError('shared memory', 'memfd_create', -memory);
    return { memory, byteLength };
  }
  let memory: number;
  try {
    memory = openSync(file, 'r+');
  } catch (cause) {
    throw systemErrorOf(file, 'open', cause);
  }
  try {
    const { size } = fstatSync(memory);
    checkSize(file, size);
    return { memory, byteLength: size };
  } catch (error) {
    closeSync(memory);
    throw error;
  }
}

/** A BAR has such a size, and QEMU ends itself over any other. */
function checkSize(what: string, byteLength: number): void {
  const fits = Number.isInteger(Math.log2(byteLength)) && byteLength >= 4096;
  if (fits && byteLength < 2 ** 32) return;
  throw new KvmfrError(
    'ERR_KVMFR_SIZE',
    `the size of shared memory must be a power of two from 4096 to 2147483648 bytes, but ${what} has ${byteLength}`,
  );
}

function listenAt(addon: LinuxAddon, socketPath: string): number {
  for (const attempt of ['first', 'second']) {
    const listener = addon.listenAt(socketPath, BACKLOG);
    if (listener >= 0) return listener;
    const errno = errorName(-listener);
    if (errno === 'EADDRINUSE' && attempt === 'first' && isLeftOver(addon, socketPath)) {
      removeQuietly(socketPath);
      continue;
    }
    if (errno === 'EADDRINUSE')
      throw new KvmfrError('ERR_KVMFR_BUSY', `expected nothing at ${socketPath}, but it is there`, {
        path: socketPath,
        syscall: 'bind',
        errno,
        hint: 'a server that runs there has to end first; what is no socket of a server is not removed',
      });
    throw bindError(socketPath, errno) ?? systemError(socketPath, 'bind', -listener);
  }
  throw new KvmfrError('ERR_KVMFR_BUSY', `${socketPath} is made again and again`);
}

/** The error for a socket that its folder does not let us make. */
function bindError(path: string, errno: string): KvmfrError | undefined {
  const folder = dirname(path);
  const details: KvmfrErrorDetails = { path, syscall: 'bind', errno };
  if (errno === 'ENOENT' || errno === 'ENOTDIR')
    return new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected the folder ${folder} to exist, to make a socket in it`,
      details,
    );
  if (errno !== 'EACCES' && errno !== 'EPERM') return undefined;
  return new KvmfrError(
    'ERR_KVMFR_DENIED',
    `expected to be allowed to make a socket in ${folder}, but the system refused it (${errno})`,
    { ...details, hint: 'name a folder that this user may write to' },
  );
}

/** A socket that nobody listens at any more. */
function isLeftOver(addon: LinuxAddon, socketPath: string): boolean {
  try {
    if (!lstatSync(socketPath).isSocket()) return false;
  } catch {
    return false;
  }
  const connected = addon.connectTo(socketPath);
  if (connected >= 0) closeSync(connected);
  return connected < 0 && errorName(-connected) === 'ECONNREFUSED';
}

function identity(path: string): string {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else was faster.
  }
}

function systemErrorOf(path: string, syscall: string, cause: unknown): KvmfrError {
  const number = cause instanceof Error && 'errno' in cause ? Number(cause.errno) : 0;
  if (number !== 0) return systemError(path, syscall, -number);
  return new KvmfrError('ERR_KVMFR_SYSCALL', `${syscall} of ${path}: ${errnoOf(cause)}`, { cause });
}
