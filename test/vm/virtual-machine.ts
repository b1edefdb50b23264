import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { guestKernelFolder } from '../../scripts/guest-kernel.mjs';
import { toolPath } from '../support/machine.ts';
import { cpioArchive, type GuestFile } from './cpio.ts';
import { Lines } from './lines.ts';
import { guestModules } from './modules.ts';
import { Qmp } from './qmp.ts';

/** What a virtual machine is made of, beside what all have. */
export interface MachineOptions {
  /** False for a machine that stays in its firmware: it starts faster, and is never ready. */
  readonly kernel?: boolean;
  /** Arguments of QEMU: devices, -spice, memory. */
  readonly devices?: readonly string[];
  /** Modules of the kernel that are loaded before the guest says that it is ready. */
  readonly modules?: readonly string[];
  /** Files of the guest beside busybox and the modules. */
  readonly files?: readonly GuestFile[];
  /** Words for the kernel's command line. */
  readonly append?: string;
  /** Memory of the guest; 256 when left out. Units: MiB. */
  readonly memoryMib?: number;
  /** After this time the machine is killed, whatever it does; 300 s when left out. */
  readonly limitMs?: number;
}

/** How a command in the guest ended. */
export interface GuestResult {
  readonly status: number;
  readonly output: readonly string[];
}

/** Pixels of a screen. Shape: R, G, B, row by row. */
export interface Screendump {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Buffer;
}

/**
 * The first program of every guest. Its second serial line is ours: each line that comes there is run,
 * its end is told as `STATUS n`, and what runs on in the background writes lines that begin with @.
 * The shell's own `read` would not do: it begins anew, and loses what it has of a line, when a program
 * in the background ends meanwhile.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do insmod /modules/$module; done
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
echo READY
while line=$(head -n 1) && [ -n "$line" ]; do eval "$line"; echo "STATUS $?"; done
poweroff -f
`;

/**
 * A virtual machine: QEMU, Debian's kernel, and busybox in memory. It boots in about three seconds with
 * software emulation, and needs no disk.
 *
 * KVM is used only where KVMFR_TEST_KVM=1 says that it works: a nested host may have the device, and
 * hang all the same.
 *
 * Ownership: whoever booted it disposes of it; nothing else ends its QEMU, and nothing of it is left.
 */
