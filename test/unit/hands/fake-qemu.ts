import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A command as it came, without its number. */
export interface SeenCommand {
  readonly execute: string;
  readonly arguments?: unknown;
}

/** How far a connection comes before it is ended. */
export type QmpStage = 'connected' | 'half-greeting' | 'greeting' | 'capabilities' | 'status';

/** What a fake QEMU does otherwise than a real one. */
export interface FakeQemuOptions {
  /** Sent in place of the greeting; the empty text is silence. */
  readonly greeting?: string;
  /** The line that answers a command; undefined answers as QEMU does, null not at all. */
  readonly answer?: (execute: string, id: number) => string | null | undefined;
  /** Ends each connection so far, or only the first ones. */
  readonly endAt?: QmpStage;
  readonly mice?: readonly { readonly absolute: boolean }[];
  readonly running?: boolean;
}

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}';

/** QEMU's control socket in this process, which may lie. */
export class FakeQemu implements AsyncDisposable {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'kvmfr-qmp-'));
  readonly #server: Server = createServer((socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  #wake: (() => void) | undefined;
  options: FakeQemuOptions;
  connections = 0;
  /** Lines that no command was read from. */
  readonly commands: SeenCommand[] = [];

  private constructor(options: FakeQemuOptions) {
    this.options = options;
  }

  static async listen(options: FakeQemuOptions = {}): Promise<FakeQemu> {
    const fake = new FakeQemu(options);
    fake.#server.listen(fake.path);
    await once(fake.#server, 'listening');
    return fake;
  }

  get path(): string {
    return join(this.#folder, 'qmp.sock');
  }

  /** The events of every `input-send-event` so far, as JSON. */
  get events(): readonly string[] {
    return this.commands
      .filter(({ execute }) => execute === 'input-send-event')
      .flatMap(({ arguments: args }) => eventsOf(args).map((event) => JSON.stringify(event)));
  }

  send(line: string): void {
    for (const socket of this.#sockets) socket.write(`${line}\n`);
  }

  sendRaw(text: string): void {
    for (const socket of this.#sockets) socket.write(text);
  }

  /** Waits until it is so; looked at whenever something comes. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.drop();
    await closed;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#wake?.();
    });
    this.#wake?.();
    const { endAt, greeting = GREETING } = this.options;
    if (endAt === 'connected') return void socket.end();
    if (endAt === 'half-greeting') return void socket.end(greeting.slice(0, 20));
    if (greeting !== '') socket.write(`${greeting}\r\n`);
    if (endAt === 'greeting') return void socket.end();
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#command(socket, line);
      this.#wake?.();
    });
  }

  #command(socket: Socket, line: string): void {
    const { id, ...command } = JSON.parse(line);
    this.commands.push(command);
    const answer = this.options.answer?.(command.execute, id);
    if (answer !== null) socket.write(`${answer ?? this.#right(command.execute, id)}\r\n`);
    const stage = { qmp_capabilities: 'capabilities', 'query-status': 'status' }[
      String(command.execute)
    ];
    if (stage !== undefined && stage === this.options.endAt) socket.end();
  }

  #right(execute: string, id: number): string {
    const { mice = [{ absolute: false }, { absolute: true }], running = true } = this.options;
    const values: { readonly [command: string]: unknown } = {
      'query-mice': mice.map((mouse, index) => ({
        name: 'a mouse',
        index,
        current: true,
        ...mouse,
      })),
      'query-status': { status: running ? 'running' : 'paused', running, singlestep: false },
    };
    return JSON.stringify({ return: values[execute] ?? {}, id });
  }
}

function eventsOf(args: unknown): readonly unknown[] {
  const list = typeof args === 'object' && args !== null && 'events' in args ? args.events : [];
  return Array.isArray(list) ? list : [];
}
