import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IvshmemServer, type Mapping, openIvshmem } from '../../native/index.ts';
import { projectRoot } from '../support/project-root.ts';
import { scratchFolder } from '../unit/native/scratch.ts';
import {
  inRoot,
  kvmfrInRoot,
  mountRoot,
  ROOT_DEVICES,
  ROOT_MEMORY_MIB,
  ROOT_MODULES,
} from './machine-root.ts';
import { needsGuest } from './needs-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';

const LIMIT_MS = 240_000;
const REGION_BYTES = 16 * 2 ** 20;
const ROUNDS = 10;

needsGuest().describe('the BAR of a guest, through VFIO, and its doorbell', () => {
  const socketPath = join(scratchFolder(), 'doorbell');
  let server: IvshmemServer;
  let outside: Mapping;
  let machine: VirtualMachine;

  beforeAll(async () => {
    server = new IvshmemServer({ socketPath, byteLength: REGION_BYTES, vectors: 2 });
    outside = await openIvshmem(socketPath, { looks: 'loop' });
    machine = await VirtualMachine.boot({
      limitMs: LIMIT_MS,
      memoryMib: ROOT_MEMORY_MIB,
      append: 'intel_iommu=on',
      modules: [...ROOT_MODULES, 'vfio', 'vfio_iommu_type1', 'vfio-pci'],
      devices: [
        ...['-M', 'q35,kernel-irqchip=split', '-device', 'intel-iommu,intremap=on'],
        ...ROOT_DEVICES,
        ...['-chardev', `socket,path=${socketPath},id=doorbell`],
        ...['-device', 'ivshmem-doorbell,chardev=doorbell,vectors=2'],
      ],
    });
    await mountRoot(machine);
  }, LIMIT_MS);

  afterAll(async () => {
    outside?.close();
    await machine?.[Symbol.asyncDispose]();
    await server?.close();
  });

  it(
    'is refused until a person has made it VFIO’s, by the commands that are told',
    async () => {
      const refused = await machine.run(`${kvmfrInRoot('info vfio: --json')} 2>/dev/null`);
      expect(refused.status).toBe(1);
      const { error } = JSON.parse(refused.output.join('\n'));
      expect(error.code).toBe('ERR_KVMFR_ABSENT');
      expect(error.message).toMatch(
        /^expected the driver vfio-pci at vfio:0000:00:0.\.0, but no dr/,
      );
      const [, commands] = /loaded: (echo .*)$/.exec(error.hint) ?? [];
      expect((await machine.run(`${commands}`)).status).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'through sysfs it is busy then, and told to be VFIO’s',
    async () => {
      const busy = await machine.run(`${kvmfrInRoot('info pci: --json')} 2>/dev/null`);
      expect(JSON.parse(busy.output.join('\n'))).toMatchObject({
        error: {
          code: 'ERR_KVMFR_BUSY',
          message: expect.stringMatching(/but the driver vfio-pci has it$/),
          hint: expect.stringMatching(/vfio:0000:00:0.\.0$/),
        },
      });
    },
    LIMIT_MS,
  );

  it(
    'shares the memory, and rings both ways, each ring heard',
    async () => {
      const script = join(projectRoot(), 'test/vm/guest/ring.mjs');
      const words = new Uint32Array(outside.buffer);
      await machine.run(`${inRoot(`${process.execPath} ${script} ${projectRoot()} vfio: 2>&1`)} &`);
      const ready = await machine.events.take(/^ring /);
      expect(ready).toBe(`ring ready 1 ${REGION_BYTES}`);
      for (let round = 1; round <= ROUNDS; round++) {
        const heard = new Promise<void>((resolve) => {
          outside.doorbell?.listen(() => resolve());
        });
        const waiting = outside.wait([{ offsetBytes: 64, value: round - 1 }], {
          timeoutMs: LIMIT_MS,
        });
        outside.doorbell?.ring();
        expect(await waiting).toBe('changed');
        await heard;
        expect(words[16]).toBe(round);
      }
      Atomics.store(words, 17, 1);
      const done = await machine.events.take(/^ring done/);
      expect(done).toBe(`ring done ${ROUNDS} ${ROUNDS} well`);
      expect(outside.doorbell?.summary.heard).toBe(ROUNDS);
    },
    LIMIT_MS,
  );
});
