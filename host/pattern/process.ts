import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { KvmfrError } from '../../protocol/index.ts';
import { packageRoot } from '../package-root.ts';
import type {
  GuestCommand,
  GuestFailure,
  GuestOptions,
  GuestReply,
  GuestRequest,
  GuestStats,
} from './ipc.ts';

export type { GuestOptions, GuestStats } from './ipc.ts';

/** What a synthetic guest reports by itself. */
export interface GuestEvents {
  /** It began a new session in place. */
  session: [id: number];
  /** It cannot go on as it should. */
  error: [error: KvmfrError];
  exit: [end: GuestExit];
}

/** How the process ended. */
export interface GuestExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Pending {
  readonly resolve: (stats: GuestStats) => void;
  readonly reject: (error: unknown) => void;
}

const PATIENCE_MS = 2000;

/**
 * A synthetic guest in a process of its own, as a real one is a machine of its own.
 *
 * Ownership: ends with {@link close}, with its signal, and with this process, however that ends.
 */
export class GuestProcess extends EventEmitter<GuestEvents> implements AsyncDisposable {
  readonly pid: number | undefined;
  /** Resolves when the process has ended. */
  readonly exited: Promise<GuestExit>;
  readonly #child: ChildProcess;
  readonly #pending: Map<number, Pending> = new Map();
  #nextId = 1;
  #ended = false;

  /** Use {@link spawnPattern}. */
  constructor(child: ChildProcess) {
    super();
    this.#child = child;
    this.pid = child.pid;
    this.exited = new Promise((resolve) => {
      const end = (exit: GuestExit): void => {
        if (this.#ended) return;
        this.#ended = true;
        for (const { reject } of this.#pending.values()) reject(gone(exit));
        this.#pending.clear();
        resolve(exit);
        this.emit('exit', exit);
      };
      child.once('exit', (code, signal) => end({ code, signal }));
      child.once('error', () => end({ code: null, signal: null }));
    });
    child.on('message', (reply: GuestReply) => this.#hear(reply));
  }

  /** Publishes in another size from now on. */
  async resize(widthPx: number, heightPx: number): Promise<void> {
    await this.command({ do: 'resize', widthPx, heightPx });
  }

  /** Stops publishing; the heartbeat goes on. */
  async pause(): Promise<void> {
    await this.command({ do: 'pause' });
  }

  /** Ends a {@link pause}. */
  async resume(): Promise<void> {
    await this.command({ do: 'resume' });
  }

  /** Stops publishing and the heartbeat, as a paused machine does. */
  async freeze(): Promise<void> {
    await this.command({ do: 'freeze' });
  }

  /** Ends a {@link freeze}. */
  async thaw(): Promise<void> {
    await this.command({ do: 'thaw' });
  }

  /** What it has done so far. */
  stats(): Promise<GuestStats> {
    return this.command({ do: 'stats' });
  }

  /**
   * Sends a command and waits until it was obeyed.
   *
   * @throws what the process threw; ERR_KVMFR_CLOSED when it has ended
   */
  command(command: GuestCommand): Promise<GuestStats> {
    if (this.#ended || !this.#child.connected) return Promise.reject(gone(undefined));
    const request: GuestRequest = { id: this.#nextId++, command };
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      this.#child.send(request, (error) => {
        if (error !== null && this.#pending.delete(request.id)) reject(gone(undefined));
      });
    });
  }

  /** Ends it at once, as when a machine loses its power. */
  kill(): Promise<GuestExit> {
    this.#child.kill('SIGKILL');
    return this.exited;
  }

  /** Ends it; waits until it has. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGTERM');
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    await this.exited;
    clearTimeout(impatient);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #hear(reply: GuestReply): void {
    if (reply.kind === 'session') this.emit('session', reply.sessionId);
    else if (reply.kind === 'error') {
      if (this.listenerCount('error') > 0) this.emit('error', toError(reply.failure));
    } else if (reply.kind === 'answer') {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if (reply.stats !== undefined) pending?.resolve(reply.stats);
      else pending?.reject(toError(reply.failure));
    }
  }
}

/**
 * Starts a synthetic guest and waits until its session is in the region.
 *
 * @throws what opening the region or the sizes ask for, and ERR_KVMFR_CLOSED when the process ends
 *   at once
 */
export async function spawnPattern(
  options: GuestOptions & { readonly signal?: AbortSignal | undefined },
): Promise<GuestProcess> {
  const { signal, ...guestOptions } = options;
  signal?.throwIfAborted();
  const guest = new GuestProcess(
    fork(entryPoint(), { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  const stop = (): void => void guest.close();
  signal?.addEventListener('abort', stop, { once: true });
  void guest.exited.then(() => signal?.removeEventListener('abort', stop));
  try {
    await guest.command({ do: 'start', options: guestOptions });
  } catch (error) {
    await guest.close();
    throw error;
  }
  return guest;
}

// From the package's folder, because sources and tests of it run without being compiled.
function entryPoint(): string {
  const path = join(packageRoot(), 'dist', 'host', 'pattern', 'main.js');
  if (!existsSync(path))
    throw new KvmfrError('ERR_KVMFR_ABSENT', `the synthetic guest must be at ${path}, but is not`, {
      path,
      hint: 'Build the package: npm run build.',
    });
  return path;
}

function gone(exit: GuestExit | undefined): KvmfrError {
  const how = exit === undefined ? '' : ` (${exit.signal ?? `status ${exit.code}`})`;
  return new KvmfrError('ERR_KVMFR_CLOSED', `the synthetic guest has ended${how}`);
}

function toError(failure: GuestFailure | undefined): KvmfrError {
  const { code = 'ERR_KVMFR_CLOSED', message = 'the synthetic guest failed', hint } = failure ?? {};
  return new KvmfrError(code, message, hint === undefined ? {} : { hint });
}
