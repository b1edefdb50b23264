import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { createViewer, type Viewer } from '../../viewer/relay/index.ts';
import { FakeGuest } from '../unit/relay/fake-guest.ts';
import {
  closeHttpStages,
  HttpStage,
  QUERY,
  type Question,
  TOKEN,
} from '../unit/relay/http-stage.ts';

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
