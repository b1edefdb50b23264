import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireName } from '../../host/index.ts';
import { Child } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';
import { Scratch } from '../support/region.ts';
import { SoakBrowser } from './browser.ts';
import { RelayProcess } from './relay-process.ts';

/** A guest of the soak. */
export interface GuestFacts {
  readonly wire: WireName;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly mib: number;
}

/** What the guests of a soak have done, all together. */
export interface GuestTotals {
  posted: number;
  dropped: number;
  restarts: number;
  timedOut: number;
}

/** Each guest begins to count where none before it can have come. */
const STAMPS_PER_GUEST = 2 ** 20;
const LOOK_MS = 100;

/** Guest, relay, viewers, a reader, and a browser if wanted: each in its own process. */
export class SoakStage implements AsyncDisposable {
  readonly region: string;
  readonly totals: GuestTotals = { posted: 0, dropped: 0, restarts: 0, timedOut: 0 };
  facts: GuestFacts = { wire: 'B7', widthPx: 960, heightPx: 540, mib: 32 };
  guest: Child;
  relay: RelayProcess;
  reader: Child;
  readonly viewers: Child;
  readonly browser: SoakBrowser | undefined;
  /** What relays that are gone printed that they never should. */
  readonly surprises: string[] = [];
  readonly #scratch: Scratch;
  #guests = 1;

  private constructor(parts: {
    readonly scratch: Scratch;
    readonly region: string;
    readonly guest: Child;
    readonly relay: RelayProcess;
    readonly reader: Child;
    readonly viewers: Child;
    readonly browser: SoakBrowser | undefined;
  }) {
    this.#scratch = parts.scratch;
    this.region = parts.region;
    this.guest = parts.guest;
    this.relay = parts.relay;
    this.reader = parts.reader;
    this.viewers = parts.viewers;
    this.browser = parts.browser;
  }

  /** Starts all of them. */
  static async open(options: { readonly browser: boolean }): Promise<SoakStage> {
    const scratch = new Scratch();
    const region = scratch.path('region');
    const guest = Child.start('soak/guest.js', [region, 'B7', '1', '960', '540', '32']);
    await guest.ask('facts');
    const relay = await RelayProcess.start(region, 0);
    const reader = Child.start('soak/reader.js', [region, 'follow']);
    const viewers = Child.start('soak/viewers.js', [relay.socketUrl, `${region}.rgb`]);
    await viewers.ask('start');
    const browser = options.browser ? await SoakBrowser.open(relay.url) : undefined;
    return new SoakStage({ scratch, region, guest, relay, reader, viewers, browser });
  }

  /** Another guest takes the place of the one that was killed. */
  async newGuest(change: Partial<GuestFacts> = {}): Promise<void> {
    this.facts = { ...this.facts, ...change };
    const { wire, widthPx, heightPx, mib } = this.facts;
    const stamp = this.#guests++ * STAMPS_PER_GUEST;
    const args = [wire, stamp, widthPx, heightPx, mib].map(String);
    this.guest = Child.start('soak/guest.js', [this.region, ...args]);
    await this.guest.ask('facts');
  }

  /** The guest ends as a machine does whose power is cut. */
  async killGuest(): Promise<void> {
    const report = await this.guest.ask('facts');
    for (const name of ['posted', 'dropped', 'restarts', 'timedOut'] as const)
      this.totals[name] += numberOf(report, name);
    await this.guest.kill();
  }

  /** What all guests have done until now. */
  async guestTotals(): Promise<GuestTotals> {
    const report = await this.guest.ask('facts');
    const sum = (name: keyof GuestTotals): number => this.totals[name] + numberOf(report, name);
    return {
      posted: sum('posted'),
      dropped: sum('dropped'),
      restarts: sum('restarts'),
      timedOut: sum('timedOut'),
    };
  }

  /** The relay ends as by a crash. */
  async killRelay(): Promise<void> {
    await this.relay.kill();
    this.surprises.push(...this.relay.surprises);
  }

  /** What is known of viewers that do not show the guest's picture, for a person. */
  async whoIsInexact(hash: number): Promise<string> {
    await this.guest.ask('leave');
    const { values } = await this.viewers.ask('inexact', { hash });
    const lines = new Map<string, string>();
    for (const [name, value] of Object.entries(values)) {
      const [who = '', what] = name.split(' ');
      lines.set(who, `${lines.get(who) ?? who}, ${what} ${value}`);
    }
    const relay = `relay ${await this.relay.session()}`;
    const browser = `browser ${(await this.browser?.facts(readFileSync(`${this.region}.rgb`))) ?? 'none'}`;
    return [...lines.values(), browser, relay].join('\n');
  }

  /** A relay at the same address. */
  async newRelay(): Promise<void> {
    this.relay = await RelayProcess.start(this.region, this.relay.port);
  }

  /** Waits until nobody looks any more, and the guest knows it. */
  async nobodyLooks(): Promise<void> {
    await this.viewers.ask('gone');
    await this.browser?.leave();
    // The reader has a place in one queue.
    while (numberOf(await this.guest.ask('facts'), 'watchers') > 1) await sleep(LOOK_MS);
    while ((await this.relay.metric('kvmfr_viewers')) > 0) await sleep(LOOK_MS);
  }

  /** Viewers come again. */
  async everybodyLooks(): Promise<void> {
    await this.viewers.ask('start');
    await this.browser?.enter();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser?.[Symbol.asyncDispose]();
    await this.viewers[Symbol.asyncDispose]();
    await this.reader[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
    await this.guest[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}
