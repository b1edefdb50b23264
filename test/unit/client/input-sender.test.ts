import { describe, expect, it } from 'vitest';
import { InputSender } from '../../../client/input-sender.ts';
import type { HostInput } from '../../../host/index.ts';
import type { InputReport } from '../../../protocol/index.ts';
import { type InputPeer, type InputStage, inputStage } from '../host/input-stage.ts';

const A: InputReport = { kind: 'keyboard', modifiers: 0, keys: [4] };
const NO_KEYS: InputReport = { kind: 'keyboard', modifiers: 0, keys: [] };

function step(deltaX: number, buttons = 0, wheel = 0): InputReport {
  return { kind: 'relative', buttons, deltaX, deltaY: 1, wheel };
}

function place(x: number, buttons = 0): InputReport {
  return { kind: 'absolute', buttons, x, y: 1, wheel: 0 };
}

/** A sender and its guest, in time that is moved by hand. */
class Desk {
  readonly stage: InputStage;
  readonly peer: InputPeer;
  readonly sender: InputSender = new InputSender();
  nowMs = 0;

  constructor(stage: InputStage) {
    this.stage = stage;
    this.peer = stage.peer();
    this.sender.setStream(this.peer.end);
    this.sender.setStatus(this.peer.look());
  }

  static async open(): Promise<Desk> {
    return new Desk(await inputStage());
  }

  report(...reports: readonly InputReport[]): void {
    for (const report of reports) this.sender.report(report, this.nowMs);
  }

  /** The sender sends, the guest reads, the sender hears of it; gives what the guest was told. */
  turn(ms = 1): readonly string[] {
    this.sender.pump(this.nowMs);
    this.stage.advance(ms);
    this.nowMs += ms;
    this.sender.setStatus(this.peer.look());
    return this.stage.heard().map(said);
  }

  /** Lets time pass, turn by turn. */
  pass(ms: number): readonly string[] {
    return Array.from({ length: ms / 10 }, () => this.turn(10)).flat();
  }
}

function said(input: HostInput): string {
  switch (input.kind) {
    case 'keyboard':
      return `keys ${input.modifiers} ${input.keys.join(' ')}`.trim();
    case 'relative':
      return `step ${input.deltaX} ${input.deltaY} buttons ${input.buttons} wheel ${input.wheel}`;
    case 'absolute':
      return `place ${input.x} ${input.y} buttons ${input.buttons} wheel ${input.wheel}`;
    default:
      return input.kind;
  }
}

