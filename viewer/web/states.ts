import type { ViewStatus } from './core/status.ts';
import type { IconName } from './icons.ts';

/** How serious a notice is. */
export type Tone = 'calm' | 'busy' | 'warn' | 'error';

/** What a person can press. */
export type NoticeAction = 'connect' | 'reload';

/** What the view tells a person about its state. Everything is plain text. */
export interface Notice {
  /** Over the whole view, as a strip above a picture that stays, or not at all. */
  readonly place: 'none' | 'panel' | 'strip';
  readonly tone: Tone;
  readonly icon: IconName;
  readonly title: string;
  readonly text: string;
  /** What to do, as a sentence. */
  readonly hint: string;
  /** What to do, step by step. */
  readonly steps: readonly string[];
  readonly action: NoticeAction | undefined;
  /** The stable code to look for in the documentation. */
  readonly code: string;
  /** Whether the strip says since when. */
  readonly since: boolean;
}

// Long enough for any honest sentence; a hostile guest's text must not push the rest away.
const MAX_TEXT = 400;

const NOTHING: Notice = {
  place: 'none',
  tone: 'calm',
  icon: 'screen',
  title: '',
  text: '',
  hint: '',
  steps: [],
  action: undefined,
  code: '',
  since: false,
};

const RECONNECTS = 'This page reconnects by itself as soon as the relay is back.';

function cut(text: string | undefined, otherwise: string): string {
  if (text === undefined || text === '') return otherwise;
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

// The relay's messages begin like error messages do; here they stand alone.
function sentence(text: string | undefined, otherwise: string): string {
  const said = cut(text, otherwise).trim();
  const end = said === '' || /[.!?…]$/.test(said) ? '' : '.';
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}${end}`;
}

/** What to tell a person, given the state and whether there is a picture on the canvas. */
export function noticeFor(status: ViewStatus, hasPicture: boolean): Notice {
  const place = hasPicture ? 'strip' : 'panel';
  switch (status.state) {
    case 'showing':
      if (hasPicture) return NOTHING;
      return {
        ...NOTHING,
        place: 'panel',
        tone: 'busy',
        title: 'Receiving the picture',
        text: 'The guest is there; its first picture is on the way.',
      };
    case 'connecting':
      return {
        ...NOTHING,
        place,
        tone: 'busy',
        title: 'Connecting',
        text: 'Looking for the relay on the VM host.',
      };
    case 'stale':
      return {
        ...NOTHING,
        place,
        tone: 'warn',
        title:
          status.source === 'spice'
            ? 'The SPICE server does not answer'
            : 'The guest has stopped answering',
        text: sentence(status.message, ''),
        hint: sentence(status.hint, 'The picture goes on by itself when the guest is back.'),
        since: true,
      };
    case 'disconnected':
      return disconnected(status, place);
    case 'unauthorized':
      return {
        ...NOTHING,
        place: 'panel',
        tone: 'warn',
        icon: 'key',
        title: 'This address needs its token',
        text: 'The relay shows the guest only to those who know its token or its password.',
        hint: 'Open the URL that `kvmfr view` printed when it started; load this page again where you sign in.',
      };
    case 'waiting':
      return waiting(status);
    default:
      return trouble(status);
  }
}

function waiting(status: ViewStatus): Notice {
  const isBySpice = status.source === 'spice';
  const steps =
    !isBySpice && (status.hint === undefined || status.hint === '')
      ? [
          'Start the virtual machine, if it is not running.',
          'In it, start the Looking Glass host application.',
          'The picture appears here by itself.',
        ]
      : [];
  return {
    ...NOTHING,
    place: 'panel',
    tone: 'busy',
    title: 'Waiting for the guest',
    text: sentence(status.message, 'No guest is publishing its screen yet.'),
    hint: sentence(status.hint, ''),
    steps,
  };
}

function disconnected(status: ViewStatus, place: 'panel' | 'strip'): Notice {
  if (!status.retrying)
    return {
      ...NOTHING,
      place,
      tone: 'warn',
      icon: 'link',
      title: 'Disconnected',
      text: sentence(status.message, 'The view is not connected to a relay.'),
      hint: sentence(status.hint, ''),
      action: 'connect',
      code: cut(status.code, ''),
      since: place === 'strip',
    };
  return {
    ...NOTHING,
    place,
    tone: 'warn',
    icon: 'link',
    title: place === 'strip' ? 'Connection lost, reconnecting' : 'The relay does not answer',
    text: sentence(status.message, ''),
    hint:
      place === 'strip'
        ? ''
        : sentence(status.hint, `Is \`kvmfr view\` running on the VM host? ${RECONNECTS}`),
    code: cut(status.code, ''),
    since: place === 'strip',
  };
}

