export type { Encoding } from '../../protocol/wire/index.ts';
export type { CursorPosition, CursorShape, EncodingChoice } from './core/messages.ts';
export type { PicturePixels } from './core/render/surface.ts';
export type { ViewStats } from './core/stats.ts';
export type { ViewStateName, ViewStatus } from './core/status.ts';
export { defineKvmfrView, KVMFR_VIEW_TAG, KvmfrView } from './element.ts';
export type { KvmfrViewEventMap, PresentedUpdate, ViewPicture } from './events.ts';
export type { ScaleMode } from './render/layout.ts';
