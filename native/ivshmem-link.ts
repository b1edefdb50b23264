import { closeSync, statSync } from 'node:fs';
import { KvmfrError } from '../protocol/error.ts';
import type { LinuxAddon, NativeFdWatch } from './addon.ts';
import type { Doorbell, DoorbellSummary } from './doorbell.ts';
import { errorName, openError, systemError } from './failure.ts';
import {
  decodeIvshmem,
  IVSHMEM_MEMORY,
  IVSHMEM_MESSAGE_BYTES,
  IVSHMEM_VERSION,
  MAX_IVSHMEM_PEERS,
  MAX_IVSHMEM_VECTORS,
} from './ivshmem-message.ts';
import { addon, linuxAddon } from './load.ts';
import { Mapping, type MappingOptions, type RegionPresence, unsupported } from './mapping.ts';

/** How {@link openIvshmem} opens. */
export interface IvshmemOptions extends MappingOptions {
  /** Gives up when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** How long the server may take to hand over its memory; 3000 when left out. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 3000;
/** Messages that are taken in one turn of the event loop. */
const MESSAGES_PER_TURN = 256;
/** The vector that is rung; others are heard as well. */
const VECTOR = 0;

type Awaited = 'version' | 'id' | 'memory' | 'peers';

/**
 * Maps the memory of an ivshmem-server, as one of its peers: with a doorbell to all others.
 *
 * When the server ends, the memory stays: guests use it too. It counts as replaced when there is
 * another server at the path.
 *
 * @throws ERR_KVMFR_ABSENT (nobody listens), ERR_KVMFR_DENIED, ERR_KVMFR_IVSHMEM (it says what it must
 *   not), ERR_KVMFR_LOST (it ends before it has said all), ERR_KVMFR_TIMEOUT, ERR_KVMFR_SIZE,
 *   ERR_KVMFR_NOT_A_REGION, ERR_KVMFR_SYSCALL, ERR_KVMFR_UNSUPPORTED, ERR_KVMFR_NATIVE; and what the
 *   signal was aborted with
 */
export async function openIvshmem(
  socketPath: string,
  options: IvshmemOptions = {},
): Promise<Mapping> {
  const { access = 'read-write', looks = 'thread' } = options;
  options.signal?.throwIfAborted();
  const path = `ivshmem:unix:${socketPath}`;
  const NativeMapping = addon().Mapping;
  if (NativeMapping === undefined) throw unsupported();
  const link = new IvshmemLink(socketPath);
  try {
    const memory = await link.memory(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    const native = new NativeMapping(path, access === 'read-only', false, memory, 0, 0);
    closeSync(memory);
    if (native.failure !== undefined) {
      const { failure } = native;
      if (failure.step !== 'map') throw openError(path, failure);
      const errno = errorName(failure.errorNumber);
      throw new KvmfrError(
        'ERR_KVMFR_IVSHMEM',
        `expected memory that can be mapped from the ivshmem-server at ${socketPath}, but it cannot: ${errno}`,
        { path, syscall: 'mmap', errno },
      );
    }
    const presence = (): RegionPresence => link.presence;
    return Mapping.own(native, { path, access, looks, kind: 'ivshmem', doorbell: link, presence });
  } catch (error) {
    link.close();
    throw error;
  }
}

/** Our side of a connection to an ivshmem-server. */
class IvshmemLink implements Doorbell {
  readonly #socketPath: string;
  readonly #addon: LinuxAddon = linuxAddon();
  readonly #socket: number;
  readonly #socketFile: string;
  readonly #watch: NativeFdWatch;
  readonly #bytes: Uint8Array = new Uint8Array(IVSHMEM_MESSAGE_BYTES);
  readonly #listeners: (() => void)[] = [];
  /** Eventfds of the others, by their numbers, in the order of their vectors. */
  readonly #peers: Map<number, number[]> = new Map();
  readonly #own: { readonly event: number; readonly watch: NativeFdWatch }[] = [];
  #filled = 0;
  /** The descriptor that came with the message that is being read. */
  #passed: number | undefined;
  #awaited: Awaited = 'version';
  #ownId: number | undefined;
  #memory: number | undefined;
  #settle: { resolve(): void; reject(error: KvmfrError): void } | undefined;
  #problem: KvmfrError | undefined;
  #heard = 0;
  #rung = 0;
  #closed = false;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#socketFile = identity(socketPath);
    this.#socket = this.#addon.connectTo(socketPath);
    if (this.#socket < 0) throw connectError(socketPath, -this.#socket);
    this.#watch = new this.#addon.FdWatch(this.#socket, () => this.#read());
    if (this.#watch.errorNumber === 0) return;
    closeSync(this.#socket);
    throw systemError(socketPath, 'epoll_ctl', this.#watch.errorNumber);
  }

  get summary(): DoorbellSummary {
    return {
      ownId: this.#ownId,
      peers: [...this.#peers.keys()],
      heard: this.#heard,
      rung: this.#rung,
      problem: this.#problem?.message,
    };
  }

  /** While the server lives, and after it, its memory is what it was. */
  get presence(): RegionPresence {
    if (this.#problem === undefined) return 'same';
    const now = identity(this.#socketPath);
    return now === '' || now === this.#socketFile ? 'same' : 'replaced';
  }

  /** The descriptor of the memory, which is the caller's then. */
  async memory(timeoutMs: number, signal: AbortSignal | undefined): Promise<number> {
    const limit = setTimeout(() => {
      const detail = `did not tell ${this.#awaitedName()} in ${timeoutMs} ms`;
      this.#fail(this.#error('ERR_KVMFR_TIMEOUT', detail));
    }, timeoutMs);
    const aborted = (): void => this.#settle?.resolve();
    signal?.addEventListener('abort', aborted, { once: true });
    this.#watch.keepAlive(true);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        if (this.#problem !== undefined) reject(this.#problem);
      });
      signal?.throwIfAborted();
    } finally {
      clearTimeout(limit);
      signal?.removeEventListener('abort', aborted);
      this.#settle = undefined;
      this.#watch.keepAlive(false);
    }
    const memory = this.#memory;
    if (memory === undefined) throw this.#error('ERR_KVMFR_LOST', 'has given no memory');
    this.#memory = undefined;
    return memory;
  }

  ring(): void {
    if (this.#closed) return;
    for (const events of this.#peers.values()) {
      const event = events[VECTOR];
      if (event === undefined) continue;
      this.#addon.ringEvent(event);
      this.#rung += 1;
    }
  }

  listen(rung: () => void): void {
    this.#listeners.push(rung);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#letGo();
    for (const { watch } of this.#own.splice(0)) watch.close();
    for (const events of this.#peers.values()) for (const event of events) closeSync(event);
    this.#peers.clear();
    if (this.#memory !== undefined) closeSync(this.#memory);
    this.#memory = undefined;
  }

  /** Ends the connection; what was told before stays good. */
  #letGo(): void {
    this.#watch.close();
    if (this.#passed !== undefined) closeSync(this.#passed);
    this.#passed = undefined;
  }

  #fail(error: KvmfrError): void {
    if (this.#problem !== undefined || this.#closed) return;
    this.#problem = error;
    this.#letGo();
    this.#settle?.reject(error);
  }

  /** Takes what has come, message by message: a descriptor belongs to the one it came with. */
  #read(): void {
    for (let i = 0; i < MESSAGES_PER_TURN; i++) {
      if (this.#closed || this.#problem !== undefined) return;
      const passed: number[] = [];
      const rest = this.#bytes.subarray(this.#filled);
      const count = this.#addon.receiveFrom(this.#socket, rest, passed);
      if (!this.#keep(passed)) return;
      if (count < 0) {
        const errno = errorName(-count);
        if (errno === 'EAGAIN') return;
        this.#fail(this.#error('ERR_KVMFR_LOST', `is lost: ${errno}`));
        return;
      }
      if (count === 0) {
        const early = this.#awaited === 'peers' ? '' : ` before it told ${this.#awaitedName()}`;
        this.#fail(this.#error('ERR_KVMFR_LOST', `has ended${early}`));
        return;
      }
      this.#filled += count;
      if (this.#filled < IVSHMEM_MESSAGE_BYTES) continue;
      this.#filled = 0;
      const fd = this.#passed;
      this.#passed = undefined;
      this.#take(decodeIvshmem(this.#bytes), fd);
    }
  }

  /** Returns whether there is at most one for the message that is being read. */
  #keep(passed: readonly number[]): boolean {
    const [first, ...more] = passed;
    if (first === undefined) return true;
    const many = more.length > 0 || this.#passed !== undefined;
    if (this.#passed === undefined) this.#passed = first;
    else closeSync(first);
    for (const fd of more) closeSync(fd);
    if (many) this.#refuse('passes several descriptors with one message');
    return !many;
  }

  #take(value: number, fd: number | undefined): void {
    if (this.#awaited === 'peers') this.#takePeer(value, fd);
    else if (this.#awaited === 'memory') this.#takeMemory(value, fd);
    else this.#takeNumber(value, fd);
  }

  #takeNumber(value: number, fd: number | undefined): void {
    if (fd !== undefined) {
      closeSync(fd);
      this.#refuse(`passes a descriptor with ${this.#awaitedName()}`);
      return;
    }
    if (this.#awaited === 'version') {
      if (value !== IVSHMEM_VERSION)
        this.#refuse(`speaks version ${value}, not ${IVSHMEM_VERSION}`);
      this.#awaited = 'id';
      return;
    }
    if (!(value >= 0)) {
      this.#refuse(`gives us the number ${value}`);
      return;
    }
    this.#ownId = value;
    this.#awaited = 'memory';
  }

  #takeMemory(value: number, fd: number | undefined): void {
    if (value !== IVSHMEM_MEMORY || fd === undefined) {
      if (fd !== undefined) closeSync(fd);
      this.#refuse(
        fd === undefined ? 'passes no memory' : `says ${value} in the place of its memory`,
      );
      return;
    }
    this.#memory = fd;
    this.#awaited = 'peers';
    this.#settle?.resolve();
  }

  #takePeer(value: number, fd: number | undefined): void {
    if (fd === undefined) {
      const events = this.#peers.get(value);
      // One that we were never told of has gone: nothing to us.
      for (const event of events ?? []) closeSync(event);
      this.#peers.delete(value);
      if (!(value >= 0) || value === this.#ownId) this.#refuse(`says that ${value} has gone`);
      return;
    }
    const refusal = this.#refusalOf(value, fd);
    if (refusal !== undefined) {
      closeSync(fd);
      this.#refuse(refusal);
      return;
    }
    if (value === this.#ownId) this.#hear(fd);
    else this.#peers.set(value, [...(this.#peers.get(value) ?? []), fd]);
  }

  #refusalOf(value: number, fd: number): string | undefined {
    if (!(value >= 0)) return `gives a vector to ${value}`;
    if (this.#addon.takeEvent(fd) !== 0) return `gives ${value} a vector that is no eventfd`;
    const own = value === this.#ownId;
    const vectors = own ? this.#own.length : (this.#peers.get(value)?.length ?? 0);
    if (vectors >= MAX_IVSHMEM_VECTORS)
      return `gives ${value} more than ${MAX_IVSHMEM_VECTORS} vectors`;
    const fresh = !own && !this.#peers.has(value);
    return fresh && this.#peers.size >= MAX_IVSHMEM_PEERS
      ? `has more than ${MAX_IVSHMEM_PEERS} other peers`
      : undefined;
  }

  #hear(event: number): void {
    const watch = new this.#addon.FdWatch(event, () => {
      if (this.#addon.drainEvent(event) !== 1) return;
      this.#heard += 1;
      for (const rung of this.#listeners) rung();
    });
    if (watch.errorNumber === 0) this.#own.push({ event, watch });
    else closeSync(event);
  }

  #refuse(what: string): void {
    this.#fail(this.#error('ERR_KVMFR_IVSHMEM', what));
  }

  #awaitedName(): string {
    return { version: 'its version', id: 'our number', memory: 'its memory', peers: 'its peers' }[
      this.#awaited
    ];
  }

  #error(
    code: 'ERR_KVMFR_IVSHMEM' | 'ERR_KVMFR_LOST' | 'ERR_KVMFR_TIMEOUT',
    what: string,
  ): KvmfrError {
    return new KvmfrError(code, `the ivshmem-server at ${this.#socketPath} ${what}`, {
      path: this.#socketPath,
    });
  }
}

/** What a path names now: another text for each file, and none when nothing is there. */
function identity(path: string): string {
  try {
    const { dev, ino, ctimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${ctimeNs}`;
  } catch {
    return '';
  }
}

function connectError(socketPath: string, errorNumber: number): KvmfrError {
  const errno = errorName(errorNumber);
  const details = { path: socketPath, syscall: 'connect', errno };
  const hint = 'start one, for example: kvmfr doorbell --socket PATH --size 32';
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ECONNREFUSED')
    return new KvmfrError(
      'ERR_KVMFR_ABSENT',
      `expected an ivshmem-server at ${socketPath}, but ${errno === 'ECONNREFUSED' ? 'nobody listens there' : 'there is nothing'}`,
      { ...details, hint },
    );
  return systemError(socketPath, 'connect', errorNumber);
}
