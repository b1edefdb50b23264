import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownCertificate } from '../../cli/tls/own-certificate.ts';
import { hashPassword, Password } from '../../viewer/relay/password.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';
import { freePort } from '../support/free-port.ts';

const TOKEN = 'not-for-everybody';
const VIEW_TOKEN = 'only-to-look-at-it';
const DAY_MS = 24 * 60 * 60_000;
let folder = '';
let env: { readonly XDG_STATE_HOME: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-door-'));
  env = { XDG_STATE_HOME: join(folder, 'state') };
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** `kvmfr view` of a region that is not there, on loopback. */
function view(
  args: readonly string[],
  more: { readonly [name: string]: string } = {},
): RunningCommand {
  const door = ['--listen', '127.0.0.1:0'];
  return new RunningCommand(['view', join(folder, 'none'), ...door, ...args], { ...env, ...more });
}

async function secretFile(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode });
  await chmod(path, mode);
  return path;
}

async function statusOf(url: string, init: RequestInit = {}): Promise<number> {
  return (await fetch(url, { redirect: 'manual', ...init })).status;
}

describe('the secrets of kvmfr view', () => {
  it('--token is not to be seen in the list of processes', async () => {
    await using run = view(['--token', TOKEN]);
    expect(await run.firstLine()).toContain(`?token=${TOKEN}`);
    const line = await readFile(`/proc/${run.pid}/cmdline`, 'utf8');
    expect(line).toContain('kvmfr');
    expect(line).not.toContain(TOKEN);
  });

  it.each(['file', 'variable'])('a token from a %s is used and not printed', async (from) => {
    const path = await secretFile('token', `${TOKEN}\n`);
    await using run =
      from === 'file' ? view(['--token-file', path]) : view([], { KVMFR_TOKEN: TOKEN });
    const url = await run.firstLine();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await statusOf(`${url}api/session`)).toBe(401);
    expect(await statusOf(`${url}api/session?token=${TOKEN}`)).toBe(200);
    run.kill('SIGTERM');
    const { stdout, stderr } = await run.done;
    expect(stdout.toString() + stderr).not.toContain(TOKEN);
  });

  it('a cookie of a given token opens the next relay as well', async () => {
    const path = await secretFile('token', TOKEN);
    let cookie = '';
    const door = ['--listen', `127.0.0.1:${await freePort()}`];
    {
      await using run = view(['--token-file', path, ...door]);
      const url = await run.firstLine();
      const opened = await fetch(`${url}?token=${TOKEN}`, { redirect: 'manual' });
      cookie = opened.headers.get('set-cookie')?.split(';')[0] ?? '';
    }
    await using run = view(['--token-file', path, ...door]);
    expect(await statusOf(`${await run.firstLine()}api/session`, { headers: { cookie } })).toBe(
      200,
    );
    const key = await stat(join(env.XDG_STATE_HOME, 'kvmfr', 'cookie-key'));
    expect([key.mode & 0o777, key.size]).toEqual([0o600, 32]);
    const state = await stat(join(env.XDG_STATE_HOME, 'kvmfr'));
    expect(state.mode & 0o777).toBe(0o700);
  });

  it('others get a token of their own, that only lets them look', async () => {
    const path = await secretFile('view-token', VIEW_TOKEN);
    await using run = view(['--token', TOKEN, '--view-token-file', path]);
    const url = new URL(await run.firstLine());
    expect(await statusOf(`${url.origin}/api/session?token=${VIEW_TOKEN}`)).toBe(200);
  });

  it.each(['plain', 'hash'])('people sign in with the password of a file (%s)', async (kind) => {
    const hash = await hashPassword('correct horse');
    const path = await secretFile('password', `${kind === 'hash' ? hash : 'correct horse'}\n`);
    await using run = view(['--password-file', path]);
    const url = await run.firstLine();
    expect(url).not.toContain('token');
    const post = async (password: string): Promise<number> =>
      await statusOf(`${url}sign-in`, {
        method: 'POST',
        body: new URLSearchParams({ password }),
        headers: { origin: new URL(url).origin },
      });
    expect(await statusOf(url)).toBe(401);
    expect(await post('wrong horse')).toBe(401);
    expect(await post('correct horse')).toBe(303);
    run.kill('SIGTERM');
    const { stdout, stderr } = await run.done;
    expect(stdout.toString() + stderr).not.toMatch(/horse|scrypt/);
    expect(stderr).not.toContain('warning');
  });

  it('a file that others can read is warned of', async () => {
    const path = await secretFile('open-password', 'correct horse', 0o644);
    await using run = view(['--password-file', path]);
    await run.says(/warning: others can read .*open-password.*chmod 600/);
    // But not one that systemd hands over: what looks like a right of the group is an access list.
    await using service = view(['--password-file', path], { CREDENTIALS_DIRECTORY: folder });
    await service.firstLine();
    service.kill('SIGTERM');
    expect((await service.done).stderr).not.toContain('warning');
  });
});

