/** What stands on a page at the door. All of it is ours: nothing that came in is shown. */
export interface DoorPage {
  readonly title: string;
  readonly body: string;
}

/** The style of these pages: the colours of the page behind them. Named in their policy by its hash. */
export const DOOR_STYLE: string = `
:root {
  color-scheme: light dark;
  --back: #eef0f3; --card: #ffffff; --text: #1c2127; --muted: #59636e; --line: #d9dee4;
  --field: #ffffff; --edge: #7d8791; --accent: #2458d3; --on-accent: #ffffff; --error: #bb2d33;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #101317; --card: #1a1f25; --text: #e7eaee; --muted: #98a2ad; --line: #2c333b;
    --field: #101317; --edge: #76818d; --accent: #82aaff; --on-accent: #101a30; --error: #ff8f8a;
  }
}
* { box-sizing: border-box; }
body {
  min-height: 100vh; margin: 0; padding: 1.25rem; display: grid; place-items: center;
  background: var(--back); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main {
  width: 100%; max-width: 23.5rem; padding: 1.9rem 1.9rem 1.75rem;
  border: 1px solid var(--line); border-radius: 16px; background: var(--card);
  box-shadow: 0 8px 30px rgb(10 16 24 / 0.1);
}
svg { display: block; width: 40px; height: 40px; margin: 0 0 1rem -2px; }
h1 { margin: 0 0 0.35rem; font-size: 1.3rem; font-weight: 640; line-height: 1.3; }
p { margin: 0 0 1.2rem; color: var(--muted); }
p:last-child { margin-bottom: 0; }
code { font-size: 0.92em; color: var(--text); }
a { color: var(--accent); }
label { display: block; margin: 0 0 0.35rem; font-weight: 560; }
input {
  width: 100%; height: 44px; padding: 0 0.8rem; border: 1px solid var(--edge); border-radius: 10px;
  background: var(--field); color: inherit; font: inherit;
}
input[aria-invalid="true"] { border-color: var(--error); }
.error { margin: 0.5rem 0 0; color: var(--error); }
button {
  width: 100%; height: 44px; margin: 1.2rem 0 0; border: 0; border-radius: 10px;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer;
}
button:hover { filter: brightness(1.08); }
.alone { margin-top: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

const MARK = `<svg viewBox="0 0 32 32" aria-hidden="true"><rect x="2.5" y="5" width="27" height="18" rx="3.5" fill="#2458d3"/><rect x="5.5" y="8" width="21" height="12" rx="1.5" fill="#dfe9ff"/><path d="M11 28h10M16 23v5" stroke="#2458d3" stroke-width="3" stroke-linecap="round" fill="none"/></svg>`;

/** A page at the door as HTML. It needs no script, and nothing but itself. */
export function doorHtml(page: DoorPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} – kvmfr</title>
<style>${DOOR_STYLE}</style>
</head>
<body>
<main>
${MARK}
${page.body}
</main>
</body>
</html>
`;
}

/** Why a password did not open. */
export type SignInProblem =
  | { readonly name: 'wrong' }
  | { readonly name: 'wait'; readonly waitS: number };

/** The form that asks for the password. */
export function signInPage(mount: string, problem?: SignInProblem): DoorPage {
  const text = problem === undefined ? undefined : problemText(problem);
  const error =
    text === undefined ? '' : `<p class="error" id="problem" role="alert">${text}</p>\n`;
  const invalid = text === undefined ? '' : ' aria-invalid="true" aria-describedby="problem"';
  return {
    title: 'Sign in',
    body: `<h1>Sign in to this screen</h1>
<p>It asks for the password that its owner has set.</p>
<form method="post" action="${mount}sign-in">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus${invalid}>
${error}<button type="submit">Sign in</button>
</form>`,
  };
}

/** What a person sees who comes without the token. */
export function tokenPage(mount: string, waitS: number): DoorPage {
  if (waitS > 0)
    return {
      title: 'Wait',
      body: `<h1>Too many wrong tokens</h1>
<p>They came from your address. It is listened to again in ${duration(waitS)}.</p>
<p><a href="${mount}">Try again</a></p>`,
    };
  // A cookie of ours is held back when another site's link leads here; a link of our own mends that.
  return {
    title: 'Token needed',
    body: `<h1>This screen needs its full address</h1>
<p>Open the address that <code>kvmfr</code> printed when it started: it ends in
<code>?token=…</code>. You only need it once in this browser.</p>
<p><a href="${mount}">I have opened it before: try again</a></p>`,
  };
}

/** Asks whether to sign out: a link alone must not do it. */
export function signOutPage(mount: string): DoorPage {
  return {
    title: 'Sign out',
    body: `<h1>Sign out of this screen?</h1>
<p>This browser has to sign in again to see it.</p>
<form method="post" action="${mount}sign-out"><button type="submit" class="alone">Sign out</button></form>`,
  };
}

function problemText(problem: SignInProblem): string {
  return problem.name === 'wrong'
    ? 'That is not the password.'
    : `Too many have tried. Come back in ${duration(problem.waitS)}.`;
}

function duration(seconds: number): string {
  if (seconds < 100) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}
