// Before the tests: are the programs there that some of them need beside npm's packages?
//
// On Debian and its children, as root, what is missing is installed with apt-get, and the kernel of
// virtual machines is downloaded. Elsewhere the tests that will be skipped are named. Where CI is set nothing may be skipped: there a program
// that is missing and cannot be installed ends the run.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fetchGuestKernel, guestKernelFolder } from './guest-kernel.mjs';

const inCi = (process.env.CI ?? '') !== '' && process.env.CI !== 'false';
const toolsFile = new URL('../test/support/tools.json', import.meta.url);
const tools = Object.entries(JSON.parse(readFileSync(toolsFile, 'utf8')));

let missing = tools.filter(([, tool]) => !isThere(tool));
// Who names a program means that one, so there is nothing to install in its place.
const wanted = missing.filter(([, tool]) => process.env[tool.environment] === undefined);
if (wanted.length > 0 && canInstall()) {
  // Before the packages are named: not every one is known where the lists are not.
  spawnSync('apt-get', ['update', '-qq'], quietly());
  const packages = wanted.flatMap(([, tool]) => [
    ...tool.debianPackages,
    ...(tool.debianPackagesWhereSplit ?? []).filter(isKnownPackage),
  ]);
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
const virtual = tools.filter(([, tool]) => tool.guestKernel === true);
const canBoot = virtual.length > 0 && virtual.every(([, tool]) => isThere(tool));
let noKernel = canBoot && guestKernelFolder() === undefined;
if (noKernel && process.env.KVMFR_GUEST_KERNEL === undefined) {
  try {
    say(`unpacked ${fetchGuestKernel()}, for the virtual machines of the tests`);
    noKernel = false;
  } catch (error) {
    say(`${error.message}`);
  }
}
if (noKernel)
  say(
    `there is no kernel for virtual machines: ${testsOf(virtual)} will be ${inCi ? 'missed' : 'SKIPPED'}. Name a folder with one in KVMFR_GUEST_KERNEL.`,
  );
if ((missing.length > 0 || noKernel) && inCi) {
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

function isKnownPackage(name) {
  const found = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
  return /Candidate: (?!\(none\))/.test(found.stdout ?? '');
}

function install(packages) {
  const options = ['install', '-y', '-qq', '--no-install-recommends'];
  const added = spawnSync('apt-get', [...options, ...packages], quietly());
  if (added.status !== 0) say('apt-get could not install them');
}

function quietly() {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return { env, stdio: ['ignore', 2, 2] };
}

function testsOf(list) {
  return list.map(([, tool]) => tool.tests).join(' and ');
}

function say(line) {
  process.stderr.write(`test machine: ${line}\n`);
}
