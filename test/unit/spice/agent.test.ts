import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpiceAgent } from '../../../client/spice/agent.ts';
import { AgentReader, AgentWriter } from '../../../client/spice/agent-stream.ts';
import { fuzzed } from '../../fuzz/runs.ts';
import { bodyOf } from './display-bytes.ts';
import { fields } from './fake-server.ts';

const ANNOUNCE = 6;
const GRAB = 7;
const REQUEST = 8;
const CLIPBOARD = 4;
const RELEASE = 9;

/** An agent's message as it comes. */
function message(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([fields([4, 1], [4, type], [8, 0], [4, body.length]), body]);
}

/** Capabilities: clipboard by demand, selection. */
const HELLO = message(ANNOUNCE, fields([4, 0], [4, 0b110_0000]));

interface Stage {
  readonly agent: SpiceAgent;
  readonly sent: Buffer[];
  give(bytes: Uint8Array): void;
}

function stage(tokens = 1000): Stage {
  const agent = new SpiceAgent();
  const sent: Buffer[] = [];
  agent.attach((bytes) => sent.push(bytes), tokens);
  const give = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; at += 2048)
      agent.receive(bodyOf(bytes.subarray(at, at + 2048)));
  };
  return { agent, sent, give };
}

function hex(sent: readonly Buffer[]): readonly string[] {
  return sent.map((bytes) => bytes.toString('hex'));
}

