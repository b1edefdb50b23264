import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** Where and when figures were taken. */
export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly node: string;
  readonly kernel: string;
  readonly date: string;
  readonly loadBefore: string;
}

/** Facts of this machine, now. */
export function machineFacts(): MachineFacts {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    kernel: release(),
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    loadBefore: loadAverage(),
  };
}

/** One line about a machine. */
export function machineText(facts: MachineFacts): string {
  return (
    `${facts.cpu}, ${facts.cores} cores, ${facts.memoryGib} GiB; Linux ${facts.kernel}; ` +
    `node ${facts.node}; ${facts.date} UTC; load before ${facts.loadBefore}`
  );
}

/** How busy the machine has been: runnable threads averaged over 1, 5 and 15 minutes. */
export function loadAverage(): string {
  return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
}

/** Processor time of the whole machine since it started. Units: seconds of one core. */
export interface MachineTime {
  readonly busy: number;
  readonly stolen: number;
}

const TICKS_PER_SECOND = 100;

/** What all processes together have used, and what the hypervisor took away. */
export function machineTime(): MachineTime {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const ticks = line.trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    stolen: steal / TICKS_PER_SECOND,
  };
}
