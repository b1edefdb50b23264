import { type ChildProcess, execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientState, connect, inspectRegion } from '../../client/index.ts';
import { createHost, type Host } from '../../host/index.ts';
import { WIRES } from '../../host/wire.ts';
import { createRegionFile } from '../../native/index.ts';
import { handIn, temporaryPath, zeros } from './client-guest.ts';

const MIB = 2 ** 20;

/** What watching-reader.mjs tells. */
interface Told {
  readonly state?: ClientState;
  readonly word?: number;
  readonly uniform?: boolean;
  readonly left?: { readonly files: number; readonly maps: number };
}

/** A reader in a process of its own, as nobody or as it is; gone after the test. */
class WatchingReader {
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];
  #wake: () => void = () => {};

  constructor(
    path: string,
    options: { readonly nobody: boolean; readonly env?: NodeJS.ProcessEnv },
  ) {
    const args = options.nobody ? [path, 'nobody'] : [path];
    const env = { ...process.env, ...options.env };
    this.#child = fork(program('watching-reader.mjs'), args, { execArgv: [], env });
    this.#child.on('message', (told: Told) => {
      this.#told.push(told);
      this.#wake();
    });
    this.#child.on('exit', (status, signal) => {
      this.#told.push({ state: { name: 'failed', message: `it ended: ${status ?? signal}` } });
      this.#wake();
    });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** Takes what is told until something fits. */
  async until(fits: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const told = this.#told.shift();
      if (told === undefined)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      else if (told.state?.message.startsWith('it ended') === true)
        throw new Error(told.state.message);
      else if (fits(told)) return told;
    }
  }

  inState(name: ClientState['name']): Promise<Told> {
    return this.until(({ state }) => state?.name === name);
  }

  /** Publishes pictures of one word until one is seen, all of it. */
  async sees(host: Host, word: number): Promise<void> {
    const going = setInterval(() => void host.publish(uniform(word)), 5);
    onTestFinished(() => clearInterval(going));
    const seen = await this.until((told) => told.word === word);
    clearInterval(going);
    expect(seen.uniform).toBe(true);
  }

  /** Lets it close its client, and says what it still has of the region. */
  async close(): Promise<Told['left']> {
    this.#child.send('close');
    const { left } = await this.until((told) => told.left !== undefined);
    return left;
  }
}

const NOTHING = { files: 0, maps: 0 };

function program(name: string): string {
  return fileURLToPath(new URL(`./children/${name}`, import.meta.url));
}

function uniform(word: number): Parameters<Host['publish']>[0] {
  const words = new Uint32Array(64 * 48).fill(word);
  return { pixels: new Uint8Array(words.buffer), format: 'BGRA', widthPx: 64, heightPx: 48 };
}

async function hostOf(path: string): Promise<Host> {
  const host = await createHost(path);
  host.on('error', () => {});
  onTestFinished(() => host.close());
  return host;
}

/** A region that everybody may read and write, in a folder that everybody may enter. */
function openToAll(mode: number, mib = 8): string {
  const path = zeros(mib);
  chmodSync(dirname(path), 0o755);
  chmodSync(path, mode);
  return path;
}

const isRoot = process.getuid?.() === 0;

describe('permission that is withdrawn while a region is read', () => {
  it('changes nothing of what is mapped; says denied after a restart, and goes on when it is given', async (context) => {
    if (!isRoot) context.skip('only root can be nobody for a while');
    const path = openToAll(0o666);
    const host = await hostOf(path);
    const reader = new WatchingReader(path, { nobody: true });
    await reader.inState('showing');
    await reader.sees(host, 11);
    chmodSync(path, 0);
    await reader.sees(host, 12);
    // Another file takes its place, which the reader may not open.
    createRegionFile(`${path}.new`, 16 * MIB, { mode: 0 });
    renameSync(`${path}.new`, path);
    const { state } = await reader.inState('denied');
    expect(state).toMatchObject({ code: 'ERR_KVMFR_DENIED' });
    expect(state?.message).toMatch(/uid \d+, gid \d+, mode 0000/);
    expect(state?.hint).toContain('chmod 0660');
    const second = await hostOf(path);
    chmodSync(path, 0o666);
    await reader.inState('showing');
    await reader.sees(second, 13);
    expect(await reader.close()).toEqual(NOTHING);
  });

  it('of its folder: goes on showing what is mapped', async (context) => {
    if (!isRoot) context.skip('only root can be nobody for a while');
    const path = openToAll(0o666);
    const host = await hostOf(path);
    const reader = new WatchingReader(path, { nobody: true });
    await reader.sees(host, 21);
    chmodSync(dirname(path), 0);
    await reader.sees(host, 22);
    // Cut, and nobody can look at the path: what is lost is known all the same.
    truncateSync(path, 0);
    // That it failed is told for a moment only, which a busy machine may pass over.
    const { state } = await reader.inState('denied');
    expect(state?.code).toBe('ERR_KVMFR_DENIED');
    createRegionFile(path, 8 * MIB);
    const second = await hostOf(path);
    chmodSync(dirname(path), 0o755);
    await reader.inState('showing');
    await reader.sees(second, 23);
    expect(await reader.close()).toEqual(NOTHING);
  });
});

