import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connectSpice, type SpiceSession, type SpiceStateName } from '../../client/spice/index.ts';
import { CERT, KEY } from '../unit/relay/certificate.ts';
import { needsGuest } from './needs-guest.ts';
import { PASSWORD, SPICE_DEVICES, spiceAddress, spiceOf } from './spice-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';
import { awaited, firstOf, VM_LIMIT_MS } from './waits.ts';

/** Firmware is enough: no guest has to boot. */
const MACHINE = { devices: SPICE_DEVICES, kernel: false, limitMs: VM_LIMIT_MS } as const;

async function reaches(
  session: SpiceSession,
  name: SpiceStateName,
  machine: VirtualMachine,
): Promise<void> {
  const what = `a session that is ${name}`;
  await awaited(
    what,
    machine,
    firstOf(what, session.states(), (state) => state.name === name),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const closed = new Promise((resolve) => server.close(resolve));
  await closed;
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Starts a machine that listens at a port. Another program may have taken it meanwhile: then at another. */
async function startOnFreePort(
  devices: (port: number) => readonly string[],
): Promise<{ readonly machine: VirtualMachine; readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      const machine = await VirtualMachine.start({ ...MACHINE, devices: devices(port) });
      return { machine, port };
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

needsGuest().describe('a session with the SPICE server of QEMU', () => {
  it(
    'takes the right password and no other',
    async () => {
      await using machine = await VirtualMachine.start(MACHINE);
      for (const password of ['wrong', ''])
        await expect(spiceOf(machine, { password })).rejects.toMatchObject({
          code: 'ERR_KVMFR_PASSWORD',
        });
      await machine.complaints.take(/Invalid password/);
      await using spice = await spiceOf(machine);
      expect(spice.info?.name).toMatch(/^QEMU /);
      expect(await machine.qmp.execute('query-spice')).toMatchObject({ auth: 'spice' });
    },
    VM_LIMIT_MS,
  );

  it(
    'is taken by the viewer that came last, and stays with it',
    async () => {
      await using machine = await VirtualMachine.start(MACHINE);
      await using first = await spiceOf(machine, { backoff: { firstMs: 1, longestMs: 1 } });
      await using second = await spiceOf(machine);
      await reaches(first, 'taken', machine);
      expect(second.state.name).toBe('connected');
      // Thrown out in the moment in which it joined, it may take the server's display thread with it.
      await awaited('the screen of who took it', machine, second.display.frames().next());
      first.reconnect();
      await reaches(first, 'connected', machine);
      await reaches(second, 'taken', machine);
      await first.close();
      // Left at once, spice-server 0.15.1 crashed once in thirty times.
      for (let round = 0; round < 10; round++) {
        const joined = await spiceOf(machine);
        await joined.close();
      }
      expect(await machine.qmp.execute('query-status')).toMatchObject({ status: 'running' });
    },
    VM_LIMIT_MS,
  );

  it(
    'comes back by itself when the machine was started again',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kvmfr-spice-again-'));
      try {
        // One path for both machines, whose own folders go with them.
        const socket = join(folder, 'spice.sock');
        const devices = SPICE_DEVICES.map((word) =>
          word.replace('addr=spice.sock', `addr=${socket}`),
        );
        const first = await VirtualMachine.start({ ...MACHINE, devices });
        await using spice = await connectSpice(`unix:${socket}`, {
          password: PASSWORD,
          backoff: { firstMs: 10, longestMs: 100 },
          linkTimeoutMs: 120_000,
        });
        await first[Symbol.asyncDispose]();
        await firstOf('waiting', spice.states(), ({ name }) => name === 'waiting');
        expect(spice.inputs.keyDown(0x1e)).toBe(false);
        await using second = await VirtualMachine.start({ ...MACHINE, devices });
        await reaches(spice, 'connected', second);
        expect(spice.connections).toBe(2);
        expect(spice.inputs.keyDown(0x1e)).toBe(true);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    VM_LIMIT_MS,
  );

  it(
    'goes through TLS to who proves itself, with every channel',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kvmfr-spice-tls-'));
      try {
        writeFileSync(join(folder, 'server-cert.pem'), CERT);
        writeFileSync(join(folder, 'ca-cert.pem'), CERT);
        writeFileSync(join(folder, 'server-key.pem'), KEY);
        const { machine: started, port } = await startOnFreePort((free) =>
          SPICE_DEVICES.map((word) =>
            word.replace(
              'unix=on,addr=spice.sock',
              `tls-port=${free},addr=127.0.0.1,x509-dir=${folder},tls-channel=default`,
            ),
          ),
        );
        await using machine = started;
        const address = `127.0.0.1:${port}`;
        const { fingerprint256: fingerprint } = new X509Certificate(CERT);
        await using spice = await connectSpice(address, {
          password: PASSWORD,
          tls: { fingerprint },
          linkTimeoutMs: 120_000,
        });
        expect(spice.info?.channels).toEqual(['main', 'inputs', 'display', 'cursor']);
        const { value: frame } = await awaited('a frame', machine, spice.display.frames().next());
        expect(frame?.pixels.length).toBeGreaterThan(0);
        await expect(connectSpice(address, { password: PASSWORD, tls: {} })).rejects.toMatchObject({
          code: 'ERR_KVMFR_DENIED',
        });
        expect(spice.state.name).toBe('connected');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    VM_LIMIT_MS,
  );

  it(
    'is not a session with what else listens there',
    async () => {
      await using machine = await VirtualMachine.start({
        ...MACHINE,
        devices: [...SPICE_DEVICES, '-qmp', 'unix:other.sock,server=on,wait=off'],
      });
      await expect(
        connectSpice(spiceAddress(machine).replace('spice.sock', 'other.sock')),
      ).rejects.toMatchObject({ code: 'ERR_KVMFR_MAGIC' });
    },
    VM_LIMIT_MS,
  );
});
