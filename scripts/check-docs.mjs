// What the linter does not see of the house's rules. Exits 1 and names each place where
//   - an exported declaration of a documented folder has no docstring,
//   - a relative link in a Markdown file leads nowhere,
//   - a file of the repository points outside of it: the project stands alone.
//
//   node scripts/check-docs.mjs [FOLDER]      FOLDER: the tree to check, this repository if left out
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const root = resolve(process.argv[2] ?? here);
const documented = /^(protocol|native|client|host|viewer)\/.*(?<!\.d)\.ts$/;

const files = repositoryFiles();
const complaints = files.flatMap((path) => {
  const text = readText(path);
  if (text === undefined) return [];
  return [
    ...(documented.test(path) ? undocumentedExports(path, text) : []),
    ...(path.endsWith('.md') ? deadLinks(path, text) : []),
    ...reachesOutside(path, text),
  ];
});
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
if (complaints.length > 0) {
  process.stderr.write(`${complaints.length} places to mend in ${files.length} files\n`);
  process.exitCode = 1;
}

/** What is or would be committed, so that a new file is checked before it is added. */
function repositoryFiles() {
  const list = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return list.split('\0').filter((path) => path !== '' && isFile(join(root, path)));
}

function readText(path) {
  const bytes = readFileSync(join(root, path));
  return bytes.subarray(0, 8192).includes(0) ? undefined : bytes.toString('utf8');
}

/**
 * Declarations at the left margin that begin with `export`. What is exported again from elsewhere
 * is documented there; of a function with overloads the first one carries the docstring.
 */
function undocumentedExports(path, text) {
  const lines = text.split('\n');
  const declaration =
    /^export (?:declare |abstract |async )*(const|let|var|function\*?|class|interface|type|enum|namespace|default)\s*([\w$]*)/;
  const list = /^export (?:type )?\{/;
  const found = [];
  const names = new Set();
  for (const [index, line] of lines.entries()) {
    if (list.test(line) && !isReExport(lines, index))
      found.push(`${path}:${index + 1}: export what is declared, where it is declared`);
    const match = declaration.exec(line);
    if (match === null || /^export type \{/.test(line)) continue;
    const name = match[2] || match[1];
    if (!names.has(name) && !hasDocstring(lines, index))
      found.push(`${path}:${index + 1}: ${name} is exported without a docstring`);
    names.add(name);
  }
  return found;
}

function isReExport(lines, index) {
  const end = lines.findIndex((line, at) => at >= index && line.includes('}'));
  return /\}\s*from\s/.test(lines[end] ?? '');
}

/** A comment for the linter or a decorator may stand between the docstring and the declaration. */
function hasDocstring(lines, index) {
  let at = index - 1;
  while (at >= 0 && /^(\/\/|@)/.test(lines[at])) at--;
  if (at < 0 || !lines[at].trimEnd().endsWith('*/')) return false;
  while (at >= 0 && !lines[at].includes('/*')) at--;
  return at >= 0 && /^\/\*\*(?!\/)/.test(lines[at].trimStart());
}

/** Links and images, also those defined apart; what is quoted as code is not a link. */
function deadLinks(path, text) {
  const found = [];
  const prose = withoutCode(text);
  const links = [
    ...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g),
    ...prose.matchAll(/^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/gm),
    ...prose.matchAll(/<(?:img|source|a)\b[^>]*?\s(?:src|srcset|href)="([^"\s]+)"/g),
  ];
  for (const match of links) {
    const target = match[1] ?? '';
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('//')) continue;
    const line = prose.slice(0, match.index).split('\n').length;
    const [file, anchor] = target.split('#', 2);
    const place = file === '' ? path : join(dirname(path), decodeURIComponent(file));
    if (place.startsWith('..') || !existsSync(join(root, place)))
      found.push(`${path}:${line}: ${target} leads nowhere`);
    else if (anchor && place.endsWith('.md') && !anchorsOf(place).has(anchor.toLowerCase()))
      found.push(`${path}:${line}: ${place} has no heading for #${anchor}`);
  }
  return found;
}

/** Code is blanked rather than removed, so that lines keep their numbers. */
function withoutCode(text) {
  const blank = (code) => code.replace(/[^\n]/g, ' ');
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, blank).replace(/(`+)(?!`)[^\n]*?\1/g, blank);
}

/** The anchors that a forge makes of headings, and those written as HTML. */
function anchorsOf(path) {
  const text = readText(path) ?? '';
  const anchors = new Set([...text.matchAll(/\s(?:id|name)="([^"]+)"/g)].map((match) => match[1]));
  const fenced = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
  for (const [, heading] of fenced.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let unique = slug;
    for (let again = 1; anchors.has(unique); again++) unique = `${slug}-${again}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Paths that exist only beside one particular checkout. */
function reachesOutside(path, text) {
  const outside = /(?<![.\w])\.\.\/shared\b|(?<![\w.-])\/work\//;
  return text
    .split('\n')
    .flatMap((line, index) =>
      outside.test(line) ? [`${path}:${index + 1}: points outside of the repository`] : [],
    );
}

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
