import { isAbsolute, resolve } from 'node:path';
import { KvmfrError } from '../protocol/index.ts';
import type { PublishedFormat } from './pack.ts';
import type { PatternContent } from './pattern/layout.ts';
import type { Host } from './publisher.ts';
import type { WireName } from './wire.ts';
import { parseDisplay } from './x11/display.ts';

/** What a source was told to be. */
export type SourceName =
  | { readonly kind: 'pattern' }
  | { readonly kind: 'image'; readonly path: string }
  | { readonly kind: 'fbdev'; readonly path: string }
  | { readonly kind: 'x11'; readonly display: string };

/** Where frames come from. */
export interface FrameSource extends AsyncDisposable {
  readonly kind: SourceName['kind'];
  /** FEATURES that it acts on: for the host's options. */
  readonly features: number;
  /** The region that holds its frames whole. Units: MiB, a power of two. */
  readonly regionMib: number;
  /** What it has to do without, a sentence each. */
  readonly notes?: readonly string[];
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

const SOURCES = 'pattern, image:FILE, x11[:DISPLAY] or fbdev[:/dev/fbN]';

/**
 * Reads the name of a source: `pattern`, `image:FILE`, `x11[:DISPLAY]` or `fbdev[:/dev/fbN]`.
 *
 * An X server is named as in `DISPLAY`, whose value is taken where none is named.
 *
 * @throws ERR_KVMFR_USAGE
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
  if (kind === 'x11') return { kind, display: displayOf(text, rest) };
  throw new KvmfrError(
    'ERR_KVMFR_USAGE',
    `a source must be ${SOURCES}, but is ${JSON.stringify(text)}`,
  );
}

// x11:0, x11::0 and x11:host:0 are what DISPLAY says as :0, :0 and host:0.
function displayOf(text: string, rest: string): string {
  const display = text === 'x11' ? process.env['DISPLAY'] : rest;
  if (display === undefined || display === '')
    throw new KvmfrError(
      'ERR_KVMFR_USAGE',
      `the source ${JSON.stringify(text)} needs a display, as in x11:0, or one in DISPLAY`,
    );
  return parseDisplay(display.includes(':') ? display : `:${display}`).text;
}

/**
 * Makes a source. A picture is read, a device opened, a server connected with, and checked here.
 *
 * @throws ERR_KVMFR_ARGUMENT, ERR_KVMFR_IMAGE, ERR_KVMFR_FORMAT, and what opening a device or a server
 *   throws
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
  if (source.kind === 'x11') {
    const { X11Source } = await import('./x11/source.ts');
    return await X11Source.open(source.display, options);
  }
  const { PatternSource } = await import('./pattern/source.ts');
  return new PatternSource(options);
}
