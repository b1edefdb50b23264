import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHost, type Host } from '../../host/index.ts';
import { kvmfr } from '../support/command.ts';
import { noisy } from '../unit/relay/stage.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const WIDTH_PX = 320;
const HEIGHT_PX = 200;
/** Anybody may mount in a namespace of their own where the system lets them; root always. */
const NAMESPACE = ['--map-root-user', '--mount'];
const canMount = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0;
if (!canMount)
  process.stderr.write('\nSKIPPED: a full disk\n  because unshare --mount is not allowed here\n');

let folder = '';
let region = '';
let host: Host;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-full-'));
  region = join(folder, 'region');
  host = await createHost(region, { regionMib: 8 });
  // Noise: no smaller as a PNG than 190 KB.
  const { pixels, format, pitchBytes } = noisy(1, WIDTH_PX, HEIGHT_PX).frame();
  const frame = { pixels, format, pitchBytes, widthPx: WIDTH_PX, heightPx: HEIGHT_PX };
  host.on('subscriber', () => void host.publish(frame));
});

afterAll(async () => {
  await host.close();
  await rm(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code);
      resolve({ status, stdout, stderr });
    });
  });
}

/** Runs a script of the shell where a folder is a disk of 64 KiB; $KVMFR is the program. */
async function onSmallDisk(script: string): Promise<Outcome> {
  const disk = join(folder, 'disk');
  await mkdir(disk, { recursive: true });
  const mounted = `mount -t tmpfs -o size=64k none "${disk}" && cd "${disk}" && ${script}`;
  const withProgram = `KVMFR="${process.execPath} ${MAIN}"; REGION="${region}"; ${mounted}`;
  return await run('unshare', [...NAMESPACE, 'sh', '-c', withProgram]);
}

describe.skipIf(!canMount)('a snapshot on a disk that is full', () => {
  it('says so, ends with status 1, and leaves no half of a file', async () => {
    const { status, stdout, stderr } = await onSmallDisk(
      '$KVMFR snapshot $REGION -o guest.png; echo "status $?"; ls -A',
    );
    expect(stderr).toBe('kvmfr: guest.png could not be written: ENOSPC, the disk is full\n');
    expect(stdout).toBe('status 1\n');
    expect(status).toBe(0);
  });

  it('leaves the file that was there before as it was', async () => {
    const { stdout, stderr } = await onSmallDisk(
      'echo before > guest.png; $KVMFR snapshot $REGION -o guest.png; cat guest.png; ls -A',
    );
    expect(stderr).toContain('ENOSPC');
    expect(stdout).toBe('before\nguest.png\n');
  });

  it('says so as well when the shell opened the file', async () => {
    const { stdout, stderr } = await onSmallDisk(
      '$KVMFR snapshot $REGION -o - > guest.png; echo "status $?"',
    );
    expect(stderr).toMatch(/standard output could not be written: ENOSPC/);
    expect(stdout).toBe('status 1\n');
  });
});

describe('kvmfr snapshot -o', () => {
  it('writes what a link names, and leaves the link', async () => {
    const file = join(folder, 'real.png');
    const link = join(folder, 'link.png');
    writeFileSync(file, 'old');
    symlinkSync(file, link);
    expect((await kvmfr(['snapshot', region, '-o', link])).status).toBe(0);
    expect(readFileSync(file).subarray(1, 4).toString()).toBe('PNG');
    expect(readFileSync(link)).toEqual(readFileSync(file));
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('writes into a pipe, and does not put a file in its place', async () => {
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const read = run('wc', ['-c', pipe]);
    expect((await kvmfr(['snapshot', region, '-o', pipe])).status).toBe(0);
    expect(Number.parseInt((await read).stdout, 10)).toBeGreaterThan(WIDTH_PX * HEIGHT_PX * 3);
    expect(statSync(pipe).isFIFO()).toBe(true);
  });

  it('says that a device is full, with status 1', async () => {
    const { status, stderr } = await run('sh', [
      '-c',
      `${process.execPath} ${MAIN} snapshot ${region} -o - > /dev/full`,
    ]);
    expect(stderr).toMatch(/standard output could not be written: ENOSPC/);
    expect(status).toBe(1);
  });
});
