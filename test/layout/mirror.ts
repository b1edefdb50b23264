import type { Field, ScalarType } from '../../protocol/memory/layout.ts';
import type { FrozenStructure } from './frozen.ts';
import type { Table, Tables } from './tables.ts';

const C_TYPES: { readonly [K in ScalarType]: string } = {
  u8: 'std::uint8_t',
  i8: 'std::int8_t',
  u16: 'std::uint16_t',
  i16: 'std::int16_t',
  u32: 'std::uint32_t',
  i32: 'std::int32_t',
  u64: 'std::uint64_t',
};

/**
 * C++ that declares our tables as structures, in the order and with the types of the tables, and
 * asserts that a compiler lays them out at the frozen numbers.
 */
export function mirror(
  name: string,
  tables: Tables,
  frozen: { readonly [structure: string]: FrozenStructure },
): string {
  const structures = Object.entries(tables).flatMap(([structure, table]) => {
    const numbers = frozen[structure];
    if (numbers === undefined) throw new Error(`${structure} has no frozen numbers`);
    return [declare(structure, table), assertions(structure, numbers)];
  });
  return [`namespace ${name} {`, ...structures, '}', ''].join('\n');
}

function declare(structure: string, { fields }: Table): string {
  const members = Object.entries(fields).map(([name, field]) => `  ${member(name, field)};`);
  return [`struct ${structure} {`, ...members, '};'].join('\n');
}

function member(name: string, [type, , count, align]: Field): string {
  const aligned = align === undefined ? '' : `alignas(${align}) `;
  if (type === 'struct') return `${aligned}std::uint8_t ${name}[${count}]`;
  const dimension = count === undefined ? '' : count === 'tail' ? '[]' : `[${count}]`;
  return `${aligned}${C_TYPES[type]} ${name}${dimension}`;
}

function assertions(structure: string, { size, fields }: FrozenStructure): string {
  const lines = [assertion(`sizeof(${structure})`, size)];
  for (const [name, { offset, size: bytes }] of Object.entries(fields)) {
    lines.push(assertion(`offsetof(${structure}, ${name})`, offset));
    if (bytes > 0) lines.push(assertion(`sizeof(${structure}::${name})`, bytes));
  }
  return lines.join('\n');
}

function assertion(expression: string, value: number): string {
  return `static_assert(${expression} == ${value}, "${expression}");`;
}
