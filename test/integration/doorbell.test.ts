import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { createHost } from '../../host/index.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmfr-doorbell-'));
const WIDTH = 96;
const HEIGHT = 64;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
async function server(...more: readonly string[]): Promise<{
  readonly command: RunningCommand;
  readonly socket: string;
  readonly region: string;
}> {
  made += 1;
  const socket = join(folder, `socket${made}`);
  const command = new RunningCommand(['doorbell', '--socket', socket, '--size', '16', ...more]);
  const region = await command.firstLine();
  return { command, socket, region };
}

function picture(seed: number): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 4);
  for (let i = 0; i < WIDTH * HEIGHT; i++)
    pixels.writeUInt32LE((Math.imul(i + seed, 0x9e37_79b1) | 0xff00_0000) >>> 0, i * 4);
  return pixels;
}

/** B, G, R, X as R, G, B, which is what a PNG has. */
function redFirst(pixels: Buffer): Buffer {
  const rgb = Buffer.alloc((pixels.length / 4) * 3);
  for (let i = 0; i < pixels.length / 4; i++)
    for (let channel = 0; channel < 3; channel++)
      rgb[i * 3 + channel] = pixels[i * 4 + 2 - channel] ?? 0;
  return rgb;
}

describe('kvmfr doorbell', () => {
  it('serves a publisher, a reader and a look at both, and is gone when interrupted', async () => {
    const { command, socket, region } = await server();
    expect(region).toBe(`ivshmem:unix:${socket}`);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    await using host = await createHost(region, { wire: 'B7', hostVersion: 'by socket' });
    await command.says(/peer 0 has come: 1 of 16 are there/);
    await using client = await connect(region);
    expect(client.session.hostVersion).toBe('by socket');
    let seed = 1;
    const show = (): boolean =>
      host.publish({
        ...{ format: 'BGRA', widthPx: WIDTH, heightPx: HEIGHT, pixels: picture(seed) },
      });
    show();
    for await (const frame of client.frames()) {
      expect(await frame.whenRows(HEIGHT)).toBe(true);
      expect(Buffer.compare(frame.pixels, picture(seed))).toBe(0);
      if (seed === 12) break;
      frame.release();
      seed += 1;
      expect(show()).toBe(true);
    }
    const { status, stdout } = await kvmfr(['info', region, '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      ...{ path: region, kind: 'ivshmem', alive: true, sizeBytes: 16 * 2 ** 20 },
      doorbell: { ownId: 2, peers: [0, 1] },
    });
    const png = join(folder, 'picture.png');
    expect((await kvmfr(['snapshot', region, '-o', png])).status).toBe(0);
    const { data } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(data.equals(redFirst(picture(seed)))).toBe(true);
    const view = new RunningCommand(['view', region, '--listen', '127.0.0.1:0']);
    await view.says(/showing a guest/);
    view.kill('SIGINT');
    expect((await view.done).status).toBe(130);
    await client.close();
    await command.says(/peer 1 has gone: 1 of 16 are there/);
    command.kill('SIGINT');
    expect((await command.done).status).toBe(130);
    expect(existsSync(socket)).toBe(false);
  });

  it('a client waits for a server that is not there yet, and for the next one when it ends', async () => {
    const socket = join(folder, 'late');
    const region = `ivshmem:unix:${socket}`;
    const connecting = connect(region);
    const first = new RunningCommand(['doorbell', '--socket', socket, '--size', '16']);
    await first.firstLine();
    {
      await using _host = await createHost(region, { wire: 'B7', hostVersion: 'first' });
      await using client = await connecting;
      expect(client.session.hostVersion).toBe('first');
      await first[Symbol.asyncDispose]();
      await using second = new RunningCommand(['doorbell', '--socket', socket, '--size', '16']);
      await second.firstLine();
      await using _next = await createHost(region, { wire: 'B6', hostVersion: 'second' });
      for await (const state of client.states())
        if (state.name === 'showing' && client.session.hostVersion === 'second') break;
      expect(client.session.release).toBe('B6');
    }
  });

  it('keeps the memory in a file that is named, where others find it by its path', async () => {
    const file = join(folder, 'memory');
    const { command, region } = await server('--region', file);
    await using _command = command;
    await using _host = await createHost(region, { hostVersion: 'in a file' });
    await using client = await connect(file);
    expect(client.session.hostVersion).toBe('in a file');
    expect(statSync(file).size).toBe(16 * 2 ** 20);
  });
});
