import { setTimeout as sleep } from 'node:timers/promises';
import { numberOf } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';
import type { Account, Recovery } from './account.ts';
import { FAULTS, type Fault, guestStopped, napOf, RELAY_KILLED } from './faults.ts';
import { SoakStage } from './stage.ts';
import { type Belongings, belongingsOf, childrenOf, kept, Trend } from './watch.ts';

/** How a soak is made. */
export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly browser: boolean;
  /** Names of the faults that are made; all when there is none. Then each follows at once. */
  readonly only: readonly string[];
  /** Ends it early; what was found until then is told. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** The beginning, in which relays end as well: a share of the whole. */
const BEGINNING = 0.15;
/** Of what follows, until caches and pools are what they will be. */
const WARM_UP = 0.25;
const SAMPLE_MS = 2000;
const TELL_EVERY_SAMPLES = 15;
const LOOK_MS = 100;
const SETTLE_LOOKS = 8;
const BETWEEN_FAULTS_MS = 3000;
const BETWEEN_REPEATED_MS = 500;
const COMING_AND_GOING_MS = 700;
const MOST_PASSING = 4;
/** Nothing may take this long, whatever else the machine has to do. */
const PATIENCE_MS = 120_000;
const MINUTE_MS = 60_000;
/** Soaks from this length on have a guest that stands still for a whole minute, and a tab. */
const LONG_MINUTES = 20;

