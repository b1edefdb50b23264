import { expect } from 'vitest';
import type { FrameInput, Host, WireName } from '../../../host/index.ts';
import type { Region } from '../../../protocol/index.ts';
import { CClient, type CClientBugs } from '../../support/c-client.ts';
import { CQueue, type CVersion } from '../../support/c-offsets.ts';
import { countingPicture, type HostOnMemory, hostOnMemory } from './fixture.ts';

/** A frame whose pixels tell which it is. */
export function frame(seed: number): FrameInput & { readonly pixels: Uint8Array } {
  const pixels = countingPicture(4 * 4 * 4, seed * 7);
  return { pixels, format: 'BGRA', widthPx: 4, heightPx: 4 } as const;
}

/** A publisher of ours and readers of C on it. */
export class CGuest {
  readonly #on: HostOnMemory;
  readonly lgmp: CVersion;
  #seed = 0;

  private constructor(on: HostOnMemory, lgmp: CVersion) {
    this.#on = on;
    this.lgmp = lgmp;
  }

  static async start(wire: WireName, lgmp: CVersion): Promise<CGuest> {
    return new CGuest(await hostOnMemory({ wire }), lgmp);
  }

  get host(): Host {
    return this.#on.host;
  }
  get region(): Region {
    return this.#on.region;
  }

  queue(index = 0): CQueue {
    return new CQueue(this.region, this.lgmp, index);
  }

  client(
    options: CClientBugs & { readonly clientId?: number; readonly index?: number } = {},
  ): CClient {
    const client = CClient.subscribe(this.region, this.lgmp, options);
    if (client === undefined) throw new Error('no slot is free');
    return client;
  }

  /** Time passes in steps of its housekeeping. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) this.#on.advance(10);
  }

  /** Which frame a message shows, by its first pixel. */
  #shown(client: CClient): number | undefined {
    const message = client.read();
    if (message === undefined) return undefined;
    const { region } = this;
    // Pixels begin on the second page of their place.
    const pixelsAt = message.offset + (this.lgmp === 12 ? 65536 : 4096);
    const first = region.bytes[pixelsAt] ?? 0;
    expect(region.copyOut(pixelsAt, 64)).toEqual(countingPicture(64, first));
    client.done();
    return first;
  }

  /** A reader, one that comes unless it is there already, is served all frames, each with its pixels. */
  serves(there?: CClient, frames = 30): void {
    const client = there ?? this.client({ clears: true });
    this.pass(20);
    while (this.#shown(client) !== undefined);
    for (let i = 0; i < frames; i++) {
      this.#seed += 1;
      expect(this.host.publish(frame(this.#seed))).toBe(true);
      this.pass(10);
      expect(this.#shown(client)).toBe((this.#seed * 7) & 0xff);
      expect(client.bad).toBe(false);
    }
    expect(this.host.stats.restarts).toBe(0);
    if (there === undefined) client.unsubscribe();
  }
}
