import type { Duplex } from 'node:stream';
import { Lines } from './lines.ts';

/** A reply or an event of QMP; what is in it depends on the command. */
export type QmpValue = { readonly [key: string]: unknown };

/** QEMU's control socket. */
export class Qmp {
  readonly #socket: Duplex;
  readonly #events: Lines = new Lines('QMP');
  readonly #waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  #rest = '';
  #ended: Error | undefined;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => this.#received(text));
    socket.on('error', (error) => this.end(error));
  }

  /** Begins to talk on a socket that QEMU holds the other end of. */
  static async open(socket: Duplex): Promise<Qmp> {
    const qmp = new Qmp(socket);
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  /** Runs a command to its end. */
  execute(command: string, args: QmpValue = {}): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  /** Waits for an event by its name. */
  async event(name: string): Promise<QmpValue> {
    return JSON.parse(await this.#events.take(new RegExp(`"event": ?"${name}"`)));
  }

  /** Nothing is answered any more, and why. */
  end(reason: Error): void {
    this.#ended ??= reason;
    this.#events.end(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  #received(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#message(line);
  }

  #message(line: string): void {
    if (line.trim() === '') return;
    const message: QmpValue = JSON.parse(line);
    if ('event' in message) this.#events.push(`${line}\n`);
    if ('return' in message) this.#waiting.shift()?.resolve(message['return']);
    if ('error' in message)
      this.#waiting.shift()?.reject(new Error(`QMP: ${JSON.stringify(message['error'])}`));
  }
}