describe('kvmfr password', () => {
  it('prints the hash of the line that it is given', async () => {
    const run = await kvmfr(['password'], env);
    expect([run.status, run.stderr]).toEqual([2, expect.stringContaining('not empty')]);
    const piped = await kvmfr(['password'], env, 'correct horse\n');
    expect(piped.status).toBe(0);
    const hash = piped.stdout.toString().trim();
    expect(hash).toMatch(/^scrypt\$32768\$8\$1\$/);
    expect(await new Password(hash).verify('correct horse')).toBe(true);
  });
});

describe('kvmfr view off loopback', () => {
  it('has a certificate of its own, tells its fingerprint, and keeps it for the next start', async () => {
    const fingerprints: string[] = [];
    for (const listen of ['0.0.0.0:0', '127.0.0.1:0', '0.0.0.0:0']) {
      const args = ['view', join(folder, 'none'), '--listen', listen, '--token', TOKEN];
      await using run = new RunningCommand(args, env);
      const url = new URL(await run.firstLine());
      expect(url.protocol).toBe(listen.startsWith('0') ? 'https:' : 'http:');
      if (url.protocol === 'http:') continue;
      expect(url.hostname).not.toBe('0.0.0.0');
      const cert = await readFile(join(env.XDG_STATE_HOME, 'kvmfr', 'tls.pem'), 'latin1');
      const { fingerprint256 } = new X509Certificate(cert);
      await run.says(new RegExp(`SHA-256 ${fingerprint256}`));
      fingerprints.push(fingerprint256);
      // Whoever trusts this certificate, and no other, gets in by name and by address.
      for (const host of ['127.0.0.1', 'localhost']) {
        const req = request({ host, port: url.port, path: '/healthz', ca: cert, agent: false });
        req.end();
        const [res] = await once(req, 'response');
        expect(res.statusCode).toBe(200);
        res.resume();
      }
    }
    expect(fingerprints[0]).toBe(fingerprints[1]);
    const kept = await stat(join(env.XDG_STATE_HOME, 'kvmfr', 'tls.pem'));
    expect(kept.mode & 0o777).toBe(0o600);
    expect(await readdir(join(env.XDG_STATE_HOME, 'kvmfr'))).toEqual(['cookie-key', 'tls.pem']);
  });

  it('goes on where nothing can be kept, and says so', async () => {
    const path = await secretFile('no-folder', '');
    const args = ['view', join(folder, 'none'), '--listen', '0.0.0.0:0', '--token', TOKEN];
    await using run = new RunningCommand(args, { XDG_STATE_HOME: path });
    await run.says(/warning: it cannot be kept in .*no-folder\/kvmfr/);
    expect(await run.firstLine()).toMatch(/^https:/);
  });
});

describe('ownCertificate()', () => {
  /** In another state folder for each. */
  async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
    const before = process.env['XDG_STATE_HOME'];
    const state = await mkdtemp(join(folder, 'own-'));
    process.env['XDG_STATE_HOME'] = state;
    try {
      await run(join(state, 'kvmfr', 'tls.pem'));
    } finally {
      if (before === undefined) delete process.env['XDG_STATE_HOME'];
      else process.env['XDG_STATE_HOME'] = before;
    }
  }

  it('is the same until 30 days before its end, and a new one then', async () => {
    await inFolder(async () => {
      const first = ownCertificate('192.0.2.1', Date.now());
      const days = (first.notAfter.getTime() - Date.now()) / DAY_MS;
      expect(Math.round(days)).toBe(397);
      const endMs = first.notAfter.getTime();
      expect(ownCertificate('192.0.2.1', endMs - 31 * DAY_MS).fingerprint).toBe(first.fingerprint);
      const renewed = ownCertificate('192.0.2.1', endMs - 29 * DAY_MS);
      expect(renewed.fingerprint).not.toBe(first.fingerprint);
      expect(ownCertificate('192.0.2.1', endMs).fingerprint).toBe(renewed.fingerprint);
    });
  });

  it('is a new one for an address that it does not name, and the same for a wildcard', async () => {
    await inFolder(async () => {
      const first = ownCertificate('192.0.2.1');
      expect(ownCertificate('0.0.0.0').fingerprint).toBe(first.fingerprint);
      expect(ownCertificate('localhost').fingerprint).toBe(first.fingerprint);
      const other = ownCertificate('screen.example');
      expect(other.fingerprint).not.toBe(first.fingerprint);
      expect(new X509Certificate(other.cert).checkHost('screen.example')).toBe('screen.example');
    });
  });

  it('is a new one where what was kept is broken, of two pairs, or was open to others', async () => {
    await inFolder(async (path) => {
      let last = ownCertificate('192.0.2.1');
      const different = async (): Promise<void> => {
        const next = ownCertificate('192.0.2.1');
        expect(next.fingerprint).not.toBe(last.fingerprint);
        expect(next.kept).toBe(true);
        expect((await stat(path)).mode & 0o777).toBe(0o600);
        last = next;
      };
      await writeFile(path, 'nonsense');
      await different();
      const stranger = last.key;
      await writeFile(path, 'nonsense');
      await different();
      await writeFile(path, last.cert + stranger);
      await different();
      await chmod(path, 0o640);
      await different();
    });
  });
});
