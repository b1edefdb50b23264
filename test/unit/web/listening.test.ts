import { describe, expect, it } from 'vitest';
import {
  encodeSound,
  encodeSoundState,
  type SoundMessage,
  type SoundState,
} from '../../../protocol/wire/index.ts';
import type { SoundPiece } from '../../../viewer/web/core/sound/piece.ts';
import { helloBytes, pongBytes } from '../../support/page-wire.ts';
import { settle } from './fakes.ts';
import { bytes, sentJson, setUp } from './test-engine.ts';

const SOUND_WISH = 0x88;
const MICROPHONE_WISH = 0xc8;
const MICROPHONE = 0xc9;
const PING = 0x84;

const STATE: SoundState = {
  ...{ available: true, codec: 'pcm', microphone: 'off', recording: false },
  guestVolume: 1,
};
const PIECE: SoundMessage = {
  ...{ stream: 3, sequence: 0, atMs: 1000, frames: 2, codec: 'pcm', last: false },
  data: bytes('0080 0040 ff7f 0000'),
};

function connected() {
  const all = setUp();
  all.connect();
  all.receive(helloBytes({}), encodeSoundState(STATE));
  const sent = (type: number) => all.network.last.sent.filter((message) => message[0] === type);
  return { ...all, sent };
}

describe('listening to the guest', () => {
  it('is offered by the relay, and asked for when the page is ready', async () => {
    const { engine, reports, sent } = connected();
    expect(reports).toContainEqual({ kind: 'sound', state: STATE });
    expect(sent(SOUND_WISH)).toEqual([]);
    const { port1, port2 } = new MessageChannel();
    engine.handle({ kind: 'sound', command: { kind: 'listen', port: port1 } });
    await settle();
    // Node has no decoder for it.
    expect(sentJson(sent(SOUND_WISH)[0])).toEqual({ sound: true, codecs: [] });
    engine.handle({ kind: 'sound', command: { kind: 'listen', port: undefined } });
    expect(sentJson(sent(SOUND_WISH)[1])).toEqual({ sound: false, codecs: [] });
    port2.close();
  });

  it('hands samples on as numbers, left and right by themselves', async () => {
    const { engine, receive } = connected();
    const { port1, port2 } = new MessageChannel();
    engine.handle({ kind: 'sound', command: { kind: 'listen', port: port1 } });
    const come = new Promise<SoundPiece>((resolve) => {
      port2.onmessage = ({ data }) => resolve(data);
    });
    receive(encodeSound(PIECE));
    expect(await come).toEqual({
      ...{ stream: 3, sequence: 0, atMs: 1000, last: false },
      left: Float32Array.of(-1, 32_767 / 32_768),
      right: Float32Array.of(0.5, 0),
    });
    port1.close();
  });

  it('takes nothing while nobody listens, and refuses what is no sound', () => {
    const { receive, kinds } = connected();
    receive(encodeSound(PIECE));
    expect(kinds()).not.toContain('error');
    receive(encodeSound({ ...PIECE, frames: 3 }));
    expect(kinds()).toContain('error');
  });

  it('ends with the connection', () => {
    const { network, reports } = connected();
    network.last.handlers.closed();
    expect(reports.findLast(({ kind }) => kind === 'sound')).toEqual({
      ...{ kind: 'sound', state: undefined },
    });
  });

  it('tells how old it is when it is heard, by the relay’s clock', async () => {
    const { clock, engine, receive, reports, sent } = connected();
    await settle();
    const [ping] = sent(PING);
    // The relay's clock is 5 s ahead of this one.
    receive(pongBytes(Buffer.from(ping?.subarray(4) ?? []), clock.now() + 5000));
    const { port1, port2 } = new MessageChannel();
    engine.handle({ kind: 'sound', command: { kind: 'listen', port: port1 } });
    engine.handle({
      kind: 'sound',
      command: {
        ...{ kind: 'heard', playedAtMs: 5000, heardAtMs: 1_700_000_000_090, bufferMs: 20 },
        targetMs: 25,
        ...{ underruns: 1, skipped: 2, concealed: 3 },
      },
    });
    clock.pass(1000);
    const report = reports.findLast(({ kind }) => kind === 'stats');
    expect(report).toMatchObject({
      stats: {
        sound: {
          latencyMs: 90,
          bufferMs: 20,
          targetMs: 25,
          underruns: 1,
          skipped: 2,
          concealed: 3,
        },
      },
    });
    port1.close();
    port2.close();
  });
});

describe('a microphone', () => {
  const say = (samples: Int16Array<ArrayBuffer>) =>
    ({ kind: 'sound', command: { kind: 'say', samples } }) as const;

  it('is asked for, and heard once the relay says so', () => {
    const { engine, receive, sent } = connected();
    engine.handle({ kind: 'sound', command: { kind: 'microphone', on: true } });
    expect(sentJson(sent(MICROPHONE_WISH)[0])).toEqual({ microphone: true });
    engine.handle(say(Int16Array.of(1)));
    expect(sent(MICROPHONE)).toEqual([]);
    receive(encodeSoundState({ ...STATE, microphone: 'on' }));
    engine.handle(say(Int16Array.of(1, -2)));
    expect(sent(MICROPHONE)).toEqual([bytes('c9 00 0000 01000000 0100 feff')]);
  });

  it('says nothing that would wait for a slow network', () => {
    const { engine, network, receive, sent } = connected();
    receive(encodeSoundState({ ...STATE, microphone: 'on' }));
    network.last.bufferedBytes = 100_000;
    engine.handle(say(Int16Array.of(1)));
    network.last.bufferedBytes = 0;
    engine.handle(say(Int16Array.of(2)));
    // The number shows that there was something else before.
    expect(sent(MICROPHONE)).toEqual([bytes('c9 00 0000 01000000 0200')]);
  });
});
