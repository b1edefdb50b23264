import { setTimeout as sleep } from 'node:timers/promises';
import { KvmfrError } from '../protocol/error.ts';
import {
  RECOVERY_TIMEOUT_MS,
  type RecoveryRequestName,
  type RecoveryView,
  readRecovery,
  readRecoveryStatus,
  requestRecovery,
} from '../protocol/kvmfr/recovery.ts';
import type { Region } from '../protocol/memory/region.ts';
import { type OpenRegion, reachRegion } from './open.ts';

/** What the recovery region tells: it outlives changes of every other version. */
export interface RecoverySummary {
  readonly lgmpVersion: number;
  readonly kvmfrVersion: number;
  readonly uuid: string | undefined;
  readonly hostVersion: string;
  /** Whether its heartbeat moved while we looked. */
  readonly alive: boolean;
  readonly canSwitch: boolean;
  /** `unknown`, `normal`, `switching`, `active` or `failed`. */
  readonly state: string;
  readonly error: string;
}

/** Watches the heartbeat of a recovery region: a dead one is memory that nobody cleared. */
export class RecoveryWatch {
  readonly #region: Region;
  #session: bigint | undefined;
  #heartbeat = 0;
  #movedMs: number | undefined;

  constructor(region: Region) {
    this.#region = region;
  }

  /** Looks once; `nowMs` is a clock that never runs backwards. */
  look(nowMs: number): { readonly view: RecoveryView; readonly alive: boolean } | undefined {
    const view = readRecovery(this.#region);
    if (view === undefined) {
      this.#session = undefined;
      return undefined;
    }
    if (view.session !== this.#session) {
      this.#session = view.session;
      this.#heartbeat = view.heartbeat;
      this.#movedMs = undefined;
    } else if (view.heartbeat !== this.#heartbeat) {
      this.#heartbeat = view.heartbeat;
      this.#movedMs = nowMs;
    }
    const alive = this.#movedMs !== undefined && nowMs - this.#movedMs <= RECOVERY_TIMEOUT_MS;
    return { view, alive };
  }

  /** What there is to tell now. */
  summary(nowMs: number): RecoverySummary | undefined {
    const found = this.look(nowMs);
    if (found === undefined) return undefined;
    const { view, alive } = found;
    const status = readRecoveryStatus(this.#region, view.at);
    const current = status !== undefined && status.session === view.session;
    return {
      lgmpVersion: view.lgmpVersion,
      kvmfrVersion: view.kvmfrVersion,
      uuid: view.uuid,
      hostVersion: view.hostVersion,
      alive,
      canSwitch: view.canSwitch,
      state: current ? status.state : 'unknown',
      error: current ? status.error : 'none',
    };
  }
}

/** How a request for another display ended. */
export interface RecoveryOutcome {
  readonly state: string;
  readonly error: string;
}

/** How a request is made. */
export interface RecoveryOptions {
  readonly signal?: AbortSignal;
  /** The publisher itself gives up after 30 seconds. Units: milliseconds. */
  readonly timeoutMs?: number;
}

const LOOK_MS = 20;
const LIFE_MS = 1500;

/**
 * Asks a guest whose display is unusable for a fallback display (`recovery`), or for its own again
 * (`normal`), and waits for the answer. Works while no frames come.
 *
 * @throws ERR_KVMFR_NO_HOST when the region has no live recovery region, ERR_KVMFR_UNSUPPORTED when the
 *   publisher cannot switch, ERR_KVMFR_BUSY when all request slots are taken, ERR_KVMFR_TIMEOUT,
 *   ERR_KVMFR_REGION_LOST; what opening throws; and what the signal was aborted with
 */
export async function requestDisplay(
  path: string,
  request: RecoveryRequestName,
  options: RecoveryOptions = {},
): Promise<RecoveryOutcome> {
  const { signal, timeoutMs = 35_000 } = options;
  const open = await reachRegion(path, { signal });
  try {
    const { region } = open;
    const view = await whenAlive(open, path, signal);
    if (!view.canSwitch)
      throw new KvmfrError(
        'ERR_KVMFR_UNSUPPORTED',
        `the guest of ${path} (host ${view.hostVersion}) does not switch displays`,
      );
    const ticket = requestRecovery(region, view, request);
    if (ticket === 'busy')
      throw new KvmfrError('ERR_KVMFR_BUSY', `all request slots of ${path} are taken: try again`);
    if (ticket === 'ended') throw noRecovery(path);
    return await whenAnswered({ path, open, at: view.at, ticket, timeoutMs, signal });
  } finally {
    open.mapping.close();
  }
}

async function whenAlive(
  { mapping, region }: OpenRegion,
  path: string,
  signal: AbortSignal | undefined,
): Promise<RecoveryView> {
  const watch = new RecoveryWatch(region);
  const endMs = performance.now() + LIFE_MS;
  while (performance.now() < endMs) {
    if (mapping.lost) throw mapping.lossError();
    const found = watch.look(performance.now());
    if (found?.alive === true) return found.view;
    await pause(signal);
  }
  throw noRecovery(path);
}

async function whenAnswered(wait: {
  readonly path: string;
  readonly open: OpenRegion;
  readonly at: number;
  readonly ticket: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}): Promise<RecoveryOutcome> {
  const { mapping, region } = wait.open;
  const endMs = performance.now() + wait.timeoutMs;
  while (performance.now() < endMs) {
    const status = readRecoveryStatus(region, wait.at);
    if (mapping.lost) throw mapping.lossError();
    if (status?.ackSerial === wait.ticket && status.state !== 'switching')
      return { state: status.state, error: status.error };
    await pause(wait.signal);
  }
  throw new KvmfrError(
    'ERR_KVMFR_TIMEOUT',
    `the guest of ${wait.path} did not answer request ${wait.ticket} in ${wait.timeoutMs} ms`,
  );
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal });
  } catch {
    signal?.throwIfAborted();
  }
}

function noRecovery(path: string): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_NO_HOST',
    `${path} has no live recovery region: only development versions of Looking Glass keep one`,
    { path },
  );
}
