// Goes on as the publisher of a dumped region would. A process of its own, started by FixtureHost:
//
//   fixture-publisher.mjs PATH [new-session]
//
// Written from the protocol's description alone, for KVMFR 20 on LGMP 6 or LGMP 10, and it shares no
// code with host/ or protocol/: where both agree about a byte, two readings of the description agree.
//
// Tells its parent, as messages: {event: 'ready' | 'subscribed' | 'served' | 'timed-out' |
// 'client-message' | 'corrupted', ...}. Ends when the parent goes, or says 'stop'.
import { Mapping } from '../../dist/native/index.js';

const MAGIC = 0x504d474c;
const TICK_MS = 10;
const LOCK_TURNS = 100_000;

// LGMP 6: a heartbeat at every tick, a spare slot in each ring, two words of subscribers.
const LGMP_6 = {
  version: 6,
  header: { magic: 0, version: 4, session: 8, timestamp: 16, queueCount: 24, queues: 32 },
  queue: {
    bytes: 1144,
    id: 0,
    ringSlots: 4,
    newSubscribers: 8,
    maxTime: 12,
    position: 16,
    ring: 20,
    timeouts: 24,
    lock: 408,
    bad: 416,
    on: 420,
    start: 424,
    messageTimeout: 432,
    count: 440,
    clientLock: 444,
    clientAvailable: 448,
    clientWritePosition: 452,
    clientWriteSerial: 456,
    clientReadSerial: 460,
    clientMessages: 464,
  },
  heartbeatMs: 0n,
  spareSlots: 1,
  subscribers: 32,
  clientSlots: 10,
  clientSlotBytes: 68,
  clientData: 4,
};
// LGMP 10: lines of 64 bytes, a heartbeat when the last is 250 ms old, rings of a power of two with
// every slot in use, both bitmaps in one word: ON above, BAD below.
const LGMP_10 = {
  version: 10,
  header: {
    magic: 8064,
    version: 8068,
    session: 8072,
    timestamp: 0,
    queueCount: 8076,
    queues: 64,
  },
  queue: {
    bytes: 1600,
    position: 0,
    start: 4,
    count: 8,
    messageTimeout: 16,
    lock: 64,
    clientLock: 128,
    clientAvailable: 132,
    clientWritePosition: 136,
    clientWriteSerial: 140,
    clientReadSerial: 144,
    subscribers: 192,
    newSubscribers: 196,
    timeouts: 232,
    id: 296,
    ringSlots: 300,
    ring: 304,
    maxTime: 308,
    clientMessages: 320,
  },
  heartbeatMs: 250n,
  spareSlots: 0,
  subscribers: 8,
  clientSlots: 16,
  clientSlotBytes: 80,
  clientData: 16,
};
const MESSAGE = { bytes: 16, udata: 0, size: 4, offset: 8, pending: 12 };
const CLIENT_DATA_BYTES = 64;
const POSITION = 1;
const VISIBLE = 2;
const SHAPE = 4;
const NAMES = { 1: 'pointer', 2: 'frame' };

const [path, mode] = process.argv.slice(2);
const mapping = Mapping.open(path);
const words = new Int32Array(mapping.buffer);
const longs = new BigInt64Array(mapping.buffer);
const view = new DataView(mapping.buffer);

const load = (at) => Atomics.load(words, at >> 2) >>> 0;
const store = (at, value) => Atomics.store(words, at >> 2, value | 0);
const add = (at, value) => Atomics.add(words, at >> 2, value) >>> 0;
const loadLong = (at) => Atomics.load(longs, at / 8);
const storeLong = (at, value) => Atomics.store(longs, at / 8, value);

const lgmp = [LGMP_10, LGMP_6].find(
  ({ header, version }) => load(header.magic) === MAGIC && load(header.version) === version,
);
if (lgmp === undefined) throw new Error(`${path} holds neither LGMP 6 nor LGMP 10`);
const HEADER = lgmp.header;
const QUEUE = lgmp.queue;

// The publisher's clock goes on where the dump stopped.
const dumpedAt = loadLong(HEADER.timestamp);
const startedMs = performance.now();
const clock = () => dumpedAt + BigInt(Math.floor(performance.now() - startedMs)) + 1n;
let heartbeatAt = dumpedAt;

const queues = Array.from({ length: load(HEADER.queueCount) }, (_, index) => openQueue(index));
const frames = queues.find((queue) => queue.id === 2);
const pointer = queues.find((queue) => queue.id === 1);
const lastFrame = history(frames).at(-1);
const cursor = lastCursor();
if (mode === 'new-session') beginSession();
tell({ event: 'ready', sessionId: load(HEADER.session) });

