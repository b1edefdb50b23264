import type { Socket } from 'node:net';
import { addressBlock } from './address-block.ts';

/** How many strangers a server takes: connections that have not shown that they may come in. */
export interface CrowdLimits {
  /** In all. */
  readonly strangers: number;
  /** From one block of addresses: several browsers that load a page at the same time. */
  readonly strangersPerBlock: number;
}

const admitted = new WeakSet<object>();

/** Notes that a request over this socket has shown that it may come in. */
export function markAdmitted(socket: object): void {
  admitted.add(socket);
}

/** Whether a request over this socket has shown that it may come in. */
export function isAdmitted(socket: object): boolean {
  return admitted.has(socket);
}

/**
 * The strangers before the door. One too many is taken in, and the one that has waited for longest
 * goes, of the block of addresses that has most: so those who open connections and leave them push
 * out each other, and who belongs inside always comes through.
 */
export class Crowd {
  readonly #limits: CrowdLimits;
  /** By block; in the order in which they came. */
  readonly #blocks = new Map<string, Map<string, Socket>>();
  #strangers = 0;

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  /** Connections that have not shown yet that they may come in. */
  get strangers(): number {
    return this.#strangers;
  }

  /** Takes a new connection in. */
  add(socket: Socket): void {
    const block = addressBlock(socket.remoteAddress ?? '');
    const key = nameOf(socket);
    const crowd = this.#blocks.get(block) ?? new Map<string, Socket>();
    this.#blocks.set(block, crowd);
    crowd.set(key, socket);
    this.#strangers++;
    socket.once('close', () => this.#leave(block, key, socket));
    if (crowd.size > this.#limits.strangersPerBlock) this.#push(block);
    else if (this.#strangers > this.#limits.strangers) this.#push(this.#largest());
  }

  /** Takes note of who has been let in. The socket may be the one with TLS on top. */
  letIn(socket: Socket): void {
    if (!isAdmitted(socket)) return;
    const block = addressBlock(socket.remoteAddress ?? '');
    this.#leave(block, nameOf(socket), undefined);
  }

  /** Ends the oldest connection of a block. */
  #push(block: string): void {
    const [oldest] = this.#blocks.get(block) ?? [];
    if (oldest === undefined) return;
    const [key, socket] = oldest;
    this.#leave(block, key, socket);
    socket.destroy();
  }

  #leave(block: string, key: string, socket: Socket | undefined): void {
    const crowd = this.#blocks.get(block);
    const found = crowd?.get(key);
    // A port may have been given to somebody else meanwhile.
    if (crowd === undefined || found === undefined) return;
    if (socket !== undefined && found !== socket) return;
    crowd.delete(key);
    this.#strangers--;
    if (crowd.size === 0) this.#blocks.delete(block);
  }

  #largest(): string {
    let largest = '';
    let most = 0;
    for (const [block, crowd] of this.#blocks) {
      if (crowd.size <= most) continue;
      most = crowd.size;
      largest = block;
    }
    return largest;
  }
}

/** A connection by its two ends: the same for the socket and for the one with TLS on top of it. */
function nameOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
