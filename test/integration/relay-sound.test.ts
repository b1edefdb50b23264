import { afterEach, describe, expect, it } from 'vitest';
import {
  encodeInputWish,
  encodeMicrophone,
  encodeMicrophoneWish,
  encodeSoundWish,
  encodeView,
  MAX_MICROPHONE_FRAMES,
} from '../../protocol/wire/index.ts';
import type { ViewerOptions } from '../../viewer/relay/index.ts';
import { eventually } from '../support/eventually.ts';
import { parseExposition } from '../support/exposition.ts';
import { WrittenInput } from '../support/written-input.ts';
import { frequencyOf, WrittenMicrophone, WrittenSound } from '../support/written-sound.ts';
import { closeStages, PING, Stage } from '../unit/relay/stage.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';

afterEach(closeStages);

const PIECE = 960;
const LISTEN = encodeSoundWish({ sound: true, codecs: [] });
const LISTEN_OPUS = encodeSoundWish({ sound: true, codecs: ['opus'] });
const LISTEN_NO_MORE = encodeSoundWish({ sound: false, codecs: [] });

async function join(stage: Stage, token = 'secret'): Promise<TestViewer> {
  const viewer = new TestViewer(stage.url.replace('secret', token));
  stage.viewers.push(viewer);
  await viewer.until(() => viewer.hello !== undefined);
  await viewer.settle(PING);
  return viewer;
}

function say(sequence: number, ...samples: readonly number[]): Uint8Array {
  return encodeMicrophone({ sequence, samples: Int16Array.from(samples) });
}

function send(viewer: TestViewer, ...messages: readonly Uint8Array[]): void {
  for (const message of messages) viewer.send(message);
}

/** A stage whose guest has all there is. */
async function full(options: Partial<ViewerOptions> = {}) {
  const sound = new WrittenSound();
  const microphone = new WrittenMicrophone();
  const input = new WrittenInput();
  const stage = await Stage.open({ sound, microphone, input, ...options });
  return { sound, microphone, input, stage };
}

