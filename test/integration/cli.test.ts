import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHost } from '../../host/index.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-cli-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A picture in which every pixel differs from its neighbours. */
async function writePicture(path: string, widthPx: number, heightPx: number): Promise<Buffer> {
  const pixels = Buffer.alloc(widthPx * heightPx * 3);
  for (let i = 0; i < widthPx * heightPx; i++) {
    pixels[i * 3] = i & 0xff;
    pixels[i * 3 + 1] = (i >> 8) & 0xff;
    pixels[i * 3 + 2] = (i * 7) & 0xff;
  }
  const png = sharp(pixels, { raw: { width: widthPx, height: heightPx, channels: 3 } }).png();
  await writeFile(path, await png.toBuffer());
  return pixels;
}

async function rgb(png: Buffer): Promise<Buffer> {
  return sharp(png).removeAlpha().raw().toBuffer();
}

describe('kvmfr refuses what it does not take, by name, with status 2', () => {
  const cases: readonly (readonly [args: string, says: RegExp])[] = [
    ['paint', /no command paint; there are view, demo, host, info, snapshot, latency/],
    ['record', /record is not in this version/],
    ['view --colour', /kvmfr view: there is no flag --colour[\s\S]*kvmfr view --help/],
    ['view one two', /takes \[REGION\], not also two/],
    ['view --spice localhost', /--spice takes HOST:PORT or unix:PATH.*, not localhost/],
    ['view /tmp/r --spice 5900', /--spice takes HOST:PORT or unix:PATH.*, not 5900/],
    ['view /tmp/r --spice unix:', /--spice takes HOST:PORT or unix:PATH/],
    ['view /tmp/r --spice-password-file /etc/hostname', /--spice-password-file is for --spice/],
    ['view /tmp/r --spice-tls', /--spice-tls is for --spice: give the address too/],
    ['view /tmp/r --spice-ca /etc/hostname', /--spice-ca is for --spice: give the address too/],
    ['view /tmp/r --spice a:1 --spice-ca /no.pem', /--spice-ca \/no.pem cannot be read/],
    ['view /tmp/r --spice a:1 --spice-ca /etc/hostname', /must be certificates as PEM/],
    ['view /tmp/r --spice a:1 --spice-password-file /no.txt', /-file \/no.txt cannot be read/],
    ['view /tmp/r --qmp /run/qmp.sock', /--qmp takes unix:PATH.*, not \/run\/qmp.sock/],
    ['view /tmp/r --spice a:1 --qmp /q', /--qmp takes unix:PATH.*, not \/q/],
    ['view /tmp/r --clipboard twice', /--clipboard takes both, to-guest, from-guest, off/],
    ['view /tmp/r --qmp unix:/q --clipboard both', /QEMU's control socket has none/],
    ['demo --spice localhost:5900', /there is no flag --spice/],
    ['view --encode fast', /--encode takes auto, lossless, video, jpeg, not fast/],
    ['view --bitrate 50', /--bitrate takes/],
    ['view --max-fps 0', /--max-fps takes a whole number from 1 to 1000, not 0/],
    ['view --listen nowhere', /--listen takes HOST:PORT/],
    ['view --listen 127.0.0.1:70000', /--listen takes HOST:PORT/],
    ['view --tls-cert a.pem', /--tls-cert and --tls-key go together/],
    ['view --tls-cert /no.pem --tls-key /no.pem', /--tls-cert \/no.pem cannot be read/],
    ['view --token short', /--token takes 8 to 200 letters/],
    [
      'view --token-file /no.txt',
      /--token-file \/no.txt cannot be read: ENOENT, there is no such file/,
    ],
    ['view --token-file /tmp', /--token-file \/tmp cannot be read: EISDIR, it is a folder/],
    ['view --password-file /dev/null', /--password-file \/dev\/null must have one line/],
    ['password x', /takes no arguments, not also x/],
    ['view --allow-origin example.org', /--allow-origin takes an origin/],
    ['view pci:2', /REGION pci:2 must be pci: and a PCI address, for example pci:0000:00:02.0/],
    ['info vfio:x', /REGION vfio:x must be vfio: and a PCI address/],
    ['snapshot ivshmem:/run/x -o -', /REGION ivshmem:\/run\/x must be ivshmem:unix: and a path/],
    ['demo somewhere', /takes no arguments, not also somewhere/],
    ['demo --size 10', /--size takes WIDTHxHEIGHT/],
    ['demo --size 319x200', /--size takes WIDTHxHEIGHT from 320x200 to 8192x8192, .*not 319x200/],
    ['demo --wire dev11', /--wire takes B6, B7, .*not dev11/],
    ['demo --format YUV', /--format takes BGRA, .*not YUV/],
    ['host', /needs REGION/],
    ['host /tmp/r --source x11:a/b', /a display must be :N, as in :0, but is ":a\/b"/],
    ['host /tmp/r --source x11:0 --format RGBA', /--format is for the pattern; a screen has/],
    ['host /tmp/r --source image:x.png --fps 3', /--fps is for the pattern/],
    [
      'host /tmp/r --source fbdev --size 640x480',
      /--size is for the pattern; a screen has its own/,
    ],
    [
      'host /tmp/r --source fbdev:fb0',
      /must be pattern, image:FILE, x11.* or fbdev\[:.*"fbdev:fb0"/,
    ],
    ['info --assume dev13', /--assume takes dev12, not dev13/],
    ['latency one two', /takes \[REGION\], not also two/],
    ['latency --duration soon', /--duration takes a whole number from 1 to 604800, not soon/],
    ['latency --duration 0', /--duration takes a whole number/],
    ['latency --stimulus mouse', /--stimulus takes pattern, not mouse/],
    ['latency --listen nowhere', /--listen takes HOST:PORT/],
    ['latency --password-file x', /there is no flag --password-file/],
    ['latency --encode jpeg', /--encode is for browsers: give --listen HOST:PORT too/],
    ['latency --token 12345678', /--token is for browsers/],
    ['latency --html -', /--html takes a file, not -/],
    ['latency --html', /^kvmfr latency: --html needs FILE\n/],
    ['snapshot -o', /^kvmfr snapshot: --output needs FILE.png\n/],
    ['view --max-fps -1', /^kvmfr view: --max-fps needs N\n/],
    ['view --view-only=yes', /^kvmfr view: --view-only takes no value\n/],
    ['help paint', /^kvmfr: there is no command paint/],
    ['snapshot', /needs -o FILE.png/],
    ['snapshot -o x.png --timeout-ms soon', /--timeout-ms takes a whole number/],
  ];
  for (const [args, says] of cases)
    it(args, async () => {
      const run = await kvmfr(args.split(' '));
      expect(run.stderr).toMatch(says);
      expect(run.stdout.toString()).toBe('');
      expect(run.status).toBe(2);
    });
});

describe('kvmfr says what is wrong with a region, with status 1', () => {
  it('no file', async () => {
    const path = join(folder, 'none');
    const run = await kvmfr(['info', path, '--json']);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(path);
    expect(JSON.parse(run.stdout.toString())).toMatchObject({
      path,
      error: { code: 'ERR_KVMFR_ABSENT', errno: 'ENOENT' },
    });
  });

  it('a directory', async () => {
    const run = await kvmfr(['info', folder]);
    expect([run.status, run.stderr]).toEqual([1, expect.stringContaining('a directory')]);
  });

  it('a folder that a doorbell cannot make its socket in', async () => {
    const socket = join(folder, 'none', 'bell');
    const run = await kvmfr(['doorbell', '--socket', socket, '--size', '1']);
    expect(run).toMatchObject({
      status: 1,
      stderr: `kvmfr: expected the folder ${join(folder, 'none')} to exist, to make a socket in it\n`,
    });
  });

  it('an empty file, and one that is no multiple of a page', async () => {
    const path = join(folder, 'short');
    await writeFile(path, '');
    expect((await kvmfr(['info', path, '--json'])).stdout.toString()).toContain('ERR_KVMFR_SIZE');
    await writeFile(path, Buffer.alloc(5000));
    expect((await kvmfr(['info', path, '--json'])).stdout.toString()).toContain('ERR_KVMFR_SIZE');
  });

  it('zeros: no publisher, and snapshot gives up in the time it was given', async () => {
    const path = join(folder, 'zeros');
    await writeFile(path, Buffer.alloc(1 << 20));
    const info = await kvmfr(['info', path, '--json']);
    expect(info.status).toBe(1);
    expect(JSON.parse(info.stdout.toString())).toMatchObject({
      alive: false,
      error: { code: 'ERR_KVMFR_NO_HOST' },
    });
    const output = join(folder, 'never.png');
    const snapshot = await kvmfr(['snapshot', path, '-o', output, '--timeout-ms', '200']);
    expect(snapshot.status).toBe(1);
    expect(snapshot.stderr).toContain('in 200 ms');
    await expect(readFile(output)).rejects.toThrow('ENOENT');
  });

  it('a development version, named', async () => {
    const path = join(folder, 'dev');
    const bytes = Buffer.alloc(1 << 20);
    bytes.writeUInt32LE(0x504d474c, 8064);
    bytes.writeUInt32LE(11, 8068);
    await writeFile(path, bytes);
    const run = await kvmfr(['info', path]);
    expect(run.status).toBe(1);
    expect(run.stdout.toString()).toContain('LGMP 11 at 0x1f80');
    expect(run.stderr).toContain('LGMP 11');
  });
});

describe('host, info and snapshot work together', () => {
  for (const wire of ['B6', 'B7'])
    it(`a picture published as ${wire} comes back exact`, async () => {
      const region = join(folder, `image-${wire}`);
      const picture = join(folder, `${wire}.png`);
      const pixels = await writePicture(picture, 333, 201);
      await using host = new RunningCommand([
        ...['host', region, '--source', `image:${picture}`, '--wire', wire],
      ]);
      await host.says(/publishing/);
      const info = await kvmfr(['info', region]);
      expect(info.stderr).toBe('');
      expect(info.stdout.toString()).toContain(`Looking Glass ${wire}`);
      expect(info.status).toBe(0);
      const shot = await kvmfr(['snapshot', region, '-o', '-']);
      expect(shot.status).toBe(0);
      expect(Buffer.compare(await rgb(shot.stdout), pixels)).toBe(0);
      host.kill('SIGINT');
      expect((await host.done).status).toBe(130);
    });

  it('two hosts in one region say that they are two', async () => {
    const region = join(folder, 'two-hosts');
    await using one = new RunningCommand(['host', region, '--size', '320x200']);
    await one.says(/publishing/);
    await using other = new RunningCommand(['host', region, '--size', '320x200']);
    const isTold = /something else publishes in this region/;
    await Promise.race([one.says(isTold), other.says(isTold)]);
  });

  it('snapshot --cursor blends the pointer over the frame, and changes no other pixel', async () => {
    const region = join(folder, 'cursor');
    await using host = await createHost(region, { regionMib: 8 });
    const grey = Buffer.alloc(40 * 30 * 4, 100);
    const publish = (): void => {
      host.publish({ pixels: grey, format: 'BGRA', widthPx: 40, heightPx: 30 });
      host.setCursor({
        // Its left column lies outside of the screen.
        position: { x: -1, y: 5 },
        visible: true,
        shape: {
          kind: 'color',
          widthPx: 3,
          heightPx: 1,
          hotspotX: 0,
          hotspotY: 0,
          pitchBytes: 12,
          // B, G, R, A: opaque, half, opaque.
          bytes: Uint8Array.of(9, 9, 9, 255, 200, 0, 50, 128, 10, 20, 30, 255),
        },
      });
    };
    host.on('subscriber', publish);
    const file = join(folder, 'cursor.png');
    const run = await kvmfr(['snapshot', region, '--cursor', '-o', file]);
    expect(run.stderr).toContain('40 x 30');
    expect(run.status).toBe(0);
    const expected = Buffer.alloc(40 * 30 * 3, 100);
    const at = 5 * 40 * 3;
    // Half of R 50, G 0, B 200 over 100: (c * 128 + 100 * 127) / 255.
    expected.set([75, 50, 150, 30, 20, 10], at);
    expect(Buffer.compare(await rgb(await readFile(file)), expected)).toBe(0);
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('where no PNG can be written is said before a frame is waited for', async () => {
    const file = join(folder, 'no', 'x.png');
    // There is not even a region.
    const run = await kvmfr(['snapshot', join(folder, 'none'), '-o', file]);
    expect(run.status).toBe(1);
    expect(run.stderr).toBe(
      `kvmfr: ${file} could not be written: ENOENT, there is no such file or folder\n`,
    );
    const into = await kvmfr(['snapshot', join(folder, 'none'), '-o', folder]);
    expect([into.status, into.stderr]).toEqual([
      1,
      `kvmfr: ${folder} could not be written: EISDIR, it is a folder\n`,
    ]);
  });
});

describe('view and demo', () => {
  it('demo prints an address, serves it, and leaves nothing behind when interrupted', async () => {
    await using demo = new RunningCommand(['demo', '--listen', '127.0.0.1:0', '--size', '320x200']);
    const url = await demo.firstLine();
    await demo.says(/showing: /);
    const page = await fetch(url, { redirect: 'manual' });
    expect(page.status).toBe(303);
    const health = await fetch(new URL('/healthz', url));
    expect(health.status).toBe(200);
    const region = await demoRegion(demo.pid);
    expect(region).toMatch(/^\/dev\/shm\/kvmfr-demo-\w+\/looking-glass$/);
    demo.kill('SIGINT');
    expect((await demo.done).status).toBe(130);
    await expect(stat(region ?? '')).rejects.toThrow('ENOENT');
  });

  it('a port that is taken is named, with what to do', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const listen = ['--listen', `127.0.0.1:${port}`];
    const run = await kvmfr(['view', join(folder, 'zeros'), ...listen]);
    const demo = await kvmfr(['demo', '--size', '320x200', ...listen]);
    server.close();
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
    expect(run.stderr).toContain('--listen HOST:PORT');
    // And nothing of a guest that ended: that one was ended by us.
    expect(demo).toMatchObject({ status: 1, stderr: run.stderr });
  });

  it('view waits for a region that is not there, and says so once', async () => {
    await using view = new RunningCommand([
      'view',
      join(folder, 'later'),
      '--listen',
      '127.0.0.1:0',
    ]);
    await view.says(/waiting: /);
    view.kill('SIGTERM');
    const done = await view.done;
    expect(done.status).toBe(130);
    expect(done.stderr.match(/waiting: /g)).toHaveLength(1);
  });

  it('--help has no line that a terminal would break, and names each command', async () => {
    const { status, stdout } = await kvmfr(['--help']);
    const lines = stdout.toString().split('\n');
    expect(status).toBe(0);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(lines.filter((line) => line.startsWith('  kvmfr '))).toHaveLength(8);
  });

  it('--help of each command shows an example', async () => {
    for (const command of ['view', 'demo', 'host', 'info', 'snapshot', 'latency', 'password']) {
      const { status, stdout } = await kvmfr([command, '--help']);
      expect(status).toBe(0);
      expect(stdout.toString()).toContain(`Example: kvmfr ${command}`);
      expect(await kvmfr(['help', command])).toMatchObject({ status: 0, stdout });
    }
  });
});

/** The region that a process has mapped. */
async function demoRegion(pid: number): Promise<string | undefined> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  return /\S*kvmfr-demo-\S*/.exec(maps)?.[0];
}
