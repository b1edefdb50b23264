/** Package `kvmfr/viewer`: show a guest's screen to browsers, in a server of one's own. */

export type { PictureReader, PictureTimes, PictureUpdate } from '../../client/reader/reader.ts';
export { type SpiceOptions, SpiceSession } from '../../client/spice/index.ts';
export { SpiceSource, type SpiceSourceOptions } from '../boot/index.ts';
export {
  type ClipboardAvailability,
  type ClipboardLine,
  EitherInput,
  type GuestClipboard,
  type GuestInput,
  type GuestMicrophone,
  type GuestOffer,
  type GuestScreen,
  type GuestSound,
  type InputAbilities,
  type InputLine,
  LgmpClipboard,
  LgmpInput,
  PlacedInput,
  type PointerWish,
  type ProvideContents,
  QmpInput,
  type QmpInputOptions,
  type QmpState,
  type SoundAbility,
  type SoundListener,
  type SoundPacket,
  SpiceClipboard,
  type SpiceClipboardOptions,
  SpiceInput,
  SpiceMicrophone,
  SpiceSound,
} from '../hands/index.ts';
export type { AppliedInput } from './input-desk.ts';
export { LATENCY_STAGES, type LatencyStage } from './latency.ts';
export {
  type Listening,
  type ListenLimits,
  type ListenOptions,
  listen,
  type TlsFiles,
} from './listen.ts';
export type { ClipboardOptions, ViewerOptions } from './options.ts';
export { hashPassword } from './password.ts';
export { createViewer, type Viewer } from './relay.ts';
export type {
  GuestCursor,
  GuestCursorShape,
  GuestFrame,
  GuestSource,
  StreamOptions,
} from './source.ts';
export type { Acknowledgement, ViewerInfo } from './viewer-info.ts';
