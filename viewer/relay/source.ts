/** Where the relay gets a guest's screen from: the names that programs that embed it know. */
export type {
  GuestCursor,
  GuestCursorShape,
  GuestFrame,
  GuestSource,
  StreamOptions,
} from '../../client/reader/source.ts';