describe('sound through the relay', () => {
  it('is read while somebody listens, and goes to who does', async () => {
    const { sound, stage } = await full();
    const [first, second] = [await join(stage), await join(stage)];
    expect(first.soundStates).toEqual([
      {
        ...{ available: true, codec: 'opus', microphone: 'off', recording: true, guestVolume: 1 },
        microphoneReason: 'only who has keyboard and mouse is heard',
      },
    ]);
    expect(sound.listeners).toBe(0);
    first.send(LISTEN);
    await eventually(() => sound.listeners === 1);
    sound.playTone(1000, PIECE);
    await first.until(() => first.sounds.length === 2);
    expect(first.sounds.map(({ stream, sequence, codec }) => [stream, sequence, codec])).toEqual([
      [1, 0, 'pcm'],
      [1, 1, 'pcm'],
    ]);
    const bytes = Buffer.concat(first.sounds.map(({ data }) => data));
    const samples = new Int16Array(new Uint8Array(bytes).buffer);
    expect(frequencyOf(samples.filter((_, index) => index % 2 === 0))).toBeCloseTo(1000, 0);
    first.send(LISTEN_NO_MORE);
    await eventually(() => sound.listeners === 0);
    await second.settle(PING);
    expect(second.sounds).toEqual([]);
  });

  it('ends its stream when the guest stops, and begins another one', async () => {
    const { sound, stage } = await full();
    const viewer = await join(stage);
    viewer.send(LISTEN);
    await eventually(() => sound.listeners === 1);
    sound.playTone(1000, PIECE / 2);
    sound.stop();
    sound.playTone(1000, PIECE / 2);
    await viewer.until(() => viewer.sounds.length === 3);
    expect(viewer.sounds.map(({ stream, sequence, last }) => [stream, sequence, last])).toEqual([
      [1, 0, false],
      [1, 1, true],
      [3, 0, false],
    ]);
  });

  it('is for those who may only look, too, and for hidden pages', async () => {
    const { sound, stage } = await full({ viewToken: 'looking' });
    const viewer = await join(stage, 'looking');
    expect(viewer.hello?.viewOnly).toBe(true);
    expect(viewer.soundStates).toMatchObject([
      { microphone: 'none', microphoneReason: 'who only looks is not heard' },
    ]);
    viewer.send(encodeView({ visible: false }));
    viewer.send(LISTEN);
    await eventually(() => sound.listeners === 1);
    sound.playTone(1000, PIECE / 2);
    await viewer.until(() => viewer.sounds.length === 1);
    viewer.send(encodeMicrophoneWish(true));
    await viewer.until(() => viewer.closeCode !== undefined);
    expect(viewer.bye?.code).toBe('ERR_KVMFR_DENIED');
    await eventually(() => sound.listeners === 0);
  });

  it('comes as Opus to who takes it, and as it is in halves of that to the others', async () => {
    const { sound, stage } = await full();
    const [opus, plain] = [await join(stage), await join(stage)];
    opus.send(LISTEN_OPUS);
    plain.send(LISTEN);
    await opus.settle(PING);
    await plain.settle(PING);
    // Until the encoder is ready its listeners are not left without.
    let played = 0;
    while (opus.sounds.at(-1)?.codec !== 'opus') {
      sound.playTone(1000, PIECE);
      played += PIECE;
      const framesOf = (): number => opus.sounds.reduce((sum, { frames }) => sum + frames, 0);
      await opus.until(() => framesOf() === played);
    }
    sound.stop();
    await opus.until(() => opus.sounds.some(({ last }) => last));
    await plain.until(() => plain.sounds.some(({ last }) => last));
    const coded = opus.sounds.filter(({ codec }) => codec === 'opus');
    expect(coded.at(-1)?.last).toBe(true);
    // Whoever changes from one way to the other misses nothing, and hears nothing twice.
    const halves = opus.sounds.flatMap(({ codec, sequence }) =>
      codec === 'opus' ? [2 * sequence, 2 * sequence + 1] : [sequence],
    );
    expect(halves).toEqual(halves.map((_, index) => index));
    const numbers = plain.sounds.map(({ sequence }) => sequence);
    expect(numbers).toEqual(Array.from({ length: (played * 2) / PIECE + 1 }, (_, index) => index));
    expect(opus.sounds.map(({ stream }) => stream)).toEqual(
      opus.sounds.map(({ codec }) => (codec === 'opus' ? 2 : 1)),
    );
    expect(plain.sounds.every(({ codec }) => codec === 'pcm')).toBe(true);
    for (const { frames, data } of coded) {
      expect(frames).toBe(PIECE);
      expect(data.byteLength).toBeLessThan(1000);
    }
  });

  it('tells when the guest cannot be heard any more', async () => {
    const { sound, stage } = await full();
    const viewer = await join(stage);
    sound.turn({ available: false, reason: 'the server has gone' });
    await viewer.until(() => viewer.soundStates.length === 2);
    expect(viewer.soundStates.at(-1)).toMatchObject({
      ...{ available: false, reason: 'the server has gone' },
    });
  });

  it('tells how loud the guest has set it', async () => {
    const { sound, stage } = await full();
    const viewer = await join(stage);
    const volumes = (): readonly number[] => viewer.soundStates.map((state) => state.guestVolume);
    for (const loudness of [0.5, 0]) {
      sound.set(loudness);
      await viewer.until(() => volumes().at(-1) === loudness);
    }
    expect(volumes()).toEqual([1, 0.5, 0]);
  });

  it('is counted', async () => {
    const { sound, stage } = await full();
    const viewer = await join(stage);
    send(viewer, LISTEN, say(0, 1));
    await eventually(() => sound.listeners === 1);
    sound.playTone(1000, 3 * (PIECE / 2));
    await viewer.until(() => viewer.sounds.length === 3);
    await viewer.settle(PING);
    const ask = async (path: string): Promise<string> =>
      (await fetch(`${stage.door.url}${path}?token=secret`)).text();
    expect(JSON.parse(await ask('api/session')).sound).toEqual({
      ...{ listeners: 1, isHeard: false },
      ...{ played: 3, sent: 3, skipped: 0, uncoded: 0, said: 0, unsaid: 1 },
    });
    const metrics = parseExposition(await ask('metrics'));
    const samples = metrics.get('kvmfr_sound_pieces_total')?.samples;
    expect(samples?.get('kvmfr_sound_pieces_total')).toContainEqual({
      ...{ labels: { outcome: 'played' }, value: 3 },
    });
  });

  it('of a guest that has none cannot be asked for', async () => {
    const stage = await Stage.open();
    const viewer = await join(stage);
    expect(viewer.soundStates).toEqual([]);
    viewer.send(LISTEN);
    await viewer.until(() => viewer.closeCode !== undefined);
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
  });
});

