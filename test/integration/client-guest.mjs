// A guest in a process of its own, started by client-guest.ts: our publisher, told what to do by
// messages {id, call, args}; answers {id, result} or {id, error}.
import { createHost } from '../../dist/host/index.js';
import { Mapping } from '../../dist/native/index.js';

let host;
let playing;
let published = 0;
let mapped;
/** Where the frame queue was when a picture was published that is not seen to be posted yet. */
let unposted;
const inputs = [];
const clipboards = [];
const places = [];
let placeWaits;
let clipboardWaits;
let inputWaits;
const held = { keys: 0, buttons: 0 };

const POSITION = 16;
const COUNT = 440;

const calls = {
  async start(path, options) {
    host = await createHost(path, options);
    host.on('error', () => {});
    host.on('input', (input) => {
      inputs.push(input);
      note(input);
      inputWaits?.();
    });
    host.on('clipboard', (event) => {
      clipboards.push(event);
      clipboardWaits?.();
    });
    host.on('client-message', (message) => {
      if (message.type !== 'set-cursor-pos') return;
      places.push({ x: message.x, y: message.y });
      placeWaits?.();
    });
    // A publisher shows its last picture also to who comes after it was wiped.
    host.on('session', () => playing?.publish());
    return host.sessionId;
  },
  publish(frame) {
    return host.publish(frame);
  },
  setCursor(cursor) {
    return host.setCursor(cursor);
  },
  openFrame(frame, tampering, rows) {
    const open = host.openFrame(frame, tampering);
    open?.writeRows(rows);
    return open !== undefined;
  },
  /** What clients did to keyboard and pointer, up to one of a kind; it is forgotten then. */
  async inputs(kind) {
    let last = -1;
    while (last < 0) {
      last = inputs.findIndex((input) => input.kind === kind);
      if (last < 0) await new Promise((resolve) => (inputWaits = resolve));
    }
    return inputs.splice(0, last + 1);
  },
  /** Waits until no key and no button is held. */
  async letGo() {
    while (held.keys + held.buttons > 0) await new Promise((resolve) => (inputWaits = resolve));
  },
  /** Something is copied in the guest: pairs of a format and its bytes. */
  copy(contents) {
    host.setClipboard(new Map(contents));
  },
  paste(format, maxBytes) {
    return host.readClipboard(format, maxBytes);
  },
  /** Pastes until a client gives what it has: one that lost the clipboard takes it again by itself. */
  async pasteGiven(format, maxBytes) {
    for (;;) {
      const contents = await host.readClipboard(format, maxBytes);
      if (contents !== undefined) return contents;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  /** What clients did to the clipboard, up to one of a kind; it is forgotten then. */
  async clipboards(kind) {
    let last = -1;
    while (last < 0) {
      last = clipboards.findIndex((event) => event.kind === kind);
      if (last < 0) await new Promise((resolve) => (clipboardWaits = resolve));
    }
    return clipboards.splice(0, last + 1);
  },
  /** Where clients wished the pointer, up to a place; it is forgotten then. */
  async places({ x, y }) {
    let last = -1;
    while (last < 0) {
      last = places.findIndex((place) => place.x === x && place.y === y);
      if (last < 0) await new Promise((resolve) => (placeWaits = resolve));
    }
    return places.splice(0, last + 1);
  },
  lights(leds) {
    host.setKeyboardLeds(leds);
  },
  facts() {
    const { sessionId, watchers, stats } = host;
    return { sessionId, watchers, stats };
  },
  /** Publishes on and on; each picture is all of one 32-bit word, its number. */
  play({ widthPx, heightPx, everyMs, count = Infinity, lossless = false, pointer = false }) {
    clearInterval(playing?.timer);
    const words = new Uint32Array(widthPx * heightPx);
    const pixels = new Uint8Array(words.buffer);
    const publish = () => {
      if (lossless && !isRead(lossless)) return;
      if (published >= count) return;
      words.fill(published);
      if (pointer) pointAt(published);
      unposted = word(POSITION);
      if (host.publish({ pixels, format: 'BGRA', widthPx, heightPx })) published += 1;
      else unposted = undefined;
    };
    const timer = setInterval(publish, everyMs);
    playing = { timer, publish };
  },
  rest() {
    clearInterval(playing?.timer);
  },
  /** Turns a word of a region as fast as it can, for this long. */
  spin(path, at, { ms, below }) {
    const mapping = Mapping.open(path);
    const words = new Int32Array(mapping.buffer);
    const endMs = performance.now() + ms;
    let turns = 0;
    while (performance.now() < endMs)
      for (let i = 0; i < 1000; i++) Atomics.store(words, at >> 2, (turns++ % below) + 1);
    mapping.close();
    return turns;
  },
};

/** Keeps account of what clients hold. */
function note({ kind, modifiers, keys, buttons }) {
  if (kind === 'keyboard') held.keys = modifiers + keys.length;
  else if (buttons !== undefined) held.buttons = buttons;
  else held.keys = held.buttons = 0;
}

/** The pointer moves with each picture, and looks another way now and then. */
function pointAt(number) {
  const shape = {
    kind: ['color', 'monochrome', 'masked-color'][number % 3],
    widthPx: 16,
    heightPx: 16,
    hotspotX: 1,
    hotspotY: 1,
    pitchBytes: 64,
    bytes: new Uint8Array(64 * 32).fill(number),
  };
  const position = { x: number % 1000, y: number % 700 };
  host.setCursor({ position, visible: true, ...(number % 5 === 0 ? { shape } : {}) });
}

/** Whether the newest picture was posted, which may take until its queue's lock is free, and read. */
function isRead(readers) {
  if (word(POSITION) !== unposted) unposted = undefined;
  return unposted === undefined && word(COUNT) === 0 && host.watchers >= readers;
}

/** A word of the frame queue's header. */
function word(offset) {
  mapped ??= new Int32Array(Mapping.open(host.path).buffer);
  return Atomics.load(mapped, (32 + offset) >> 2);
}

process.on('message', async ({ id, call, args }) => {
  try {
    process.send({ id, result: await calls[call](...args) });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ id: 0 });
