import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { SpiceSession } from '../../client/spice/index.ts';
import { KEYS } from '../../protocol/keys.ts';
import {
  encodeInput,
  encodeInputWish,
  encodeView,
  type InputEvent,
} from '../../protocol/wire/index.ts';
import { SpiceInput } from '../../viewer/hands/index.ts';
import { fuzzed, fuzzTimeoutMs } from '../fuzz/runs.ts';
import { closeStages, PING, Stage } from '../unit/relay/stage.ts';
import type { TestViewer } from '../unit/relay/test-viewer.ts';
import { surfaceCreate } from '../unit/spice/display-bytes.ts';
import {
  type FakeChannel,
  type FakeOptions,
  FakeServer,
  fields,
  type LinkStage,
} from '../unit/spice/fake-server.ts';

afterEach(closeStages);

const MAIN = 1;
const DISPLAY = 2;
const INPUTS = 3;
const KEY_DOWN = 101;
const KEY_UP = 102;
const PRESS = 113;
const RELEASE = 114;
/** For one thing; less than the test has, so that it says what did not come. */
const PATIENCE_MS = 120_000;

/** A SPICE server, and the keyboard and mouse of the guest behind it. */
class GuestKeyboard {
  readonly server: FakeServer;
  readonly #inputs: FakeChannel[] = [];
  #newest: Partial<Record<number, FakeChannel>> = {};

  constructor(server: FakeServer) {
    this.server = server;
    for (const type of [MAIN, DISPLAY, INPUTS]) void this.#collect(type);
  }

  /** The newest link of a channel; undefined before the first. */
  newest(type: number): FakeChannel | undefined {
    return this.#newest[type];
  }

  /**
   * What is down in the guest, after all that it was sent. A server lets keys go when their viewer
   * leaves, and keeps buttons until a press or release tells which are down.
   */
  get held(): readonly string[] {
    const held: string[] = [];
    let buttons = 0;
    for (const channel of this.#inputs) {
      const keys = new Set<number>();
      for (const { type, body } of channel.messages) {
        if (type === KEY_DOWN) keys.add(plain(body));
        else if (type === KEY_UP) keys.delete(plain(body));
        else if (type === PRESS || type === RELEASE) buttons = body.readUInt16LE(1);
      }
      if (!channel.ended) held.push(...[...keys].map((code) => `key ${code.toString(16)}`));
    }
    return buttons === 0 ? held : [...held, `buttons ${buttons}`];
  }

  async #collect(type: number): Promise<never> {
    for (;;) {
      const channel = await this.server.channel(type);
      if (type === INPUTS) this.#inputs.push(channel);
      this.#newest[type] = channel;
      // A screen, so that places have something to be on.
      if (type === DISPLAY) {
        channel.send(314, surfaceCreate(640, 480));
        channel.send(102);
      }
    }
  }
}

/** A scancode as it is named when it goes down: extended ones are 0xe0 and another byte. */
function plain(body: Buffer): number {
  const first = body.readUInt8(0);
  return first === 0xe0 ? 0xe000 | (body.readUInt8(1) & 0x7f) : first & 0x7f;
}

