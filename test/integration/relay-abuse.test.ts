import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAck } from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { answerOf, closeHttpStages, cookieOf, HttpStage, QUERY } from '../unit/relay/http-stage.ts';
import { noisy, PING } from '../unit/relay/stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';

const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await closeHttpStages();
});

/** A connection that says this and then nothing. */
async function dial(stage: HttpStage, text = '', from = '127.0.0.1'): Promise<Socket> {
  const socket = connectSocket({ port: stage.port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return socket;
}

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  // A connection that is reset has an error first, which is as good.
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

function urlOf(stage: HttpStage): string {
  return `ws://127.0.0.1:${stage.port}/ws${QUERY}`;
}

/** Shows the next of many different frames, and waits until a viewer has it exactly. */
async function shows(stage: HttpStage, viewer: TestViewer, seed: number): Promise<void> {
  const screen = noisy(seed);
  const frame = screen.frame();
  stage.guest.publish(frame);
  await viewer.untilShows(screen.rgb);
}

describe('connections that are opened and left', () => {
  it.each([
    ['with nothing said', ''],
    ['in the middle of the first line', 'GET /heal'],
    ['in the middle of the head', 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: '],
    [
      'in the middle of a body',
      'POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nabc',
    ],
  ])('%s are ended', async (_, text) => {
    const stage = await new HttpStage({}).listen({
      limits: { headersTimeoutMs: 100, requestTimeoutMs: 100 },
    });
    await closed(await dial(stage, text));
  });

  it('before TLS is through are ended', async () => {
    const stage = await new HttpStage({}).listen({
      tls: { cert: CERT, key: KEY },
      limits: { headersTimeoutMs: 100 },
    });
    await closed(await dial(stage));
    await closed(await dial(stage, '\x16\x03\x01'));
    expect((await answerOf({ path: '/healthz', port: stage.port, tls: true })).status).toBe(200);
  });

  it('push out each other, the oldest first, and nobody who is in', async () => {
    const limits = { strangers: 6, strangersPerBlock: 4 };
    const stage = await new HttpStage({}).listen({ limits });
    const cookie = await cookieOf(stage);
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.state !== undefined);
    const crowd: Socket[] = [];
    for (let i = 0; i < 4; i++) crowd.push(await dial(stage));
    // The fifth of this address: its first one goes.
    crowd.push(await dial(stage));
    await closed(crowd[0] as Socket);
    // Two of another address make six, the third one too many: the address with most of them pays.
    const others = [await dial(stage, '', '127.0.0.2'), await dial(stage, '', '127.0.0.2')];
    others.push(await dial(stage, '', '127.0.0.3'));
    await closed(crowd[1] as Socket);
    expect([...crowd.slice(2), ...others].map((socket) => socket.destroyed)).toEqual(
      Array.from({ length: 6 }, () => false),
    );
    // Whoever belongs inside comes in, by cookie as by token, and whoever was in has stayed.
    expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(200);
    const next = new TestViewer(urlOf(stage));
    await next.until(() => next.state !== undefined);
    await viewer.settle(PING);
    await viewer.close();
    await next.close();
  });

  it('after they were let in, without a hello, make room for a viewer that comes back', async () => {
    const stage = await new HttpStage({ maxViewers: 3 }).listen();
    const silent = [1, 2].map(() => new TestViewer(urlOf(stage), { hello: false }));
    for (const viewer of silent) await viewer.until(() => viewer.hello !== undefined);
    const first = new TestViewer(urlOf(stage));
    await first.until(() => first.state !== undefined);
    const second = new TestViewer(urlOf(stage));
    await second.until(() => second.state !== undefined);
    await silent[0]?.untilClosed();
    const third = new TestViewer(urlOf(stage));
    await third.until(() => third.state !== undefined);
    await silent[1]?.untilClosed();
    const fourth = new TestViewer(urlOf(stage));
    await fourth.until(() => fourth.bye !== undefined);
    expect(fourth.bye?.code).toBe('ERR_KVMFR_BUSY');
    for (const viewer of [first, second, third]) {
      await viewer.settle(PING);
      await viewer.close();
    }
  });
});

describe('a viewer that is shown the screen', () => {
  it('goes on through 100 half-open connections, 1000 wrong tokens and 8 MB of garbage', async () => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.hello !== undefined);
    await shows(stage, viewer, 1);
    for (let i = 0; i < 100; i++) await dial(stage, i % 2 === 0 ? '' : 'GET / HTTP/1.1\r\nHost: ');
    await shows(stage, viewer, 2);
    const statuses = new Map<number, number>();
    for (let i = 0; i < 1000; i++) {
      const { status } = await stage.ask({
        path: `/api/session?token=guess-${i}`,
        from: '127.0.0.2',
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect([...statuses]).toEqual([
      [401, 9],
      [429, 991],
    ]);
    await shows(stage, viewer, 3);
    const garbage = new TestViewer(urlOf(stage));
    await garbage.until(() => garbage.state !== undefined);
    garbage.send(new Uint8Array(8 * 1024 * 1024).fill(0x5a));
    await garbage.untilClosed();
    expect(garbage.closeCode).toBe(1009);
    const noise = await dial(stage, 'x'.repeat(8 * 1024 * 1024), '127.0.0.2');
    await closed(noise);
    await shows(stage, viewer, 4);
    expect(stage.relay.viewers).toHaveLength(1);
    await viewer.close();
  });
});

describe('a viewer that sends', () => {
  it.each([
    ['too many messages', (viewer: TestViewer): void => viewer.send(PING)],
    ['too many pings', (viewer: TestViewer): void => viewer.socket.ping()],
    ['too many pongs', (viewer: TestViewer): void => viewer.socket.pong()],
  ])('%s is sent away', async (_, send) => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.state !== undefined);
    for (let i = 0; i < 20_000; i++) send(viewer);
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
    await eventually(() => stage.relay.viewers.length === 0);
  });

  it('a ping of the socket itself is answered', async () => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.state !== undefined);
    let pongs = 0;
    viewer.socket.on('pong', () => pongs++);
    viewer.socket.ping('x');
    await eventually(() => pongs === 1);
    await viewer.close();
  });

  it('a message in very many pieces is sent away', async () => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.state !== undefined);
    for (let i = 0; i < 100; i++) viewer.socket.send(new Uint8Array(1), { fin: false });
    await viewer.untilClosed();
    expect(viewer.closeCode).toBe(1008);
  });

  it('an acknowledgement before its hello is sent away', async () => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage), { hello: false });
    await viewer.until(() => viewer.hello !== undefined);
    const times = { networkUs: 0, boundUs: 0, decodeUs: 0, presentUs: 0 };
    viewer.send(encodeAck({ epoch: 1, serial: 1, ...times }));
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
  });

  it('an offer of compression gets none', async () => {
    const stage = await new HttpStage({}).listen();
    const viewer = new TestViewer(urlOf(stage));
    await viewer.until(() => viewer.state !== undefined);
    // The library of the test offers it by itself.
    expect(viewer.socket.extensions).toBe('');
    await viewer.close();
  });
});
