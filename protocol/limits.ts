/** Bounds on everything that comes from the region or the network. Each has its reason beside it. */

/** Largest region that is mapped: offsets in every LGMP version are 32 bit. */
export const MAX_REGION_BYTES: number = 0xffff_ffff;
/** Smallest region that can hold a header, one queue and something to show. */
export const MIN_REGION_BYTES: number = 16 * 1024;
/** Page size of every machine an IVSHMEM region has been seen on. */
export const PAGE_BYTES: number = 4096;
/** Most session bytes that are copied and parsed; real hosts send 200. */
export const MAX_UDATA_BYTES: number = 64 * 1024;
/** Most records read from a session blob; real hosts send two. */
export const MAX_RECORDS: number = 64;
/** Most ring slots of a queue that are believed; real hosts use 3 to 32. */
export const MAX_RING_SLOTS: number = 4096;
/** A session whose heartbeat has not moved for this long is lost. LGMP gives the number. */
export const HEARTBEAT_TIMEOUT_MS: number = 1000;
/** Longest a subscriber may keep a message. LGMP's maxTime in every known host. */
export const QUEUE_MAX_TIME_MS: number = 1000;
/** Bytes of one client to host message. */
export const CLIENT_MESSAGE_BYTES: number = 64;
/** Damage rects in a frame header. A higher count means all of the frame (kvmfr rule 6). */
export const MAX_DAMAGE_RECTS: number = 64;
/** Largest width or height that is believed, in pixels. */
export const MAX_DIMENSION_PX: number = 32768;
/** Largest pitch that is believed: a row of 32768 half-float pixels, with room for padding. */
export const MAX_PITCH_BYTES: number = 1 << 22;
/** Largest picture that is kept: 8K with room to spare. Caps what a guest can make us allocate. */
export const MAX_PICTURE_PX: number = 8192 * 8192;
/** Cursor shapes: hosts send at most 512 x 512 pixels. */
export const MAX_CURSOR_PX: number = 512;
/** Cursor shape bytes: 512 x 512 x 4. */
export const MAX_CURSOR_BYTES: number = 1 << 20;
/** A frame whose write pointer does not arrive in this time is given up. */
export const FRAME_TIMEOUT_MS: number = 200;
/** Spins on a lock of the region before the caller has to wait without the processor. */
export const LOCK_SPINS: number = 2000;
/** A lock that stays held this long means its holder is gone. */
export const LOCK_TIMEOUT_MS: number = 1000;
/** Side of a tile of the picture, in pixels. */
export const TILE_PX: number = 64;
/** Shortest display period a publisher is asked for: KVMFR 34 takes none below. */
export const MIN_PERIOD_NS: number = 2_000_000;
/** Longest one; KVMFR 34 as well. */
export const MAX_PERIOD_NS: number = 1_000_000_000;
/** Most refreshes a second that a viewer is believed; the fastest displays have 1000. */
export const MAX_REFRESH_HZ: number = 10_000;
/** Fewest; what is slower is no display. */
export const MIN_REFRESH_HZ: number = 0.1;
/** Largest message a viewer may send the relay; input and acknowledgements are tens of bytes. */
export const MAX_VIEWER_MESSAGE_BYTES: number = 64 * 1024;
/** Largest message the relay sends a viewer. */
export const MAX_RELAY_MESSAGE_BYTES: number = 16 * 1024 * 1024;
/** Viewers attached to one relay at the same time. */
export const MAX_VIEWERS: number = 64;
/** Characters of a string from the guest that are kept. */
export const MAX_GUEST_STRING: number = 256;
