/**
 * Names of LGMP's own status codes, for messages about a peer. They never travel.
 *
 * Source: the closed list of the LGMP library, versions 5 to 12.
 */
export const LGMP_STATUS = [
  'OK',
  'CLOCK_FAILURE',
  'INVALID_ARGUMENT',
  'INVALID_SIZE',
  'INVALID_ALIGNMENT',
  'INVALID_SESSION',
  'NO_MEM',
  'NO_SHARED_MEM',
  'HOST_STARTED',
  'NO_QUEUES',
  'QUEUE_FULL',
  'QUEUE_EMPTY',
  'QUEUE_UNSUBSCRIBED',
  'QUEUE_TIMEOUT',
  'INVALID_MAGIC',
  'INVALID_VERSION',
  'NO_SUCH_QUEUE',
  'CORRUPTED',
  'QUEUE_BUSY',
  'STREAM_FULL',
  'STREAM_EMPTY',
  'STREAM_UNBOUND',
  'STREAM_STALE',
  'STREAM_BUSY',
] as const;