describe('a device', () => {
  /** Lets a child take a file for a device of the kernel module. */
  function asDevice(path: string): NodeJS.ProcessEnv {
    const library = join(dirname(path), 'shim.so');
    const source = fileURLToPath(new URL('../unit/native/children/device-shim.c', import.meta.url));
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    const { dev, ino, size } = statSync(path, { bigint: true });
    writeFileSync(`${path}.size`, String(size));
    return {
      LD_PRELOAD: library,
      KVMFR_SHIM_IDENTITY: `${dev}:${ino}`,
      KVMFR_SHIM_SIZE_FILE: `${path}.size`,
    };
  }

  it('that goes away is waited for, and read again when it is back', async () => {
    const path = zeros();
    const host = await hostOf(path);
    const reader = new WatchingReader(path, { nobody: false, env: asDevice(path) });
    await reader.inState('showing');
    await reader.sees(host, 31);
    renameSync(path, `${path}.away`);
    const { state } = await reader.inState('stale');
    expect(state?.message).toContain('has ended');
    if (!host.closed) await new Promise<void>((resolve) => host.once('close', resolve));
    renameSync(`${path}.away`, path);
    const second = await hostOf(path);
    await reader.inState('showing');
    await reader.sees(second, 32);
    expect(await reader.close()).toEqual(NOTHING);
  });

  it('whose memory goes away is said to be lost, and read again when it has memory', async () => {
    const path = zeros();
    const host = await hostOf(path);
    const reader = new WatchingReader(path, { nobody: false, env: asDevice(path) });
    await reader.sees(host, 41);
    writeFileSync(`${path}.size`, '0');
    truncateSync(path, 0);
    await reader.until(({ state }) => state?.code === 'ERR_KVMFR_REGION_LOST');
    await reader.until(({ state }) => state?.code === 'ERR_KVMFR_SIZE');
    writeFileSync(`${path}.size`, String(16 * MIB));
    createRegionFile(path, 16 * MIB);
    const second = await hostOf(path);
    await reader.inState('showing');
    await reader.sees(second, 42);
    expect(await reader.close()).toEqual(NOTHING);
  });
});

describe('a region of holes on a file system that is full', () => {
  it('ends its publisher with an error and nobody else; the right picture comes when there is room', (context) => {
    const folder = dirname(temporaryPath());
    const script = `mount -t tmpfs -o size=2m tmpfs ${folder} && exec "$@"`;
    const command = [process.execPath, program('full-region.mjs'), folder];
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, 'sh', ...command],
      { encoding: 'utf8', timeout: 100_000 },
    );
    if (/permitted|denied|not found|ENOENT/i.test(stderr ?? 'not found'))
      return context.skip(`no small file system can be mounted here: ${stderr}`);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'ERR_KVMFR_REGION_LOST',
      hint: 'make room in the file system that holds it',
      // What lies in the first pages has room.
      refused: null,
      seen: [
        [1, true],
        [3, true],
      ],
      last: 'showing',
    });
  });
});

describe('kvmfr host', () => {
  it('says why its region is lost, and has failed', async () => {
    const path = zeros(16);
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const child = spawn(process.execPath, [main, 'host', path, '--size', '320x240', '--fps', '30']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    let said = '';
    await new Promise<void>((resolve) =>
      child.stderr.on('data', (text: Buffer) => {
        said += text.toString();
        if (said.includes('publishing')) resolve();
      }),
    );
    truncateSync(path, 0);
    expect(await exited).toEqual([1, null]);
    expect(said).toContain(`expected ${path} to keep its ${16 * MIB} bytes`);
  });
});

describe('looking without writing', () => {
  it('needs no permission to write', async (context) => {
    if (!isRoot) context.skip('only root can be nobody for a while');
    const path = openToAll(0o644);
    const host = await hostOf(path);
    host.publish(uniform(51));
    const child = fork(program('watching-reader.mjs'), [path, 'inspect'], { execArgv: [] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [told] = await once(child, 'message');
    expect(told).toMatchObject({
      alive: true,
      release: 'B7',
      writable: { code: 'ERR_KVMFR_DENIED' },
    });
  });

  it.each(['B6', 'B7', 'dev7', 'dev10', 'dev12'] as const)(
    'changes no byte, nor does a client that has subscribed to nothing: %s',
    async (wire) => {
      const path = zeros(16);
      const host = await createHost(path, { wire, recovery: false });
      onTestFinished(() => host.close());
      host.publish(uniform(61));
      const region = handIn(path);
      const { timestamp } = WIRES[wire].lgmp.header;
      /** All of it but the heart, which beats. */
      const bytes = (): Uint8Array => region.bytes.slice().fill(0, timestamp, timestamp + 8);
      const before = bytes();
      expect((await inspectRegion(path)).session?.release).toBeDefined();
      const client = await connect(path);
      expect(client.queues().length).toBeGreaterThanOrEqual(2);
      await client.close();
      expect(Buffer.compare(bytes(), before)).toBe(0);
    },
  );
});
