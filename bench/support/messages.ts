/** What travels between the bench and its child processes: a word, and numbers by name. */
export interface Report {
  readonly kind: string;
  readonly values: { readonly [name: string]: number };
}

/** Takes a message that came over the channel for what it must be. */
export function asReport(message: unknown): Report {
  if (typeof message === 'object' && message !== null && 'kind' in message && 'values' in message) {
    const { kind, values } = message;
    if (typeof kind === 'string' && isNumbers(values)) return { kind, values };
  }
  throw new Error(`a message of a bench process must be a Report, but is ${String(message)}`);
}

function isNumbers(value: unknown): value is { readonly [name: string]: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => typeof each === 'number')
  );
}

/** A number of a report. */
export function numberOf(report: Report, name: string): number {
  const value = report.values[name];
  if (value === undefined) throw new Error(`the report ${report.kind} must have ${name}`);
  return value;
}
