import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import { Session } from '../../../client/session.ts';
import { LGMP_LAYOUTS } from '../../../protocol/lgmp/detect.ts';
import { CClient } from '../../support/c-client.ts';
import { C_VERSIONS, type CVersion } from '../../support/c-offsets.ts';
import { CPublisher } from '../../support/c-publisher.ts';
import { interrupted, wordHook } from '../../support/word-hook.ts';
import { noWaiter } from './bare.ts';

// Peers go on while we look: between any two of our looks at shared words.

vi.mock('../../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../../support/word-hook.ts');
  return hookedWords(await original());
});

function started(lgmp: CVersion): { readonly p: CPublisher; readonly queue: Queue } {
  const p = CPublisher.started(lgmp);
  const layout = LGMP_LAYOUTS.get(lgmp);
  if (layout === undefined) throw new Error('no such version');
  const session = Session.attach({ mapping: noWaiter, region: p.region, lgmp: layout }, 0);
  const queue = session === undefined ? 'no session' : Queue.subscribe(session, 2);
  if (typeof queue === 'string') throw new Error(queue);
  return { p, queue };
}

function take(queue: Queue): number | undefined {
  if (queue.next() !== 'ok') return undefined;
  const { udata } = queue.message;
  queue.done();
  return udata;
}

describe.each(C_VERSIONS)('Queue.next() on LGMP %i', (lgmp) => {
  it.each([1, 2, 3, 4])(
    'gives the oldest of %i messages that are posted while it looks',
    (count) => {
      // The ring of four or five places is begun at each of them.
      for (let before = 0; before < 5; before++)
        for (let nth = 0, acted = true; acted; nth++) {
          const { p, queue } = started(lgmp);
          for (let i = 0; i < before; i++) {
            p.post({ udata: 99 });
            take(queue);
          }
          const seen: number[] = [];
          const looked = interrupted(
            () => take(queue),
            nth,
            () => {
              for (let udata = 0; udata < count; udata++) p.post({ udata });
            },
          );
          ({ acted } = looked);
          if (!acted) continue;
          if (looked.result !== undefined) seen.push(looked.result);
          for (let udata = take(queue); udata !== undefined; udata = take(queue)) seen.push(udata);
          expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
        }
    },
  );

  it('reads on in order when another client has finished a message in our name', () => {
    for (let before = 0; before < 5; before++)
      for (let later = 0; later < 5; later++) {
        const { p, queue } = started(lgmp);
        for (let i = 0; i < before; i++) {
          p.post({ udata: 99 });
          take(queue);
        }
        const place = p.queue.get('position');
        p.post({ udata: 98 });
        p.queue.setPendingOf(place, 0);
        // We look before it is freed, or not, and again after so many more.
        if (later > 0) expect(take(queue)).toBeUndefined();
        p.process();
        const posted: number[] = [];
        for (let udata = 0; udata < later; udata++) if (p.post({ udata })) posted.push(udata);
        const seen: number[] = [];
        for (let udata = take(queue); udata !== undefined; udata = take(queue)) seen.push(udata);
        expect(seen).toEqual(posted);
        p.post({ udata: 50 });
        expect(take(queue)).toBe(50);
      }
  });

  it('loses none, and gives each once and in its order, whoever acts in the middle of a look', () => {
    const act = fc.constantFrom('post', 'post', 'rush', 'other reads', 'housekeeping');
    const gap = fc.oneof(fc.nat(2), fc.nat(30));
    // A publisher may be as quick as it likes: several posts between two of our looks.
    const stores = fc.integer({ min: 1, max: 16 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(gap, act, stores), { minLength: 1, maxLength: 120 }),
        (acts) => {
          const { p, queue } = started(lgmp);
          const other = CClient.subscribe(p.region, lgmp);
          let posted = 0;
          let posting: Generator<undefined, boolean> | undefined;
          /** One store of a post; its lock is held until the last. */
          const post = (): void => {
            posting ??= p.posting({ udata: posted });
            const step = posting.next();
            if (step.done !== true) return;
            posting = undefined;
            if (step.value) posted += 1;
          };
          const todo = [...acts];
          let left = todo[0]?.[0] ?? 0;
          wordHook.before = () => {
            left -= 1;
            if (left >= 0) return;
            const [, what, steps = 1] = todo.shift() ?? [];
            left = todo[0]?.[0] ?? 0;
            // Peers whose locks hold are not beside anybody, but before or after.
            if (what === 'rush' && (posting !== undefined || p.queue.get('lock') === 0)) {
              while (posting !== undefined) post();
              for (let i = 0; i < steps; i++) {
                other?.take();
                p.process();
                if (p.post({ udata: posted })) posted += 1;
              }
            } else if (posting !== undefined || what === 'post') {
              for (let i = 0; i < steps; i++)
                if (posting !== undefined || p.queue.get('lock') === 0) post();
            } else if (p.queue.get('lock') === 0) {
              if (what === 'other reads') other?.take();
              if (what === 'housekeeping') p.process();
            }
          };
          const seen: number[] = [];
          const read = (): void => {
            for (let udata = take(queue); udata !== undefined; udata = take(queue))
              seen.push(udata);
          };
          try {
            while (todo.length > 0) read();
          } finally {
            wordHook.before = undefined;
          }
          while (posting !== undefined) post();
          read();
          expect(seen).toEqual(Array.from({ length: posted }, (_, i) => i));
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('Queue.next() on LGMP 12', () => {
  it('gives the older first of two that were posted behind one that was taken back', () => {
    const { p, queue } = started(12);
    CClient.subscribe(p.region, 12);
    for (let i = 0; i < 2; i++) {
      p.post({ udata: 99 });
      expect(take(queue)).toBe(99);
    }
    // For the other one only, and then taken back: we stand behind its place, and the position before.
    p.post({ udata: 98 });
    p.queue.setPendingOf(2, 0b10);
    expect(take(queue)).toBeUndefined();
    p.takeBack();
    expect(p.queue.get('position')).toBe(2);
    p.post({ udata: 1 });
    p.post({ udata: 2 });
    expect([take(queue), take(queue), take(queue)]).toEqual([1, 2, undefined]);
  });
});
