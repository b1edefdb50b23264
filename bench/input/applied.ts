import { subscribe } from 'node:diagnostics_channel';
import type { AppliedInput } from '../../viewer/relay/index.ts';
import { serve } from '../support/child.ts';
import { nowNs } from '../support/stats.ts';

/** Of each message since `begin`, in order. */
interface Message {
  readonly doneMs: number;
  readonly ageMs: number;
  readonly events: number;
  /** Of the clock that all processes share. */
  readonly appliedUs: number;
  /** Keys that went down, by their usage. */
  readonly presses: readonly number[];
}

/** Has a relay of the bench tell its parent when it has applied what. */
export function serveApplied(): void {
  let messages: Message[] = [];
  subscribe('kvmfr:relay:input', (told) => {
    const { doneMs, appliedMs, events } = told as AppliedInput;
    if (doneMs === undefined) return;
    messages.push({
      doneMs,
      ageMs: appliedMs - doneMs,
      events: events.length,
      appliedUs: Number(nowNs() / 1000n),
      presses: events.flatMap((event) =>
        event.kind === 'key' && event.down ? [event.key.usage] : [],
      ),
    });
  });
  serve({
    begin() {
      messages = [];
      return {};
    },
    /** The presses since `begin`: of which key each was, how old, and when it was applied. */
    presses() {
      const values: { [name: string]: number } = {};
      let index = 0;
      for (const { presses, ageMs, appliedUs } of messages)
        for (const usage of presses) {
          values[`usage-${index}`] = usage;
          values[`age-${index}`] = ageMs;
          values[`applied-${index}`] = appliedUs;
          index += 1;
        }
      return values;
    },
    /** The messages since `begin`, each by when it was done, its age, and its events. */
    moves() {
      const values: { [name: string]: number } = {};
      for (const [index, { doneMs, ageMs, events }] of messages.entries()) {
        values[`done-${index}`] = doneMs;
        values[`age-${index}`] = ageMs;
        values[`events-${index}`] = events;
      }
      return values;
    },
  });
}
