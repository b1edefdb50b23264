import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FrameInput, HostOptions } from '../../host/index.ts';
import { type Key, keyOfCode } from '../../protocol/keys.ts';
import {
  encodeInput,
  encodePing,
  encodeSoundWish,
  type InputEvent,
} from '../../protocol/wire/index.ts';
import { RunningCommand } from '../support/command.ts';
import { freePort } from '../support/free-port.ts';
import { FakeQemu } from '../unit/hands/fake-qemu.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { PING } from '../unit/relay/stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { FakeServer, fields } from '../unit/spice/fake-server.ts';
import { GuestProcess, temporaryPath } from './client-guest.ts';

const PASSWORD = 'tell nobody';
const PLAYBACK = 5;
const RECORD = 6;
const KEY_DOWN = 101;
const KEY_UP = 102;
const MOUSE_PRESS = 113;
let folder = '';
let passwordFile = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-hands-'));
  passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** `kvmfr view` of a region that is not there. */
function view(
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
): RunningCommand {
  return new RunningCommand(['view', join(folder, 'none'), '--listen', '127.0.0.1:0', ...args], {
    XDG_STATE_HOME: folder,
    ...env,
  });
}

async function visit(run: RunningCommand): Promise<TestViewer> {
  const url = new URL('ws', (await run.firstLine()).replace('http:', 'ws:'));
  url.search = new URL(await run.firstLine()).search;
  return new TestViewer(url.href);
}

async function attend(run: RunningCommand): Promise<TestViewer> {
  const viewer = await visit(run);
  await viewer.until(() => viewer.inputs.some(({ keyboard }) => keyboard));
  return viewer;
}

function keyOf(code: string): Key {
  const key = keyOfCode(code);
  if (key === undefined) throw new Error(`there must be a key ${code}`);
  return key;
}

function press(viewer: TestViewer, code: string): void {
  const event: InputEvent = { kind: 'key', key: keyOf(code), down: true };
  viewer.send(encodeInput({ atMs: undefined, events: [event] }));
}

function blackFrame(): FrameInput {
  const [widthPx, heightPx] = [8, 4];
  const pixels = new Uint8Array(widthPx * heightPx * 4);
  return { pixels, format: 'BGRA', widthPx, heightPx };
}

