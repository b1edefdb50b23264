import {
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createRegionFile,
  IvshmemServer,
  type IvshmemServerOptions,
  type Mapping,
  openIvshmem,
  openMapping,
  reachMapping,
} from '../../../native/index.ts';
import { linuxAddon } from '../../../native/load.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { FakeServer, messageOf, openFile, type Said } from './fake-server.ts';
import { REGION_BYTES, scratchFolder, thrownBy } from './scratch.ts';

const folder = scratchFolder();
const servers: IvshmemServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

let made = 0;
function freshPath(): string {
  made += 1;
  return join(folder, `socket${made}`);
}

function serve(options: Partial<IvshmemServerOptions> = {}): IvshmemServer {
  const server = new IvshmemServer({
    ...{ socketPath: freshPath(), byteLength: REGION_BYTES, ...options },
  });
  servers.push(server);
  return server;
}

/** Waits for what has no event of its own, turn by turn of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`expected ${holds} to hold by now`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function peersOf(mapping: Mapping): readonly number[] {
  return [...(mapping.doorbell?.summary.peers ?? [])].sort();
}

/** Sockets, eventfds and anonymous memory of this process. */
function belongings(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /socket:|eventfd|memfd:|kvmfr-test/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  }).length;
}

async function failure(opening: Promise<Mapping>): Promise<KvmfrError> {
  try {
    (await opening).close();
  } catch (error) {
    if (error instanceof KvmfrError) return error;
    throw error;
  }
  throw new Error('expected the server to be refused, but it was taken');
}

