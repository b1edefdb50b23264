// Before the tests: are the programs there that some of them need beside npm's packages?
//
// On Debian and its children, as root, what is missing is installed with apt-get. Elsewhere the
// tests that will be skipped are named. Where CI is set nothing may be skipped: there a program
// that is missing and cannot be installed ends the run.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const inCi = (process.env.CI ?? '') !== '' && process.env.CI !== 'false';
const toolsFile = new URL('../test/support/tools.json', import.meta.url);
const tools = Object.entries(JSON.parse(readFileSync(toolsFile, 'utf8')));

let missing = tools.filter(([, tool]) => !isThere(tool));
// Who names a program means that one, so there is nothing to install in its place.
const wanted = missing.filter(([, tool]) => process.env[tool.environment] === undefined);
if (wanted.length > 0 && canInstall()) {
  const packages = wanted.flatMap(([, tool]) => tool.debianPackages);
  say(`installing ${packages.join(', ')} with apt-get, for ${testsOf(wanted)}`);
  install(packages);
  missing = missing.filter(([, tool]) => !isThere(tool));
}
for (const [name, tool] of missing) {
  const remedy = `install ${tool.debianPackages.join(' ')}, or name the program in ${tool.environment}`;
  say(
    `${name} is not on this machine: ${tool.tests} will be ${inCi ? 'missed' : 'SKIPPED'}. ${remedy}.`,
  );
}
if (missing.length > 0 && inCi) {
  say('nothing may be skipped where CI is set');
  process.exitCode = 1;
}

function isThere({ environment, commands }) {
  const named = process.env[environment];
  if (named !== undefined) return isExecutable(named);
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return commands.some((command) => folders.some((folder) => isExecutable(join(folder, command))));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function canInstall() {
  return existsSync('/etc/debian_version') && process.getuid?.() === 0;
}

function install(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 2, 2] };
  const update = spawnSync('apt-get', ['update', '-qq'], quiet);
  const options = ['install', '-y', '-qq', '--no-install-recommends'];
  const added = spawnSync('apt-get', [...options, ...packages], quiet);
  if (update.status !== 0 || added.status !== 0) say('apt-get could not install them');
}

function testsOf(list) {
  return list.map(([, tool]) => tool.tests).join(' and ');
}

function say(line) {
  process.stderr.write(`test machine: ${line}\n`);
}