/** What is said where the relay says nothing. */
interface Trouble {
  readonly icon: IconName;
  readonly title: string;
  readonly text: string;
  readonly hint: string;
}

const TROUBLE: { readonly [state: string]: Trouble } = {
  incompatible: {
    icon: 'versions',
    title: 'The versions do not match',
    text: 'The guest speaks a version of Looking Glass that this relay does not know.',
    hint: 'Install a matching Looking Glass host in the guest, or a newer kvmfr on the VM host.',
  },
  'too-small': {
    icon: 'memory',
    title: 'The shared memory is too small',
    text: "The guest's frames do not fit into the shared memory.",
    hint: 'Give the IVSHMEM device more memory in the configuration of the virtual machine, then start the machine again.',
  },
  denied: {
    icon: 'lock',
    title: 'No permission to read the shared memory',
    text: 'The relay may not open the shared memory of the guest.',
    hint: 'Add the user that runs `kvmfr view` to the group that owns the file or device.',
  },
  failed: {
    icon: 'alert',
    title: 'Something went wrong',
    text: 'The relay could not show the guest.',
    hint: 'The output of `kvmfr view` on the VM host says more.',
  },
};

const SPICE_TROUBLE: { readonly [code: string]: string } = {
  ERR_KVMFR_PASSWORD: 'The SPICE server wants another password',
  ERR_KVMFR_BUSY: 'Another viewer has the screen',
};

function spiceTrouble({ state, code = '' }: ViewStatus): Trouble {
  const title = SPICE_TROUBLE[code] ?? 'The SPICE server cannot be used';
  const icon = state === 'denied' ? 'lock' : 'alert';
  const text = 'The relay could not show the screen of the SPICE server.';
  return { icon, title, text, hint: 'The output of `kvmfr view` on the VM host says more.' };
}

function trouble(status: ViewStatus): Notice {
  const known = status.source === 'spice' ? spiceTrouble(status) : TROUBLE[status.state];
  // A relay that failed says so and stays; a failure that is tried again happened on this page.
  if (status.state === 'failed' && status.retrying) return pageTrouble(status);
  return {
    ...NOTHING,
    place: 'panel',
    tone: status.state === 'denied' || status.state === 'failed' ? 'error' : 'warn',
    icon: known?.icon ?? 'alert',
    title: known?.title ?? 'Something went wrong',
    text: `${sentence(status.message, known?.text ?? '')}${needs(status)}`,
    hint: sentence(status.hint, known?.hint ?? ''),
    code: cut(status.code, ''),
  };
}

function needs({ needMib, message, hint }: ViewStatus): string {
  if (needMib === undefined) return '';
  const figure = String(Math.ceil(needMib));
  // The relay's own words may have the figure already.
  if (message?.includes(figure) || hint?.includes(figure)) return '';
  return ` At least ${figure} MiB are needed.`;
}

function pageTrouble(status: ViewStatus): Notice {
  const notice: Notice = {
    ...NOTHING,
    place: 'panel',
    tone: 'error',
    text: sentence(status.message, ''),
    code: cut(status.code, ''),
  };
  if (status.code !== 'ERR_KVMFR_WIRE')
    return {
      ...notice,
      icon: 'alert',
      title: 'This browser cannot show the guest',
      hint: 'Another browser, or a smaller screen in the guest, may help.',
    };
  return {
    ...notice,
    icon: 'versions',
    title: 'Page and relay do not understand each other',
    hint: 'The relay may have been updated. Reload the page.',
    action: 'reload',
  };
}

/** How long ago, in the fewest words: `just now`, `40 s ago`, `3 min ago`, `2 h ago`. */
export function timeAgo(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
}
