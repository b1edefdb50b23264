import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, loadFixture } from '../support/fixture.ts';

/** Where each LGMP keeps its header. */
const PLACES: {
  readonly [version: number]: {
    readonly magic: number;
    readonly session: number;
    readonly timestamp: number;
    readonly udata: number;
  };
} = {
  6: { magic: 0, session: 8, timestamp: 16, udata: 5756 },
  10: { magic: 8064, session: 8072, timestamp: 0, udata: 8084 },
};

it('the dumps are of the versions that their names say', () => {
  for (const name of FIXTURE_NAMES) expect(loadFixture(name).facts.lgmp.version).toBe(6);
  expect(DEV_FIXTURE_NAMES.map((name) => loadFixture(name).facts.lgmp.version)).toEqual([10]);
});

// Plain reads at literal offsets, without our protocol code: do dump, facts and picture agree?
describe.each([...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES])('the dump %s', (name) => {
  const fixture = loadFixture(name);
  const { bytes, facts } = fixture;
  const view = new DataView(bytes.buffer);

  const place = PLACES[facts.lgmp.version];
  if (place === undefined) throw new Error(`LGMP ${facts.lgmp.version}`);

  it('is a region with the session that was seen', () => {
    expect(bytes.byteOffset).toBe(0);
    expect(bytes.byteLength).toBe(facts.shmSize);
    expect(view.getUint32(place.magic, true)).toBe(facts.lgmp.magic);
    expect(view.getUint32(place.magic + 4, true)).toBe(facts.lgmp.version);
    expect(view.getUint32(place.session, true)).toBe(facts.lgmp.sessionID);
    expect(Number(view.getBigUint64(place.timestamp, true))).toBe(facts.lgmp.timestamp);
    expect(facts.lgmp.udataOffset).toBe(place.udata);
    expect(Buffer.from(bytes).toString('latin1', place.udata, place.udata + 8)).toBe('KVMFR---');
    expect(view.getUint32(place.udata + 8, true)).toBe(facts.kvmfr.version);
  });

  it('holds the messages that were seen in its rings', () => {
    for (const queue of facts.lgmp.queues)
      for (const [slot, message] of queue.messages.entries()) {
        const at = queue.messagesOffset + slot * 16;
        const words = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
        expect(words).toEqual([message.udata, message.size, message.offset, message.pendingSubs]);
      }
  });

  it('holds the frame header that was seen', () => {
    for (const frame of facts.framesPending) {
      const header = Buffer.from(frame.headerBytes, 'hex');
      expect(Buffer.from(bytes.subarray(frame.memOffset)).subarray(0, header.length)).toEqual(
        header,
      );
    }
  });

  it('holds the pixels of the picture', async () => {
    const { data, info } = await sharp(fixture.pngPath)
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const frame = facts.framesPending.at(-1);
    if (frame === undefined) throw new Error('no frame');
    expect([info.width, info.height]).toEqual([frame.frameWidth, frame.frameHeight]);
    const packed = Buffer.alloc(data.length);
    for (let pixel = 0; pixel < data.length; pixel += 4) {
      const row = Math.floor(pixel / 4 / frame.frameWidth);
      const column = (pixel / 4) % frame.frameWidth;
      const from = frame.dataOffset + row * frame.pitch + column * 4;
      packed.set([bytes[from + 2] ?? 0, bytes[from + 1] ?? 0, bytes[from] ?? 0, 255], pixel);
    }
    expect(packed.equals(data)).toBe(true);
  });

  it('holds the cursor shape whose hash was seen', () => {
    const shapes = [...facts.pointerConsumedBefore, ...facts.pointerPending];
    const hashed = shapes.flatMap(({ shapeDataOffset: at, shapeSha256, pitch, height }) =>
      at === undefined
        ? []
        : [
            [
              createHash('sha256')
                .update(bytes.subarray(at, at + pitch * height))
                .digest('hex'),
              shapeSha256,
            ],
          ],
    );
    expect(hashed.length).toBeGreaterThan(0);
    for (const [found, seen] of hashed) expect(found).toBe(seen);
  });

  it('can be written to a file, and each caller gets bytes of its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kvmfr-fixture-'));
    try {
      await fixture.writeTo(join(folder, 'region'));
      expect((await readFile(join(folder, 'region'))).equals(bytes)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
    const other = loadFixture(name);
    other.bytes.fill(0);
    expect(view.getUint32(place.magic, true)).toBe(facts.lgmp.magic);
  });
});
