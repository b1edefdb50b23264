import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectSpice, type SpiceOptions, SpiceSession } from '../../../client/spice/index.ts';
import type { SpiceState, SpiceStateName } from '../../../client/spice/state.ts';
import { freePort } from '../../support/free-port.ts';
import { CERT, KEY } from '../relay/certificate.ts';
import {
  type FakeOptions,
  FakeServer,
  fields,
  frame,
  type LinkStage,
  mainInit,
} from './fake-server.ts';

const QUICK: SpiceOptions = { backoff: { firstMs: 1, longestMs: 1 }, linkTimeoutMs: 60_000 };
/** Long enough that no second attempt is made while a test runs. */
const ONCE: SpiceOptions = { backoff: { firstMs: 1e9, longestMs: 1e9 } };

async function stateOf(session: SpiceSession, ...names: SpiceStateName[]): Promise<SpiceState> {
  for await (const state of session.states()) if (names.includes(state.name)) return state;
  throw new Error(`the session was closed before it was ${names.join(' or ')}`);
}

describe('connectSpice', () => {
  it('links MAIN, then the channels of the list with the number of the session', async () => {
    await using server = await FakeServer.listen({ password: 'sesame' });
    await using session = await connectSpice(server.address, { password: 'sesame' });
    const main = await server.channel(1);
    const inputs = await server.channel(3);
    expect([main.connectionId, inputs.connectionId]).toEqual([0, 0x1234_5678]);
    expect((await main.take(104)).body).toHaveLength(0);
    expect((await main.take(105)).body.toString('hex')).toBe('0200');
    expect(session.state.name).toBe('connected');
    expect(session.info).toMatchObject({
      mouseMode: 'server',
      mouseModes: ['server', 'client'],
      channels: ['main', 'inputs'],
    });
  });

  it('tells the name and the uuid of the machine', async () => {
    await using server = await FakeServer.listen();
    await using session = await connectSpice(server.address, ONCE);
    const main = await server.channel(1);
    const infos = session.infos();
    await infos.next();
    main.send(113, Buffer.concat([fields([4, 6]), Buffer.from('guest\0')]));
    main.send(114, Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'));
    const { value: named } = await infos.next();
    expect(named?.name).toBe('guest');
    while (session.info?.uuid === undefined) await infos.next();
    expect(session.info.uuid).toBe('00010203-0405-0607-0809-0a0b0c0d0e0f');
  });

  const refusals: readonly (readonly [string, string, FakeOptions, SpiceOptions])[] = [
    ['a wrong password', 'ERR_KVMFR_PASSWORD', { password: 'right' }, { password: 'wrong' }],
    ['a password that is missing', 'ERR_KVMFR_PASSWORD', { password: 'right' }, {}],
    [
      'another protocol',
      'ERR_KVMFR_MAGIC',
      { linkReply: () => Buffer.from('220 mail ready, hello\r\n') },
      {},
    ],
    [
      'a key that is none',
      'ERR_KVMFR_SPICE',
      { linkReply: (right) => right.fill(0xff, 20, 182) },
      {},
    ],
    [
      'a link reply of another size',
      'ERR_KVMFR_SPICE',
      {
        linkReply: (right) => {
          right.writeUInt32LE(0x7fff_ffff, 12);
          return right;
        },
      },
      {},
    ],
    [
      'capabilities outside of the reply',
      'ERR_KVMFR_SPICE',
      {
        linkReply: (right) => {
          right.writeUInt32LE(0xffff, 182);
          return right;
        },
      },
      {},
    ],
    [
      'headers of the long form',
      'ERR_KVMFR_UNSUPPORTED',
      {
        linkReply: (right) => {
          right.writeUInt32LE(0b0011, 194);
          return right;
        },
      },
      {},
    ],
    [
      'an error in the link reply',
      'ERR_KVMFR_UNSUPPORTED',
      {
        linkReply: (right) => {
          right.writeUInt32LE(5, 16);
          return right;
        },
      },
      {},
    ],
    ['an unknown result', 'ERR_KVMFR_SPICE', { result: () => 99 }, {}],
    [
      'a half link reply',
      'ERR_KVMFR_TIMEOUT',
      { linkReply: (right) => right.subarray(0, 100) },
      { linkTimeoutMs: 300 },
    ],
    ['no result', 'ERR_KVMFR_TIMEOUT', { result: () => undefined }, { linkTimeoutMs: 300 }],
    ['no INIT', 'ERR_KVMFR_TIMEOUT', { silent: true }, { linkTimeoutMs: 300 }],
  ];
  it.each(refusals)('is told of %s by %s', async (_, code, fake, options) => {
    await using server = await FakeServer.listen(fake);
    const error: unknown = await connectSpice(server.address, options).catch((reason) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toMatch(/wrong$/);
    expect(server.connections).toBeGreaterThan(0);
  });

  it('is told when nobody listens', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await expect(connectSpice(address)).rejects.toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      errno: 'ECONNREFUSED',
      message: `a SPICE server must answer at ${address}, but nobody listens there`,
    });
    await expect(connectSpice('unix:/nonexistent/spice.sock')).rejects.toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
      errno: 'ENOENT',
      message: expect.stringMatching(/spice.sock, but there is no such socket$/),
    });
  });

  it('ends with its signal, before and after', async () => {
    await using server = await FakeServer.listen();
    const reason = new Error('enough');
    await expect(connectSpice(server.address, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const stop = new AbortController();
    const session = await connectSpice(server.address, { signal: stop.signal });
    const main = await server.channel(1);
    stop.abort();
    await main.closed();
    await session.close();
    expect(session.state.name).toBe('closed');
  });
});

