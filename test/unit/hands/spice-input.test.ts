import { describe, expect, it } from 'vitest';
import { connectSpice, type SpiceSession } from '../../../client/spice/index.ts';
import { KEYS, keyOfCode } from '../../../protocol/keys.ts';
import type { InputEvent } from '../../../protocol/wire/index.ts';
import { type GuestScreen, SpiceInput } from '../../../viewer/hands/index.ts';
import { surfaceCreate } from '../spice/display-bytes.ts';
import { type FakeChannel, FakeServer, fields, type LinkStage } from '../spice/fake-server.ts';

const CREATE = 314;
const DESTROY = 315;
const MARK = 102;
const MODE = 105;
const SCREEN: GuestScreen = { screenWidthPx: 1920, screenHeightPx: 1080, rotation: 0 };

interface Stage extends AsyncDisposable {
  readonly server: FakeServer;
  readonly session: SpiceSession;
  readonly input: SpiceInput;
  readonly main: FakeChannel;
  readonly keys: FakeChannel;
  readonly display: FakeChannel;
  /** All that came to INPUTS until now, as hex of type and body. */
  sent(): Promise<readonly string[]>;
  /** The server's mode becomes another one: 1 steps, 2 places. */
  turn(mode: 1 | 2, supported?: number): Promise<void>;
  /** Waits until something of the abilities or locks is so. */
  until(holds: () => boolean): Promise<void>;
}