describe('a sender of input', () => {
  it('claims with the first report, and gives back when nothing is held for 400 ms', async () => {
    const desk = await Desk.open();
    expect([desk.sender.pump(0), desk.turn()]).toEqual([undefined, []]);
    desk.report(A, NO_KEYS);
    expect(desk.turn()).toEqual(['claim', 'keys 0 4', 'keys 0']);
    expect(desk.sender.owner).toBe('us');
    expect(desk.pass(390)).toEqual([]);
    expect(desk.stage.host.inputOwner).toBe(desk.peer.client.clientId);
    expect(desk.pass(20)).toEqual(['release']);
    expect([desk.sender.owner, desk.sender.pump(desk.nowMs)]).toEqual(['nobody', undefined]);
  });

  it('keeps what is held for as long as it is held, with a word every 200 ms', async () => {
    const desk = await Desk.open();
    desk.report(A);
    desk.turn();
    const before = desk.stage.host.stats.input?.accepted ?? 0;
    expect(desk.pass(2000)).toEqual([]);
    const after = desk.stage.host.stats.input?.accepted ?? 0;
    expect([after - before, desk.sender.counters.claims]).toEqual([9, 1]);
    desk.report(NO_KEYS);
    expect(desk.pass(420)).toEqual(['keys 0', 'release']);
  });

  it('takes another generation for each claim', async () => {
    const desk = await Desk.open();
    const generations = new Set<number>();
    for (let round = 0; round < 3; round++) {
      desk.report(A, NO_KEYS);
      desk.turn();
      generations.add(desk.peer.look().ownerGeneration);
      expect(desk.pass(420)).toEqual(['release']);
    }
    expect([generations.size, generations.has(0)]).toEqual([3, false]);
  });

  it('claims again at once after it gave back, before it is told so', async () => {
    const desk = await Desk.open();
    desk.report(A, NO_KEYS);
    desk.turn();
    desk.nowMs += 400;
    desk.sender.pump(desk.nowMs);
    desk.report(A);
    expect(desk.turn()).toEqual(['release', 'claim', 'keys 0 4']);
    expect(desk.pass(1000)).toEqual([]);
    expect(desk.sender.owner).toBe('us');
  });

  it('drops what it would do while another has the input, and claims when they are done', async () => {
    const desk = await Desk.open();
    const other = desk.stage.peer();
    other.claim();
    desk.stage.advance(1);
    desk.stage.heard();
    desk.sender.setStatus(desk.peer.look());
    expect(desk.sender.owner).toBe('other');
    desk.report(step(5), A, NO_KEYS);
    expect(desk.turn()).toEqual([]);
    other.send({ kind: 'release' });
    expect(desk.turn()).toEqual(['release']);
    other.look();
    expect(desk.turn()).toEqual([]);
    desk.report(step(7));
    expect(desk.turn()).toEqual(['claim', 'step 7 1 buttons 0 wheel 0']);
  });

  it('loses a race for the input without a trace', async () => {
    const desk = await Desk.open();
    const other = desk.stage.peer();
    desk.sender.setStatus(desk.peer.look());
    desk.report(A, NO_KEYS);
    // Both have claimed before anybody was told; the host reads the other one's stream first.
    desk.stage.host.setInputAvailable(true);
    other.claim();
    desk.stage.advance(1);
    desk.sender.pump(desk.nowMs);
    desk.stage.advance(1);
    desk.sender.setStatus(desk.peer.look());
    expect([desk.sender.owner, desk.sender.pending]).toEqual(['other', 0]);
    expect(desk.stage.host.stats.input?.violations).toBe(0);
  });

  it('claims again with all that is held when the guest has let go of it', async () => {
    const desk = await Desk.open();
    desk.report(A, step(1, 1));
    desk.turn();
    // Half a second in which we did not run.
    desk.stage.advance(501);
    desk.nowMs += 501;
    expect(desk.stage.heard().map(said)).toEqual(['release']);
    desk.sender.setStatus(desk.peer.look());
    expect(desk.turn()).toEqual(['claim', 'keys 0 4', 'step 0 0 buttons 1 wheel 0']);
    expect(desk.sender.counters.claims).toBe(2);
  });

  it('lets go of what it holds', async () => {
    const desk = await Desk.open();
    desk.report(A, step(1, 1));
    desk.turn();
    desk.sender.releaseAll(desk.nowMs);
    expect(desk.turn()).toEqual(['keys 0', 'step 0 0 buttons 0 wheel 0']);
    expect(desk.pass(420)).toEqual(['release']);
  });

  it('gives the input back when it goes', async () => {
    const desk = await Desk.open();
    desk.report(A);
    desk.turn();
    expect(desk.sender.letGo(desk.nowMs)).toBe(true);
    desk.stage.advance(1);
    expect(desk.stage.heard().map(said)).toEqual(['release']);
    expect(desk.sender.letGo(desk.nowMs)).toBe(false);
  });

  it('adds up steps and replaces places that wait, and nothing that does more', async () => {
    const desk = await Desk.open();
    desk.report(step(1), step(2), step(4, 1), step(8, 1), step(16, 1, 1), step(32, 1));
    desk.report(place(7, 1), place(9, 1), A, place(11, 1));
    expect(desk.turn()).toEqual([
      'claim',
      'step 3 2 buttons 0 wheel 0',
      'step 4 1 buttons 1 wheel 0',
      'step 8 1 buttons 1 wheel 0',
      'step 16 1 buttons 1 wheel 1',
      'step 32 1 buttons 1 wheel 0',
      'place 9 1 buttons 1 wheel 0',
      'keys 0 4',
      'place 11 1 buttons 1 wheel 0',
    ]);
    expect(desk.sender.counters.merged).toBe(2);
  });

  it('never has more than 128 reports waiting, 64 of them motion; the newest state wins', async () => {
    const desk = await Desk.open();
    for (let key = 0; key < 500; key++) {
      desk.report({ kind: 'keyboard', modifiers: key & 1, keys: [4 + (key % 90)] }, step(1));
      expect(desk.sender.pending).toBeLessThanOrEqual(128);
    }
    const told = Array.from({ length: 5 }, () => desk.turn()).flat();
    expect(told.filter((one) => one.startsWith('step')).length).toBeLessThanOrEqual(64);
    expect(told.findLast((one) => one.startsWith('keys'))).toBe(`keys 1 ${4 + (499 % 90)}`);
    expect(desk.stage.host.stats.input?.violations).toBe(0);
  });

  it('waits when the guest reads nothing, and goes on when it does', async () => {
    const desk = await Desk.open();
    for (let key = 0; key < 120; key++)
      desk.report({ kind: 'keyboard', modifiers: key & 1, keys: [] });
    expect(desk.sender.pump(0)).toBe(199 + 1);
    for (let key = 0; key < 20; key++)
      desk.report({ kind: 'keyboard', modifiers: key & 1, keys: [] });
    // 121 slots are in use: seven more are there.
    expect([desk.sender.pump(0), desk.sender.pending]).toEqual([1, 13]);
    expect(desk.turn()).toHaveLength(128);
    expect(desk.turn()).toHaveLength(13);
  });

  it('begins anew on another stream, and drops everything without one', async () => {
    const desk = await Desk.open();
    desk.report(A);
    desk.turn();
    desk.sender.setStream(undefined);
    desk.report(step(1, 1));
    expect([desk.sender.pump(desk.nowMs), desk.sender.counters.dropped]).toEqual([undefined, 1]);
    // What is held is held in the next stream as well.
    const next = desk.stage.peer();
    desk.sender.setStream(next.end);
    desk.peer.client.unsubscribe();
    desk.stage.advance(1);
    desk.sender.setStatus(next.look());
    desk.stage.heard();
    desk.sender.pump(desk.nowMs);
    desk.stage.advance(1);
    expect(desk.stage.heard().map(said)).toEqual([
      'claim',
      'keys 0 4',
      'step 0 0 buttons 1 wheel 0',
    ]);
  });
});