/** One run: faults one after the other, viewers that come and go, and a look at everything now and then. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #stage: SoakStage;
  readonly #random: SeededRandom;
  readonly #startMs: number = performance.now();
  readonly #startedAt: string = new Date().toISOString().slice(0, 16).replace('T', ' ');
  readonly #recoveries: Recovery[] = [];
  readonly #errors: string[] = [];
  readonly #memory = { relay: new Trend(), reader: new Trend(), encoders: new Trend() };
  readonly #relayTotals = { framesSeen: 0, framesSkipped: 0, framesGivenUp: 0 };
  #measuring = false;
  #samples = 0;
  #joined = 0;
  #passing = 0;
  #shown = 0;
  #passingStopped = true;
  #broken = false;

  private constructor(options: SoakOptions, stage: SoakStage) {
    this.#options = options;
    this.#stage = stage;
    this.#random = new SeededRandom(options.seed);
  }

  /** Makes a run from its beginning to its end. */
  static async run(options: SoakOptions): Promise<Account> {
    await using stage = await SoakStage.open(options);
    const soak = new Soak(options, stage);
    const sampler = setInterval(() => soak.#sample(), SAMPLE_MS);
    try {
      return await soak.#run();
    } finally {
      clearInterval(sampler);
    }
  }

  async #run(): Promise<Account> {
    const { minutes, browser, only } = this.#options;
    const totalMs = minutes * MINUTE_MS;
    if (only.length > 0) return await this.#repeat(only, totalMs);
    const beginningMs = totalMs * BEGINNING;
    const nap = browser ? [napOf(4000)] : [];
    await this.#faultsUntil(beginningMs, [RELAY_KILLED, ...FAULTS, ...nap], [RELAY_KILLED]);
    const before = await this.#rest();
    const warmMs = beginningMs + (totalMs - beginningMs) * WARM_UP;
    const long = minutes >= LONG_MINUTES ? [guestStopped('guest-stopped-a-minute', MINUTE_MS)] : [];
    await this.#faultsUntil(warmMs, [...FAULTS, ...nap], long);
    this.#measuring = true;
    await this.#faultsUntil(totalMs, [...FAULTS, ...nap], long);
    this.#measuring = false;
    return await this.#account(before);
  }

  /** A few kinds of faults and nothing else, to look for one that is rare. */
  async #repeat(names: readonly string[], endMs: number): Promise<Account> {
    const all = [RELAY_KILLED, ...FAULTS, napOf(4000)];
    const faults = all.filter(({ name }) => names.includes(name));
    if (faults.length < names.length)
      throw new Error(`--only takes some of ${all.map(({ name }) => name).join(', ')}`);
    const before = await this.#rest();
    this.#measuring = true;
    await this.#faultsUntil(endMs, faults, []);
    this.#measuring = false;
    return await this.#account(before);
  }

  /** Faults, each once before any comes again; some of them first. */
  async #faultsUntil(
    endMs: number,
    faults: readonly Fault[],
    first: readonly Fault[],
  ): Promise<void> {
    let due: Fault[] = [...first];
    const passing = this.#comeAndGo();
    try {
      while (this.#nowMs < endMs && !this.#broken && !this.#options.signal.aborted) {
        if (due.length === 0) due = this.#random.shuffled(faults);
        const fault = due.shift();
        if (fault !== undefined) await this.#recoverFrom(fault);
        await sleep(this.#options.only.length > 0 ? BETWEEN_REPEATED_MS : BETWEEN_FAULTS_MS);
      }
    } catch (error) {
      // What was found until then is told all the same.
      this.#broken = true;
      this.#errors.push(String(error));
      this.#say(`BROKEN ${String(error)}`);
    } finally {
      this.#passingStopped = true;
      await passing;
    }
  }

  async #recoverFrom(fault: Fault): Promise<void> {
    const { guest: before, viewers } = this.#stage;
    const atSeconds = Math.round(this.#nowMs / 1000);
    if (fault === RELAY_KILLED) await this.#keepRelayTotals();
    await this.#patient(`${fault.name} itself`, fault.run(this.#stage, this.#random));
    const { guest } = this.#stage;
    const doneMs = performance.now();
    const stamp = numberOf(await guest.ask('facts'), 'stamp');
    await this.#patient(`a new picture after ${fault.name}`, viewers.ask('until', { stamp }));
    const newMs = performance.now() - doneMs;
    const restMs = performance.now();
    const { values } = await this.#patient('rest', guest.ask('rest'));
    const hash = values['hash'] ?? Number.NaN;
    await this.#exact(fault, hash);
    const exactMs = performance.now() - restMs;
    await guest.ask('play');
    this.#recoveries.push({ fault: fault.name, atSeconds, newMs, exactMs });
    const how = `new after ${Math.round(newMs)} ms, exact ${Math.round(exactMs)} ms after rest`;
    this.#say(`${fault.name}: ${how}${guest === before ? '' : ', another guest'}`);
    this.#collect();
  }

  /** Waits until everybody shows the guest's picture, and tells who does not when that takes too long. */
  async #exact(fault: Fault, hash: number): Promise<void> {
    const { viewers, browser } = this.#stage;
    let missing = ['viewers', 'browser'];
    const wait = async (who: string, exact: Promise<unknown> | undefined): Promise<void> => {
      await exact;
      missing = missing.filter((each) => each !== who);
    };
    const everybody = [
      wait('viewers', viewers.ask('exact', { hash })),
      wait('browser', browser?.exact(hash)),
    ];
    try {
      await this.#patient(`every viewer exact after ${fault.name}`, Promise.all(everybody));
    } catch (error) {
      this.#say(`not exact: ${missing.join(' and ')}`);
      this.#say(await this.#patient('what is known of that', this.#stage.whoIsInexact(hash)));
      throw error;
    }
  }

  /** Viewers that join for a while; how they leave is chance. */
  async #comeAndGo(): Promise<void> {
    this.#passingStopped = false;
    while (!this.#passingStopped) {
      const joins =
        this.#passing === 0 || (this.#passing < MOST_PASSING && this.#random.next() < 0.5);
      const report = joins
        ? await this.#stage.viewers.ask('join', { video: this.#random.below(2) })
        : await this.#stage.viewers.ask('leave', { how: this.#random.below(3) });
      if (joins) this.#joined++;
      this.#passing = numberOf(report, 'passing');
      await sleep(COMING_AND_GOING_MS);
    }
  }

  /** Nobody looks: what the relay holds then. */
  async #rest(threads = Number.POSITIVE_INFINITY): Promise<Belongings> {
    const { browser, relay } = this.#stage;
    this.#shown += (await browser?.shown()) ?? 0;
    await this.#patient('everybody gone', this.#stage.nobodyLooks());
    this.#passing = 0;
    while (childrenOf(relay.pid).length > 0) await sleep(LOOK_MS);
    let found = await kept(relay.pid);
    // Idle threads of an image library live on for a quarter of a minute.
    for (let again = 0; again < SETTLE_LOOKS && found.threads > threads; again++)
      found = await kept(relay.pid);
    this.#say(`nobody looks: relay ${belongingsText(found)}`);
    await this.#stage.everybodyLooks();
    return found;
  }

  async #account(before: Belongings): Promise<Account> {
    const { viewers, reader, guest } = this.#stage;
    const seen = await viewers.ask('count');
    const read = await reader.ask('count');
    await this.#keepRelayTotals();
    const after = await this.#rest(before.threads);
    await this.#stage.viewers.ask('gone');
    await this.#stage.browser?.leave();
    await this.#patient('the end of the reader', reader.ask('close'));
    let placesLeft = Number.NaN;
    const untilMs = performance.now() + PATIENCE_MS;
    do {
      const facts = await this.#patient('an answer of the guest', guest.ask('facts'));
      placesLeft = numberOf(facts, 'watchers');
      await sleep(100);
    } while (placesLeft > 0 && performance.now() < untilMs);
    this.#collect();
    const { seed, browser } = this.#options;
    return {
      seed,
      browser,
      minutes: Math.round(this.#nowMs / 6000) / 10,
      startedAt: this.#startedAt,
      recoveries: this.#recoveries,
      totals: await this.#stage.guestTotals(),
      relay: { ...this.#relayTotals, viewersJoined: numberOf(seen, 'connections') },
      viewers: {
        updates: numberOf(seen, 'updates'),
        steady: numberOf(seen, 'steady'),
        videos: numberOf(seen, 'videos'),
        wrong: numberOf(seen, 'wrong'),
      },
      reader: {
        framesSeen: numberOf(read, 'framesSeen'),
        framesSkipped: numberOf(read, 'framesSkipped'),
      },
      browserShown: this.#shown,
      memory: this.#memory,
      before,
      after,
      placesLeft,
      errors: this.#errors,
    };
  }

  async #keepRelayTotals(): Promise<void> {
    const { relay } = this.#stage;
    this.#relayTotals.framesSeen += await relay.metric('kvmfr_frames_seen_total');
    this.#relayTotals.framesSkipped += await relay.metric('kvmfr_frames_skipped_total');
    this.#relayTotals.framesGivenUp += await relay.metric('kvmfr_frames_given_up_total');
  }

  #sample(): void {
    const { relay, reader } = this.#stage;
    const held = belongingsOf(relay.pid);
    const read = belongingsOf(reader.pid);
    const encoders = childrenOf(relay.pid).map((pid) => belongingsOf(pid)?.ownMib ?? 0);
    if (held === undefined || read === undefined) return;
    if (this.#measuring) {
      this.#memory.relay.add(this.#nowMs, held.ownMib);
      this.#memory.reader.add(this.#nowMs, read.ownMib);
      this.#memory.encoders.add(
        this.#nowMs,
        encoders.reduce((sum, mib) => sum + mib, 0),
      );
    }
    if (this.#samples++ % TELL_EVERY_SAMPLES !== 0) return;
    const slope = this.#memory.relay.perHour.toFixed(1);
    this.#say(
      `relay ${belongingsText(held)}; slope ${slope} MiB/h; reader ${read.ownMib.toFixed(0)} MiB; ${this.#recoveries.length} faults, ${this.#joined} viewers passed by, ${this.#errors.length} errors`,
    );
  }

  /** What the others have found wrong. */
  #collect(): void {
    const { relay, browser, surprises } = this.#stage;
    for (const list of [relay.surprises, surprises, browser?.problems])
      for (const error of list?.splice(0) ?? []) {
        this.#errors.push(error);
        this.#say(`ERROR ${error}`);
      }
  }

  /** Waits, but not for ever. */
  async #patient<Value>(what: string, something: Promise<Value>): Promise<Value> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => {
          const lines = this.#stage.relay.lines.slice(-10).join('\n');
          reject(
            new Error(`${what} did not come in ${PATIENCE_MS / 1000} s; the relay said:\n${lines}`),
          );
        },
        PATIENCE_MS + (what.includes('a-minute') ? MINUTE_MS : 0),
      );
    });
    try {
      return await Promise.race([something, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  get #nowMs(): number {
    return performance.now() - this.#startMs;
  }

  #say(text: string): void {
    this.#options.say(`${(this.#nowMs / 1000).toFixed(0).padStart(5)} s  ${text}`);
  }
}

function belongingsText(held: Belongings): string {
  return `${held.ownMib.toFixed(0)} MiB, ${held.descriptors} descriptors, ${held.threads} threads, ${held.maps} maps, ${held.children} children`;
}
