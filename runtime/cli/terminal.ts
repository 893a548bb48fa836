/**
 * The two streams of the command line: what was asked for goes to stdout, everything else, errors and progress
 * included, to stderr, so that stdout can be piped. Control characters that come from data never reach a terminal raw.
 */

import { TroupeError, catalogue, isErrorCode, type ErrorCode } from '../codec/errors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';

/** What a command writes to; a test gives its own. */
export interface Terminal {
  /** A line of data, to stdout. */
  data(line: string): void;
  /** A line of talk, to stderr. */
  talk(line: string): void;
}

export const processTerminal: Terminal = {
  data: (line) => void process.stdout.write(`${line}\n`),
  talk: (line) => void process.stderr.write(`${line}\n`),
};

/** Two spaces between columns, no trailing space. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}

/** Text from elsewhere on one line: what could move the cursor or fake another line is shown as an escape. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As `printable`, with line breaks kept, for messages that have several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** What a failed command says: code and message, hint, page. */
export function errorText(error: TroupeError): string {
  const reason = error.reason === undefined || error.reason === '' ? '' : ` (${printable(error.reason)})`;
  const location = error.location === undefined || error.location === '' ? '' : `\nat: ${printable(error.location)}`;
  return `error ${error.code}${reason}: ${printableLines(error.message)}${location}\nhint: ${printable(error.hint)}\nsee docs/errors/${error.code}.md`;
}

/** The same for machines, one line. */
export function errorJson(error: TroupeError): string {
  const { code, reason, message, location, hint, retryable } = error;
  return JSON.stringify({ error: { code, reason, message, location, hint, retryable } });
}

/** Says what went wrong, and answers with the exit code for it. */
export function report(terminal: Terminal, thrown: unknown, json: boolean): number {
  const error = toTroupeError(thrown);
  terminal.talk(json ? errorJson(error) : errorText(error));
  if (error.code === 'INTERNAL' && thrown instanceof Error && thrown.stack !== undefined) terminal.talk(printableLines(thrown.stack));
  return exitCodeOf(error.code) || exitCodes.defect;
}

export function toTroupeError(thrown: unknown): TroupeError {
  if (thrown instanceof TroupeError) return thrown;
  return new TroupeError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/** The same error with what to do about it in this situation. */
export function withHint(error: TroupeError, hint: string): TroupeError {
  const { code, message, reason, location, cause } = error;
  return new TroupeError(code, message, { hint, cause, ...(reason !== undefined && { reason }), ...(location !== undefined && { location }) });
}

/** An error that came over the wire. A code that this version does not know is a newer node's. */
export function fromWire(error: { code?: unknown; message?: unknown; reason?: unknown; location?: unknown; hint?: unknown }): TroupeError {
  const code: ErrorCode = typeof error.code === 'string' && isErrorCode(error.code) ? error.code : 'INTERNAL';
  const text = typeof error.message === 'string' ? error.message : catalogue[code].hint;
  const message = code === error.code ? text : `${String(error.code)}: ${text}`;
  return new TroupeError(code, message, {
    ...(typeof error.reason === 'string' && error.reason !== '' && { reason: error.reason }),
    ...(typeof error.location === 'string' && error.location !== '' && { location: error.location }),
    ...(typeof error.hint === 'string' && error.hint !== '' && { hint: error.hint }),
  });
}
