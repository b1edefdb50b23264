const CSS = `
:host {
  --back: var(--kvmfr-background, #eef0f3);
  --text: var(--kvmfr-text, #1c2127);
  --muted: var(--kvmfr-muted, #59636e);
  --accent: var(--kvmfr-accent, #2458d3);
  --warn: var(--kvmfr-warn, #a05a00);
  --error: var(--kvmfr-error, #bb2d33);
  --card: var(--kvmfr-card, #ffffff);
  --line: var(--kvmfr-line, #d9dee4);
  display: block;
  position: relative;
  min-width: 0;
  min-height: 8rem;
  overflow: hidden;
  background: var(--back);
  color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  color-scheme: light dark;
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host {
    --back: var(--kvmfr-background, #101317);
    --text: var(--kvmfr-text, #e7eaee);
    --muted: var(--kvmfr-muted, #98a2ad);
    --accent: var(--kvmfr-accent, #82aaff);
    --warn: var(--kvmfr-warn, #f0b35a);
    --error: var(--kvmfr-error, #ff8f8a);
    --card: var(--kvmfr-card, #1a1f25);
    --line: var(--kvmfr-line, #2c333b);
  }
}
.viewport { position: absolute; inset: 0; overflow: hidden; }
.viewport.scrolls { overflow: auto; overscroll-behavior: contain; }
.viewport:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.room { position: absolute; }
.stage {
  position: absolute;
  left: 0;
  top: 0;
  overflow: hidden;
  overflow: clip;
  transform-origin: 0 0;
  transition: filter 0.4s ease;
}
.stage[hidden] { display: none; }
.video, .picture, .cursor { position: absolute; left: 0; top: 0; display: block; transform-origin: 0 0; }
.video, .picture { width: 100%; height: 100%; }
.video { object-fit: fill; pointer-events: none; }
.cursor { pointer-events: none; will-change: transform; }
.viewport.acts { touch-action: none; }
.viewport.acts:has(.cursor:not([hidden])) { cursor: none; }
.cursor[hidden] { display: none; }
.crisp .video, .crisp .picture, .crisp .cursor { image-rendering: pixelated; }
.faded { filter: grayscale(0.85) brightness(0.62) contrast(0.95); }

.panel {
  position: absolute;
  inset: 0;
  display: grid;
  overflow: auto;
  background: var(--back);
  animation: appear 0.25s ease 0.12s backwards;
}
.panel[hidden], .strip[hidden] { display: none; }
.sheet {
  margin: auto;
  padding: 2rem 1.5rem;
  width: 100%;
  max-width: 34rem;
  box-sizing: border-box;
  text-align: center;
}
.icon { width: 72px; height: 72px; margin: 0 auto 1.4rem; color: var(--muted); }
.icon svg { width: 100%; height: 100%; display: block; overflow: visible; }
.icon path { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
.icon circle { fill: var(--accent); animation: pulse 1.5s ease-in-out infinite; }
.icon circle:nth-of-type(2) { animation-delay: 0.2s; }
.icon circle:nth-of-type(3) { animation-delay: 0.4s; }
.warn .icon { color: var(--warn); }
.error .icon { color: var(--error); }
h2 {
  margin: 0 0 0.5rem;
  font-size: 1.45rem;
  line-height: 1.25;
  font-weight: 620;
  letter-spacing: -0.012em;
  text-wrap: balance;
}
.text, .hint, .code, li, h2 { overflow-wrap: anywhere; unicode-bidi: isolate; }
.text { margin: 0; color: var(--muted); text-wrap: balance; }
.hint {
  margin: 1.5rem 0 0;
  padding: 0.9rem 1.1rem;
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--card);
  text-align: start;
  text-wrap: pretty;
}
.hint:empty, .text:empty, .code:empty { display: none; }
.steps {
  margin: 1.6rem 0 0;
  padding: 0.35rem 0;
  list-style: none;
  counter-reset: step;
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--card);
  text-align: start;
}
.steps:empty { display: none; }
.steps li {
  display: flex;
  gap: 0.85rem;
  align-items: baseline;
  padding: 0.55rem 1.1rem;
  counter-increment: step;
}
.steps li::before {
  content: counter(step);
  flex: none;
  width: 1.5rem;
  height: 1.5rem;
  border-radius: 50%;
  background: color-mix(in srgb, var(--accent) 14%, transparent);
  color: var(--accent);
  font-size: 0.8rem;
  font-weight: 650;
  line-height: 1.5rem;
  text-align: center;
}
.code { margin: 1.1rem 0 0; color: var(--muted); font: 0.75rem/1.4 ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
code {
  padding: 0.1em 0.35em;
  border-radius: 5px;
  background: color-mix(in srgb, var(--text) 9%, transparent);
  font: 0.9em ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
}
button {
  margin-top: 1.5rem;
  padding: 0.65rem 1.3rem;
  min-height: 44px;
  border: 0;
  border-radius: 10px;
  background: var(--accent);
  color: #fff;
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
@media (prefers-color-scheme: dark) { button { color: #0d1524; } }
button:hover { filter: brightness(1.08); }
button:focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 2px; }
button[hidden] { display: none; }

.strip {
  position: absolute;
  left: 50%;
  bottom: max(1.25rem, env(safe-area-inset-bottom));
  transform: translateX(-50%);
  display: flex;
  align-items: center;
  gap: 0.9rem;
  box-sizing: border-box;
  width: max-content;
  max-width: calc(100% - 2rem);
  padding: 0.75rem 1.15rem 0.75rem 1rem;
  border: 1px solid var(--line);
  border-radius: 14px;
  background: var(--card);
  box-shadow: 0 10px 34px rgb(0 0 0 / 0.28), 0 2px 6px rgb(0 0 0 / 0.16);
  animation: appear 0.25s ease 0.12s backwards;
}
.light { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--accent); }
.warn .light { background: var(--warn); }
.error .light { background: var(--error); }
.light { animation: pulse 1.8s ease-in-out infinite; }
.words { min-width: 0; }
.strip .title { margin: 0; font-weight: 620; font-size: 0.95rem; line-height: 1.35; overflow-wrap: anywhere; }
.strip .detail { margin: 0.1rem 0 0; color: var(--muted); font-size: 0.84rem; line-height: 1.4; overflow-wrap: anywhere; unicode-bidi: isolate; }
.strip .detail:empty { display: none; }
.strip .since { font-variant-numeric: tabular-nums; }
.strip button { margin: 0; flex: none; padding: 0.45rem 0.95rem; }

@keyframes appear { from { opacity: 0; } }
@keyframes pulse { 0%, 100% { opacity: 0.35; } 50% { opacity: 1; } }
@media (prefers-reduced-motion: reduce) {
  .panel, .strip, .light, .icon circle { animation: none; }
  .stage { transition: none; }
}
:host(:fullscreen) { background: #000; }
`;

let shared: CSSStyleSheet | undefined;

/**
 * Gives a shadow root the element's style, in a way that a content security policy without
 * `unsafe-inline` allows.
 */
export function addStyle(root: ShadowRoot): void {
  if (!('adoptedStyleSheets' in root) || !('replaceSync' in CSSStyleSheet.prototype)) {
    const style = document.createElement('style');
    style.textContent = CSS;
    root.append(style);
    return;
  }
  if (shared === undefined) {
    shared = new CSSStyleSheet();
    shared.replaceSync(CSS);
  }
  root.adoptedStyleSheets = [shared];
}
