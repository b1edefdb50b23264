import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalReader } from '../../../client/reader/local.ts';
import { Access } from '../../../viewer/relay/access.ts';
import { Hub } from '../../../viewer/relay/hub.ts';
import { Page } from '../../../viewer/relay/page.ts';
import { HttpFace } from '../../../viewer/relay/server.ts';
import { FakeGuest } from './fake-guest.ts';

const SCRIPT = `console.log(1);\n${'// long enough to be worth compressing\n'.repeat(20)}`;

let directory = '';
let server: Server;
let hub: Hub;
let origin = '';

beforeEach(async () => {
  directory = `${await mkdtemp(join(tmpdir(), 'kvmfr-page-'))}/`;
  hub = new Hub({
    reader: new LocalReader(new FakeGuest()),
    encoders: () => [],
    codecs: [],
    openVideo: () => {
      throw new Error('no video here');
    },
    idleGraceMs: 0,
    tickMs: 1000,
    log: () => {},
  });
  const face = new HttpFace({
    mount: '/',
    access: new Access({ token: false, allowOrigins: [], allowHosts: [] }),
    page: new Page(['/nowhere/', directory]),
    hub,
    version: '',
    log: () => {},
    metrics: () => {
      throw new Error('the metrics are broken');
    },
  });
  server = createServer((req, res) => void face.request(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  origin = `http://127.0.0.1:${address.port}`;
});

afterEach(async () => {
  await hub.close();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  await rm(directory, { recursive: true });
});

async function writePage(): Promise<void> {
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>kvmfr</title>');
  await writeFile(join(directory, 'assets/main-1a2B3c_d.js'), SCRIPT);
  await writeFile(join(directory, 'assets/plain.css'), 'body{}');
  await writeFile(join(directory, 'icon.svg'), '<svg/>');
  await symlink('/etc/hostname', join(directory, 'secret.txt'));
}

describe('the page', () => {
  it('is served with its types, and cached as long as its names promise', async () => {
    await writePage();
    for (const [path, type, cache] of [
      ['/', 'text/html; charset=utf-8', 'private, no-cache'],
      ['/index.html', 'text/html; charset=utf-8', 'private, no-cache'],
      [
        '/assets/main-1a2B3c_d.js',
        'text/javascript; charset=utf-8',
        'private, max-age=31536000, immutable',
      ],
      ['/assets/plain.css', 'text/css; charset=utf-8', 'private, no-cache'],
      ['/icon.svg', 'image/svg+xml', 'private, no-cache'],
    ] as const) {
      const answer = await fetch(origin + path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.headers.get('content-type')).toBe(type);
      expect(answer.headers.get('cache-control')).toBe(cache);
      await answer.arrayBuffer();
    }
  });

  it('is compressed for browsers that take it, and the same for others', async () => {
    await writePage();
    const path = `${origin}/assets/main-1a2B3c_d.js`;
    const zipped = await fetch(path, { headers: { 'accept-encoding': 'br, gzip' } });
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    expect(Number(zipped.headers.get('content-length'))).toBeLessThan(SCRIPT.length);
    expect(await zipped.text()).toBe(SCRIPT);
    const plain = await fetch(path, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('vary')).toContain('Accept-Encoding');
    expect(await plain.text()).toBe(SCRIPT);
  });

  it('is not sent again to who has it', async () => {
    await writePage();
    const first = await fetch(`${origin}/`);
    await first.arrayBuffer();
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    const again = await fetch(`${origin}/`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const other = await fetch(`${origin}/`, { headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
    await other.arrayBuffer();
  });

  it('does not follow links out of its directory', async () => {
    await writePage();
    const answer = await fetch(`${origin}/secret.txt`);
    expect(answer.status).toBe(404);
    await answer.arrayBuffer();
  });

  it('says how to build it when it is not there, and is found once it is', async () => {
    const missing = await fetch(`${origin}/`);
    expect(missing.status).toBe(503);
    expect(await missing.text()).toContain('npm run build:page');
    await writePage();
    expect((await fetch(`${origin}/`)).status).toBe(200);
  });
});

describe('an answer that cannot be made', () => {
  it('is 500, and says nothing about why', async () => {
    const answer = await fetch(`${origin}/metrics`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('broken');
  });
});