const timer = setInterval(tick, TICK_MS);
process.on('message', (message) => {
  if (message === 'stop') stop(0);
});
process.on('disconnect', () => stop(0));

function tick() {
  if (load(HEADER.magic) !== MAGIC) {
    tell({ event: 'corrupted' });
    stop(1);
    return;
  }
  const now = clock();
  if (now - heartbeatAt >= lgmp.heartbeatMs) {
    storeLong(HEADER.timestamp, now);
    heartbeatAt = now;
  }
  for (const queue of queues) {
    clean(queue, now);
    readClientMessages(queue);
    const joined = Atomics.exchange(words, (queue.at + QUEUE.newSubscribers) >> 2, 0);
    if (joined === 0) continue;
    tell({ event: 'subscribed', queue: queue.name, count: joined });
    queue.owed = true;
  }
  if (frames.owed) serve(frames, lastFrame);
  if (pointer.owed) {
    // The buffer of the last shape is used again, with the position of now written into it.
    view.setInt16(cursor.shape.offset, cursor.x, true);
    view.setInt16(cursor.shape.offset + 2, cursor.y, true);
    const flags = POSITION | SHAPE | (cursor.visible ? VISIBLE : 0);
    serve(pointer, { ...cursor.shape, udata: flags });
  }
}

/** Nobody there, or posted: nothing is owed any more. Full, or locked: again at the next tick. */
function serve(queue, payload) {
  const outcome = post(queue, payload);
  if (outcome === 'full' || outcome === 'locked') return;
  queue.owed = false;
  if (outcome === 'posted') tell({ event: 'served', queue: queue.name });
}

/** Frees what nobody needs any more, oldest first; gives up on who is slow. */
function clean(queue, now) {
  const { at } = queue;
  if (lgmp.version >= 10 && load(at + QUEUE.count) === 0) return;
  if (!lock(at + QUEUE.lock)) return;
  const { on, bad: badBefore } = subscribers(at);
  let bad = badBefore;
  let givenUp = 0;
  let left = load(at + QUEUE.count);
  while (left > 0) {
    const start = load(at + QUEUE.start);
    const pendingAt = slotAt(queue, start) + MESSAGE.pending;
    let pending = load(pendingAt) & on;
    const slow = pending & ~bad;
    if (slow !== 0 && now > loadLong(at + QUEUE.messageTimeout)) {
      bad |= slow;
      givenUp |= slow;
      for (let id = 0; id < lgmp.subscribers; id++)
        if ((slow >>> id) & 1) storeLong(at + QUEUE.timeouts + id * 8, now + queue.maxTime);
      store(pendingAt, 0);
      pending = 0;
    }
    if ((pending & ~bad) !== 0) break;
    store(at + QUEUE.start, (start + 1) % queue.slots);
    left = add(at + QUEUE.count, -1) - 1;
    if (left > 0) storeLong(at + QUEUE.messageTimeout, now + queue.maxTime);
  }
  storeSubscribers(at, { on, bad });
  unlock(at + QUEUE.lock);
  if (givenUp !== 0) tell({ event: 'timed-out', queue: queue.name, subscribers: givenUp >>> 0 });
}

function post(queue, { udata, size, offset }) {
  const { at } = queue;
  if (lgmp.version >= 10 && liveSubscribers(at) === 0) return 'nobody';
  if (!lock(at + QUEUE.lock)) return 'locked';
  try {
    const live = liveSubscribers(at);
    if (live === 0) return 'nobody';
    if (load(at + QUEUE.count) === queue.slots - lgmp.spareSlots) return 'full';
    const slot = slotAt(queue, queue.position);
    store(slot + MESSAGE.udata, udata);
    store(slot + MESSAGE.size, size);
    store(slot + MESSAGE.offset, offset);
    store(slot + MESSAGE.pending, live);
    if (add(at + QUEUE.count, 1) === 0)
      storeLong(at + QUEUE.messageTimeout, clock() + queue.maxTime);
    queue.position = (queue.position + 1) % queue.slots;
    store(at + QUEUE.position, queue.position);
    return 'posted';
  } finally {
    unlock(at + QUEUE.lock);
  }
}

function subscribers(at) {
  if (QUEUE.subscribers === undefined)
    return { on: load(at + QUEUE.on), bad: load(at + QUEUE.bad) };
  const both = load(at + QUEUE.subscribers);
  return { on: both >>> 16, bad: both & 0xffff };
}