describe('a microphone through the relay', () => {
  async function speaking() {
    const set = await full();
    const viewer = await join(set.stage);
    send(viewer, encodeInputWish('take'), encodeMicrophoneWish(true));
    await viewer.until(() => viewer.soundStates.at(-1)?.microphone === 'on');
    return { ...set, viewer };
  }

  it('is heard in the guest from who has the input and asked for it', async () => {
    const { microphone, viewer } = await speaking();
    send(viewer, say(0, 1, -2, 3), say(2, 4));
    await eventually(() => microphone.heard.length === 2);
    expect(microphone.heard).toEqual([Int16Array.of(1, -2, 3), Int16Array.of(4)]);
    viewer.send(encodeMicrophoneWish(false));
    await viewer.until(() => viewer.soundStates.at(-1)?.microphone === 'off');
    viewer.send(say(3, 5));
    await viewer.settle(PING);
    expect(microphone.heard).toHaveLength(2);
  });

  it('is not heard from who has not the input', async () => {
    const { microphone, stage } = await full();
    const viewer = await join(stage);
    send(viewer, encodeMicrophoneWish(true), say(0, 1));
    await viewer.settle(PING);
    expect(viewer.soundStates.at(-1)?.microphone).toBe('off');
    expect(microphone.heard).toEqual([]);
  });

  it.each(['gives the input back', 'hides', 'goes', 'loses the input'] as const)(
    'is off when who speaks %s',
    async (what) => {
      const { microphone, stage, viewer } = await speaking();
      const other = await join(stage);
      if (what === 'gives the input back') viewer.send(encodeInputWish('give'));
      if (what === 'hides') viewer.send(encodeView({ visible: false }));
      if (what === 'goes') viewer.socket.terminate();
      if (what === 'loses the input') {
        other.send(encodeInputWish('take'));
        await other.settle(PING);
        viewer.send(encodeInputWish('give'));
      }
      const isOn = async (): Promise<boolean> => {
        const answer = await fetch(`${stage.door.url}api/session?token=secret`);
        return (await answer.json()).sound.isHeard;
      };
      while (await isOn()) await other.settle(PING);
      if (what !== 'goes') {
        viewer.send(say(0, 1));
        await viewer.settle(PING);
      }
      expect(microphone.heard).toEqual([]);
    },
  );

  it.each([
    ['the same number again', [say(4, 1), say(4, 1)]],
    ['a lower number', [say(4, 1), say(3, 1)]],
    ['no sample', [Uint8Array.of(0xc9, 0, 0, 0, 0, 0, 0, 0)]],
    ['half a sample', [Uint8Array.of(0xc9, 0, 0, 0, 0, 0, 0, 0, 1)]],
    ['too much at once', [say(0, ...new Int16Array(MAX_MICROPHONE_FRAMES + 1))]],
  ])('of a viewer that says %s ends its connection', async (_, messages) => {
    const { viewer } = await speaking();
    send(viewer, ...messages);
    await viewer.until(() => viewer.closeCode !== undefined);
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
  });

  it('lets a page ask for a microphone only where there is one', async () => {
    const policy = async ({ door }: Stage): Promise<string | null> =>
      (await fetch(`${door.url}?token=secret`)).headers.get('permissions-policy');
    const { stage } = await full();
    expect(await policy(stage)).toContain('microphone=(self)');
    const without = await Stage.open({ sound: new WrittenSound() });
    expect(await policy(without)).toContain('microphone=()');
  });

  it('says no more than time has', async () => {
    const { microphone, viewer } = await speaking();
    const second = new Int16Array(MAX_MICROPHONE_FRAMES);
    for (let sequence = 0; sequence < 600; sequence++) viewer.send(say(sequence, ...second));
    await viewer.settle(PING);
    // A minute was said in a moment; more of it passes where the machine is slow.
    expect(microphone.heard.length).toBeGreaterThan(4);
    expect(microphone.heard.length).toBeLessThan(600);
  });
});
