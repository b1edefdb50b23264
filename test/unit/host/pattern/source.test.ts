import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { PatternSource } from '../../../../host/pattern/source.ts';
import { keyOfCode } from '../../../../protocol/keys.ts';
import { type ClipboardPeer, type ClipboardStage, clipboardStage } from '../clipboard-stage.ts';

/** The synthetic guest, and a client that owns its clipboard. */
async function guestWithPeer(): Promise<{
  readonly stage: ClipboardStage;
  readonly peer: ClipboardPeer;
}> {
  const stage = await clipboardStage();
  const source = new PatternSource({ widthPx: 320, heightPx: 200, wire: 'dev12' });
  const running = source.run(stage.host);
  onTestFinished(async () => {
    await source.close();
    await running;
  });
  return { stage, peer: stage.owner() };
}

/** Presses keys together and lets them go. */
async function press(stage: ClipboardStage, ...codes: readonly string[]): Promise<void> {
  const usages = codes.map((code) => keyOfCode(code)?.usage ?? 0);
  const modifiers = codes.includes('ControlLeft') ? 1 : 0;
  const keys = usages.filter((usage) => usage < 0xe0);
  stage.host.emit('input', { kind: 'keyboard', modifiers, keys, clientId: 1 });
  stage.host.emit('input', { kind: 'keyboard', modifiers: 0, keys: [], clientId: 1 });
  // What that begins goes on in its own time.
  await turn();
  stage.advance(1);
}

/** Reads the text that the guest offers now. */
function copied(stage: ClipboardStage, peer: ClipboardPeer): string {
  const offer = peer.told().findLast((body) => body.kind === 'offer');
  if (offer?.kind !== 'offer') throw new Error('nothing was offered');
  const { content } = offer;
  peer.say({ kind: 'request', content, transfer: content & 0xffffn, format: 'text' });
  stage.advance(1);
  return Buffer.from(peer.take()?.contents ?? []).toString();
}

it('the synthetic guest copies what was typed with Ctrl+C, and pastes with Ctrl+V', async () => {
  const { stage, peer } = await guestWithPeer();
  for (const code of ['KeyH', 'KeyI']) await press(stage, code);
  await press(stage, 'ControlLeft', 'KeyC');
  expect(copied(stage, peer)).toBe('hi');
  // Its own, while a client has nothing else.
  await press(stage, 'ControlLeft', 'KeyV');
  await press(stage, 'ControlLeft', 'KeyC');
  expect(copied(stage, peer)).toBe('hihi');
  peer.say({ kind: 'offer', content: 77n, formats: 1 });
  stage.advance(1);
  await press(stage, 'ControlLeft', 'KeyV');
  const request = peer.told().find((body) => body.kind === 'request');
  if (request?.kind !== 'request') throw new Error('nothing was asked for');
  // Copied while it is not there yet: what was pasted is part of it.
  await press(stage, 'ControlLeft', 'KeyC');
  const contents = Buffer.from(' there');
  const piece = { sequence: 0, offset: 0, size: 6, isFirst: true, isLast: true, bytes: 6 };
  const { transfer } = request;
  peer.send({ kind: 'data', content: 77n, transfer, format: 'text', piece }, contents);
  stage.advance(1);
  await turn();
  stage.advance(1);
  expect(copied(stage, peer)).toBe('hihi there');
});
