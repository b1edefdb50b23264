import { closeSync, openSync } from 'node:fs';
import { linuxAddon } from '../../../native/load.ts';

/** A message of a server: its bytes, or its number, and what is passed with it. */
export interface Said {
  readonly value?: number;
  readonly bytes?: Uint8Array;
  readonly passed?: number;
}

/** The number as a message, whatever it is. */
export function messageOf(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/** A server of ivshmem that says what a test makes it say. */
export class FakeServer implements Disposable {
  readonly #addon = linuxAddon();
  readonly #listener: number;
  readonly #watch: { close(): void };
  readonly #script: readonly (Said | 'end')[];
  readonly #open: number[] = [];
  /** How many have connected. */
  connected = 0;

  /** Says the script to everybody who connects; who waits after its end waits for ever. */
  constructor(path: string, script: readonly (Said | 'end')[]) {
    this.#script = script;
    this.#listener = this.#addon.listenAt(path, 4);
    if (this.#listener < 0) throw new Error(`nothing listens at ${path}: ${this.#listener}`);
    this.#watch = new this.#addon.FdWatch(this.#listener, () => this.#accept());
  }

  /** Says something more to all. */
  say(said: Said): void {
    for (const socket of this.#open) this.#send(socket, said);
  }

  /** Ends all connections, as a server that dies. */
  die(): void {
    for (const socket of this.#open.splice(0)) closeSync(socket);
  }

  [Symbol.dispose](): void {
    this.die();
    this.#watch.close();
  }

  #accept(): void {
    const socket = this.#addon.acceptFrom(this.#listener);
    if (socket < 0) return;
    this.connected += 1;
    for (const said of this.#script) {
      if (said === 'end') {
        closeSync(socket);
        return;
      }
      this.#send(socket, said);
    }
    this.#open.push(socket);
  }

  #send(socket: number, { value = 0, bytes = messageOf(value), passed = -1 }: Said): void {
    this.#addon.sendTo(socket, bytes, passed);
  }
}

/** A file of this process, open for as long as a test runs. */
export function openFile(path: string, flags: string = 'r+'): { readonly fd: number } & Disposable {
  const fd = openSync(path, flags);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}