describe('an ivshmem-server and its peers', () => {
  test('share memory, and know each other by their numbers', async () => {
    const server = serve();
    using one = await openIvshmem(server.socketPath);
    using other = await reachMapping(`ivshmem:unix:${server.socketPath}`);
    expect([one.kind, one.path]).toEqual(['ivshmem', `ivshmem:unix:${server.socketPath}`]);
    expect(one.byteLength).toBe(REGION_BYTES);
    new Uint32Array(one.buffer)[9] = 0xfeed;
    expect(new Uint32Array(other.buffer)[9]).toBe(0xfeed);
    await until(() => peersOf(one).length === 1 && peersOf(other).length === 1);
    expect([one.doorbell?.summary.ownId, peersOf(one)]).toEqual([0, [1]]);
    expect([other.doorbell?.summary.ownId, peersOf(other)]).toEqual([1, [0]]);
  });

  test('a ring is heard by all others, and not by who rings', async () => {
    const server = serve({ vectors: 2 });
    const all = await Promise.all([0, 1, 2].map(() => openIvshmem(server.socketPath)));
    await until(() => all.every((mapping) => peersOf(mapping).length === 2));
    all[1]?.doorbell?.ring();
    await until(
      () => all[0]?.doorbell?.summary.heard === 1 && all[2]?.doorbell?.summary.heard === 1,
    );
    expect(all.map((mapping) => mapping.doorbell?.summary.rung)).toEqual([0, 2, 0]);
    expect(all[1]?.doorbell?.summary.heard).toBe(0);
    for (const mapping of all) mapping.close();
  });

  test('a ring ends a wait whose word has changed', async () => {
    const server = serve();
    using waiter = await openIvshmem(server.socketPath, { looks: 'loop' });
    using writer = await openIvshmem(server.socketPath);
    await until(() => peersOf(writer).length === 1 && peersOf(waiter).length === 1);
    const words = new Uint32Array(writer.buffer);
    const rounds = 20;
    for (let round = 1; round <= rounds; round++) {
      const waiting = waiter.wait([{ offsetBytes: 64, value: round - 1 }], { timeoutMs: 60_000 });
      Atomics.store(words, 16, round);
      writer.doorbell?.ring();
      expect(await waiting).toBe('changed');
    }
    // Without a ring the change is found as well.
    const waiting = waiter.wait([{ offsetBytes: 64, value: rounds }], { timeoutMs: 60_000 });
    Atomics.store(words, 16, rounds + 1);
    expect(await waiting).toBe('changed');
  });

  test('whose changes are announced is looked at rarely, and as before when nobody rings', async () => {
    const server = serve();
    using waiter = await openIvshmem(server.socketPath, { looks: 'loop' });
    using writer = await openIvshmem(server.socketPath);
    await until(() => peersOf(writer).length === 1 && peersOf(waiter).length === 1);
    const words = new Uint32Array(writer.buffer);
    let value = 0;
    // Looks tell when the change was not there yet; where there were none, nobody can.
    const lookedBefore = async (rings: boolean): Promise<boolean> => {
      const looks = { beforeMs: 0 };
      const waiting = waiter.wait([{ offsetBytes: 64, value }], { timeoutMs: 60_000, looks });
      value += 1;
      Atomics.store(words, 16, value);
      if (rings) writer.doorbell?.ring();
      expect(await waiting).toBe('changed');
      return !Number.isNaN(looks.beforeMs);
    };
    const most = 1000;
    for (const rings of [true, false, true]) {
      let rounds = 0;
      while ((await lookedBefore(rings)) === rings && rounds < most) rounds += 1;
      expect(rounds).toBeLessThan(most);
    }
  });

  test('peers come and go, and their numbers are given again', async () => {
    const events: string[] = [];
    const server = serve({ told: ({ kind, id }) => events.push(`${kind} ${id}`) });
    using stays = await openIvshmem(server.socketPath);
    const goes = await openIvshmem(server.socketPath);
    await until(() => peersOf(stays).length === 1);
    goes.close();
    await until(() => peersOf(stays).length === 0);
    using comes = await openIvshmem(server.socketPath);
    await until(() => peersOf(stays).length === 1);
    await until(() => comes.doorbell?.summary.ownId === 1);
    expect(events).toEqual(['joined 0', 'joined 1', 'left 1', 'joined 1']);
  });

  test('beyond the most that there may be, who comes is sent away and told nothing', async () => {
    const server = serve({ maxPeers: 1 });
    using _first = await openIvshmem(server.socketPath);
    const error = await failure(openIvshmem(server.socketPath));
    expect(error.code).toBe('ERR_KVMFR_LOST');
    expect(error.message).toBe(
      `the ivshmem-server at ${server.socketPath} has ended before it told its version`,
    );
    expect(server.peers).toEqual([0]);
  });

  test('the memory is that of a file where one is named', async () => {
    const file = join(folder, 'memory');
    createRegionFile(file, REGION_BYTES);
    const server = serve({ file });
    using peer = await openIvshmem(server.socketPath);
    using plain = openMapping(file);
    new Uint32Array(peer.buffer)[3] = 33;
    expect(new Uint32Array(plain.buffer)[3]).toBe(33);
  });

  test('memory without a file keeps its size, whoever would change it', async () => {
    const server = serve();
    using _peer = await openIvshmem(server.socketPath);
    const memory = readdirSync('/proc/self/fd').find((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('memfd:kvmfr-doorbell');
      } catch {
        return false;
      }
    });
    expect(() => truncateSync(`/proc/self/fd/${memory}`, 0)).toThrow(/EPERM/);
  });

  test('the socket is its owner’s alone, and is gone after close', async () => {
    const server = serve();
    expect(statSync(server.socketPath).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(server.socketPath)).toBe(false);
  });

  test('a socket that a killed server has left is taken, another file is not', async () => {
    const path = freshPath();
    // Bound, and closed without being removed.
    const addon = linuxAddon();
    closeSync(addon.listenAt(path, 1));
    const server = serve({ socketPath: path });
    using _peer = await openIvshmem(path);
    expect(thrownBy(() => serve({ socketPath: path })).code).toBe('ERR_KVMFR_BUSY');
    expect(server.peers).toEqual([0]);
    const file = join(folder, 'precious');
    writeFileSync(file, 'kept');
    expect(thrownBy(() => serve({ socketPath: file })).code).toBe('ERR_KVMFR_BUSY');
    expect(readFileSync(file, 'latin1')).toBe('kept');
  });

  test.each([0, 4095, 3 * 4096, 2 ** 32])(
    'a size of %d bytes is no size of a BAR',
    (byteLength) => {
      expect(thrownBy(() => serve({ byteLength })).code).toBe('ERR_KVMFR_SIZE');
    },
  );

  test('leave nothing behind, however often they come and go', async () => {
    const before = belongings();
    for (let i = 0; i < 10; i++) {
      const server = serve({ vectors: 3 });
      const [one, other] = [
        await openIvshmem(server.socketPath),
        await openIvshmem(server.socketPath),
      ];
      await until(() => peersOf(one).length === 1 && peersOf(other).length === 1);
      one.close();
      await server.close();
      other.close();
    }
    expect(belongings()).toBe(before);
  });
});

