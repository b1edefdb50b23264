// Goes on as the publisher of a dumped region would. A process of its own, started by FixtureHost:
//
//   fixture-publisher.mjs PATH [new-session]
//
// Written from the protocol's description alone, for LGMP 6 and KVMFR 20, and it shares no code
// with host/ or protocol/: where both agree about a byte, two readings of the description agree.
//
// Tells its parent, as messages: {event: 'ready' | 'subscribed' | 'served' | 'timed-out' |
// 'client-message' | 'corrupted', ...}. Ends when the parent goes, or says 'stop'.
import { Mapping } from '../../dist/native/index.js';

const MAGIC = 0x504d474c;
const TICK_MS = 10;
const LOCK_TURNS = 100_000;

const HEADER = { version: 4, session: 8, timestamp: 16, queueCount: 24, queues: 32 };
const QUEUE = {
  bytes: 1144,
  id: 0,
  ringSlots: 4,
  newSubscribers: 8,
  maxTime: 12,
  position: 16,
  ring: 20,
  timeouts: 24,
  clients: 280,
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
};
const MESSAGE = { bytes: 16, udata: 0, size: 4, offset: 8, pending: 12 };
const CLIENT_SLOTS = 10;
const CLIENT_SLOT_BYTES = 68;
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

// The publisher's clock goes on where the dump stopped.
const dumpedAt = loadLong(HEADER.timestamp);
const startedMs = performance.now();
const clock = () => dumpedAt + BigInt(Math.floor(performance.now() - startedMs)) + 1n;

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
  if (load(0) !== MAGIC) {
    tell({ event: 'corrupted' });
    stop(1);
    return;
  }
  const now = clock();
  storeLong(HEADER.timestamp, now);
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
  if (!lock(queue.at + QUEUE.lock)) return;
  const { at } = queue;
  const on = load(at + QUEUE.on);
  let bad = load(at + QUEUE.bad);
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
      for (let id = 0; id < 32; id++)
        if ((slow >>> id) & 1) storeLong(at + QUEUE.timeouts + id * 8, now + queue.maxTime);
      store(pendingAt, 0);
      pending = 0;
    }
    if ((pending & ~bad) !== 0) break;
    store(at + QUEUE.start, (start + 1) % queue.slots);
    left = add(at + QUEUE.count, -1) - 1;
    if (left > 0) storeLong(at + QUEUE.messageTimeout, now + queue.maxTime);
  }
  store(at + QUEUE.bad, bad);
  unlock(at + QUEUE.lock);
  if (givenUp !== 0) tell({ event: 'timed-out', queue: queue.name, subscribers: givenUp >>> 0 });
}

function post(queue, { udata, size, offset }) {
  const { at } = queue;
  if (!lock(at + QUEUE.lock)) return 'locked';
  try {
    const live = load(at + QUEUE.on) & ~load(at + QUEUE.bad);
    if (live === 0) return 'nobody';
    if (load(at + QUEUE.count) === queue.slots - 1) return 'full';
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

/** Takes every message of a client, and acknowledges it. */
function readClientMessages(queue) {
  const { at } = queue;
  while (load(at + QUEUE.clientAvailable) !== CLIENT_SLOTS) {
    if (!lock(at + QUEUE.clientLock)) return;
    const slot = at + QUEUE.clientMessages + queue.readPosition * CLIENT_SLOT_BYTES;
    const bytes = Math.min(load(slot), CLIENT_DATA_BYTES);
    const data = Buffer.from(new Uint8Array(mapping.buffer, slot + 4, bytes)).toString('hex');
    queue.readPosition = (queue.readPosition + 1) % CLIENT_SLOTS;
    add(at + QUEUE.clientAvailable, 1);
    unlock(at + QUEUE.clientLock);
    add(at + QUEUE.clientReadSerial, 1);
    tell({ event: 'client-message', queue: queue.name, data });
  }
}

function openQueue(index) {
  const at = HEADER.queues + index * QUEUE.bytes;
  const written = load(at + QUEUE.clientWritePosition);
  const unread = CLIENT_SLOTS - load(at + QUEUE.clientAvailable);
  return {
    at,
    id: load(at + QUEUE.id),
    name: NAMES[load(at + QUEUE.id)],
    slots: load(at + QUEUE.ringSlots),
    ring: load(at + QUEUE.ring),
    maxTime: BigInt(load(at + QUEUE.maxTime)),
    position: load(at + QUEUE.position),
    readPosition: (written + CLIENT_SLOTS - unread) % CLIENT_SLOTS,
    /** Whether somebody subscribed and was not given the picture yet. */
    owed: false,
  };
}

/** The messages whose slots still tell of them, oldest first. */
function history(queue) {
  const slots = Array.from({ length: queue.slots }, (_, i) => (queue.position + i) % queue.slots);
  return slots
    .slice(1)
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
  storeLong(HEADER.timestamp, clock());
  for (const queue of queues) {
    const { at } = queue;
    for (const field of ['newSubscribers', 'lock', 'bad', 'on', 'position', 'start', 'count'])
      store(at + QUEUE[field], 0);
    for (const field of ['clientLock', 'clientWritePosition', 'clientWriteSerial'])
      store(at + QUEUE[field], 0);
    store(at + QUEUE.clientReadSerial, 0);
    store(at + QUEUE.clientAvailable, CLIENT_SLOTS);
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
