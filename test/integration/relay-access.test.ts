import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeView } from '../../protocol/wire/index.ts';
import { createViewer, type Viewer, type ViewerOptions } from '../../viewer/relay/index.ts';
import { FakeGuest } from '../unit/relay/fake-guest.ts';
import {
  type Answer,
  closeHttpStages,
  HttpStage,
  QUERY,
  type Question,
  TOKEN,
} from '../unit/relay/http-stage.ts';
import { PING } from '../unit/relay/stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';

const relays: Viewer[] = [];

afterEach(async () => {
  await closeHttpStages();
  for (const relay of relays.splice(0)) await relay.close();
});

describe('the token', () => {
  it('in the address of the page becomes a cookie, and leaves the address', async () => {
    const stage = await new HttpStage({}).listen();
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
      const stage = await new HttpStage({ token: 'simple' }).listen();
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
        // No more than nine different secrets of one address are looked at.
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
    const stage = await new HttpStage({}).listen();
    const page = await stage.ask();
    expect(page.status).toBe(401);
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.headers['www-authenticate']).toContain('Bearer');
    expect(String(page.body)).not.toContain(TOKEN);
    const api = await stage.ask({ path: '/api/session' });
    expect(JSON.parse(String(api.body))).toMatchObject({ code: 'ERR_KVMFR_DENIED' });
  });

  it('opens the socket in the three ways, and nothing else does', async () => {
    const stage = await new HttpStage({ token: 'simple' }).listen();
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
    const stage = await new HttpStage({ token: false }).listen();
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
    const stage = await new HttpStage({}).listen();
    const answer = await stage.ask({ path: '/healthz' });
    expect([answer.status, String(answer.body)]).toEqual([200, 'ok\n']);
  });
});

describe('wrong tokens', () => {
  it('make their address wait after ten, whatever token it brings then; nobody else, and no cookie', async () => {
    const lines: string[] = [];
    const stage = await new HttpStage({
      token: 'simple',
      log: (line) => lines.push(line),
    }).listen();
    const { headers } = await stage.ask({ path: '/?token=simple' });
    const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    for (let i = 0; i < 9; i++) {
      const path = `/api/session?token=guess-${i}`;
      expect((await stage.ask({ path })).status).toBe(401);
    }
    expect(await stage.upgrade('/ws', { authorization: 'Bearer guess-9' })).toBe(429);
    const locked = await stage.ask({ path: '/api/session?token=simple' });
    expect([locked.status, locked.headers['retry-after']]).toEqual([429, '60']);
    expect(JSON.parse(String(locked.body))).toMatchObject({ code: 'ERR_KVMFR_BUSY' });
    expect((await stage.ask({ path: '/?token=simple' })).status).toBe(429);
    expect(await stage.upgrade('/ws?token=simple')).toBe(429);
    expect((await stage.ask({ path: '/api/session' })).status).toBe(401);
    expect((await stage.ask({ path: '/healthz' })).status).toBe(200);
    expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(200);
    expect(await stage.upgrade('/ws', { cookie })).toBe(101);
    const from = '127.0.0.2';
    expect((await stage.ask({ path: '/api/session?token=simple', from })).status).toBe(200);
    expect(await stage.upgrade('/ws?token=simple', { from })).toBe(101);
    expect(lines.join('\n')).not.toMatch(/guess|simple/);
  });

  it('do not keep out who has a token that nobody guesses', async () => {
    const token = 'dQw4w9WgXcQ-9bZkp7q19f';
    const stage = await new HttpStage({ token, viewToken: 'simple' }).listen();
    for (let i = 0; i < 10; i++) await stage.ask({ path: `/api/session?token=guess-${i}` });
    expect((await stage.ask({ path: '/api/session?token=simple' })).status).toBe(429);
    expect((await stage.ask({ path: '/api/session?token=guess-10' })).status).toBe(429);
    expect((await stage.ask({ path: `/api/session?token=${token}` })).status).toBe(200);
    expect(await stage.upgrade(`/ws?token=${token}`)).toBe(101);
    const weak = 'a'.repeat(40);
    const other = await new HttpStage({ token: weak }).listen();
    for (let i = 0; i < 10; i++) await other.ask({ path: `/api/session?token=guess-${i}` });
    expect((await other.ask({ path: `/api/session?token=${weak}` })).status).toBe(429);
  });

  it('are one mistake when they are the same, as of a page that was open before a restart', async () => {
    const stage = await new HttpStage({ token: 'simple' }).listen();
    const cookie = `kvmfr-${stage.port}=${'0'.repeat(64)}`;
    for (let i = 0; i < 20; i++) {
      expect(await stage.upgrade('/ws?token=of-yesterday')).toBe(401);
      expect(await stage.upgrade('/ws', { cookie })).toBe(401);
    }
    expect(await stage.upgrade('/ws?token=simple')).toBe(101);
  });

  it('are counted by the address that a proxy tells only where it is believed', async () => {
    const guess = async (stage: HttpStage, forwarded: string): Promise<number> => {
      const path = `/api/session?token=${encodeURIComponent(forwarded)}`;
      return (await stage.ask({ path, headers: { 'x-forwarded-for': forwarded } })).status;
    };
    const strict = await new HttpStage({ token: 'simple' }).listen();
    for (let i = 0; i < 9; i++) expect(await guess(strict, `192.0.2.${i}`)).toBe(401);
    expect(await guess(strict, '192.0.2.9')).toBe(429);
    const behind = await new HttpStage({ token: 'simple', trustProxy: true }).listen();
    for (let i = 0; i < 20; i++) expect(await guess(behind, `192.0.2.${i}`)).toBe(401);
    // Only what the proxy has added itself, which stands last.
    for (let i = 0; i < 9; i++)
      expect(await guess(behind, `198.51.100.${i}, 203.0.113.1`)).toBe(401);
    expect(await guess(behind, '198.51.100.9, 203.0.113.1')).toBe(429);
    expect(await guess(behind, 'nonsense')).toBe(401);
  });
});