describe('the way to the agent', () => {
  it('is opened with tokens for the way back, and what we can do', () => {
    const { sent } = stage();
    expect(hex(sent)).toEqual([
      '6a000400000010000000', // AGENT_START, 16 tokens
      '6b001c000000' + // AGENT_DATA
        '01000000' +
        '06000000' +
        '0000000000000000' +
        '08000000' +
        '01000000' +
        '66000000',
    ]);
  });

  it('carries the clipboard as grabs, requests and contents', async () => {
    const { agent, sent, give } = stage();
    give(HELLO);
    sent.length = 0;
    expect(agent.hasClipboard).toBe(true);
    agent.grab(['text', 'png']);
    agent.release('primary');
    agent.write('text', Buffer.from('hi'));
    const bodies = hex(sent).map((all) => all.slice(12));
    expect(bodies).toEqual([
      `0100000007000000${'00'.repeat(8)}0c000000000000000100000002000000`,
      `0100000009000000${'00'.repeat(8)}0400000001000000`,
      `0100000004000000${'00'.repeat(8)}0a00000000000000010000006869`,
    ]);
    sent.length = 0;
    const text = agent.read('text');
    expect(hex(sent).map((all) => all.slice(12))).toEqual([
      `0100000008000000${'00'.repeat(8)}080000000000000001000000`,
    ]);
    give(message(CLIPBOARD, Buffer.concat([fields([4, 0], [4, 1]), Buffer.from('Grüße')])));
    expect(Buffer.from((await text) ?? []).toString()).toBe('Grüße');
  });

  it('leaves the clipboard out that older agents do not know of', () => {
    const { agent, sent, give } = stage();
    give(message(ANNOUNCE, fields([4, 0], [4, 0b10_0000])));
    sent.length = 0;
    expect(agent.grab(['text'], 'primary')).toBe(false);
    expect(agent.grab(['text'])).toBe(true);
    expect(hex(sent)[0]?.slice(12)).toBe(`0100000007000000${'00'.repeat(8)}0400000001000000`);
  });

  it('asks for screens, as many as there may be', () => {
    const { agent, sent } = stage();
    sent.length = 0;
    agent.setMonitors([{ widthPx: 1000, heightPx: 720 }]);
    expect(hex(sent)[0]?.slice(12 + 40)).toBe(
      '01000000' + '00000000' + 'd0020000' + 'e8030000' + '20000000' + '00000000' + '00000000',
    );
  });

  it('waits for tokens, piece by piece, and keeps the order', () => {
    const sent: Buffer[] = [];
    const writer = new AgentWriter((bytes) => sent.push(bytes), 2);
    const data = Buffer.alloc(5000, 'abcdefg');
    writer.write(4, data.subarray(0, 3), data.subarray(3));
    writer.write(7, Buffer.of(9));
    expect(sent.map(({ length }) => length - 6)).toEqual([2048, 2048]);
    writer.grant(1);
    expect(sent).toHaveLength(3);
    expect(writer.queuedBytes).toBe(21);
    writer.grant(5);
    const stream = Buffer.concat(sent.map((bytes) => bytes.subarray(6)));
    expect(stream.equals(Buffer.concat([message(4, data), message(7, Buffer.of(9))]))).toBe(true);
    expect(writer.queuedBytes).toBe(0);
  });

  it('leaves pauses in what is large, and makes good of the tokens that came meanwhile', async () => {
    let wake = (): void => undefined;
    const sent: Buffer[] = [];
    const writer = new AgentWriter((bytes) => {
      sent.push(bytes);
      wake();
    }, 130);
    const data = Buffer.alloc(300_000, 'abcdefg');
    writer.write(4, data);
    expect(sent).toHaveLength(130);
    for (let count = 0; count < 20; count++) writer.grant(1);
    expect(sent).toHaveLength(130);
    while (sent.length < 147)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const stream = Buffer.concat(sent.map((bytes) => bytes.subarray(6)));
    expect(stream.equals(message(4, data))).toBe(true);
    // Who has gone is sent nothing more.
    writer.write(4, data);
    writer.end();
    writer.grant(1000);
    expect(writer.queuedBytes).toBe(0);
    expect(sent).toHaveLength(150);
  });

  it('is closed for more than a clipboard has', () => {
    const { agent, give } = stage();
    give(HELLO);
    expect(() => agent.write('text', new Uint8Array((64 << 20) + 1))).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});

describe('the way from the agent', () => {
  it('gives back a token for each piece that came', () => {
    const { sent, give } = stage();
    sent.length = 0;
    give(message(99, Buffer.alloc(2048 * 8)));
    expect(hex(sent)).toEqual(['6c000400000008000000']);
  });

  it('tells what the guest offers, wants and takes back', async () => {
    const { agent, give } = stage();
    const events = agent.events();
    give(HELLO);
    give(message(GRAB, fields([4, 1], [4, 1], [4, 99], [4, 2])));
    give(message(REQUEST, fields([4, 0], [4, 2])));
    give(message(RELEASE, fields([4, 2])));
    agent.detach();
    agent.close();
    const seen = [];
    for await (const event of events) seen.push(event);
    expect(seen).toEqual([
      { kind: 'connected' },
      { kind: 'grab', selection: 'primary', types: ['text', 'png'] },
      { kind: 'request', selection: 'clipboard', type: 'png' },
      { kind: 'release', selection: 'secondary' },
      { kind: 'disconnected' },
    ]);
  });

  it('answers a wish for what is not known here with nothing', () => {
    const { agent, sent, give } = stage();
    give(HELLO);
    sent.length = 0;
    give(message(REQUEST, fields([4, 0], [4, 77])));
    expect(hex(sent).map((all) => all.slice(12))).toEqual([
      `0100000004000000${'00'.repeat(8)}080000000000000000000000`,
    ]);
    expect(agent.refused).toBe(1);
  });

  it('reads one kind at a time, and nothing when the agent goes', async () => {
    const { agent, give } = stage();
    expect(await agent.read('text')).toBeUndefined();
    give(HELLO);
    const text = agent.read('text');
    expect(agent.read('text')).toBe(text);
    await expect(agent.read('png')).rejects.toMatchObject({ code: 'ERR_KVMFR_BUSY' });
    const primary = agent.read('text', 'primary');
    give(message(CLIPBOARD, fields([4, 1], [4, 0])));
    expect(await primary).toBeUndefined();
    agent.detach();
    expect(await text).toBeUndefined();
  });

  it('takes no contents that nobody asked for', () => {
    const { agent, give } = stage();
    give(HELLO);
    give(message(CLIPBOARD, Buffer.concat([fields([4, 0], [4, 1]), Buffer.from('x')])));
    give(message(CLIPBOARD, fields([4, 7], [4, 1])));
    give(message(CLIPBOARD, Buffer.alloc(2)));
    expect(agent.refused).toBe(3);
  });

  it('passes over a message that is too large, and finds the next one', () => {
    const found: string[] = [];
    const reader = new AgentReader((type, body) => found.push(`${type} ${body.toString()}`), 10);
    reader.push(
      Buffer.concat([message(1, Buffer.alloc(11)), message(2, Buffer.from('0123456789'))]),
    );
    expect([reader.tooLarge, ...found]).toEqual([1, '2 0123456789']);
  });

  it('takes the memory of what came, not of what was announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const reader = new AgentReader(() => {});
    reader.push(fields([4, 1], [4, 4], [8, 0], [4, 64 << 20], [4, 1]));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 22);
  });

  it('is not read any more after what is no message', () => {
    const found: number[] = [];
    const reader = new AgentReader((type) => found.push(type));
    reader.push(Buffer.concat([message(1, Buffer.alloc(0)), Buffer.alloc(40, 0xff), HELLO]));
    expect([reader.broken, ...found]).toEqual([true, 1]);
  });

  it('finds messages wherever they were cut', () => {
    const one = fc.record({ type: fc.nat(20), body: fc.uint8Array({ maxLength: 60 }) });
    fc.assert(
      fc.property(fc.array(one), fc.integer({ min: 1, max: 50 }), (messages, cut) => {
        const found: { readonly type: number; readonly body: Uint8Array }[] = [];
        const reader = new AgentReader((type, body) =>
          found.push({ type, body: Uint8Array.from(body) }),
        );
        const stream = Buffer.concat(messages.map(({ type, body }) => message(type, body)));
        for (let at = 0; at < stream.length; at += cut) reader.push(stream.subarray(at, at + cut));
        expect(found).toEqual(
          messages.map(({ type, body }) => ({ type, body: Uint8Array.from(body) })),
        );
      }),
      fuzzed(200),
    );
  });

  it('of any bytes harms nobody', () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .record({ type: fc.nat(14), body: fc.uint8Array({ maxLength: 24 }) })
        .map(({ type, body }) => message(type, body)),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const { agent, give } = stage();
        for (const bytes of parts) give(bytes);
        agent.detach();
      }),
      fuzzed(300),
    );
  });
});
