/** The thread that writes the files of the cold tier, or makes their bytes. */

import { parentPort } from 'node:worker_threads';

import { TroupeError } from '../../codec/errors.ts';
import { realDisk } from '../sealed/disk.ts';
import { serveThisThreadLast } from '../sealed/served-last.ts';
import type { WriteAnswer, WriteFailure, WriteRequest } from './range-writer.ts';
import { buildRange, writeRange } from './write-range.ts';

serveThisThreadLast();

parentPort!.on('message', ({ packed, settings }: WriteRequest) => {
  let answer: WriteAnswer;
  try {
    answer = settings === null ? buildRange(packed) : { range: writeRange(realDisk, packed, settings) };
  } catch (error) {
    answer = { failure: failureOf(error) };
  }
  parentPort!.postMessage(answer, 'content' in answer ? [answer.content.buffer] : []);
});

function failureOf(error: unknown): WriteFailure {
  if (!(error instanceof TroupeError)) return { code: 'INTERNAL', message: (error as Error).message };
  const { code, message, location, hint, cause } = error;
  return { code, message, hint, cause, ...(location === undefined ? {} : { location }) };
}