describe('kvmfr view --spice', () => {
  it.each(['file', 'variable'])(
    'brings keys to the guest, with the password of a %s',
    async (from) => {
      await using server = await FakeServer.listen({ password: PASSWORD });
      const args = ['--spice', server.address];
      await using run =
        from === 'file'
          ? view([...args, '--spice-password-file', passwordFile])
          : view(args, { KVMFR_SPICE_PASSWORD: PASSWORD });
      const viewer = await attend(run);
      await run.says(/keyboard and mouse: connected to the SPICE server at 127\.0\.0\.1:\d+/);
      const channel = await server.channel(3);
      press(viewer, 'KeyQ');
      expect((await channel.take(KEY_DOWN)).body.toString('hex')).toBe('10000000');
      // A page that is killed leaves no key behind.
      viewer.socket.terminate();
      expect((await channel.take(KEY_UP)).body.toString('hex')).toBe('90000000');
      const line = await readFile(`/proc/${run.pid}/cmdline`, 'utf8');
      run.kill('SIGTERM');
      const { stdout, stderr } = await run.done;
      expect(line + stdout.toString() + stderr).not.toContain(PASSWORD);
    },
  );

  it('brings what the guest plays, and the microphone only where it is asked for', async () => {
    const channels = [
      [3, 0],
      [PLAYBACK, 0],
      [RECORD, 0],
    ] as const;
    for (const flags of [[], ['--microphone']]) {
      await using server = await FakeServer.listen({ channels });
      await using run = view(['--spice', server.address, ...flags]);
      const viewer = await attend(run);
      await viewer.until(() => viewer.soundStates.at(-1)?.available === true);
      const channel = await server.channel(PLAYBACK);
      viewer.send(encodeSoundWish({ sound: true, codecs: [] }));
      await viewer.settle(encodePing(1));
      channel.send(103, fields([4, 2], [2, 1], [4, 48_000], [4, 0]));
      channel.send(101, Buffer.concat([fields([4, 0]), Buffer.alloc(960 * 4, 7)]));
      await viewer.until(() => viewer.sounds.length === 2);
      expect(Buffer.concat(viewer.sounds.map(({ data }) => data))).toEqual(
        Buffer.alloc(960 * 4, 7),
      );
      const { microphone } = viewer.soundStates.at(-1) ?? {};
      expect(microphone).toBe(flags.length > 0 ? 'off' : 'none');
      viewer.socket.terminate();
    }
  });

  it('lets go of what is held when it is ended', async () => {
    await using server = await FakeServer.listen();
    await using run = view(['--spice', server.address]);
    const viewer = await attend(run);
    const channel = await server.channel(3);
    press(viewer, 'ShiftLeft');
    await channel.take(KEY_DOWN);
    run.kill('SIGTERM');
    expect((await channel.take(KEY_UP)).body.toString('hex')).toBe('aa000000');
    expect((await run.done).status).toBe(130);
  });

  it('tells of a wrong password once, and of a server that has gone and is back', async () => {
    await using strict = await FakeServer.listen({ password: 'another' });
    await using refused = view(['--spice', strict.address, '--spice-password-file', passwordFile]);
    await refused.says(/keyboard and mouse: .*password/);
    refused.kill('SIGTERM');
    expect((await refused.done).stderr).not.toContain(PASSWORD);
    await using server = await FakeServer.listen();
    await using run = view(['--spice', server.address]);
    await run.says(/mouse: connected/);
    server.drop();
    await run.says(/mouse: connected[\s\S]*mouse: [\s\S]*mouse: connected/);
  });

  it.each(['both', 'to-guest', 'from-guest', 'off', undefined])(
    'shares the clipboard as --clipboard says: %s',
    async (policy) => {
      await using server = await FakeServer.listen();
      const flag = policy === undefined ? [] : ['--clipboard', policy];
      await using run = view(['--spice', server.address, ...flag]);
      const viewer = await attend(run);
      await viewer.settle(PING);
      const told = viewer.clipboards.at(-1);
      expect(told?.policy).toBe(policy === 'off' ? undefined : (policy ?? 'both'));
      // The server has no agent.
      if (told !== undefined) expect(told.reason).toMatch(/no SPICE agent runs in the guest/);
      run.kill('SIGTERM');
      expect((await run.done).status).toBe(130);
    },
  );

  it('goes by TLS to the server whose certificate was given, and to no other', async () => {
    const certificate = join(folder, 'server.pem');
    await writeFile(certificate, CERT);
    await using server = await FakeServer.listen({ tls: { cert: CERT, key: KEY } });
    await using run = view(['--spice', server.address, '--spice-ca', certificate]);
    const viewer = await attend(run);
    const channel = await server.channel(3);
    press(viewer, 'KeyQ');
    expect((await channel.take(KEY_DOWN)).body.toString('hex')).toBe('10000000');
    await using refused = view(['--spice', server.address, '--spice-tls']);
    await refused.says(/mouse: .*self-signed certificate\s+give the certificate of its authority/);
  });

  it('brings the screen and no keys where nobody may act', async () => {
    await using server = await FakeServer.listen();
    await using run = view(['--spice', server.address, '--view-only']);
    await run.says(/With --view-only nobody acts on the guest, and --spice brings its boot screen/);
    const viewer = await visit(run);
    const channel = await server.channel(3);
    await viewer.until(({ hello }) => hello?.viewOnly === true);
    press(viewer, 'KeyQ');
    await viewer.untilClosed();
    run.kill('SIGTERM');
    expect((await run.done).stderr).not.toContain('keyboard and mouse');
    await channel.closed();
    expect(channel.messages).toEqual([]);
  });
});