describe('a server that goes away', () => {
  const names = { MAIN: 1, DISPLAY: 2, INPUTS: 3, CURSOR: 4, PLAYBACK: 5 };
  const stages: readonly LinkStage[] = ['connected', 'half-reply', 'reply', 'result'];
  const channels = [2, 3, 4, 5].map((type) => [type, 0] as const);

  it.each(
    Object.entries(names).flatMap(([name, channel]) =>
      stages.map((stage) => [name, stage, channel] as const),
    ),
  )('while %s is linked, at %s, is told, and no connection is left', async (_, stage, channel) => {
    await using server = await FakeServer.listen({ channels, endAt: { channel, stage } });
    await using session = new SpiceSession(server.address, ONCE);
    expect((await stateOf(session, 'waiting')).code).toMatch(/^ERR_KVMFR_(LOST|SYSCALL)$/);
    await server.idle();
  });

  it.each(Object.entries(names))('by %s alone ends all of them', async (_, type) => {
    await using server = await FakeServer.listen({ channels });
    await using session = await connectSpice(server.address, ONCE);
    const frames = session.display.frames();
    const channel = await server.channel(type);
    // Half a message is on its way when it ends.
    channel.sendRaw(fields([2, 101], [4, 100], [4, 0]));
    channel.socket.end();
    await stateOf(session, 'waiting');
    await server.idle();
    expect(session.inputs.isOpen).toBe(false);
    await session.close();
    expect((await frames.next()).done).toBe(true);
  });

  it('between INIT and the list of channels is told', async () => {
    await using server = await FakeServer.listen({ silent: true });
    const session = connectSpice(server.address, ONCE);
    const main = await server.channel(1);
    main.sendRaw(mainInit());
    await main.take(104);
    main.socket.end();
    await expect(session).rejects.toMatchObject({ code: 'ERR_KVMFR_LOST' });
    await server.idle();
  });
});

describe('a server behind TLS', () => {
  const tls = { cert: CERT, key: KEY };
  const fingerprint = new X509Certificate(CERT).fingerprint256;

  it.each([
    ['the certificate of its authority', { ca: CERT, serverName: 'localhost' }],
    ['its own certificate, whatever name is in it', { ca: CERT, serverName: 'elsewhere.example' }],
    ['its fingerprint', { fingerprint }],
    [
      'its fingerprint without colons',
      { fingerprint: fingerprint.replaceAll(':', '').toLowerCase() },
    ],
  ])('is known by %s', async (_, known) => {
    await using server = await FakeServer.listen({ tls, password: 'sesame' });
    const options = { tls: known, password: 'sesame' };
    await using session = await connectSpice(server.address, options);
    session.inputs.keyDown(0x1e);
    expect((await (await server.channel(3)).take(101)).body.toString('hex')).toBe('1e000000');
  });

  it('with another certificate gets no password', async () => {
    await using server = await FakeServer.listen({ tls, password: 'sesame' });
    const other = fingerprint.replace(/^../, (digits) => (digits === '00' ? '01' : '00'));
    await expect(
      connectSpice(server.address, { tls: { fingerprint: other }, password: 'sesame' }),
    ).rejects.toMatchObject({ code: 'ERR_KVMFR_DENIED' });
    const unsigned = connectSpice(server.address, { tls: {}, password: 'sesame' });
    await expect(unsigned).rejects.toMatchObject({ code: 'ERR_KVMFR_DENIED' });
    await server.idle();
  });
});

