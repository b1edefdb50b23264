import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHost } from '../../host/index.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';
import { parseMarkup } from '../support/markup.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-cli-latency-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A synthetic guest in a process of its own. */
async function guestIn(region: string, ...args: readonly string[]): Promise<RunningCommand> {
  const guest = new RunningCommand(['host', region, '--size', '320x200', ...args]);
  await guest.says(/publishing/);
  return guest;
}

async function jsonOf(path: string): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await readFile(path, 'utf8'));
}

describe('kvmfr latency', () => {
  it('measures all that a reader sees, for as long as it was told', async () => {
    const region = join(folder, 'dev12');
    await using _ = await guestIn(region, '--wire', 'dev12');
    const run = await kvmfr(['latency', region, '--duration', '5', '--json', '-']);
    expect(run.status).toBe(0);
    const found = JSON.parse(run.stdout.toString());
    expect(found).toMatchObject({
      version: 1,
      kvmfr: expect.stringMatching(/^\d+\.\d+\.\d+/),
      command: ['kvmfr', 'latency', region, '--duration', '5', '--json', '-'],
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      interrupted: false,
      machine: {
        cpu: expect.any(String),
        threads: expect.any(Number),
        memoryMib: expect.any(Number),
        system: expect.stringMatching(/^Linux /),
        arch: process.arch,
        node: process.versions.node,
      },
      region,
      session: { release: 'dev12', lgmpVersion: 12, kvmfrVersion: 34, capture: 'pattern' },
      picture: { widthPx: 320, heightPx: 200, format: 'BGRA' },
      viewers: 0,
      stimulus: null,
    });
    expect(found.durationMs).toBeGreaterThanOrEqual(5000);
    const { stages, frames, timeline } = found;
    expect(frames.whole).toBeGreaterThan(0);
    for (const stage of ['producer', 'notice', 'arrive', 'apply']) {
      const { count, minUs, p50Us, p90Us, p99Us, p999Us, maxUs, meanUs } = stages[stage];
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(frames.whole);
      const rising = [minUs, p50Us, p90Us, p99Us, p999Us, maxUs];
      expect(rising).toEqual(rising.toSorted((a: number, b: number) => a - b));
      expect(meanUs).toBeGreaterThanOrEqual(minUs);
      expect(meanUs).toBeLessThanOrEqual(maxUs);
      expect(stages[stage].buckets.at(-1)).toEqual({ leUs: null, count });
    }
    for (const stage of ['queue', 'encode', 'send', 'network', 'decode', 'present', 'total'])
      expect(stages[stage]).toEqual({ count: 0, missing: 'no --listen' });
    expect(stages.inputToPicture).toEqual({ count: 0, missing: 'no --stimulus' });
    const told = timeline.reduce((sum: number, one: { frames: number }) => sum + one.frames, 0);
    expect(told).toBe(frames.whole);
    // What people read is out of the way of programs.
    expect(run.stderr).toContain('showing a guest with Looking Glass dev12');
    expect(run.stderr).toMatch(/^apply( +[\d.]+ (us|ms|s)){5} +\d+$/m);
  });

  it('counts what browsers acknowledge, and ends with its table and files when interrupted', async () => {
    const region = join(folder, 'listening');
    const files = await mkdtemp(join(folder, 'files-'));
    const [json, html] = [join(files, 'out.json'), join(files, 'out.html')];
    await using _ = await guestIn(region);
    await using latency = new RunningCommand([
      ...['latency', region, '--listen', '127.0.0.1:0', '--json', json, '--html', html],
      ...['--encode', 'lossless', '--stimulus', 'pattern'],
    ]);
    const url = await latency.prints(/http:\S+/);
    const viewer = new TestViewer(url.replace('http:', 'ws:').replace('/?', '/ws?'));
    await latency.prints(/ input to ack \d/);
    latency.kill('SIGINT');
    const { status, stdout } = await latency.done;
    await viewer.untilClosed();
    expect(status).toBe(130);
    expect(stdout.toString()).toMatch(/^producer +not told by B7$/m);
    expect(stdout.toString()).toMatch(/^total( +[\d.]+ (us|ms|s)){5} +\d+$/m);
    const found = await jsonOf(json);
    expect(found).toMatchObject({ interrupted: true, viewers: 1 });
    const { stages, stimulus } = found;
    for (const stage of ['queue', 'encode', 'send', 'network', 'decode', 'present', 'total'])
      expect(stages[stage].count).toBeGreaterThan(0);
    expect(stages.decode).toMatchObject({ minUs: 10, maxUs: 10 });
    expect(stages.present).toMatchObject({ minUs: 20, maxUs: 20 });
    expect(stages.inputToPicture.count).toBe(stimulus.seen);
    expect(stimulus.seen).toBeGreaterThan(0);
    expect(stimulus.sent).toBeGreaterThanOrEqual(stimulus.seen);
    // Nobody shows what is not in the picture yet.
    expect(stages.inputToAck.minUs).toBeGreaterThan(stages.inputToPicture.minUs);
    const elements = parseMarkup(await readFile(html, 'utf8'));
    expect(elements.filter(({ name }) => name === 'figure')).toHaveLength(12);
    expect(await readdir(files)).toEqual(['out.html', 'out.json']);
  });

  for (const [wire, format] of [
    ['B6', 'BGRA'],
    ['dev10', 'RGB_24'],
    ['dev12', 'RGBA16F'],
    ['B7', 'RGBA10'],
  ] as const)
    it(`sees what a ${wire} guest draws for input, in ${format}`, async () => {
      const region = join(folder, `stimulus-${wire}`);
      await using _ = await guestIn(region, '--wire', wire, '--format', format);
      await using latency = new RunningCommand([
        ...['latency', region, '--stimulus', 'pattern', '--json', '-'],
      ]);
      await latency.says(/ input to picture \d/);
      latency.kill('SIGINT');
      const { status, stdout } = await latency.done;
      expect(status).toBe(130);
      const { stages, stimulus } = JSON.parse(stdout.toString());
      expect(stages.inputToPicture.count).toBe(stimulus.seen);
      expect(stimulus.seen).toBeGreaterThan(0);
      expect(stages.inputToAck).toEqual({ count: 0, missing: 'no --listen' });
    });

  it('shows what a guest calls itself as text', async () => {
    const region = join(folder, 'hostile');
    const html = join(folder, 'hostile.html');
    const name = '<script>alert("&")</script>';
    await using host = await createHost(region, {
      regionMib: 8,
      os: { kind: 'windows', name },
      hostVersion: '<b>B7</b>',
      vm: { capture: '<i>', model: '"><img src=x>' },
    });
    const pixels = Buffer.alloc(64 * 48 * 4, 100);
    const publish = (): void =>
      void host.publish({ pixels, format: 'BGRA', widthPx: 64, heightPx: 48 });
    host.on('subscriber', publish);
    await using latency = new RunningCommand(['latency', region, '--html', html]);
    await latency.prints(/ arrive \d/);
    latency.kill('SIGINT');
    expect((await latency.done).status).toBe(130);
    const text = await readFile(html, 'utf8');
    const elements = parseMarkup(text);
    for (const tag of ['script', 'img', 'i'])
      expect(elements.filter((element) => element.name === tag && element.text !== '')).toEqual([]);
    expect(text).not.toContain('<script');
    const details = elements.filter((element) => element.name === 'dd').map((one) => one.text);
    expect(details).toEqual(expect.arrayContaining([name, '<i>', '"><img src=x>']));
    expect(details[0]).toContain('host <b>B7</b>');
  });

  it('refuses a stimulus that the guest would not answer', async () => {
    const pixels = Buffer.alloc(64 * 48 * 4);
    for (const [capture, features, says] of [
      ['NVFBC', 1, /captures with NVFBC/],
      ['pattern', 0, /takes SETCURSORPOS, and this one says that it does not/],
    ] as const) {
      const region = join(folder, `refused-${capture}`);
      await using host = await createHost(region, { regionMib: 8, features, vm: { capture } });
      host.publish({ pixels, format: 'BGRA', widthPx: 64, heightPx: 48 });
      const subscribed = once(host, 'subscriber');
      const run = await kvmfr(['latency', region, '--stimulus', 'pattern']);
      await subscribed;
      expect(run.stderr).toMatch(says);
      expect(run.status).toBe(2);
      expect(host.stats.clientMessages).toBe(0);
    }
  });

  it('says so when no frame came in its time', async () => {
    const region = join(folder, 'absent');
    const run = await kvmfr(['latency', region, '--duration', '1', '--json', '-']);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(`no whole frame came from ${region} in 1 s`);
    expect(JSON.parse(run.stdout.toString())).toMatchObject({
      error: { code: 'ERR_KVMFR_ABSENT' },
    });
  });

  it('does not begin when its files could not be written', async () => {
    const file = join(folder, 'no', 'x.html');
    const run = await kvmfr(['latency', join(folder, 'any'), '--html', file]);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(`${file} could not be written: ENOENT`);
  });
});
