import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  type AddressInfo,
  connect as connectSocket,
  createServer as createTcpServer,
} from 'node:net';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { createViewer, listen } from '../../viewer/relay/index.ts';
import { parseExposition } from '../support/exposition.ts';
import { turnedBy } from '../support/picture-reference.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { FakeGuest } from '../unit/relay/fake-guest.ts';
import {
  type Answer,
  answerOf,
  closeHttpStages,
  cookieOf,
  HttpStage,
  QUERY,
} from '../unit/relay/http-stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { Screen } from '../unit/tiles/guest.ts';

afterEach(closeHttpStages);

describe('every answer', () => {
  it('forbids what the page does not need', async () => {
    const stage = await new HttpStage({}).listen();
    const cookie = await cookieOf(stage);
    for (const path of ['/', '/api/session', '/nothing', '/healthz', '/metrics']) {
      const { headers } = await stage.ask({ path, headers: { cookie } });
      const host = `127.0.0.1:${stage.port}`;
      expect(headers['content-security-policy']).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
          `connect-src 'self' ws://${host} wss://${host}; worker-src 'self'; ` +
          "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
      );
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'permissions-policy': expect.stringContaining('camera=()'),
      });
    }
  });

  it('may be framed by its own pages, and by those of an allowed origin', async () => {
    const stage = await new HttpStage({ allowOrigins: ['https://console.example'] }).listen();
    const { headers } = await stage.ask();
    expect(headers['content-security-policy']).toContain(
      "frame-ancestors 'self' https://console.example;",
    );
  });

  it('is not to be kept by anybody on the way, unless it is a file of the page', async () => {
    const stage = await new HttpStage({}).listen();
    for (const path of ['/', '/api/session', '/nothing', '/healthz', '/metrics', '/snapshot.png'])
      expect((await stage.ask({ path })).headers['cache-control']).toBe('no-store');
    for (const path of ['/api/session', '/metrics'])
      expect((await stage.askIn(path)).headers['cache-control']).toBe('no-store');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('to %s is 405', async (method) => {
    const stage = await new HttpStage({ token: false }).listen();
    const answer = await stage.ask({ path: '/api/session', method });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
  });

  it('to HEAD has the head of GET and no body', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    const answer = await stage.ask({ path: '/api/session', method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(10);
    expect(answer.body).toHaveLength(0);
  });

  it('to a path that tries to climb is 404', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    for (const path of [
      '/../package.json',
      '/%2e%2e/package.json',
      '/assets/../../package.json',
      '//etc/passwd',
      '/ws',
    ])
      expect((await stage.ask({ path })).status).toBe(404);
    expect((await stage.ask({ path: 'http://evil.example/' })).status).toBe(404);
  });

  it('to a head of more than 16 KiB is 431', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    const headers = { 'x-long': 'x'.repeat(17 * 1024) };
    expect((await stage.ask({ headers })).status).toBe(431);
  });
});

describe('the socket', () => {
  it('is at /ws, and speaks kvmfr.1 or nothing', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    expect(await stage.upgrade('/ws')).toBe(101);
    expect(await stage.upgrade('/ws', { protocol: '' })).toBe(101);
    expect(await stage.upgrade('/ws', { protocol: 'kvmfr.2' })).toBe(400);
    expect(await stage.upgrade('/other')).toBe(404);
    expect(await stage.upgrade('/')).toBe(404);
  });

  it('survives an upgrade to something else, and a line that breaks in the middle of it', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    const head = `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n`;
    for (const rest of ['Upgrade: h2c\r\n\r\n', 'Upgrade: websocket\r\n\r\n']) {
      const socket = connectSocket(stage.port, '127.0.0.1');
      socket.write(head + rest);
      const [data] = await once(socket, 'data');
      expect(String(data)).toMatch(/^HTTP\/1\.1 4\d\d /);
      socket.destroy();
    }
    const broken = connectSocket(stage.port, '127.0.0.1');
    broken.write(`${head}Upgrade: websocket\r\n\r\n`);
    broken.resetAndDestroy();
    expect(await stage.upgrade('/ws')).toBe(101);
  });
});