describe('a peer whose server ends', () => {
  test('keeps its memory, and sees another server at the path', async () => {
    const server = serve();
    using peer = await openIvshmem(server.socketPath);
    new Uint32Array(peer.buffer)[0] = 1;
    await server.close();
    await until(() => peer.doorbell?.summary.problem !== undefined);
    expect(peer.doorbell?.summary.problem).toContain('has ended');
    expect([peer.stillThere(), new Uint32Array(peer.buffer)[0]]).toEqual(['same', 1]);
    peer.doorbell?.ring();
    serve({ socketPath: server.socketPath });
    expect(peer.stillThere()).toBe('replaced');
  });

  test('nobody listens there, or nothing is there: says how to start one', async () => {
    const path = freshPath();
    const absent = await failure(openIvshmem(path));
    expect([absent.code, absent.errno]).toEqual(['ERR_KVMFR_ABSENT', 'ENOENT']);
    expect(absent.hint).toContain('kvmfr doorbell');
    closeSync(linuxAddon().listenAt(path, 1));
    const silent = await failure(openIvshmem(path));
    expect([silent.code, silent.errno]).toEqual(['ERR_KVMFR_ABSENT', 'ECONNREFUSED']);
    unlinkSync(path);
  });
});

describe('a server that lies', () => {
  const region = join(folder, 'region');
  createRegionFile(region, REGION_BYTES);
  const empty = join(folder, 'empty');
  writeFileSync(empty, '');

  /** What comes of a script; and that nothing of it is left. */
  async function met(script: readonly (Said | 'end')[], timeoutMs = 60_000): Promise<KvmfrError> {
    const path = freshPath();
    using server = new FakeServer(path, script);
    const before = belongings();
    const error = await failure(openIvshmem(path, { timeoutMs }));
    await until(() => server.connected === 1);
    server.die();
    expect(belongings()).toBe(before);
    expect(error.message).toContain(path);
    return error;
  }

  test.each([
    ['another version', [{ value: 1 }], /speaks version 1, not 0/],
    ['no number at all', [{ bytes: new Uint8Array(8).fill(0xee) }], /speaks version NaN/],
    ['a number beyond 16 bits', [{}, { value: 65_536 }], /gives us the number NaN/],
    ['a number below zero', [{}, { value: -1 }], /gives us the number -1/],
    ['no memory', [{}, {}, { value: -1 }], /passes no memory/],
    ['another message in its place', [{}, {}, { value: 5 }], /passes no memory/],
  ] as const)('%s: is refused by name', async (_, script, says) => {
    const error = await met(script);
    expect(error.code).toBe('ERR_KVMFR_IVSHMEM');
    expect(error.message).toMatch(says);
  });

  test.each([
    [[], /before it told its version/],
    [[{}], /before it told our number/],
    [[{}, {}], /before it told its memory/],
    [[{}, { bytes: new Uint8Array(3) }], /before it told our number/],
  ] as const)('and dies in the middle, after %j: is LOST', async (script, says) => {
    const error = await met([...script, 'end']);
    expect(error.code).toBe('ERR_KVMFR_LOST');
    expect(error.message).toMatch(says);
  });

  test('and says nothing: is given up', async () => {
    const error = await met([{}], 3000);
    expect(error.code).toBe('ERR_KVMFR_TIMEOUT');
    expect(error.message).toMatch(/did not tell our number in 3000 ms/);
  });

  test('and passes a descriptor too many', async () => {
    using file = openFile(region);
    const { fd: passed } = file;
    expect((await met([{ passed }])).message).toMatch(/passes a descriptor with its version/);
    expect((await met([{}, { passed }])).message).toMatch(/passes a descriptor with our number/);
    const halves = messageOf(-1);
    const script = [
      ...[{}, {}],
      { bytes: halves.subarray(0, 4), passed },
      { bytes: halves.subarray(4), passed },
    ];
    expect((await met(script)).message).toMatch(/several descriptors with one message/);
  });

  test.each([
    ['an empty file', empty, 'r+', 'ERR_KVMFR_SIZE'],
    ['a directory', folder, 'r', 'ERR_KVMFR_NOT_A_REGION'],
    ['a file that may not be written', region, 'r', 'ERR_KVMFR_IVSHMEM'],
    ['a device that is none', '/dev/null', 'r+', 'ERR_KVMFR_NOT_A_REGION'],
  ] as const)('and passes %s for its memory', async (_, path, flags, code) => {
    using file = openFile(path, flags);
    expect((await met([{}, {}, { value: -1, passed: file.fd }])).code).toBe(code);
  });

  test('and gives vectors that are none: the memory stays, the doorbell does not', async () => {
    using file = openFile(region);
    const greeting = [{}, {}, { value: -1, passed: file.fd }];
    for (const [more, says] of [
      [{ value: 3, passed: file.fd }, /gives 3 a vector that is no eventfd/],
      [{ value: 0, passed: file.fd }, /gives 0 a vector that is no eventfd/],
      [{ value: 0 }, /says that 0 has gone/],
      [{ value: -1 }, /says that -1 has gone/],
      [{ bytes: new Uint8Array(8).fill(0x7f) }, /says that NaN has gone/],
    ] as const) {
      const path = freshPath();
      using server = new FakeServer(path, greeting);
      const before = belongings();
      const mapping = await openIvshmem(path);
      server.say(more);
      await until(() => mapping.doorbell?.summary.problem !== undefined);
      expect(mapping.doorbell?.summary.problem).toMatch(says);
      expect(mapping.buffer.byteLength).toBe(REGION_BYTES);
      mapping.doorbell?.ring();
      mapping.close();
      server.die();
      expect(belongings()).toBe(before);
    }
  });

  test('and has more peers, or vectors, than there are: is left', async () => {
    using file = openFile(region);
    const greeting = [{}, {}, { value: -1, passed: file.fd }];
    const event = linuxAddon().createEvent();
    for (const [idOf, says] of [
      [(i: number) => i + 1, /more than 64 other peers/],
      [() => 7, /gives 7 more than 32 vectors/],
      [() => 0, /gives 0 more than 32 vectors/],
    ] as const) {
      const path = freshPath();
      using server = new FakeServer(path, greeting);
      const mapping = await openIvshmem(path);
      const before = belongings();
      for (let i = 0; i < 66; i++) server.say({ value: idOf(i), passed: event });
      await until(() => mapping.doorbell?.summary.problem !== undefined);
      expect(mapping.doorbell?.summary.problem).toMatch(says);
      mapping.close();
      expect(belongings()).toBeLessThan(before);
    }
    closeSync(event);
  });

  test('an eventfd that is full does not hold up who rings it', async () => {
    using file = openFile(region);
    const addon = linuxAddon();
    const event = addon.createEvent();
    // The highest count that there is, so that the next one would wait.
    writeSync(event, new Uint8Array(8).fill(0xff).with(0, 0xfe));
    const path = freshPath();
    using _server = new FakeServer(path, [
      ...[{}, {}, { value: -1, passed: file.fd }],
      { value: 4, passed: event },
    ]);
    using mapping = await openIvshmem(path);
    await until(() => peersOf(mapping).length === 1);
    mapping.doorbell?.ring();
    expect(mapping.doorbell?.summary.rung).toBe(1);
    closeSync(event);
  });
});
