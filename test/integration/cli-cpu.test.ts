import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createHost } from '../../host/index.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmfr-cpu-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The last processor that this process may run on. */
function lastCpu(): string {
  const list = allowed('/proc/self/status');
  return /(\d+)$/.exec(list)?.[1] ?? '';
}

function allowed(path: string): string {
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(path, 'latin1'))?.[1] ?? '';
}

describe('--cpu', () => {
  it('keeps every thread of a viewer, that of the reader too, on the processors named', async () => {
    const region = join(folder, 'region');
    await using _host = await createHost(region, { regionMib: 16 });
    const cpu = lastCpu();
    const args = ['view', region, '--listen', '127.0.0.1:0', '--cpu', cpu];
    await using view = new RunningCommand(args);
    await view.firstLine();
    await view.says(/showing a guest/);
    const tasks = `/proc/${view.pid}/task`;
    const lists = readdirSync(tasks).map((id) => allowed(join(tasks, id, 'status')));
    expect(new Set(lists)).toEqual(new Set([cpu]));
  });

  it('refuses what is no list, and processors that are not there', async () => {
    for (const [list, says] of [
      ['some', /--cpu: a list of processors is like 0-3,8, up to 4095, not some/],
      ['4095', /--cpu: none of the processors 4095 may be used here/],
    ] as const) {
      const { status, stderr } = await kvmfr(['view', '/nowhere', '--cpu', list]);
      expect(stderr).toMatch(says);
      expect(status).toBe(2);
    }
  });

  it('info tells where the memory is', async () => {
    const region = join(folder, 'told');
    await using _host = await createHost(region, { regionMib: 16 });
    const { stdout } = await kvmfr(['info', region]);
    expect(stdout.toString()).toMatch(
      /^memory +pages of 4 KiB(; the machine has one node of memory|, .*read from node \d+.*)$/m,
    );
  });
});
