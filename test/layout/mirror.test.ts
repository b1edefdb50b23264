import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { readFrozen } from './frozen.ts';
import { mirror } from './mirror.ts';
import { KVMFR_TABLES, LGMP_TABLES } from './tables.ts';

const frozen = readFrozen();

/** The compiler that builds the native module anyway; where it is missing, that fails first. */
function compile(body: string): { readonly status: number | null; readonly stderr: string } {
  const source = ['#include <cstddef>', '#include <cstdint>', body, ''].join('\n');
  const compiler = process.env['CXX'] ?? 'g++';
  const options = ['-std=c++17', '-fsyntax-only', '-Wno-invalid-offsetof', '-x', 'c++', '-'];
  const { status, stderr, error } = spawnSync(compiler, options, {
    input: source,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status, stderr };
}

/** How long each embedded array is, in the words of the mirror. */
const EMBEDDED: { readonly [array: string]: string } = {
  'lgmp5::LGMPHeader::queues': '5 * sizeof(lgmp5::LGMPHeaderQueue)',
  'lgmp6::LGMPHeader::queues': '5 * sizeof(lgmp6::LGMPHeaderQueue)',
  'lgmp7::LGMPHeader::queues': '5 * sizeof(lgmp7::LGMPHeaderQueue)',
  'lgmp10::LGMPHeader::queues': '5 * sizeof(lgmp10::LGMPHeaderQueue)',
  'lgmp12::LGMPHeader::queues': '6 * sizeof(lgmp12::LGMPHeaderQueue)',
  'lgmp5::LGMPHeaderQueue::cMsgs': '10 * sizeof(lgmp5::LGMPClientMessage)',
  'lgmp6::LGMPHeaderQueue::cMsgs': '10 * sizeof(lgmp6::LGMPClientMessage)',
  'lgmp7::LGMPHeaderQueue::cMsgs': '10 * sizeof(lgmp7::LGMPClientMessage)',
  'lgmp10::LGMPHeaderQueue::cMsgs': '16 * sizeof(lgmp10::LGMPClientMessage)',
  'lgmp12::LGMPHeaderQueue::cMsgs': '16 * sizeof(lgmp12::LGMPClientMessage)',
  'kvmfr19::KVMFRFrame::damageRects': '64 * 4 * sizeof(std::uint32_t)',
  'kvmfr20::KVMFRFrame::damageRects': '64 * 4 * sizeof(std::uint32_t)',
  'kvmfr34::KVMFRFrame::damageRects': '64 * 4 * sizeof(std::uint32_t)',
  'kvmfr34::KVMFRColorTransform::lut': '4096 * 4 * sizeof(float)',
  'lgmp12::LGMPStreamShared::producer': 'sizeof(lgmp12::LGMPStreamCursor)',
  'lgmp12::LGMPStreamShared::consumer': 'sizeof(lgmp12::LGMPStreamCursor)',
  'kvmfr34::KVMFRInputStreamEndpoint::stream': 'sizeof(kvmfr34::KVMFRStreamDescriptor)',
  'kvmfr34::KVMFRInputStatus::streamEndpoint': '8 * sizeof(kvmfr34::KVMFRInputStreamEndpoint)',
  'kvmfr34::KVMFRR::header': 'sizeof(kvmfr34::KVMFRRHeader)',
  'kvmfr34::KVMFRR::info': 'sizeof(kvmfr34::KVMFRRInfo)',
  'kvmfr34::KVMFRR::req': 'sizeof(kvmfr34::KVMFRRReqHead)',
  'kvmfr34::KVMFRR::requests': '16 * sizeof(kvmfr34::KVMFRRRequest)',
  'kvmfr34::KVMFRR::status': 'sizeof(kvmfr34::KVMFRRStatus)',
};

function wholeMirror(): string {
  const parts = [
    ...Object.entries(LGMP_TABLES).map(([version, tables]) =>
      mirror(`lgmp${version}`, tables, frozen.lgmp[version] ?? {}),
    ),
    ...Object.entries(KVMFR_TABLES).map(([version, tables]) =>
      mirror(`kvmfr${version}`, tables, frozen.kvmfr[version] ?? {}),
    ),
    // The embedded arrays, declared as bytes above, are as long as their elements need.
    ...Object.entries(EMBEDDED).map(
      ([array, elements]) => `static_assert(sizeof(${array}) == ${elements}, "${array}");`,
    ),
  ];
  return parts.join('\n');
}

it('a C++ compiler lays our tables out at the frozen offsets', () => {
  expect(compile(wholeMirror())).toEqual({ status: 0, stderr: '' });
});

it('a C++ compiler refuses a mirror with a field in the wrong place', () => {
  const tables = LGMP_TABLES['6'] ?? {};
  const numbers = frozen.lgmp['6'] ?? {};
  const header = numbers['LGMPHeader'];
  if (header === undefined) throw new Error('no LGMPHeader');
  const moved = { ...header.fields, timestamp: { offset: 24, size: 8 } };
  const wrong = mirror('wrong', tables, { ...numbers, LGMPHeader: { ...header, fields: moved } });
  const { status, stderr } = compile(wrong);
  expect(status).not.toBe(0);
  expect(stderr).toContain('offsetof(LGMPHeader, timestamp)');
});
