import fc from 'fast-check';
import { expect, it } from 'vitest';
import { connectSpice } from '../../../client/spice/index.ts';
import { fuzzed, fuzzTimeoutMs } from '../../fuzz/runs.ts';
import { surfaceCreate } from './display-bytes.ts';
import { FakeServer, frame } from './fake-server.ts';

const CHANNELS = [1, 2, 3, 4, 5, 6];
const listed = CHANNELS.slice(1).map((type) => [type, 0] as const);

const message = fc.record({
  channel: fc.constantFrom(...CHANNELS),
  type: fc.oneof(
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 100, max: 130 }),
    fc.integer({ min: 300, max: 320 }),
  ),
  body: fc.uint8Array({ maxLength: 120 }),
  /** Bytes of it that are sent before it ends: mostly all. */
  cut: fc.oneof({ weight: 9, arbitrary: fc.constant(1000) }, { weight: 1, arbitrary: fc.nat(20) }),
});

it(
  'noise on any channel costs the session at most, and a new one is whole',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (messages) => {
        await using server = await FakeServer.listen({ channels: listed });
        await using session = await connectSpice(server.address, {
          record: true,
          backoff: { firstMs: 1, longestMs: 1 },
        });
        const channels = new Map(
          await Promise.all(
            CHANNELS.map(async (type) => [type, await server.channel(type)] as const),
          ),
        );
        channels.get(2)?.send(314, surfaceCreate(8, 8));
        for (const { channel, type, body, cut } of messages)
          channels.get(channel)?.sendRaw(frame(type, body).subarray(0, cut));
        for (const channel of channels.values()) channel.socket.end();
        for await (const { name } of session.states()) {
          expect(['denied', 'closed', 'taken']).not.toContain(name);
          if (session.connections > 1) break;
        }
      }),
      fuzzed(60),
    );
  },
  fuzzTimeoutMs(),
);
