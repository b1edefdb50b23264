import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../client/index.ts';
import { createRegionFile, Mapping } from '../../native/index.ts';
import { Region } from '../../protocol/index.ts';
import type { BenchCase, RunOptions } from '../support/bench-case.ts';
import { Child } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { type Row, row } from '../support/report.ts';
import { median, nowNs, spreadText } from '../support/stats.ts';
import { fillWith, GARBAGE, type Garbage } from './garbage.ts';

const WIRES = ['B6', 'B7', 'dev7', 'dev10', 'dev12'] as const;
const REGION_BYTES = 16 * 2 ** 20;
/** From the start of a publisher to a client that is attached to it. */
const AT_MOST_MS = 1200;
/** A client's pause between two looks: publishers start at any moment of it. */
const LOOK_MS = 20;

/** One start of one publisher. Units: milliseconds. */
async function once(
  scratch: Scratch,
  place: { readonly wire: string; readonly garbage: Garbage; readonly turn: number },
): Promise<number> {
  const { wire, garbage, turn } = place;
  const path = scratch.path(`${garbage.replaceAll(' ', '-')}-${wire}-${turn}`);
  createRegionFile(path, REGION_BYTES);
  const mapping = Mapping.open(path);
  fillWith(garbage, new Region(mapping.buffer), turn);
  mapping.close();
  await using publisher = Child.start('detect/publisher.js', [path, wire]);
  await publisher.ask('stop');
  await using client = new Client(path);
  await sleep(100 + Math.random() * LOOK_MS);
  const attached = client.attached().then((session) => ({ session, atNs: Number(nowNs()) }));
  const startedNs = numberOf(await publisher.ask('start'), 'startedNs');
  const { session, atNs } = await attached;
  if (session.release !== wire) throw new Error(`found ${session.release} where ${wire} started`);
  await publisher.ask('stop');
  return (atNs - startedNs) / 1e6;
}

async function runDetection(options: RunOptions): Promise<readonly Row[]> {
  const turns = options.quick ? 1 : 8;
  using scratch = new Scratch();
  const rows: Row[] = [];
  for (const garbage of GARBAGE) {
    const found = new Map<string, number[]>();
    for (let turn = 0; turn < turns; turn++)
      for (const wire of WIRES) {
        const ms = await once(scratch, { wire, garbage, turn });
        found.set(wire, [...(found.get(wire) ?? []), ms]);
      }
    const all = [...found.values()].flat();
    const medians = [...found].map(([wire, each]) => `${wire} ${median(each).toFixed(0)}`);
    rows.push(
      row({
        name: `detection of a publisher over ${garbage}, slowest`,
        unit: 'ms',
        value: Math.max(...all),
        atMost: AT_MOST_MS,
        samples: all.length,
        note: `medians: ${medians.join(', ')}; ${spreadText(all, 0)}`,
      }),
    );
  }
  return rows;
}

/** From the start of a publisher until a client is attached, whatever lies in the region. */
export const DETECTION_CASES: readonly BenchCase[] = [{ name: 'detection', run: runDetection }];