describe('/snapshot.png', () => {
  it('is the current picture exactly, with nobody else looking', async () => {
    const stage = await new HttpStage({}).listen();
    const screen = new Screen(333, 222);
    screen.noise(5);
    stage.guest.current = () => screen.frame();
    const answer = await stage.askIn('/snapshot.png');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('image/png');
    expect(answer.headers['cache-control']).toBe('no-store');
    const { data, info } = await sharp(answer.body).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 333, height: 222, channels: 3 });
    expect(Buffer.compare(data, screen.rgb)).toBe(0);
    screen.noise(6);
    const again = await stage.askIn('/snapshot.png');
    expect(Buffer.compare(await sharp(again.body).raw().toBuffer(), screen.rgb)).toBe(0);
  });

  it.each([1, 2, 3] as const)('is turned by the guest’s %i quarters', async (rotation) => {
    const stage = await new HttpStage({}).listen();
    const screen = new Screen(67, 33);
    screen.noise(rotation);
    stage.guest.current = () => screen.frame({ rotation });
    const answer = await stage.askIn('/snapshot.png');
    const { data, info } = await sharp(answer.body).raw().toBuffer({ resolveWithObject: true });
    const { widthPx, heightPx, rgb } = screen;
    const turned = turnedBy({ widthPx, heightPx, rgb: Float64Array.from(rgb) }, rotation);
    expect(info).toMatchObject({ width: turned.widthPx, height: turned.heightPx });
    expect([...data]).toEqual([...turned.rgb]);
  });

  it('is the last picture when the guest is gone', async () => {
    const stage = await new HttpStage({}).listen();
    const screen = new Screen(100, 50);
    screen.noise(5);
    stage.guest.current = () => screen.frame();
    await stage.askIn('/snapshot.png');
    stage.guest.current = undefined;
    stage.guest.tell({ name: 'stale', message: 'gone' });
    const answer = await stage.askIn('/snapshot.png');
    expect(Buffer.compare(await sharp(answer.body).raw().toBuffer(), screen.rgb)).toBe(0);
  });

  it('is 503 with the state when there has never been one', async () => {
    const stage = await new HttpStage({}).listen();
    stage.guest.state = { name: 'waiting', message: 'no host runs' };
    stage.guest.tell(stage.guest.state);
    const answer = await stage.askIn('/snapshot.png');
    expect(answer.status).toBe(503);
    expect(JSON.parse(String(answer.body))).toMatchObject({
      state: 'waiting',
      message: 'no host runs',
    });
  });
});

describe('/api/session and /metrics', () => {
  it('tell the state, the session, the picture and who looks', async () => {
    const stage = await new HttpStage({ version: '1.2.3' }).listen();
    const bare = JSON.parse(String((await stage.askIn('/api/session')).body));
    expect(bare).toMatchObject({ version: '1.2.3', state: 'showing', picture: null, viewers: 0 });
    const screen = new Screen(320, 200);
    stage.guest.current = () => screen.frame();
    const url = `ws://127.0.0.1:${stage.port}/ws${QUERY}`;
    const viewer = new TestViewer(url);
    await viewer.until(() => viewer.updates.length > 0);
    const told = JSON.parse(String((await stage.askIn('/api/session')).body));
    expect(told).toMatchObject({
      session: { release: 'B7', os: 'Test OS <b>"&' },
      picture: { widthPx: 320, heightPx: 200, epoch: 1, serial: 1, format: 'BGRA', rotation: 0 },
      viewers: 1,
      stats: { framesSeen: 1, sessions: 1 },
    });
    const text = String((await stage.askIn('/metrics')).body);
    expect(text).toContain('# TYPE kvmfr_frames_seen_total counter\nkvmfr_frames_seen_total 1\n');
    expect(text).toContain('kvmfr_state{state="showing"} 1\n');
    expect(text).toContain('kvmfr_state{state="waiting"} 0\n');
    expect(text).toContain('kvmfr_viewers 1\n');
    expect(text).toContain('kvmfr_picture_width_pixels 320\n');
    expect(text).toMatch(/kvmfr_sent_bytes_total [1-9]/);
    expect(text).toMatch(/kvmfr_encode_seconds_total\{encoding="lossless"\} \d+\.\d/);
    const metrics = parseExposition(text);
    expect(metrics.size).toBeGreaterThan(20);
    for (const name of metrics.keys()) expect(name).toMatch(/^kvmfr_/);
    await viewer.close();
  });
});

