/**
 * Baseline: the floor with Redis in the place of the file. `ws`, then group commit: all frames that came in while the last call ran go to a stream,
 * `blob` as one entry that holds all of them, `events` as one entry each, pipelined; the answers leave when Redis has answered. No sandbox, no
 * protobuf, no order per actor, no check of an owner.
 *
 * Like the file of the floor the stream has an end, where it is dropped and begun anew: the memory of Redis, and what it keeps of its append-only
 * file, are bounded however long it is measured.
 *
 * Started with the port of Redis and the form.
 */

import type { Answer } from './serve.ts';
import { serve } from './serve.ts';
import { RedisPipe, command } from './redis-pipe.ts';
import { FLOOR_STREAM, StreamEncoder } from './stream-encoder.ts';
import type { RedisForm } from './stream-encoder.ts';

const STREAM_BYTES = 128 * 1024 * 1024;
const DROP = command('UNLINK', FLOOR_STREAM);

const form = process.argv[3] as RedisForm;
const pipe = await RedisPipe.open(Number(process.argv[2]));
const encoder = new StreamEncoder();
let frames: Buffer[] = [];
let answers: Answer[] = [];
let streamBytes = 0;
let isCalling = false;
let isScheduled = false;

const commit = (): void => {
  isCalling = true;
  const done = { frames, answers };
  frames = [];
  answers = [];
  const bytes = form === 'blob' ? encoder.blob(done.frames) : encoder.events(done.frames);
  const drops = streamBytes > STREAM_BYTES ? [DROP] : [];
  streamBytes = (drops.length > 0 ? 0 : streamBytes) + bytes.length;
  // A refusal, or a lost connection, ends the process: nothing is answered that Redis has not taken.
  void pipe.write([...drops, bytes], drops.length + (form === 'blob' ? 1 : done.frames.length)).then(() => {
    isCalling = false;
    // What came in meanwhile goes out first; the answers are written while Redis works on it.
    if (frames.length > 0) commit();
    for (let i = 0; i < done.answers.length; i++) done.answers[i]!(done.frames[i]!);
  });
};

serve((_socket, data, answer) => {
  frames.push(data);
  answers.push(answer);
  if (isCalling || isScheduled) return;
  // The call starts at the end of the tick, so that everything read in it goes along.
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    if (!isCalling) commit();
  });
});
