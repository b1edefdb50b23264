import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import {
  type AddressInfo,
  connect as connectSocket,
  createServer as createTcpServer,
} from 'node:net';
import { hostname } from 'node:os';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  createViewer,
  type Listening,
  type ListenOptions,
  listen,
  type Viewer,
  type ViewerOptions,
} from '../../viewer/relay/index.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { FakeGuest } from '../unit/relay/fake-guest.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { Screen } from '../unit/tiles/guest.ts';

const TOKEN = 'a token with spaces & ?=';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
}

class Stage {
  readonly guest = new FakeGuest();
  readonly relay: Viewer;
  door: Listening | undefined;

  constructor(options: Partial<ViewerOptions>) {
    this.relay = createViewer({ source: this.guest, token: TOKEN, idleGraceMs: 0, ...options });
    stages.push(this);
  }

  get port(): number {
    return this.door?.port ?? 0;
  }

  async listen(options: Partial<ListenOptions> = {}): Promise<this> {
    this.door = await listen(this.relay, { host: '127.0.0.1', port: 0, ...options });
    return this;
  }

  async ask(question: Question = {}): Promise<Answer> {
    return await answerOf({ ...question, port: this.port });
  }

  /** Asks with the token in a header. */
  async askIn(path: string, headers: Question['headers'] = {}): Promise<Answer> {
    const query = new URLSearchParams({ token: TOKEN });
    return await this.ask({ path: `${path}?${query}`, headers });
  }

  /** How an upgrade ends: 101, or the status that refused it. */
  async upgrade(path: string, options: { readonly [name: string]: string } = {}): Promise<number> {
    const { protocol = 'kvmfr.1', ...headers } = options;
    const socket = new WebSocket(
      `ws://127.0.0.1:${this.port}${path}`,
      protocol === '' ? [] : [protocol],
      { headers },
    );
    socket.on('error', () => {});
    return await new Promise((resolve) => {
      socket.once('open', () => {
        resolve(101);
        socket.terminate();
      });
      socket.once('unexpected-response', (_, res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
        socket.terminate();
      });
    });
  }
}

async function answerOf(
  question: Question & { readonly port: number; readonly tls?: boolean },
): Promise<Answer> {
  const { path = '/', method = 'GET', headers = {}, port } = question;
  const options = { host: '127.0.0.1', port, path, method, headers: { ...headers }, agent: false };
  const req = question.tls
    ? tlsRequest({ ...options, rejectUnauthorized: false })
    : request(options);
  req.end();
  const [res] = await once(req, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  return { status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) };
}

const stages: Stage[] = [];
const relays: Viewer[] = [];

afterEach(async () => {
  for (const stage of stages.splice(0)) {
    await stage.relay.close();
    await stage.door?.close();
  }
  for (const relay of relays.splice(0)) await relay.close();
});

const QUERY = `?${new URLSearchParams({ token: TOKEN })}`;

