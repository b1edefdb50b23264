import {
  RELAY_STAGES,
  type RelayStage,
  type TimesMessage,
  UNKNOWN_US,
  VIEWER_STAGES,
  type ViewerStage,
} from '../../../protocol/wire/index.ts';
import type { RelayTime } from './relay-clock.ts';
import type { PresentedUpdate } from './render/presenter.ts';

/** The stages of a frame's way from the guest to the display, in their order. */
export const STAGES: readonly Stage[] = [...RELAY_STAGES, ...VIEWER_STAGES];
/** The name of a stage. */
export type Stage = RelayStage | ViewerStage;

/** What the newest frame of an update has been through. Units: milliseconds. */
export interface LatencySample {
  /** When it was presented: since 1970, by the browser's monotonic clock. */
  readonly atMs: number;
  /** Shape: a time for each of `STAGES`; undefined when it is not known. */
  readonly stagesMs: readonly (number | undefined)[];
  /** How far the network's time may be off. */
  readonly boundMs: number | undefined;
}

/** What this side measured of an update. Units: milliseconds. */
export interface ViewerTimes {
  readonly networkMs: number | undefined;
  readonly boundMs: number | undefined;
  readonly decodeMs: number;
  readonly presentMs: number;
}

/** Times an update on this side, by the relay's clock as far as it is known. */
export function viewerTimes(update: PresentedUpdate, relay: RelayTime | undefined): ViewerTimes {
  const { receivedMs, decodedMs, presentedMs, times } = update;
  const isTimed = times !== undefined && relay !== undefined;
  return {
    networkMs: isTimed ? Math.max(0, receivedMs + relay.offsetMs - times.sentMs) : undefined,
    boundMs: isTimed ? relay.boundMs : undefined,
    decodeMs: Math.max(0, decodedMs - receivedMs),
    presentMs: Math.max(0, presentedMs - decodedMs),
  };
}

/** Puts both sides' times together. Units: `atMs` milliseconds since 1970. */
export function latencySample(
  atMs: number,
  relay: TimesMessage | undefined,
  viewer: ViewerTimes,
): LatencySample {
  const before = RELAY_STAGES.map((stage) => {
    const us = relay?.stages[stage] ?? UNKNOWN_US;
    return us === UNKNOWN_US ? undefined : us / 1000;
  });
  const { networkMs, boundMs, decodeMs, presentMs } = viewer;
  return { atMs, stagesMs: [...before, networkMs, decodeMs, presentMs], boundMs };
}

/** From the frame's being published, or noticed where that is not known, to its being seen. Units: milliseconds. */
export function pictureAgeMs(
  relay: TimesMessage | undefined,
  { networkMs, decodeMs, presentMs }: ViewerTimes,
): number | undefined {
  if (relay === undefined || networkMs === undefined) return undefined;
  const { arrive, apply, queue, encode, send } = relay.stages;
  const notice = relay.stages.notice === UNKNOWN_US ? 0 : relay.stages.notice;
  const stages = [notice, arrive, apply, queue, encode, send];
  if (stages.includes(UNKNOWN_US)) return undefined;
  return stages.reduce((sum, us) => sum + us / 1000, networkMs + decodeMs + presentMs);
}
