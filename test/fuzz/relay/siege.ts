import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../support/project-root.ts';
import { TestViewer } from '../../unit/relay/test-viewer.ts';
import { Random } from '../loop/random.ts';
import {
  type Answer,
  type Attack,
  carryOut,
  type Door,
  faultOf,
  HttpAttacker,
  SocketAttacker,
} from './attacks.ts';

/** Which face of the relay is attacked. */
export type Face = 'http' | 'socket';

/** What came of a siege. */
export interface SiegeResult {
  readonly attacks: number;
  /** Requests and frames in them. */
  readonly requests: number;
  /** Kinds of answer, by status and code of closing. */
  readonly answers: number;
  readonly findings: readonly string[];
}

const WIDTH = 192;
const HEIGHT = 130;
/** Attackers at the same time. */
const AT_ONCE = 6;
const MOST_GROWTH_BYTES = 256 * 2 ** 20;

/** A relay in a process of its own, attacked while somebody watches who must see everything exactly. */
export class Siege implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #random: Random;
  readonly #door: Door;
  readonly #viewer: TestViewer;
  readonly #attackers: { readonly [face in Face]: { next(door: Door): Attack } };
  readonly #answers: Set<string> = new Set();
  /** Rejects when the relay ends, or its viewer is closed. */
  readonly #over: Promise<never>;
  #ended: string | undefined;
  #startBytes = 0;

  private constructor(folder: string, child: ChildProcess, door: Door, seed: number) {
    this.#folder = folder;
    this.#child = child;
    this.#door = door;
    this.#random = new Random(seed);
    this.#attackers = {
      http: new HttpAttacker(this.#random),
      socket: new SocketAttacker(this.#random),
    };
    this.#viewer = watch(door);
    const ends = once(child, 'exit').then(([status, signal]) => {
      this.#ended = `the relay has ended by itself: ${status ?? signal}`;
      throw new Error(this.#ended);
    });
    const closes = this.#viewer.untilClosed().then(() => {
      throw new Error(`the viewer was closed: ${this.#viewer.closeCode}`);
    });
    this.#over = Promise.race([ends, closes]);
    // Waited for where it matters; in the end it is meant.
    for (const promise of [ends, closes, this.#over]) promise.catch(() => {});
  }

  static async start(seed: number): Promise<Siege> {
    const folder = mkdtempSync('/dev/shm/kvmfr-siege-');
    const script = join(projectRoot(), 'test', 'fuzz', 'relay', 'relay.mjs');
    const token = `t0ken-${seed}-of-the-siege`;
    const args = [join(folder, 'region'), token, 'a password of the siege'];
    const child = fork(script, args, { execArgv: [], serialization: 'advanced' });
    const [{ port }] = await once(child, 'message');
    const siege = new Siege(folder, child, { port, token }, seed);
    await siege.#shows();
    siege.#startBytes = await siege.#residentBytes();
    return siege;
  }

  /** Attacks so many times; meanwhile, and after it, every picture must come through. */
  async run(face: Face, count: number): Promise<SiegeResult> {
    const findings: string[] = [];
    let requests = 0;
    let attacks = 0;
    const attacker = this.#attackers[face];
    const attackOn = async (): Promise<void> => {
      while (attacks < count && this.#ended === undefined) {
        attacks += 1;
        const attack = attacker.next(this.#door);
        requests += attack.requests;
        const answer = await carryOut(this.#door, attack);
        this.#answers.add(kindOf(answer));
        const fault = faultOf(this.#door, attack, answer);
        if (fault !== undefined) findings.push(`${fault}: ${hexOf(attack)}`);
      }
    };
    let under = true;
    const attackers = Promise.all(Array.from({ length: AT_ONCE }, attackOn)).finally(() => {
      under = false;
    });
    while (under) await this.#shows();
    await attackers;
    await this.#shows();
    // Somebody who comes now is let in, and sees it as well.
    const late = watch(this.#door);
    await late.untilShows(this.#viewer.rgb);
    await late.close();
    const grown = (await this.#residentBytes()) - this.#startBytes;
    if (grown > MOST_GROWTH_BYTES) findings.push(`the relay has grown by ${grown} bytes`);
    return { attacks, requests, answers: this.#answers.size, findings };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#viewer.socket.terminate();
    if (this.#ended === undefined) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exit;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Publishes something new, and waits until the viewer has exactly that. */
  async #shows(): Promise<void> {
    const bgra = new Uint8Array(WIDTH * HEIGHT * 4);
    const rgb = new Uint8Array(WIDTH * HEIGHT * 3);
    const base = this.#random.next();
    for (let i = 0; i < WIDTH * HEIGHT; i++) {
      const word = Math.imul(base + i, 0x9e37_79b1);
      bgra.set([word >>> 8, word >>> 16, word >>> 24, 255], i * 4);
      rgb.set([word >>> 24, word >>> 16, word >>> 8], i * 3);
    }
    this.#tell({ show: { pixels: bgra, format: 'BGRA', widthPx: WIDTH, heightPx: HEIGHT } });
    await Promise.race([this.#viewer.untilShows(rgb), this.#over]);
  }

  async #residentBytes(): Promise<number> {
    this.#tell({ facts: true });
    const [{ rssBytes }] = await once(this.#child, 'message');
    return rssBytes;
  }

  #tell(message: object): void {
    if (this.#ended !== undefined) throw new Error(this.#ended);
    this.#child.send(message);
  }
}

function watch({ port, token }: Door): TestViewer {
  const hello = { tileCodings: ['ops'] } as const;
  return new TestViewer(`ws://127.0.0.1:${port}/ws?token=${token}`, { hello });
}

/** The status of the first answer, and the code of the close frame that the other side ended with. */
function kindOf({ bytes }: Answer): string {
  const status = /^HTTP\/1\.1 \d+/.exec(bytes.toString('latin1', 0, 16))?.[0] ?? 'none';
  const at = bytes.lastIndexOf(0x88);
  const isClose = at >= 0 && bytes.byteLength - at - 2 === bytes[at + 1];
  return isClose && at + 4 <= bytes.byteLength ? `${status} ${bytes.readUInt16BE(at + 2)}` : status;
}

function hexOf({ parts }: Attack): string {
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
    .subarray(0, 1024)
    .toString('hex');
}