describe('a cookie', () => {
  it('gives way to the token of the address that is opened, right or wrong', async () => {
    const stage = await new HttpStage({
      token: 'simple',
      viewToken: 'to-look',
      viewOnly: false,
    }).listen();
    const open = async (token: string, cookie = ''): Promise<Answer> =>
      await stage.ask({ path: `/?token=${token}`, headers: { cookie } });
    const setBy = (answer: Answer): string =>
      answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    const [full, view] = [setBy(await open('simple')), setBy(await open('to-look'))];
    expect(full).not.toBe(view);
    expect(setBy(await open('simple', view))).toBe(full);
    expect(setBy(await open('to-look', full))).toBe(view);
    const wrong = await open('wrong', view);
    expect([wrong.status, wrong.headers.location, setBy(wrong)]).toEqual([303, '/', '']);
  });

  it('outlives a restart under the same key, and no other', async () => {
    const cookieKey = new Uint8Array(32).fill(7);
    const cookieOf = async (options: Partial<ViewerOptions>): Promise<string> => {
      const stage = await new HttpStage({ token: 'simple', ...options }).listen();
      const { headers } = await stage.ask({ path: '/?token=simple' });
      return headers['set-cookie']?.[0]?.split(/[=;]/)[1] ?? '';
    };
    const value = await cookieOf({ cookieKey });
    expect(await cookieOf({ cookieKey })).toBe(value);
    expect(await cookieOf({ cookieKey: new Uint8Array(32).fill(8) })).not.toBe(value);
    expect(await cookieOf({})).not.toBe(await cookieOf({}));
  });

  it('is for TLS alone under a name that was given as an https origin', async () => {
    const stage = await new HttpStage({
      token: 'simple',
      allowOrigins: [
        'https://console.example',
        'https://other.example:8443',
        'http://plain.example',
      ],
    }).listen();
    const setFor = async (host: string): Promise<string> => {
      const headers = { host, 'x-forwarded-proto': 'https' };
      return (
        (await stage.ask({ path: '/?token=simple', headers })).headers['set-cookie']?.[0] ?? ''
      );
    };
    for (const host of ['console.example', 'CONSOLE.example:443', 'other.example:8443'])
      expect(await setFor(host)).toMatch(/; SameSite=Strict; Secure$/);
    for (const host of ['127.0.0.1', 'plain.example', 'other.example', 'console.example:8400'])
      expect(await setFor(host)).toMatch(/; SameSite=Strict$/);
  });
});

describe('who may only look', () => {
  /** A message that would act on the guest, of no kind that there is yet. */
  const ACTING = new Uint8Array([0xc0, 0, 0, 0]);

  it.each([
    ['full', false, false],
    ['view', false, true],
    ['full', true, true],
    ['view', true, true],
  ] as const)(
    'with the %s token of a relay with viewOnly %s: told so %s, and refused what acts on the guest',
    async (role, viewOnly, only) => {
      const stage = await new HttpStage({
        token: 'full-token',
        viewToken: 'view-token',
        viewOnly,
      }).listen();
      const byCookie = await stage.ask({ path: `/?token=${role}-token` });
      const cookie = byCookie.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
      const url = `ws://127.0.0.1:${stage.port}/ws`;
      for (const viewer of [
        new TestViewer(`${url}?token=${role}-token`),
        new TestViewer(url, { headers: { cookie } }),
      ]) {
        await viewer.until(() => viewer.state !== undefined);
        expect(viewer.hello?.viewOnly).toBe(only);
        expect(stage.relay.viewers.at(-1)?.mayAct).toBe(!only);
        viewer.send(encodeView({ encoding: 'lossless' }));
        await viewer.settle(PING);
        viewer.send(ACTING);
        await viewer.untilClosed();
        expect(viewer.bye?.code).toBe(only ? 'ERR_KVMFR_DENIED' : 'ERR_KVMFR_WIRE');
        expect(viewer.closeCode).toBe(only ? 1008 : 1002);
      }
    },
  );
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
    const stage = await new HttpStage({
      token: false,
      allowHosts: ['screen.example'],
      allowOrigins: ['https://console.example'],
    }).listen();
    expect((await stage.ask({ path: '/api/session', headers: { host } })).status).toBe(status);
    expect((await stage.ask({ path: '/healthz', headers: { host } })).status).toBe(status);
    expect(await stage.upgrade('/ws', { host })).toBe(status === 200 ? 101 : status);
  });

  it('must be there', async () => {
    const stage = await new HttpStage({ token: false }).listen();
    const socket = connectSocket(stage.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost:\r\n\r\n');
    const [data] = await once(socket, 'data');
    expect(String(data)).toMatch(/^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  it('may be any when the relay was made so, or this machine’s when it listens everywhere', async () => {
    const any = await new HttpStage({ token: false, allowHosts: ['*'] }).listen();
    const headers = { host: 'whatever.example' };
    expect((await any.ask({ path: '/api/session', headers })).status).toBe(200);
    const all = await new HttpStage({ token: false }).listen({ host: '0.0.0.0' });
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
    const stage = await new HttpStage({
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
