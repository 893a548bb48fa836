/**
 * Baseline: the least that anyone must do who acknowledges only what is on disk. `ws`, then group commit: all frames that came
 * in while the last sync ran are appended to a preallocated file, each with its length in front, one fdatasync, then the answers.
 * No sandbox, no protobuf, no order per actor, nothing to recover from: at its end the file is written from the start again.
 */

import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs';

import type { Answer } from './serve.ts';
import { serve } from './serve.ts';

const FILE_BYTES = 256 * 1024 * 1024;
const ZEROS = Buffer.alloc(4 * 1024 * 1024);

const path = process.argv[2]!;
const fd = openSync(path, 'w+');
for (let at = 0; at < FILE_BYTES; at += ZEROS.length) writeSync(fd, ZEROS, 0, ZEROS.length, at);
fdatasyncSync(fd);
process.on('exit', () => closeSync(fd));

let batch = Buffer.allocUnsafeSlow(1 << 20);
let batchBytes = 0;
let frames: Buffer[] = [];
let answers: Answer[] = [];
let fileAt = 0;
let syncing = false;
let scheduled = false;

serve((_socket, data, answer) => {
  frames.push(data);
  answers.push(answer);
  if (syncing || scheduled) return;
  // The commit starts at the end of the tick, so that everything read in it goes along.
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    if (!syncing) commit();
  });
});

function commit(): void {
  syncing = true;
  const done = { frames, answers };
  frames = [];
  answers = [];
  batchBytes = 0;
  for (const frame of done.frames) put(frame);
  if (fileAt + batchBytes > FILE_BYTES) fileAt = 0;
  writeSync(fd, batch, 0, batchBytes, fileAt);
  fileAt += batchBytes;
  fdatasync(fd, (error) => {
    if (error !== null) throw error;
    syncing = false;
    // What came in meanwhile goes to the disk first; the answers are written while it syncs.
    if (frames.length > 0) commit();
    for (let i = 0; i < done.answers.length; i++) done.answers[i]!(done.frames[i]!);
  });
}

function put(frame: Buffer): void {
  if (batchBytes + 4 + frame.length > batch.length) {
    const grown = Buffer.allocUnsafeSlow(batch.length * 2 + frame.length);
    batch.copy(grown, 0, 0, batchBytes);
    batch = grown;
  }
  batch.writeUInt32LE(frame.length, batchBytes);
  frame.copy(batch, batchBytes + 4);
  batchBytes += 4 + frame.length;
}
