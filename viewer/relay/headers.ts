import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** What an answer's headers depend on. */
export interface HeaderFacts {
  /** The checked Host; undefined when it is not ours. */
  readonly host: string | undefined;
  /** Origins that may show the page in a frame, besides its own. */
  readonly origins: readonly string[];
  /** Whether the page may ask for a microphone. */
  readonly microphone?: boolean;
}

/** Nothing of this does a screen in a browser need, and the microphone only where it is asked for. Full screen, pointer and keyboard lock stay. */
const FEATURES: readonly string[] = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'magnetometer',
  'midi',
  'payment',
  'serial',
  'usb',
];

/** Sets what every answer of a relay carries: it forbids what the page does not need. */
export function setHeaders(res: ServerResponse, facts: HeaderFacts): void {
  const { host } = facts;
  // Older browsers do not take 'self' for the socket's scheme.
  const sockets = host === undefined ? '' : ` ws://${host} wss://${host}`;
  setPolicy(res, facts, {
    script: "'self'",
    style: "'self'",
    img: "'self' blob: data:",
    connect: `'self'${sockets}`,
    worker: "'self'",
    form: "'none'",
  });
  res.setHeader('x-content-type-options', 'nosniff');
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('cross-origin-opener-policy', 'same-origin');
  res.setHeader('cross-origin-resource-policy', 'same-origin');
  const never = FEATURES.map((name) => `${name}=()`);
  const microphone = facts.microphone === true ? 'microphone=(self)' : 'microphone=()';
  res.setHeader('permissions-policy', [...never, microphone].join(', '));
}

/** Sets what a page with a form and a style of its own carries: no script, no connection. */
export function setFormHeaders(res: ServerResponse, facts: HeaderFacts, style: string): void {
  const hash = createHash('sha256').update(style).digest('base64');
  setPolicy(res, facts, {
    script: "'none'",
    style: `'sha256-${hash}'`,
    img: "'none'",
    connect: "'none'",
    worker: "'none'",
    form: "'self'",
  });
  // Under no-referrer a browser posts a form with the origin `null`, which could be anybody's.
  res.setHeader('referrer-policy', 'same-origin');
}

interface Sources {
  readonly script: string;
  readonly style: string;
  readonly img: string;
  readonly connect: string;
  readonly worker: string;
  readonly form: string;
}

function setPolicy(res: ServerResponse, facts: HeaderFacts, sources: Sources): void {
  const frames = ["'self'", ...facts.origins].join(' ');
  res.setHeader(
    'content-security-policy',
    `default-src 'none'; script-src ${sources.script}; style-src ${sources.style}; ` +
      `img-src ${sources.img}; connect-src ${sources.connect}; worker-src ${sources.worker}; ` +
      `frame-ancestors ${frames}; base-uri 'none'; form-action ${sources.form}`,
  );
}
