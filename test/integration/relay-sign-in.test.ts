import { createHash, scryptSync } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import {
  type Answer,
  answerOf,
  closeHttpStages,
  HttpStage,
  type Question,
} from '../unit/relay/http-stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';

const PASSWORD = 'correct horse & battery';
const SALT = 'sixteen bytes ok';
/** The hash of {@link PASSWORD} at a price that tests can pay. */
const HASH = [
  'scrypt$2$1$1',
  Buffer.from(SALT).toString('base64url'),
  scryptSync(PASSWORD, SALT, 32, { N: 2, r: 1, p: 1 }).toString('base64url'),
].join('$');

afterEach(closeHttpStages);

async function stageWithPassword(
  options: ConstructorParameters<typeof HttpStage>[0] = {},
): Promise<HttpStage> {
  return await new HttpStage({ password: HASH, ...options }).listen();
}

async function signIn(
  stage: HttpStage,
  password: string,
  question: Partial<Question> = {},
): Promise<Answer> {
  return await stage.ask({
    path: '/sign-in',
    method: 'POST',
    body: new URLSearchParams({ password }).toString(),
    ...question,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: `http://127.0.0.1:${stage.port}`,
      ...question.headers,
    },
  });
}

function cookieIn(answer: Answer): string {
  return answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

describe('a relay with a password', () => {
  it('asks for it by a form that needs no script, and sends nothing elsewhere', async () => {
    const stage = await stageWithPassword();
    expect(stage.relay.token).toBeUndefined();
    for (const path of ['/', '/sign-in']) {
      const answer = await stage.ask({ path });
      const html = String(answer.body);
      expect(answer.status).toBe(401);
      expect(html).toContain('<form method="post" action="/sign-in">');
      expect(html).toContain('<label for="password">');
      expect(html).toContain('autocomplete="current-password"');
      expect(html).not.toMatch(/<script|\son\w+=|\sstyle=/);
      const style = /<style>([\s\S]*)<\/style>/.exec(html)?.[1] ?? '';
      const hash = createHash('sha256').update(style).digest('base64');
      expect(answer.headers['content-security-policy']).toBe(
        `default-src 'none'; script-src 'none'; style-src 'sha256-${hash}'; img-src 'none'; ` +
          `connect-src 'none'; worker-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'`,
      );
      expect(answer.headers['referrer-policy']).toBe('same-origin');
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    expect((await stage.ask({ path: '/api/session' })).status).toBe(401);
    expect(await stage.upgrade('/ws')).toBe(401);
  });

  it('gives a random cookie for it, which opens everything', async () => {
    const stage = await stageWithPassword();
    const answers = [await signIn(stage, PASSWORD), await signIn(stage, PASSWORD)];
    const cookies = answers.map(cookieIn);
    for (const answer of answers) {
      expect([answer.status, answer.headers.location]).toEqual([303, '/']);
      expect(answer.headers['set-cookie']?.[0]).toMatch(
        /^kvmfr-\d+=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/,
      );
    }
    expect(cookies[0]).not.toBe(cookies[1]);
    for (const cookie of cookies) {
      expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(200);
      expect(await stage.upgrade('/ws', { cookie })).toBe(101);
    }
  });

  it('says so when it is wrong, to eyes and screen readers', async () => {
    const stage = await stageWithPassword();
    for (const wrong of ['', 'correct horse', HASH, '<b>"&']) {
      const answer = await signIn(stage, wrong);
      expect(answer.status).toBe(401);
      expect(answer.headers['set-cookie']).toBeUndefined();
      const html = String(answer.body);
      expect(html).toContain('role="alert">That is not the password.');
      expect(html).toContain('aria-invalid="true" aria-describedby="problem"');
      expect(html).not.toContain('<b>');
    }
  });

  it('lets nobody else post the form', async () => {
    const stage = await stageWithPassword();
    for (const origin of ['null', 'https://evil.example', `http://localhost:${stage.port}`])
      expect((await signIn(stage, PASSWORD, { headers: { origin } })).status).toBe(403);
    const body = new URLSearchParams({ password: PASSWORD }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const bare = await stage.ask({ path: '/sign-in', method: 'POST', body, headers });
    expect(bare.status).toBe(403);
    const rebound = await signIn(stage, PASSWORD, { headers: { host: 'evil.example' } });
    expect(rebound.status).toBe(403);
  });

  it('reads short forms only', async () => {
    const stage = await stageWithPassword();
    expect((await signIn(stage, 'x'.repeat(4096))).status).toBe(413);
    const chunked = { 'transfer-encoding': 'chunked' };
    expect((await signIn(stage, 'x'.repeat(4096), { headers: chunked })).status).toBe(413);
    const headers = { 'content-type': 'application/json' };
    expect((await signIn(stage, PASSWORD, { headers })).status).toBe(415);
    expect((await signIn(stage, PASSWORD)).status).toBe(303);
  });

  it('ends what a sign-in opened when it is signed out, and what is open then', async () => {
    const stage = await stageWithPassword();
    const cookie = cookieIn(await signIn(stage, PASSWORD));
    const other = cookieIn(await signIn(stage, PASSWORD));
    const url = `ws://127.0.0.1:${stage.port}/ws`;
    const viewer = new TestViewer(url, { headers: { cookie } });
    const stays = new TestViewer(url, { headers: { cookie: other } });
    await viewer.until(() => viewer.state !== undefined);
    await stays.until(() => stays.state !== undefined);
    const asked = await stage.ask({ path: '/sign-out', headers: { cookie } });
    expect(String(asked.body)).toContain('<form method="post" action="/sign-out">');
    expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(200);
    const out = await signIn(stage, '', { path: '/sign-out', headers: { cookie } });
    expect(out.status).toBe(303);
    expect(out.headers['set-cookie']?.[0]).toMatch(/^kvmfr-\d+=; .*Max-Age=0$/);
    await viewer.untilClosed();
    expect(viewer.bye).toMatchObject({ code: 'ERR_KVMFR_DENIED', retry: false });
    expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(401);
    expect((await stage.ask({ path: '/api/session', headers: { cookie: other } })).status).toBe(
      200,
    );
    expect(stays.closeCode).toBeUndefined();
    await stays.close();
  });

  it('makes an address wait that guesses, and nobody who is in or comes from elsewhere', async () => {
    const lines: string[] = [];
    const stage = await stageWithPassword({ log: (line) => lines.push(line) });
    const cookie = cookieIn(await signIn(stage, PASSWORD));
    for (let i = 0; i < 10; i++) expect((await signIn(stage, `guess ${i}`)).status).toBe(401);
    const locked = await signIn(stage, PASSWORD);
    expect([locked.status, locked.headers['retry-after']]).toEqual([429, '60']);
    expect(String(locked.body)).toContain('Too many have tried. Come back in 60 seconds.');
    expect((await stage.ask({ path: '/api/session', headers: { cookie } })).status).toBe(200);
    expect(await stage.upgrade('/ws', { cookie })).toBe(101);
    expect((await signIn(stage, PASSWORD, { from: '127.0.0.2' })).status).toBe(303);
    expect(lines).toContain('127.0.0.1 has brought too much that is wrong: it waits 60 s');
    expect(lines.join('\n')).not.toMatch(/guess|horse/);
  });

  it('looks at one password of an address at a time', async () => {
    const stage = await stageWithPassword({ password: PASSWORD });
    const statuses = (
      await Promise.all(Array.from({ length: 5 }, async () => await signIn(stage, PASSWORD)))
    ).map((answer) => answer.status);
    expect(statuses.filter((status) => status === 303)).toHaveLength(1);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
  });

  it('takes a token too when one was given, each in its own way', async () => {
    const stage = await stageWithPassword({ token: 'for scripts' });
    expect((await stage.askIn('/api/session')).status).toBe(401);
    const headers = { authorization: 'Bearer for-scripts' };
    expect((await stage.ask({ path: '/api/session', headers })).status).toBe(401);
    expect((await stage.ask({ path: '/api/session?token=for+scripts' })).status).toBe(200);
    expect((await signIn(stage, 'for scripts')).status).toBe(401);
    const query = new URLSearchParams({ token: PASSWORD });
    expect((await stage.ask({ path: `/api/session?${query}` })).status).toBe(401);
  });

  it('gives cookies for TLS alone where the browser has it, and below its mount', async () => {
    const stage = await new HttpStage({ password: HASH, mount: '/vm/' }).listen({
      tls: { cert: CERT, key: KEY },
    });
    const answer = await answerOf({
      path: '/vm/sign-in',
      method: 'POST',
      body: new URLSearchParams({ password: PASSWORD }).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: `https://127.0.0.1:${stage.port}`,
      },
      port: stage.port,
      tls: true,
    });
    expect([answer.status, answer.headers.location]).toEqual([303, '/vm/']);
    expect(answer.headers['set-cookie']?.[0]).toMatch(
      /; Path=\/vm\/; HttpOnly; SameSite=Strict; Secure$/,
    );
  });
});

describe('a relay without a password', () => {
  it('has no form, and nowhere to post one', async () => {
    const stage = await new HttpStage({}).listen();
    expect(String((await stage.ask()).body)).not.toContain('<form');
    expect((await signIn(stage, PASSWORD)).status).toBe(405);
  });
});