describe('a relay in somebody else’s server', () => {
  it('answers below its mount only', async () => {
    const stage = new HttpStage({ mount: '/vm/one/', token: 'simple' });
    const server = createServer((req, res) => {
      void stage.relay.request(req, res).then((answered) => {
        if (!answered) res.writeHead(418).end();
      });
    });
    server.on('upgrade', (req, socket, head) => {
      if (!stage.relay.upgrade(req, socket, head)) socket.end('HTTP/1.1 418 No\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = addressOf(server.address());
    const ask = async (path: string, headers = {}): Promise<Answer> =>
      await answerOf({ path, headers, port });
    expect((await ask('/')).status).toBe(418);
    expect((await ask('/vm/one2/')).status).toBe(418);
    const bare = await ask('/vm/one');
    expect([bare.status, bare.headers.location]).toEqual([308, '/vm/one/']);
    const opened = await ask('/vm/one/?token=simple');
    expect([opened.status, opened.headers.location]).toEqual([303, '/vm/one/']);
    expect(opened.headers['set-cookie']?.[0]).toContain('Path=/vm/one/;');
    expect((await ask('/vm/one/healthz')).status).toBe(200);
    const viewer = new TestViewer(`ws://127.0.0.1:${port}/vm/one/ws?token=simple`);
    await viewer.until(() => viewer.hello !== undefined);
    await viewer.close();
    await stage.relay.close();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  });
});

describe('listen()', () => {
  it('says which address is taken, and what to do', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = addressOf(other.address());
    await expect(new HttpStage({}).listen({ port })).rejects.toMatchObject({
      code: 'ERR_KVMFR_LISTEN',
      errno: 'EADDRINUSE',
      message: `cannot listen on 127.0.0.1:${port}: another program listens there already`,
      hint: expect.stringContaining('--listen'),
    });
    other.close();
  });

  it('says so when this machine has no such address', async () => {
    await expect(new HttpStage({}).listen({ host: '203.0.113.1' })).rejects.toMatchObject({
      code: 'ERR_KVMFR_LISTEN',
      message: expect.stringContaining('no such address'),
    });
  });

  it('stops with its signal, and ends every connection', async () => {
    const stop = new AbortController();
    const stage = await new HttpStage({ token: false }).listen({ signal: stop.signal });
    const viewer = new TestViewer(`ws://127.0.0.1:${stage.port}/ws`);
    await viewer.until(() => viewer.hello !== undefined);
    stop.abort();
    await viewer.untilClosed();
    await expect(stage.ask()).rejects.toThrow(/ECONNREFUSED/);
  });

  it('speaks TLS when it is given a certificate, and its cookies are secure then', async () => {
    const stage = await new HttpStage({ token: 'simple' }).listen({
      tls: { cert: CERT, key: KEY },
    });
    expect(stage.door?.url).toBe(`https://127.0.0.1:${stage.port}/`);
    const answer = await answerOf({ path: '/?token=simple', port: stage.port, tls: true });
    expect(answer.headers['set-cookie']?.[0]).toContain('; Secure');
  });
});

describe('createViewer()', () => {
  it.each([
    '{"encode":"gif"}',
    '{"token":""}',
    '{"token":5}',
    '{"viewToken":""}',
    '{"token":"same","viewToken":"same"}',
    '{"password":""}',
    '{"password":"scrypt$32768$8$1$short"}',
    '{"cookieKey":{"byteLength":15}}',
    '{"mount":"vm/"}',
    '{"mount":"/vm"}',
    '{"mount":"/a/../b/"}',
    '{"allowOrigins":["console.example"]}',
    '{"allowOrigins":["https://console.example/"]}',
    '{"maxFps":0}',
    '{"maxFps":1e999}',
    '{"maxViewers":0}',
    '{"credit":1.5}',
    '{"ackTimeoutMs":0}',
    '{"idleGraceMs":-1}',
    '{"jpegQuality":101}',
  ])('refuses %s', (wrong) => {
    // From JSON, as the compiler would refuse most of it first.
    const options = Object.assign({ source: new FakeGuest() }, JSON.parse(wrong));
    expect(() => createViewer(options)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });

  it('of a region that is not there waits for it, and says so', async () => {
    const relay = createViewer({ source: '/dev/shm/kvmfr-test-is-not-there', token: false });
    const door = await listen(relay, { host: '127.0.0.1', port: 0 });
    const viewer = new TestViewer(`ws://127.0.0.1:${door.port}/ws`);
    await viewer.until(() => viewer.state?.code === 'ERR_KVMFR_ABSENT');
    expect(viewer.state?.state).toBe('waiting');
    await relay.close();
    await viewer.untilClosed();
    await door.close();
  });
});

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('not a TCP address');
  return address;
}