describe('duties of every channel', () => {
  it('answers PING, and says which SET_ACK it follows and each window after it', async () => {
    await using server = await FakeServer.listen();
    await using _session = await connectSpice(server.address, ONCE);
    const inputs = await server.channel(3);
    inputs.send(4, fields([4, 7], [8, 99], [4, 0], [4, 0]));
    expect((await inputs.take(3)).body.toString('hex')).toBe('070000006300000000000000');
    inputs.send(3, fields([4, 5], [4, 3]));
    expect((await inputs.take(1)).body.toString('hex')).toBe('05000000');
    for (let i = 0; i < 7; i++) inputs.send(102, fields([2, 0]));
    inputs.send(4, fields([4, 8], [8, 0]));
    await inputs.take(3);
    expect(inputs.messages.map(({ type }) => type)).toEqual([2, 2]);
  });

  it('counts what it does not know, and goes on', async () => {
    await using server = await FakeServer.listen();
    await using session = await connectSpice(server.address, ONCE);
    const inputs = await server.channel(3);
    inputs.send(999, Buffer.alloc(50));
    inputs.send(5);
    inputs.send(4, fields([4, 8], [8, 0]));
    await inputs.take(3);
    expect(session.unknownMessages).toBe(2);
  });

  it('tells what the server tells a person', async () => {
    await using server = await FakeServer.listen();
    await using session = await connectSpice(server.address, ONCE);
    const notices = session.notices();
    const text = Buffer.from('keyboard channel is insecure\0');
    (await server.channel(1)).send(
      7,
      Buffer.concat([fields([8, 0], [4, 1], [4, 2], [4, 0], [4, text.length]), text]),
    );
    expect((await notices.next()).value).toEqual({
      severity: 'warning',
      what: 0,
      text: 'keyboard channel is insecure',
    });
  });
});

describe('a session that was lost', () => {
  it('is made again, on a server that came back', async () => {
    const port = await freePort();
    const first = await FakeServer.listen({}, port);
    await using session = await connectSpice(first.address, QUICK);
    await first[Symbol.asyncDispose]();
    expect((await stateOf(session, 'waiting')).code).toMatch(/LOST|ABSENT|SYSCALL/);
    await using second = await FakeServer.listen({}, port);
    await stateOf(session, 'connected');
    expect(session.connections).toBe(2);
    expect(session.inputs.keyDown(0x1e)).toBe(true);
    expect((await (await second.channel(3)).take(101)).body.toString('hex')).toBe('1e000000');
  });

  it('is not taken back from another viewer by itself, and is when somebody says so', async () => {
    let taken = false;
    await using server = await FakeServer.listen({
      result: (right, channel) => (taken && channel !== 1 ? 8 : right),
    });
    await using session = await connectSpice(server.address, QUICK);
    taken = true;
    server.drop();
    const state = await stateOf(session, 'taken');
    expect(state).toMatchObject({ code: 'ERR_KVMFR_BUSY' });
    const { connections } = server;
    expect(session.inputs.keyDown(0x1e)).toBe(false);
    taken = false;
    session.reconnect();
    await stateOf(session, 'connected');
    expect(server.connections).toBe(connections + 2);
  });

  it('is lost as a whole when one of its channels is', async () => {
    await using server = await FakeServer.listen();
    await using session = await connectSpice(server.address, QUICK);
    const main = await server.channel(1);
    (await server.channel(3)).socket.destroy();
    await main.closed();
    for await (const _ of session.states()) if (session.connections === 2) break;
    expect((await server.channel(1)).connectionId).toBe(0);
  });

  it.each([
    ['a message larger than any', fields([2, 101], [4, 0x4000_0000])],
    ['a message shorter than its fields', frame(101, fields([1, 0]))],
  ])('is given up for %s', async (_, bytes) => {
    await using server = await FakeServer.listen();
    await using session = await connectSpice(server.address, ONCE);
    const inputs = await server.channel(3);
    inputs.sendRaw(bytes);
    expect(await stateOf(session, 'failed')).toMatchObject({ code: 'ERR_KVMFR_SPICE' });
    await inputs.closed();
  });

  it('takes another password when it was refused', async () => {
    await using server = await FakeServer.listen({ password: 'right' });
    await using session = new SpiceSession(server.address, { ...QUICK, password: 'wrong' });
    expect(await stateOf(session, 'denied')).toMatchObject({ code: 'ERR_KVMFR_PASSWORD' });
    const { connections } = server;
    session.reconnect({ password: 'right' });
    await stateOf(session, 'connected');
    expect(server.connections).toBe(connections + 2);
  });
});
