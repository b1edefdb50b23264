// Reads a region as who or as what its parent wants, and tells what it sees:
//   watching-reader.mjs PATH [nobody]   {state}, {word} of each frame, and {left} once told to close
//   watching-reader.mjs PATH inspect    becomes nobody and tells {inspection} or {code}
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Client, inspectRegion } from '../../../dist/client/index.js';
import { Mapping } from '../../../dist/native/index.js';

const NOBODY = 65534;
const [path, task] = process.argv.slice(2);

// The native module is loaded while we still may; what it cannot open does not matter.
try {
  Mapping.open('/').close();
} catch {}
if (task !== undefined && process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(NOBODY);
  process.setuid(NOBODY);
}

/** Files and mappings of the region that this process has. */
function holdings() {
  const files = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  });
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return { files: files.length, maps: maps.filter((line) => line.includes(path)).length };
}

async function inspect() {
  const attempt = async (look) => {
    try {
      return await look();
    } catch ({ code }) {
      return { code };
    }
  };
  const { alive, session, frame, code } = await attempt(() => inspectRegion(path));
  const writable = await attempt(() => Mapping.open(path).close());
  process.send({ alive, release: session?.release, serial: frame?.serial, code, writable });
}

async function watch() {
  const client = new Client(path);
  process.on('message', async () => {
    await client.close();
    process.send({ left: holdings() });
    process.disconnect();
  });
  const follow = async () => {
    for await (const state of client.states()) process.send({ state });
  };
  void follow();
  for await (const frame of client.frames()) {
    const words = new Uint32Array(frame.pixels.slice().buffer);
    // What was copied may be zeros in the place of what is gone.
    if (!frame.intact) continue;
    process.send({ word: words[0], uniform: words.every((word) => word === words[0]) });
  }
}

await (task === 'inspect' ? inspect() : watch());