const key = fc.constantFrom(...KEYS.filter(({ set1 }) => set1 > 0).slice(0, 30));
const event: fc.Arbitrary<InputEvent> = fc.oneof(
  fc.record({ kind: fc.constant('key' as const), key, down: fc.boolean() }),
  fc.record({ kind: fc.constant('button' as const), button: fc.nat(4), down: fc.boolean() }),
  fc.record({ kind: fc.constant('position' as const), x: fc.nat(2000), y: fc.nat(2000) }),
  fc.record({ kind: fc.constant('motion' as const), dx: fc.nat(300), dy: fc.nat(300) }),
  fc.record({ kind: fc.constant('wheel' as const), dx: fc.nat(300), dy: fc.nat(300) }),
);
const channel = fc.constantFrom(MAIN, DISPLAY, INPUTS);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('act' as const),
      who: fc.nat(1),
      events: fc.array(event, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('kill', 'hide', 'show', 'take', 'give', 'garbage'),
      who: fc.nat(1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom(
        'drop',
        'half',
        'huge',
        'steps',
        'places',
        'settle',
        'connect',
        'thrown',
      ),
      channel,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('refuse' as const),
      channel,
      stage: fc.constantFrom<LinkStage>('connected', 'half-reply', 'reply', 'result'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Waits for something, and says what it was when it does not come. */
async function come<T>(what: string, coming: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} must come, but did not`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Two viewers, a relay, and a server that is not always there. */
class Scene implements AsyncDisposable {
  readonly lies: { endAt?: FakeOptions['endAt'] & object; taken: boolean };
  readonly guest: GuestKeyboard;
  readonly session: SpiceSession;
  readonly input: SpiceInput;
  readonly stage: Stage;
  readonly #viewers = new Map<number, TestViewer>();

  private constructor(parts: Pick<Scene, 'lies' | 'guest' | 'session' | 'input' | 'stage'>) {
    this.lies = parts.lies;
    this.guest = parts.guest;
    this.session = parts.session;
    this.input = parts.input;
    this.stage = parts.stage;
  }

  static async open(): Promise<Scene> {
    const lies: Scene['lies'] = { taken: false };
    const server = await FakeServer.listen({
      channels: [
        [DISPLAY, 0],
        [INPUTS, 0],
      ],
      result: (right) => (lies.taken ? 8 : right),
      get endAt() {
        return lies.endAt;
      },
    } as FakeOptions);
    const session = new SpiceSession(server.address, { backoff: { firstMs: 1, longestMs: 1 } });
    const input = new SpiceInput(session, { nowMs: () => 0 });
    const stage = await Stage.open({ input });
    return new Scene({ lies, guest: new GuestKeyboard(server), session, input, stage });
  }

  async do(step: Step): Promise<void> {
    if (step.what === 'refuse') this.lies.endAt = { channel: step.channel, stage: step.stage };
    else if ('channel' in step) await this.#serve(step.what, step.channel);
    else {
      const viewer = await this.#viewer(step.who);
      if (step.what === 'act') viewer.send(encodeInput({ atMs: undefined, events: step.events }));
      else this.#behave(viewer, step.what);
      if (step.what === 'kill' || step.what === 'garbage')
        await come('the end of a viewer', viewer.untilClosed());
      else await come('an answer of the relay', viewer.settle(PING));
    }
  }

  /** Everybody has gone, and the server is what it should be. */
  async quiet(): Promise<void> {
    this.lies.taken = false;
    delete this.lies.endAt;
    for (const viewer of this.#viewers.values()) {
      viewer.socket.terminate();
      await come('the end of a viewer', viewer.untilClosed());
    }
    while (this.stage.relay.viewers.length > 0)
      await new Promise<void>((resolve) => setImmediate(resolve));
    const limitMs = performance.now() + PATIENCE_MS;
    while (performance.now() < limitMs) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#connected();
      const inputs = this.guest.newest(INPUTS);
      try {
        // The answer to a PING comes after all that was sent before.
        inputs?.send(4, fields([4, 1], [8, 0]));
        if (inputs !== undefined) await come('the answer to a ping', inputs.take(3));
        if (inputs !== undefined && !inputs.ended) return;
      } catch {
        // What was sent to it before has ended it: there will be another.
      }
    }
    throw new Error('the session must come to rest, but does not');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.input.close();
    await this.session.close();
    await closeStages();
    await this.guest.server[Symbol.asyncDispose]();
  }

  async #viewer(index: number): Promise<TestViewer> {
    const there = this.#viewers.get(index);
    if (there !== undefined && there.closeCode === undefined) return there;
    const viewer = this.stage.join();
    this.#viewers.set(index, viewer);
    await come(
      'a hello',
      viewer.until(() => viewer.hello !== undefined),
    );
    return viewer;
  }

  #behave(viewer: TestViewer, what: string): void {
    if (what === 'kill') viewer.socket.terminate();
    else if (what === 'garbage') viewer.send(Uint8Array.of(0xc0, 0, 0, 0, 1));
    else if (what === 'take' || what === 'give') viewer.send(encodeInputWish(what));
    else viewer.send(encodeView({ visible: what === 'show' }));
  }

  async #serve(what: string, type: number): Promise<void> {
    const { server } = this.guest;
    const channel = this.guest.newest(type);
    if (what === 'drop') server.drop();
    else if (what === 'thrown') {
      this.lies.taken = true;
      server.drop();
    } else if (what === 'half') {
      channel?.sendRaw(Buffer.of(102, 0, 2));
      channel?.socket.end();
    } else if (what === 'huge') channel?.sendRaw(Buffer.from('6600ffffff7f00', 'hex'));
    else if (what === 'settle') await new Promise<void>((resolve) => setImmediate(resolve));
    else if (what === 'connect') await this.#connected();
    else this.guest.newest(MAIN)?.send(105, fields([2, 3], [2, what === 'steps' ? 1 : 2]));
  }

  async #connected(): Promise<void> {
    this.lies.taken = false;
    delete this.lies.endAt;
    const connected = async (): Promise<void> => {
      for await (const { name } of this.session.states()) {
        if (name === 'connected') return;
        this.session.reconnect();
      }
    };
    await come('a session', connected());
  }
}

describe('a key or button of the guest', () => {
  it(
    'is never left down, whatever viewers and the SPICE server do',
    async () => {
      let held = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), async (steps) => {
          await using scene = await Scene.open();
          await scene.do({ what: 'connect', channel: MAIN });
          for (const one of steps) {
            await scene.do(one);
            held += scene.guest.held.length;
          }
          await scene.quiet();
          expect(scene.guest.held).toEqual([]);
        }),
        fuzzed(20),
      );
      // Else nothing would have been shown.
      expect(held).toBeGreaterThan(0);
    },
    fuzzTimeoutMs() * 4,
  );
});