async function cookieOf(stage: Stage): Promise<string> {
  const { headers } = await stage.ask({ path: `/${QUERY}` });
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

describe('the token', () => {
  it('in the address of the page becomes a cookie, and leaves the address', async () => {
    const stage = await new Stage({}).listen();
    const answer = await stage.ask({ path: `/${QUERY}&view=fit` });
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe('/?view=fit');
    expect(answer.headers['cache-control']).toBe('no-store');
    const cookie = answer.headers['set-cookie']?.[0] ?? '';
    expect(cookie).toMatch(/^kvmfr-\d+=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(TOKEN);
  });

  it.each([
    ['/api/session', 200],
    ['/metrics', 200],
    ['/snapshot.png', 503],
    ['/nothing', 404],
  ])(
    'opens %s as cookie, as bearer and in the address, and nothing else does',
    async (path, status) => {
      const stage = await new Stage({ token: 'simple' }).listen();
      stage.guest.tell({ name: 'waiting', message: 'no host runs' });
      const { headers } = await stage.ask({ path: '/?token=simple' });
      const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
      const [name, value] = cookie.split('=');
      const asked = async (question: Question): Promise<number> =>
        (await stage.ask(question)).status;
      expect(await asked({ path, headers: { cookie: `a=b; ${cookie}; c=d` } })).toBe(status);
      expect(await asked({ path, headers: { authorization: 'Bearer simple' } })).toBe(status);
      expect(await asked({ path: `${path}?token=simple` })).toBe(status);
      for (const wrong of [
        { path },
        { path: `${path}?token=` },
        { path: `${path}?token=Simple` },
        { path: `${path}?token=simple2` },
        { path: `${path}?token=${value}` },
        { path, headers: { authorization: 'Basic simple' } },
        { path, headers: { authorization: 'Bearer simpl' } },
        { path, headers: { cookie: `${name}=simple` } },
        { path, headers: { cookie: `kvmfr-1=${value}` } },
        { path, headers: { cookie: `${name}` } },
      ])
        expect(await asked(wrong)).toBe(401);
    },
  );

  it('is asked for in words on the page, and as JSON elsewhere', async () => {
    const stage = await new Stage({}).listen();
    const page = await stage.ask();
    expect(page.status).toBe(401);
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.headers['www-authenticate']).toContain('Bearer');
    expect(String(page.body)).not.toContain(TOKEN);
    const api = await stage.ask({ path: '/api/session' });
    expect(JSON.parse(String(api.body))).toMatchObject({ code: 'ERR_KVMFR_DENIED' });
  });

  it('opens the socket in the three ways, and nothing else does', async () => {
    const stage = await new Stage({ token: 'simple' }).listen();
    const { headers } = await stage.ask({ path: '/?token=simple' });
    const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    expect(await stage.upgrade('/ws', { cookie })).toBe(101);
    expect(await stage.upgrade('/ws', { authorization: 'Bearer simple' })).toBe(101);
    expect(await stage.upgrade('/ws?token=simple')).toBe(101);
    expect(await stage.upgrade('/ws')).toBe(401);
    expect(await stage.upgrade('/ws?token=other')).toBe(401);
    expect(await stage.upgrade('/ws', { cookie: 'kvmfr=simple' })).toBe(401);
  });

  it('is not needed when the relay was made without', async () => {
    const stage = await new Stage({ token: false }).listen();
    expect(stage.relay.token).toBeUndefined();
    expect((await stage.ask({ path: '/api/session' })).status).toBe(200);
    expect(await stage.upgrade('/ws')).toBe(101);
  });

  it('is made up at random when none is given', () => {
    const tokens = [1, 2].map(() => {
      const relay = createViewer({ source: new FakeGuest() });
      relays.push(relay);
      return relay.token ?? '';
    });
    expect(tokens[0]).toMatch(/^[A-Za-z0-9_-]{24}$/);
    expect(tokens[0]).not.toBe(tokens[1]);
  });

  it('is not needed to ask for the health', async () => {
    const stage = await new Stage({}).listen();
    const answer = await stage.ask({ path: '/healthz' });
    expect([answer.status, String(answer.body)]).toEqual([200, 'ok\n']);
  });
});

describe('Host', () => {
  it.each([
    ['127.0.0.1', 200],
    ['127.0.0.1:9999', 200],
    ['localhost', 200],
    ['LOCALHOST:1', 200],
    ['[::1]:8400', 200],
    ['screen.example', 200],
    ['console.example', 200],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example:8400', 403],
    ['10.0.0.1', 403],
    ['127.0.0.1@evil.example', 403],
    ['a"b', 403],
  ])('%j is answered with %i', async (host, status) => {
    const stage = await new Stage({
      token: false,
      allowHosts: ['screen.example'],
      allowOrigins: ['https://console.example'],
    }).listen();
    expect((await stage.ask({ path: '/api/session', headers: { host } })).status).toBe(status);
    expect((await stage.ask({ path: '/healthz', headers: { host } })).status).toBe(status);
    expect(await stage.upgrade('/ws', { host })).toBe(status === 200 ? 101 : status);
  });

  it('must be there', async () => {
    const stage = await new Stage({ token: false }).listen();
    const socket = connectSocket(stage.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost:\r\n\r\n');
    const [data] = await once(socket, 'data');
    expect(String(data)).toMatch(/^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  it('may be any when the relay was made so, or this machine’s when it listens everywhere', async () => {
    const any = await new Stage({ token: false, allowHosts: ['*'] }).listen();
    const headers = { host: 'whatever.example' };
    expect((await any.ask({ path: '/api/session', headers })).status).toBe(200);
    const all = await new Stage({ token: false }).listen({ host: '0.0.0.0' });
    const own = { host: `${hostname()}:8400` };
    expect((await all.ask({ path: '/api/session', headers: own })).status).toBe(200);
    expect((await all.ask({ path: '/api/session', headers })).status).toBe(403);
  });
});

describe('Origin', () => {
  it.each([
    ['http://127.0.0.1:PORT', 101],
    ['https://console.example', 101],
    ['HTTPS://CONSOLE.EXAMPLE', 101],
    ['http://127.0.0.1:1', 403],
    ['http://localhost:PORT', 403],
    ['https://evil.example', 403],
    ['https://console.example.evil.example', 403],
    ['http://console.example', 403],
    ['null', 403],
    ['file://', 403],
  ])('%s gets %i', async (origin, status) => {
    const stage = await new Stage({
      token: false,
      allowOrigins: ['https://console.example'],
    }).listen();
    const headers = { origin: origin.replace('PORT', String(stage.port)) };
    expect(await stage.upgrade('/ws', headers)).toBe(status);
    const answer = await stage.ask({ path: '/api/session', headers });
    expect(answer.status).toBe(status === 101 ? 200 : 403);
    const foreign = origin.toLowerCase() === 'https://console.example';
    expect(answer.headers['access-control-allow-origin']).toBe(foreign ? origin : undefined);
  });
});

describe('every answer', () => {
  it('forbids what the page does not need', async () => {
    const stage = await new Stage({}).listen();
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
      });
    }
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('to %s is 405', async (method) => {
    const stage = await new Stage({ token: false }).listen();
    const answer = await stage.ask({ path: '/api/session', method });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
  });

  it('to HEAD has the head of GET and no body', async () => {
    const stage = await new Stage({ token: false }).listen();
    const answer = await stage.ask({ path: '/api/session', method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(10);
    expect(answer.body).toHaveLength(0);
  });

  it('to a path that tries to climb is 404', async () => {
    const stage = await new Stage({ token: false }).listen();
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
    const stage = await new Stage({ token: false }).listen();
    const headers = { 'x-long': 'x'.repeat(17 * 1024) };
    expect((await stage.ask({ headers })).status).toBe(431);
  });
});

describe('the socket', () => {
  it('is at /ws, and speaks kvmfr.1 or nothing', async () => {
    const stage = await new Stage({ token: false }).listen();
    expect(await stage.upgrade('/ws')).toBe(101);
    expect(await stage.upgrade('/ws', { protocol: '' })).toBe(101);
    expect(await stage.upgrade('/ws', { protocol: 'kvmfr.2' })).toBe(400);
    expect(await stage.upgrade('/other')).toBe(404);
    expect(await stage.upgrade('/')).toBe(404);
  });

  it('survives an upgrade to something else, and a line that breaks in the middle of it', async () => {
    const stage = await new Stage({ token: false }).listen();
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
    const stage = await new Stage({}).listen();
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

  it('is the last picture when the guest is gone', async () => {
    const stage = await new Stage({}).listen();
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
    const stage = await new Stage({}).listen();
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
    const stage = await new Stage({ version: '1.2.3' }).listen();
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
    expect(text).toMatch(/kvmfr_encode_seconds_total\{encoding="lossless"\} 0\.\d/);
    // Every line is a comment or a sample, as Prometheus wants it.
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) kvmfr_\w+ .+|kvmfr_\w+(\{\w+="[\w-]+"\})? [\d.e+-]+)$/);
    await viewer.close();
  });
});

describe('a relay in somebody else’s server', () => {
  it('answers below its mount only', async () => {
    const stage = new Stage({ mount: '/vm/one/', token: 'simple' });
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
    await expect(new Stage({}).listen({ port })).rejects.toMatchObject({
      code: 'ERR_KVMFR_LISTEN',
      errno: 'EADDRINUSE',
      message: `cannot listen on 127.0.0.1:${port}: another program listens there already`,
      hint: expect.stringContaining('--listen'),
    });
    other.close();
  });

  it('says so when this machine has no such address', async () => {
    await expect(new Stage({}).listen({ host: '203.0.113.1' })).rejects.toMatchObject({
      code: 'ERR_KVMFR_LISTEN',
      message: expect.stringContaining('no such address'),
    });
  });

  it('stops with its signal, and ends every connection', async () => {
    const stop = new AbortController();
    const stage = await new Stage({ token: false }).listen({ signal: stop.signal });
    const viewer = new TestViewer(`ws://127.0.0.1:${stage.port}/ws`);
    await viewer.until(() => viewer.hello !== undefined);
    stop.abort();
    await viewer.untilClosed();
    await expect(stage.ask()).rejects.toThrow(/ECONNREFUSED/);
  });

  it('speaks TLS when it is given a certificate, and its cookies are secure then', async () => {
    const stage = await new Stage({ token: 'simple' }).listen({ tls: { cert: CERT, key: KEY } });
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
