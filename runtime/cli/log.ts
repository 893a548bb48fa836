/** The node's log: pino, on stderr, as JSON lines for machines or as text for people. */

import { Writable } from 'node:stream';

import { pino, type Logger } from 'pino';

import type { Settings } from '../config/defaults.ts';
import { printable } from './terminal.ts';

const levelNames: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };
/** Fields that are on every line and say nothing to a person at a terminal. */
const hidden = new Set(['level', 'time', 'msg', 'node', 'err']);

export function createLog(settings: Pick<Settings, 'logLevel' | 'logFormat' | 'node'>): Logger {
  const options = { level: settings.logLevel, base: { node: settings.node } };
  // Synchronous: the last lines before an end are the ones that are needed.
  if (settings.logFormat === 'json') return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(options, new TextLines());
}

class TextLines extends Writable {
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    process.stderr.write(textLine(chunk.toString()));
    done();
  }
}

/** One line of pino as "12:00:01.123 warn  message name=value". */
export function textLine(json: string): string {
  const line = JSON.parse(json) as Record<string, unknown> & { err?: { stack?: string } };
  const time = new Date(Number(line['time'])).toISOString().slice(11, 23);
  const level = (levelNames[Number(line['level'])] ?? '?').padEnd(5);
  const fields = Object.entries(line)
    .filter(([name]) => !hidden.has(name))
    .map(([name, value]) => ` ${name}=${printable(typeof value === 'string' ? value : JSON.stringify(value))}`);
  const stack = line.err?.stack === undefined ? '' : `\n${line.err.stack}`;
  return `${time} ${level} ${printable(String(line['msg'] ?? ''))}${fields.join('')}${stack}\n`;
}
