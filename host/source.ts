import { isAbsolute, resolve } from 'node:path';
import { KvmfrError } from '../protocol/index.ts';
import type { PublishedFormat } from './pack.ts';
import type { PatternContent } from './pattern/layout.ts';
import type { Host } from './publisher.ts';
import type { WireName } from './wire.ts';

/** What a source was told to be. */
export type SourceName =
  | { readonly kind: 'pattern' }
  | { readonly kind: 'image'; readonly path: string }
  | { readonly kind: 'fbdev'; readonly path: string };

/** Where frames come from. */
export interface FrameSource extends AsyncDisposable {
  readonly kind: SourceName['kind'];
  /** FEATURES that it acts on: for the host's options. */
  readonly features: number;
  /** The region that holds its frames whole. Units: MiB, a power of two. */
  readonly regionMib: number;
  /**
   * Publishes until the source, or the host, is closed. Once.
   *
   * @throws what ended it, for example ERR_KVMFR_IMAGE
   */
  run(host: Host): Promise<void>;
  close(): Promise<void>;
}

/** How a source publishes; each source takes what concerns it. */
export interface SourceOptions {
  /** Size of the pattern; 1920 x 1080 when left out. Everything else has its own. */
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  /**
   * Frames per second of the pattern, or looks at a screen; 60 when left out. A client that sets the
   * pace (dev12) gets as many as it asks for.
   */
  readonly fps?: number | undefined;
  /** BGRA when left out, and always for a screen. */
  readonly format?: PublishedFormat | undefined;
  /** Whose frames the region has to hold; B7 when left out. */
  readonly wire?: WireName | undefined;
  readonly content?: PatternContent | undefined;
  readonly seed?: number | undefined;
}

const LATER: readonly string[] = ['x11'];
const SOURCES = 'pattern, image:FILE or fbdev[:/dev/fbN]';

/**
 * Reads the name of a source: `pattern`, `image:FILE` or `fbdev[:/dev/fbN]`.
 *
 * @throws ERR_KVMFR_UNSUPPORTED for one that is planned, ERR_KVMFR_USAGE for anything else
 */
export function parseSource(text: string): SourceName {
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? '' : text.slice(colon + 1);
  if (kind === 'pattern' && colon < 0) return { kind: 'pattern' };
  if (kind === 'image' && rest !== '')
    return { kind: 'image', path: isAbsolute(rest) ? rest : resolve(rest) };
  if (text === 'fbdev') return { kind: 'fbdev', path: '/dev/fb0' };
  if (kind === 'fbdev' && isAbsolute(rest)) return { kind, path: rest };
  if (LATER.includes(kind))
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `the source ${JSON.stringify(text)} is not supported yet; a source must be ${SOURCES}`,
    );
  throw new KvmfrError(
    'ERR_KVMFR_USAGE',
    `a source must be ${SOURCES}, but is ${JSON.stringify(text)}`,
  );
}

/**
 * Makes a source. A picture is read, and a device opened, and checked here.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_IMAGE, ERR_KVMFR_FORMAT, and what opening a device throws
 */
export async function openSource(
  source: SourceName,
  options: SourceOptions = {},
): Promise<FrameSource> {
  // Loaded when needed: a publisher of its own pictures needs neither canvas nor decoder.
  if (source.kind === 'image') {
    const { ImageSource } = await import('./image.ts');
    return await ImageSource.open(source.path, options);
  }
  if (source.kind === 'fbdev') {
    const { FbdevSource } = await import('./screen/fbdev-source.ts');
    return new FbdevSource(source.path, options);
  }
  const { PatternSource } = await import('./pattern/source.ts');
  return new PatternSource(options);
}