async function stage(): Promise<Stage> {
  const server = await FakeServer.listen({
    channels: [
      [2, 0],
      [3, 0],
    ],
  });
  const session = await connectSpice(server.address, { backoff: { firstMs: 1, longestMs: 1 } });
  const input = new SpiceInput(session, { nowMs: () => 0 });
  const [main, display, keys] = [
    await server.channel(1),
    await server.channel(2),
    await server.channel(3),
  ];
  const sent = async (): Promise<readonly string[]> => {
    // The answer to a PING comes after all that was sent before.
    keys.send(4, fields([4, 1], [8, 0]));
    await keys.take(3);
    return keys.messages.map(({ type, body }) => `${type} ${body.toString('hex')}`);
  };
  const turn = async (mode: 1 | 2, supported = 3): Promise<void> => {
    main.send(MODE, fields([2, supported], [2, mode]));
    const name = mode === 1 ? 'server' : 'client';
    for await (const info of session.infos())
      if (info.mouseMode === name && info.mouseModes.length === (supported === 3 ? 2 : 1)) break;
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds())
      await new Promise<void>((resolve) => {
        const end = input.watch(() => {
          end();
          resolve();
        });
      });
  };
  return {
    ...{ server, session, input, main, keys, display, sent, turn, until },
    [Symbol.asyncDispose]: async () => {
      input.close();
      await session.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** QEMU shows a screen of its own. */
async function showing(it: Stage, width: number, height: number): Promise<void> {
  it.display.send(CREATE, surfaceCreate(width, height));
  it.display.send(MARK);
  await it.until(() => it.session.display.screen?.widthPx === width);
}

function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

function place(x: number, y: number): InputEvent {
  return { kind: 'position', x, y };
}

describe('keys by SPICE', () => {
  it('go as their scancodes, extended ones and PrintScreen with their prefix', async () => {
    await using it = await stage();
    for (const code of ['KeyA', 'ControlRight', 'PrintScreen', 'IntlRo', 'AudioVolumeUp']) {
      it.input.apply(key(code, true));
      it.input.apply(key(code, false));
    }
    expect(await it.sent()).toEqual([
      ...['101 1e000000', '102 9e000000'],
      ...['101 e01d0000', '102 e09d0000'],
      ...['101 e0370000', '102 e0b70000'],
      ...['101 73000000', '102 f3000000'],
      ...['101 e0300000', '102 e0b00000'],
    ]);
  });

  it('Pause goes as the code of Ctrl and Pause, which QEMU lets up again', async () => {
    await using it = await stage();
    it.input.apply(key('Pause', true));
    it.input.apply(key('Pause', false));
    expect(await it.sent()).toEqual(['101 e0460000', '102 e0c60000']);
  });

  it('every key that there is has a scancode that the server can be sent', async () => {
    await using it = await stage();
    for (const { code } of KEYS) it.input.apply(key(code, true));
    expect(await it.sent()).toHaveLength(KEYS.length);
    it.input.apply({ kind: 'release' });
    expect(await it.sent()).toHaveLength(2 * KEYS.length);
    expect(it.session.inputs.heldKeys).toEqual([]);
  });

  it('that are held are let go when the input is closed', async () => {
    await using it = await stage();
    it.input.apply(key('ShiftLeft', true));
    it.input.apply({ kind: 'button', button: 0, down: true });
    it.input.close();
    expect(await it.sent()).toEqual([
      ...['101 2a000000', '113 010100', '102 aa000000', '114 010000'],
    ]);
  });
});

describe('the pointer by SPICE', () => {
  it('moves by steps where there is no tablet, and says so', async () => {
    await using it = await stage();
    await it.turn(1, 1);
    expect(it.input.abilities).toEqual({
      keyboard: true,
      absolute: false,
      relative: true,
      reason: 'the pointer moves by steps: the virtual machine has no tablet',
    });
    it.input.apply({ kind: 'motion', dx: 5, dy: -3 }, SCREEN);
    it.input.apply(place(7, 7), SCREEN);
    expect(await it.sent()).toEqual(['111 05000000fdffffff0000']);
  });

  it('moves by steps where QEMU has no screen to count places on', async () => {
    await using it = await stage();
    await it.turn(2);
    expect(it.input.abilities).toMatchObject({ absolute: false, relative: true });
    expect(it.input.abilities.reason).toMatch(/QEMU has no screen of its own/);
    it.input.apply({ kind: 'motion', dx: 1, dy: 2 }, SCREEN);
    await it.main.until((all) => all.some((m) => m.type === MODE && m.body[0] === 1));
    await it.turn(1);
    expect(await it.sent()).toEqual(['111 01000000020000000000']);
  });

  it('is put to the pixel of the surface below the middle of the pixel of the screen', async () => {
    await using it = await stage();
    await showing(it, 960, 540);
    await it.turn(2);
    await it.until(() => it.input.abilities.absolute);
    for (const [x, y] of [
      [0, 0],
      [1919, 1079],
      [1001, 500],
      [9999, 9999],
    ] as const)
      it.input.apply(place(x, y), SCREEN);
    expect(await it.sent()).toEqual([
      '112 00000000' + '00000000' + '000000',
      '112 bf030000' + '1b020000' + '000000',
      '112 f4010000' + 'fa000000' + '000000',
      '112 bf030000' + '1b020000' + '000000',
    ]);
  });

  it.each([
    [1, 1079 - 300, 100],
    [2, 1919 - 100, 1079 - 300],
    [3, 300, 1919 - 100],
  ])('is put where a desktop that is turned %d times has it', async (rotation, x, y) => {
    await using it = await stage();
    const upright = rotation === 2;
    await showing(it, upright ? 1920 : 1080, upright ? 1080 : 1920);
    await it.turn(2);
    await it.until(() => it.input.abilities.absolute);
    it.input.apply(place(100, 300), { ...SCREEN, rotation });
    const [message] = await it.sent();
    const body = Buffer.from(message?.split(' ')[1] ?? '', 'hex');
    expect([body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([x, y]);
  });

  it('steps go the way that a turned desktop takes them', async () => {
    await using it = await stage();
    await it.turn(1, 1);
    for (const rotation of [1, 2, 3])
      it.input.apply({ kind: 'motion', dx: 3, dy: 4 }, { ...SCREEN, rotation });
    expect(await it.sent()).toEqual([
      '111 fcffffff' + '03000000' + '0000',
      '111 fdffffff' + 'fcffffff' + '0000',
      '111 04000000' + 'fdffffff' + '0000',
    ]);
  });

  it('changes between places and steps, and a click waits for its place', async () => {
    await using it = await stage();
    await showing(it, 1920, 1080);
    await it.turn(1);
    await it.until(() => it.input.abilities.absolute);
    it.input.apply(place(1, 1), SCREEN);
    it.input.apply(place(16, 32), SCREEN);
    it.input.apply({ kind: 'button', button: 0, down: true }, SCREEN);
    it.input.apply({ kind: 'button', button: 0, down: false }, SCREEN);
    expect(await it.sent()).toEqual([]);
    await it.turn(2);
    expect(await it.sent()).toEqual([
      '112 10000000200000000000' + '00',
      '113 010100',
      '114 010000',
    ]);
    it.input.apply({ kind: 'motion', dx: 1, dy: 1 }, SCREEN);
    it.input.apply({ kind: 'motion', dx: 2, dy: 3 }, SCREEN);
    await it.turn(1);
    expect((await it.sent()).slice(3)).toEqual(['111 03000000040000000000']);
  });

  it('a button that is held comes up also while the server owes us a mode', async () => {
    await using it = await stage();
    await it.turn(2);
    it.input.apply({ kind: 'button', button: 1, down: true }, SCREEN);
    it.input.apply({ kind: 'motion', dx: 1, dy: 1 }, SCREEN);
    it.input.apply({ kind: 'button', button: 1, down: false }, SCREEN);
    expect(await it.sent()).toEqual(['113 020200', '114 020000']);
  });

  it('a server that never changes its mode is not waited for with more than a few events', async () => {
    await using it = await stage();
    await it.turn(2);
    for (let i = 0; i < 500; i++) {
      it.input.apply({ kind: 'motion', dx: 1, dy: 1 }, SCREEN);
      it.input.apply({ kind: 'button', button: 0, down: true }, SCREEN);
      it.input.apply({ kind: 'button', button: 0, down: false }, SCREEN);
    }
    const buttons = (await it.sent()).filter((message) => /^11[34]/.test(message));
    expect(buttons.length).toBeGreaterThan(900);
  });

  it('says that places do not go any more when the screen of QEMU has gone', async () => {
    await using it = await stage();
    await showing(it, 640, 480);
    await it.turn(2);
    await it.until(() => it.input.abilities.absolute);
    it.display.send(DESTROY, fields([4, 0]));
    // The answer comes after what was sent before it was read.
    it.display.send(4, fields([4, 1], [8, 0]));
    await it.display.take(3);
    let told = 0;
    it.input.watch(() => told++);
    it.input.apply(place(3, 3), SCREEN);
    expect([told, it.input.abilities.absolute]).toEqual([1, false]);
    expect(await it.sent()).toEqual([]);
  });

  it('has five buttons, and a wheel that turns by whole notches', async () => {
    await using it = await stage();
    for (let button = 0; button < 5; button++) {
      it.input.apply({ kind: 'button', button, down: true });
      it.input.apply({ kind: 'button', button, down: false });
    }
    const turn = (dy: number): void => it.input.apply({ kind: 'wheel', dx: 0, dy });
    turn(60);
    turn(59);
    turn(1);
    turn(-240);
    expect(await it.sent()).toEqual([
      ...['113 010100', '114 010000', '113 020200', '114 020000', '113 030400', '114 030000'],
      ...['113 062000', '114 060000', '113 074000', '114 070000'],
      ...['113 051000', '114 050000'],
      ...['113 040800', '114 040000', '113 040800', '114 040000'],
    ]);
  });
});

describe('what a person is told of input by SPICE', () => {
  it('locks of the keyboard, and each change of them', async () => {
    await using it = await stage();
    it.keys.send(102, fields([2, 4]));
    await it.until(() => it.input.locks?.caps === true);
    expect(it.input.locks).toEqual({ caps: true, num: false, scroll: false });
  });

  it('why nothing goes while the server is away, and that it goes again', async () => {
    await using it = await stage();
    it.input.apply(key('KeyA', true));
    await it.sent();
    it.server.drop();
    await it.until(() => !it.input.abilities.keyboard);
    expect(it.input.abilities.reason).toMatch(/SPICE server at 127\.0\.0\.1/);
    // What happens meanwhile is not kept.
    it.input.apply(key('KeyB', true));
    it.input.apply(place(1, 1), SCREEN);
    await it.until(() => it.input.abilities.keyboard);
    // First came a question: whether another viewer has the server now.
    await it.server.channel(3);
    const again = await it.server.channel(3);
    it.input.apply(key('KeyC', true));
    const { body } = await again.take(101);
    expect(body.toString('hex')).toBe('2e000000');
    expect(again.messages).toEqual([]);
  });

  it('lets buttons go that were held when the server was lost, for the server does not', async () => {
    await using it = await stage();
    it.input.apply({ kind: 'button', button: 0, down: true }, SCREEN);
    it.input.apply({ kind: 'button', button: 3, down: true }, SCREEN);
    await it.sent();
    it.server.drop();
    await it.until(() => !it.input.abilities.keyboard);
    it.input.apply({ kind: 'button', button: 3, down: false }, SCREEN);
    await it.until(() => it.input.abilities.keyboard);
    await it.server.channel(3);
    const again = await it.server.channel(3);
    // A release with no button in its mask.
    expect((await again.take(114)).body.toString('hex')).toBe('010000');
    again.send(4, fields([4, 1], [8, 0]));
    await again.take(3);
    expect(again.messages).toEqual([]);
  });

  it('takes the server back from another viewer when a person acts, and never in a fight', async () => {
    let nowMs = 0;
    let taken = false;
    await using server = await FakeServer.listen({ result: (right) => (taken ? 8 : right) });
    const session = await connectSpice(server.address, { backoff: { firstMs: 1, longestMs: 1 } });
    const input = new SpiceInput(session, { nowMs: () => nowMs });
    const until = async (name: string): Promise<void> => {
      for await (const state of session.states()) if (state.name === name) return;
      throw new Error(`the session must be ${name}, but ended`);
    };
    const lose = async (): Promise<void> => {
      taken = true;
      server.drop();
      await until('taken');
      taken = false;
    };
    const acts: readonly (() => void)[] = [
      () => input.apply({ kind: 'button', button: 0, down: true }),
      () => input.apply(key('KeyA', true)),
      () => input.wanted(),
    ];
    for (const act of acts) {
      await lose();
      expect(input.abilities.reason).toMatch(/another viewer.*click into the picture/);
      input.apply(place(1, 1), SCREEN);
      input.apply(key('KeyA', false));
      expect(session.state.name).toBe('taken');
      act();
      await until('connected');
    }
    await lose();
    for (const act of acts) act();
    expect(input.abilities.reason).toMatch(/two viewers take the SPICE server from each other/);
    expect(session.connections).toBe(4);
    expect(session.state.name).toBe('taken');
    nowMs += 60_001;
    input.wanted();
    await until('connected');
    input.close();
    await session.close();
  });

  it.each<LinkStage>(['connected', 'half-reply', 'reply', 'result'])(
    'a server that goes away when the link is at %s',
    async (stageOfLink) => {
      await using server = await FakeServer.listen({ endAt: { channel: 3, stage: stageOfLink } });
      const { SpiceSession: Session } = await import('../../../client/spice/index.ts');
      await using session = new Session(server.address, {
        backoff: { firstMs: 1, longestMs: 1 },
      });
      const input = new SpiceInput(session);
      for await (const state of session.states()) if (state.error !== undefined) break;
      input.apply(key('KeyA', true));
      input.apply(place(1, 1), SCREEN);
      expect(input.abilities).toMatchObject({ keyboard: false, absolute: false, relative: false });
      expect(input.abilities.reason).toMatch(/SPICE/);
      input.close();
    },
  );
});