export class VirtualMachine implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #control: Duplex;
  readonly #exited: Promise<unknown>;
  readonly #timer: NodeJS.Timeout;
  /** What the kernel says. */
  readonly console: Lines;
  /** Lines of background programs of the guest, without their @. */
  readonly events: Lines = new Lines('a program of the guest');
  /** What QEMU says on its standard error. */
  readonly complaints: Lines;
  readonly #answers: Lines = new Lines('the guest');
  readonly qmp: Qmp;

  private constructor(parts: {
    readonly child: ChildProcess;
    readonly folder: string;
    readonly qmp: Qmp;
    readonly console: Lines;
    readonly complaints: Lines;
    readonly limitMs: number;
  }) {
    this.#child = parts.child;
    this.#folder = parts.folder;
    this.qmp = parts.qmp;
    this.console = parts.console;
    this.complaints = parts.complaints;
    this.#control = duplexOf(parts.child, CONTROL_FD);
    this.#exited = once(parts.child, 'exit');
    this.#timer = setTimeout(() => {
      this.#end(new Error(`the virtual machine took longer than ${parts.limitMs} ms`));
      this.#child.kill('SIGKILL');
    }, parts.limitMs);
    this.#control.on('error', () => {});
    const control = new Lines('the guest', this.#control);
    void this.#sort(control);
    parts.child.on('exit', (status, signal) => {
      const said = this.complaints.all.slice(-5).join('\n');
      const reason = new Error(`QEMU ended with ${signal ?? status}\n${said}`);
      control.end(reason);
      this.#end(reason);
    });
  }

  /** Starts QEMU; resolves when QEMU answers, long before the guest is {@link ready}. */
  static async start(options: MachineOptions = {}): Promise<VirtualMachine> {
    const folder = mkdtempSync(join(tmpdir(), 'kvmfr-vm-'));
    const kernel = guestKernelFolder();
    const qemu = toolPath('qemu');
    if (kernel === undefined || qemu === undefined)
      throw new Error('QEMU and a kernel must be there: run `npm test` once as root on Debian');
    const boot = options.kernel === false ? [] : bootArguments(kernel, folder, options);
    const [command, ...words] = [...endedWithUs(), qemu, ...qemuArguments(options), ...boot];
    const child = spawn(command ?? qemu, words, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    const complaints = new Lines('QEMU', child.stderr ?? undefined);
    const consoleLines = new Lines('the kernel', child.stdout ?? undefined);
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (status) => {
        reject(new Error(`QEMU ended with ${status}:\n${complaints.all.join('\n')}`));
      });
    });
    try {
      const qmp = await Promise.race([Qmp.open(duplexOf(child, QMP_FD)), failed]);
      const limitMs = options.limitMs ?? 300_000;
      return new VirtualMachine({ child, folder, qmp, console: consoleLines, complaints, limitMs });
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts a machine and waits until its guest is ready. */
  static async boot(options: MachineOptions = {}): Promise<VirtualMachine> {
    const machine = await VirtualMachine.start(options);
    try {
      await machine.ready();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A folder for sockets and other files of this machine; QEMU runs in it. */
  get folder(): string {
    return this.#folder;
  }

  /** Resolves when the guest's modules are loaded and it takes commands. */
  async ready(): Promise<void> {
    await this.#answers.take(/^READY$/);
  }

  /** Runs a line of shell in the guest; one that is to run on ends with `&`. */
  async run(command: string): Promise<GuestResult> {
    this.#control.write(`${command}\n`);
    const output: string[] = [];
    for (;;) {
      const line = await this.#answers.next();
      const match = /^STATUS (\d+)$/.exec(line);
      if (match !== null) return { status: Number(match[1]), output };
      output.push(line);
    }
  }

  /** Pixels of the screen, as QEMU has them. */
  async screendump(): Promise<Screendump> {
    const path = join(this.#folder, 'screen.ppm');
    await this.qmp.execute('screendump', { filename: path });
    return readPpm(readFileSync(path));
  }

  /** Ends QEMU at once, as a power failure would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #sort(control: Lines): Promise<void> {
    try {
      for (;;) {
        const line = await control.next();
        if (line.startsWith('@')) this.events.push(`${line.slice(1)}\n`);
        else this.#answers.push(`${line}\n`);
      }
    } catch {
      // The machine has ended; who waits for a line is told so.
    }
  }

  #end(reason: Error): void {
    for (const lines of [this.#answers, this.events, this.console, this.complaints])
      lines.end(reason);
    this.qmp.end(reason);
  }
}

const CONTROL_FD = 3;
const QMP_FD = 4;

function duplexOf(child: ChildProcess, fd: number): Duplex {
  const stream = child.stdio[fd];
  if (!(stream instanceof Duplex)) throw new Error(`file descriptor ${fd} of QEMU is no socket`);
  return stream;
}

/** A runner that is killed takes its machines with it: by a program that sets this and becomes QEMU. */
function endedWithUs(): readonly string[] {
  const path = '/usr/bin/setpriv';
  return existsSync(path) ? [path, '--pdeathsig', 'KILL', '--'] : [];
}

function bootArguments(kernel: string, folder: string, options: MachineOptions): readonly string[] {
  const initrd = join(folder, 'initrd');
  writeFileSync(initrd, initramfs(kernel, options));
  const words = `${options.append ?? ''} console=ttyS0 quiet panic=-1 no_timer_check`;
  return ['-kernel', join(kernel, 'vmlinux'), '-initrd', initrd, '-append', words];
}

function qemuArguments(options: MachineOptions): readonly string[] {
  const kvm = process.env['KVMFR_TEST_KVM'] === '1';
  return [
    ...(kvm ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
    ...['-m', String(options.memoryMib ?? 256), '-display', 'none', '-nodefaults', '-no-reboot'],
    ...['-chardev', `socket,id=control,fd=${CONTROL_FD}`],
    ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-serial', 'stdio', '-serial', 'chardev:control'],
    ...(options.devices ?? []),
  ];
}

function initramfs(kernel: string, options: MachineOptions): Buffer {
  const busybox = toolPath('busybox');
  if (busybox === undefined) throw new Error('busybox must be there');
  const modules = guestModules(join(kernel, 'modules'), options.modules ?? []);
  const order = modules.map(({ path }) => path.slice('modules/'.length)).join('\n');
  return cpioArchive([
    { path: 'init', data: Buffer.from(INIT), mode: 0o755 },
    { path: 'bin/busybox', data: readFileSync(busybox), mode: 0o755 },
    { path: 'modules/order', data: Buffer.from(`${order}\n`) },
    ...modules,
    ...(options.files ?? []),
  ]);
}

function readPpm(bytes: Buffer): Screendump {
  const header = /^P6\s(\d+)\s(\d+)\s255\s/.exec(bytes.toString('latin1', 0, 64));
  if (header === null) throw new Error('the screendump is no PPM');
  const [all, width, height] = header;
  return { widthPx: Number(width), heightPx: Number(height), rgb: bytes.subarray(all.length) };
}
