import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IvshmemServer, type Mapping, openIvshmem } from '../../native/index.ts';
import { projectRoot } from '../support/project-root.ts';
import { scratchFolder } from '../unit/native/scratch.ts';
import { inRoot, mountRoot, ROOT_DEVICES, ROOT_MEMORY_MIB, ROOT_MODULES } from './machine-root.ts';
import { needsGuest } from './needs-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';

const LIMIT_MS = 480_000;
const REGION_BYTES = 16 * 2 ** 20;
const ROUNDS = 10;
const NAME = 'vfio:0000:00:10.0';

/** Size of a region, or why it was refused. */
interface Opened {
  readonly byteLength?: number;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

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
      modules: [...ROOT_MODULES, 'vfio', 'vfio_iommu_type1', 'vfio-pci', 'e1000'],
      devices: [
        ...['-M', 'q35,kernel-irqchip=split', '-device', 'intel-iommu,intremap=on'],
        ...ROOT_DEVICES,
        ...['-chardev', `socket,path=${socketPath},id=doorbell`],
        ...['-device', `ivshmem-doorbell,chardev=doorbell,vectors=2,addr=0x10`],
        // Another one, in a group with a network card, as devices behind a conventional bridge are.
        ...['-object', 'memory-backend-ram,id=other,share=on,size=1M'],
        ...['-device', 'pcie-pci-bridge,id=bridge'],
        ...['-device', 'ivshmem-plain,memdev=other,bus=bridge,addr=1'],
        ...['-device', 'e1000,bus=bridge,addr=2'],
      ],
    });
    await mountRoot(machine);
  }, LIMIT_MS);

  afterAll(async () => {
    outside?.close();
    await machine?.[Symbol.asyncDispose]();
    await server?.close();
  });

  /** What comes of opening regions in the guest. */
  async function opened(...names: readonly string[]): Promise<readonly Opened[]> {
    const script = join(projectRoot(), 'test/vm/guest/open.mjs');
    const command = `${process.execPath} ${script} ${projectRoot()} ${names.join(' ')}`;
    const { output } = await machine.run(inRoot(command));
    return output.map((line) => JSON.parse(line));
  }

  it(
    'is refused until a person has made it VFIO’s, by the commands that are told',
    async () => {
      const [refused] = await opened(NAME);
      expect(refused?.code).toBe('ERR_KVMFR_ABSENT');
      expect(refused?.message).toBe(
        `expected the driver vfio-pci at ${NAME}, but no driver has the device`,
      );
      const [, commands] = /loaded: (echo .*)$/.exec(refused?.hint ?? '') ?? [];
      expect((await machine.run(`${commands}`)).status).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'is busy through sysfs then; and in a group with others, those are named',
    async () => {
      const { output } = await machine.run(
        'cd /sys/bus/pci/devices; grep -l 0x1110 */device; cd /',
      );
      const other = output
        .map((file) => file.replace('/device', ''))
        .find((address) => !NAME.endsWith(address));
      await machine.run(`echo vfio-pci > /sys/bus/pci/devices/${other}/driver_override`);
      await machine.run(`echo ${other} > /sys/bus/pci/drivers_probe`);
      expect(await opened('pci:00:10.0', `vfio:${other}`)).toEqual([
        {
          code: 'ERR_KVMFR_BUSY',
          message: expect.stringMatching(/but the driver vfio-pci has it$/),
          hint: expect.stringMatching(/vfio:0000:00:10.0$/),
        },
        {
          code: 'ERR_KVMFR_BUSY',
          message: expect.stringMatching(/but others have 0000:..:02\.0 \(e1000\)$/),
          hint: expect.stringContaining(`or open pci:${other}`),
        },
      ]);
    },
    LIMIT_MS,
  );

  it(
    'shares the memory, and rings both ways, each ring heard',
    async () => {
      const script = join(projectRoot(), 'test/vm/guest/ring.mjs');
      const words = new Uint32Array(outside.buffer);
      await machine.run(
        `${inRoot(`${process.execPath} ${script} ${projectRoot()} ${NAME} 2>&1`)} &`,
      );
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
      // Disabled while it is mapped: zeros, and the process lives.
      expect(await machine.events.take(/^ring cut/)).toBe('ring cut 0 true lost');
      const done = await machine.events.take(/^ring done/);
      expect(done).toBe(`ring done ${ROUNDS} ${ROUNDS} well`);
      expect(outside.doorbell?.summary.heard).toBe(ROUNDS);
    },
    LIMIT_MS,
  );
});