describe('kvmfr view --qmp', () => {
  it('brings keys to the guest, lets go of them, and tells when QEMU has gone and is back', async () => {
    await using qemu = await FakeQemu.listen();
    await using run = view(['--qmp', `unix:${qemu.path}`]);
    const viewer = await attend(run);
    await run.says(/keyboard and mouse: connected to QEMU's control socket unix:/);
    press(viewer, 'KeyQ');
    await qemu.until(() => qemu.events.length === 1);
    viewer.socket.terminate();
    await qemu.until(() => qemu.events.length === 2);
    expect(qemu.events.map((event) => JSON.parse(event).data)).toEqual([
      { down: true, key: { type: 'qcode', data: 'q' } },
      { down: false, key: { type: 'qcode', data: 'q' } },
    ]);
    qemu.drop();
    await run.says(/mouse: connected[\s\S]*mouse: .*was closed[\s\S]*mouse: connected/);
  });
});

describe('kvmfr view --spice of a server that sends all away', () => {
  it('says so once, however often it looks', async () => {
    let looks = 0;
    const server = createServer((socket) => {
      looks++;
      socket.destroy();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      await using run = view(['--spice', `127.0.0.1:${port}`]);
      await expect.poll(() => looks).toBeGreaterThan(3);
      run.kill('SIGTERM');
      const told = (await run.done).stderr.match(/keyboard and mouse: .*/g) ?? [];
      expect(told).not.toEqual([]);
      expect(told.filter((line, i) => line === told[i - 1])).toEqual([]);
    } finally {
      server.close();
    }
  });
});

describe('kvmfr view --spice --qmp', () => {
  it('brings keys by SPICE, by the control socket while that is away, and by SPICE again', async () => {
    const port = await freePort();
    const server = await FakeServer.listen({}, port);
    await using qemu = await FakeQemu.listen();
    await using run = view(['--spice', server.address, '--qmp', `unix:${qemu.path}`]);
    const viewer = await attend(run);
    await run.says(/connected to QEMU's control socket/);
    await run.says(/connected to the SPICE server/);
    press(viewer, 'KeyQ');
    expect((await (await server.channel(3)).take(KEY_DOWN)).body.toString('hex')).toBe('10000000');
    expect(qemu.events).toEqual([]);
    await server[Symbol.asyncDispose]();
    await run.says(/mouse: a SPICE server must answer at/);
    press(viewer, 'KeyW');
    await qemu.until(() => qemu.events.length === 1);
    await using again = await FakeServer.listen({}, port);
    await run.says(/connected to the SPICE[\s\S]*connected to the SPICE/);
    await qemu.until(() => qemu.events.length === 2);
    expect(qemu.events.map((event) => JSON.parse(event).data)).toEqual([
      { down: true, key: { type: 'qcode', data: 'w' } },
      { down: false, key: { type: 'qcode', data: 'w' } },
    ]);
    press(viewer, 'KeyE');
    expect((await (await again.channel(3)).take(KEY_DOWN)).body.toString('hex')).toBe('12000000');
  });
});

describe('kvmfr view of a guest that takes input by its region', () => {
  const guestOf = (path: string, options: HostOptions = {}): Promise<GuestProcess> =>
    GuestProcess.start(path, { wire: 'dev12', input: true, regionMib: 8, ...options });
  const viewOf = (path: string, args: readonly string[] = []): RunningCommand =>
    new RunningCommand(['view', path, '--listen', '127.0.0.1:0', ...args], {
      XDG_STATE_HOME: folder,
    });

  it('brings keys and pointer there by itself, and lets go of them', async () => {
    const guest = await guestOf(temporaryPath());
    await guest.publish(blackFrame());
    await using run = viewOf(guest.path);
    const viewer = await attend(run);
    await run.says(/keyboard and mouse: the guest takes them by its region/);
    // A place is one of a picture.
    await viewer.until(() => viewer.updates.length > 0);
    const key = keyOf('KeyQ');
    const events: InputEvent[] = [
      { kind: 'key', key, down: true },
      { kind: 'position', x: 4, y: 2 },
    ];
    viewer.send(encodeInput({ atMs: undefined, events }));
    const held = await guest.inputs('absolute');
    expect(held.map(({ clientId: _, ...rest }) => rest)).toEqual([
      { kind: 'claim' },
      { kind: 'keyboard', modifiers: 0, keys: [20] },
      // The middles of pixels 4 of 8 and 2 of 4.
      { kind: 'absolute', buttons: 0, x: 18432, y: 20480, wheel: 0 },
    ]);
    viewer.socket.terminate();
    await guest.letGo();
  });

  it('goes on with the guest that comes after it, and tells of one that takes none', async () => {
    const path = temporaryPath();
    const first = await guestOf(path);
    await using run = viewOf(path);
    const viewer = await attend(run);
    await first.kill();
    const silent = await guestOf(path, { wire: 'B7', input: false });
    await run.says(/mouse: this Looking Glass host takes none by the region/);
    await viewer.until(() => viewer.inputs.at(-1)?.keyboard === false);
    expect(viewer.inputs.at(-1)?.reason).toBe(
      'Looking Glass B7 takes no keys by the region: start kvmfr with --spice or --qmp',
    );
    await silent.kill();
    const second = await guestOf(path);
    await viewer.until(() => viewer.inputs.at(-1)?.keyboard === true);
    press(viewer, 'ShiftLeft');
    expect((await second.inputs('keyboard')).at(-1)).toMatchObject({ modifiers: 2, keys: [] });
    run.kill('SIGTERM');
    await second.letGo();
    expect((await run.done).status).toBe(130);
  });

  it('leaves them to SPICE where that was asked for, and says so', async () => {
    await using server = await FakeServer.listen();
    const guest = await guestOf(temporaryPath());
    await using run = viewOf(guest.path, ['--spice', server.address]);
    const viewer = await attend(run);
    await run.says(
      /the guest takes them by its region too; --spice was given, and is what is used/,
    );
    const channel = await server.channel(3);
    press(viewer, 'KeyQ');
    await channel.take(KEY_DOWN);
    expect((await guest.facts()).stats.input).toMatchObject({ accepted: 0, ignored: 0 });
  });
});

it('places of the pointer go by the region where SPICE knows only steps, before the click', async () => {
  await using server = await FakeServer.listen();
  const path = temporaryPath();
  const guest = await GuestProcess.start(path, { wire: 'B7', regionMib: 8, features: 1 });
  await guest.publish(blackFrame());
  await using run = new RunningCommand(
    ['view', path, '--listen', '127.0.0.1:0', '--spice', server.address],
    { XDG_STATE_HOME: folder },
  );
  const viewer = await attend(run);
  await viewer.until(() => viewer.updates.length > 0);
  await viewer.until(() => viewer.inputs.at(-1)?.absolute === true);
  const channel = await server.channel(3);
  const events: InputEvent[] = [
    { kind: 'position', x: 5, y: 1 },
    { kind: 'button', button: 0, down: true },
  ];
  viewer.send(encodeInput({ atMs: undefined, events }));
  expect(await guest.places({ x: 5, y: 1 })).toEqual([{ x: 5, y: 1 }]);
  expect((await channel.take(MOUSE_PRESS)).body.toString('hex')).toBe('010100');
  await guest.kill();
  await viewer.until(() => viewer.inputs.at(-1)?.absolute === false);
});

it('the synthetic guest of kvmfr demo follows the pointer of who looks', async () => {
  const args = ['demo', '--listen', '127.0.0.1:0', '--size', '320x200'];
  await using run = new RunningCommand(args, { XDG_STATE_HOME: folder });
  const viewer = await attend(run);
  await viewer.until(() => viewer.updates.length > 0);
  const point = (x: number, y: number): Promise<void> => {
    const event: InputEvent = { kind: 'position', x, y };
    viewer.send(encodeInput({ atMs: undefined, events: [event] }));
    return viewer.until(() => {
      const { cursors, shapes } = viewer;
      const at = cursors.at(-1);
      const shape = shapes.find(({ shapeId }) => shapeId === at?.shapeId);
      return at?.x === x - (shape?.hotspotX ?? 0) && at?.y === y - (shape?.hotspotY ?? 0);
    });
  };
  await point(7, 11);
  await point(300, 150);
});
