import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Client, ClientState } from '../../client/index.ts';
import type {
  CursorInput,
  FrameInput,
  FrameTampering,
  HostClipboard,
  HostInput,
  HostOptions,
  HostStats,
} from '../../host/index.ts';
import { createRegionFile, Mapping } from '../../native/index.ts';
import { Region } from '../../protocol/memory/region.ts';

const MIB = 2 ** 20;

/** A path for a region, gone after the test. */
export function temporaryPath(): string {
  const folder = mkdtempSync('/dev/shm/kvmfr-test-');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'region');
}

/** A region file of zeros. */
export function zeros(mib = 8): string {
  const path = temporaryPath();
  createRegionFile(path, mib * MIB, { mode: 0o600 });
  return path;
}

/** A look at a region beside its client, and a hand in it; closed after the test. */
export function handIn(path: string): Region & { readonly mapping: Mapping } {
  const mapping = Mapping.open(path);
  onTestFinished(() => mapping.close());
  return Object.assign(new Region(mapping.buffer), { mapping });
}

function forked(script: string, args: readonly string[]): ChildProcess {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return fork(file, args, { serialization: 'advanced', execArgv: [] });
}

/** The first message of a child; fails when it ends before. */
async function told(child: ChildProcess): Promise<unknown[]> {
  const ended = once(child, 'exit').then(([status, signal]) => {
    throw new Error(`the child ended (${status ?? signal}) before it said anything`);
  });
  return await Promise.race([once(child, 'message'), ended]);
}

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** What is played: pictures that are all of one 32-bit word, their number. */
export interface Play {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly everyMs: number;
  readonly count?: number;
  /** So many subscribers there must be, and each has to read a picture before the next comes. */
  readonly lossless?: number;
  /** The pointer moves along. */
  readonly pointer?: boolean;
}

/** Our publisher in a process of its own, as a guest is; gone after the test. */
export class GuestProcess {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, (answer: Answer) => void> = new Map();
  #nextId = 1;
  #gone = false;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
    child.on('message', (answer: Answer) => this.#waiting.get(answer.id)?.(answer));
    child.on('exit', () => {
      this.#gone = true;
      for (const settle of this.#waiting.values()) settle({ id: 0, error: 'the guest has ended' });
    });
    onTestFinished(() => this.kill());
  }

  /** Starts to publish in a region. */
  static async start(path: string, options: HostOptions = {}): Promise<GuestProcess> {
    const child = forked('client-guest.mjs', []);
    await told(child);
    const guest = new GuestProcess(path, child);
    await guest.#call('start', path, options);
    return guest;
  }

  publish(frame: FrameInput): Promise<unknown> {
    return this.#call('publish', frame);
  }

  setCursor(cursor: CursorInput): Promise<unknown> {
    return this.#call('setCursor', cursor);
  }

  /** What clients did to keyboard and pointer, up to one of a kind. */
  async inputs(kind: HostInput['kind']): Promise<readonly HostInput[]> {
    return (await this.#call('inputs', kind)) as readonly HostInput[];
  }

  /** Waits until clients hold no key there: each has let go, or was made to. */
  letGo(): Promise<unknown> {
    return this.#call('letGo');
  }

  /** Something is copied in the guest. */
  copy(contents: { readonly [format: string]: Uint8Array }): Promise<unknown> {
    return this.#call('copy', Object.entries(contents));
  }

  /** The guest pastes what a client has offered. */
  async paste(format: string, maxBytes?: number): Promise<Uint8Array | undefined> {
    return (await this.#call('paste', format, maxBytes)) as Uint8Array | undefined;
  }

  /** The guest pastes until a client gives what it has, which a busy one may lose for a moment. */
  async pasteGiven(format: string, maxBytes?: number): Promise<Uint8Array> {
    return (await this.#call('pasteGiven', format, maxBytes)) as Uint8Array;
  }

  /** What clients did to the clipboard, up to one of a kind. */
  async clipboards(kind: HostClipboard['kind']): Promise<readonly HostClipboard[]> {
    return (await this.#call('clipboards', kind)) as readonly HostClipboard[];
  }

  /** Where clients wished the pointer, up to a place. */
  async places(last: Place): Promise<readonly Place[]> {
    return (await this.#call('places', last)) as readonly Place[];
  }

  /** Turns lights of its keyboard on, and the others off. */
  lights(leds: number): Promise<unknown> {
    return this.#call('lights', leds);
  }

  /** Posts a frame and writes some rows of it. */
  openFrame(frame: FrameInput, tampering: FrameTampering, rows: number): Promise<unknown> {
    return this.#call('openFrame', frame, tampering, rows);
  }

  async facts(): Promise<{
    readonly sessionId: number;
    readonly watchers: number;
    readonly stats: HostStats;
  }> {
    return (await this.#call('facts')) as Awaited<ReturnType<GuestProcess['facts']>>;
  }

  play(play: Play): Promise<unknown> {
    return this.#call('play', play);
  }

  rest(): Promise<unknown> {
    return this.#call('rest');
  }

  /** Turns a word of any region as fast as it can, and does nothing else. */
  spin(
    path: string,
    at: number,
    options: { readonly ms: number; readonly below: number },
  ): Promise<unknown> {
    return this.#call('spin', path, at, options);
  }

  /** Stops it, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Ends as a crash would. */
  async kill(): Promise<void> {
    if (this.#gone) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #call(call: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        this.#waiting.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      if (this.#gone) reject(new Error('the guest has ended'));
      else this.#child.send({ id, call, args });
    });
  }
}

/** A reader in a process of its own that takes a frame and keeps it. */
export async function holdingReader(path: string): Promise<{ kill(): Promise<void> }> {
  const child = forked('client-reader.mjs', ['hold', path]);
  const exited = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await told(child);
  return {
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The state that a client has who is nobody. */
export async function stateForNobody(path: string): Promise<ClientState> {
  const child = forked('client-reader.mjs', ['state', path]);
  const exited = once(child, 'exit');
  const [message] = await told(child);
  await exited;
  return (message as { readonly state: ClientState }).state;
}

/** Waits until a client is in a state. */
export async function inState(
  client: Client,
  wanted: ClientState['name'] | ((state: ClientState) => boolean),
): Promise<ClientState> {
  const matches =
    typeof wanted === 'string' ? (state: ClientState) => state.name === wanted : wanted;
  for await (const state of client.states()) if (matches(state)) return state;
  throw new Error(`closed in the state ${client.state.name}: ${client.state.message}`);
}

/** What a process holds that a client could leave behind. */
export function belongings(path: string): {
  readonly files: number;
  readonly maps: number;
  readonly threads: number;
} {
  const files = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  });
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const threads = readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8') === 'kvmfr-wait\n';
    } catch {
      return false;
    }
  });
  return {
    files: files.length,
    maps: maps.filter((line) => line.includes(path)).length,
    threads: threads.length,
  };
}

/** Bitmaps of who reads the frames and the pointer. */
export function subscribers(region: Region): { readonly frame: number; readonly pointer: number } {
  return {
    frame: region.view.getUint32(32 + 420, true),
    pointer: region.view.getUint32(32 + 1144 + 420, true),
  };
}
