import { loadAverage, machineTime } from './machine.ts';
import { processCpuSeconds } from './process.ts';

/** What went on beside a measurement: figures of a machine that had other work are worth less. */
export class Disturbance {
  readonly #pids: readonly number[];
  readonly #startMs: number = performance.now();
  readonly #busy: number;
  readonly #ours: number;
  readonly #stolen: number;

  /** Begins to look; `pids` are the processes of the measurement besides this one. */
  constructor(pids: readonly number[]) {
    this.#pids = [process.pid, ...pids];
    const { busy, stolen } = machineTime();
    this.#busy = busy;
    this.#stolen = stolen;
    this.#ours = this.#cpuSeconds();
  }

  /** Says how much of a core others have used meanwhile. The processes must still run. */
  text(): string {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const { busy, stolen } = machineTime();
    const others = busy - this.#busy - (this.#cpuSeconds() - this.#ours);
    const percent = (part: number): string => `${Math.max(0, (part / seconds) * 100).toFixed(0)} %`;
    const theft = stolen - this.#stolen;
    const stolenText = theft > 0.01 * seconds ? `, hypervisor ${percent(theft)}` : '';
    return `others ${percent(others)} of a core${stolenText}, load ${loadAverage().split(' ')[0]}`;
  }

  #cpuSeconds(): number {
    return this.#pids.reduce((sum, pid) => sum + processCpuSeconds(pid), 0);
  }
}