/** Under the lock. */
function storeSubscribers(at, { on, bad }) {
  if (QUEUE.subscribers !== undefined) {
    store(at + QUEUE.subscribers, (on << 16) | bad);
    return;
  }
  store(at + QUEUE.bad, bad);
  store(at + QUEUE.on, on);
}

function liveSubscribers(at) {
  const { on, bad } = subscribers(at);
  return on & ~bad;
}

/** Takes every message of a client, and acknowledges it. */
function readClientMessages(queue) {
  const { at } = queue;
  while (load(at + QUEUE.clientAvailable) !== lgmp.clientSlots) {
    if (!lock(at + QUEUE.clientLock)) return;
    const slot = at + QUEUE.clientMessages + queue.readPosition * lgmp.clientSlotBytes;
    const bytes = Math.min(load(slot), CLIENT_DATA_BYTES);
    const text = new Uint8Array(mapping.buffer, slot + lgmp.clientData, bytes);
    const data = Buffer.from(text).toString('hex');
    queue.readPosition = (queue.readPosition + 1) % lgmp.clientSlots;
    add(at + QUEUE.clientAvailable, 1);
    unlock(at + QUEUE.clientLock);
    add(at + QUEUE.clientReadSerial, 1);
    tell({ event: 'client-message', queue: queue.name, data });
  }
}

function openQueue(index) {
  const at = HEADER.queues + index * QUEUE.bytes;
  const written = load(at + QUEUE.clientWritePosition);
  const unread = lgmp.clientSlots - load(at + QUEUE.clientAvailable);
  return {
    at,
    id: load(at + QUEUE.id),
    name: NAMES[load(at + QUEUE.id)],
    slots: load(at + QUEUE.ringSlots),
    ring: load(at + QUEUE.ring),
    maxTime: BigInt(load(at + QUEUE.maxTime)),
    position: load(at + QUEUE.position),
    readPosition: (written + lgmp.clientSlots - unread) % lgmp.clientSlots,
    /** Whether somebody subscribed and was not given the picture yet. */
    owed: false,
  };
}

/** The messages whose slots still tell of them, oldest first. */
function history(queue) {
  const slots = Array.from({ length: queue.slots }, (_, i) => (queue.position + i) % queue.slots);
  return slots
    .slice(lgmp.spareSlots)
    .map((slot) => slotAt(queue, slot))
    .map((at) => ({
      udata: load(at + MESSAGE.udata),
      size: load(at + MESSAGE.size),
      offset: load(at + MESSAGE.offset),
    }))
    .filter(({ size }) => size !== 0);
}

function lastCursor() {
  const messages = history(pointer);
  const moved = messages.findLast(({ udata }) => udata & POSITION);
  return {
    shape: messages.findLast(({ udata }) => udata & SHAPE),
    x: view.getInt16(moved.offset, true),
    y: view.getInt16(moved.offset + 2, true),
    visible: (messages.at(-1).udata & VISIBLE) !== 0,
  };
}

/** What a publisher does that finds the memory of an earlier one: a new id, every queue anew. */
function beginSession() {
  const before = load(HEADER.session);
  let session = before;
  while (session === before || session === 0) session = Math.floor(Math.random() * 2 ** 32);
  store(HEADER.queueCount, 0);
  store(HEADER.session, session);
  heartbeatAt = clock();
  storeLong(HEADER.timestamp, heartbeatAt);
  for (const queue of queues) {
    const { at } = queue;
    storeSubscribers(at, { on: 0, bad: 0 });
    for (const field of ['newSubscribers', 'lock', 'position', 'start', 'count'])
      store(at + QUEUE[field], 0);
    for (const field of ['clientLock', 'clientWritePosition', 'clientWriteSerial'])
      store(at + QUEUE[field], 0);
    store(at + QUEUE.clientReadSerial, 0);
    store(at + QUEUE.clientAvailable, lgmp.clientSlots);
    storeLong(at + QUEUE.messageTimeout, 0n);
    queue.position = 0;
    queue.readPosition = 0;
    add(HEADER.queueCount, 1);
  }
}

function slotAt(queue, slot) {
  return queue.ring + slot * MESSAGE.bytes;
}

function lock(at) {
  for (let turn = 0; turn < LOCK_TURNS; turn++)
    if (Atomics.compareExchange(words, at >> 2, 0, 1) === 0) return true;
  return false;
}

function unlock(at) {
  store(at, 0);
}

function tell(message) {
  if (process.connected) process.send(message);
}

function stop(status) {
  clearInterval(timer);
  mapping.close();
  process.exit(status);
}
