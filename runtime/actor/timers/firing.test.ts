/** A firing between the index, which says when its timer is due, and a turn: whatever has become of the timer meanwhile, it is looked at last thing. */

import t from 'tap';

import type { Bucket } from '../bucket.ts';
import { JOB_COMMAND, JOB_NOTE } from '../job.ts';
import type { CommitGroup } from '../output-gate.ts';
import { Firing } from './firing.ts';
import { TimerIndex, timerKey } from './timer-index.ts';

const KEY = timerKey({ position: 7, index: 1 });
const DUE_MS = 5_000;

interface Rig {
  readonly timers: TimerIndex;
  readonly firing: Firing;
  readonly lost: Firing[];
}

function rig(): Rig {
  const timers = new TimerIndex();
  timers.arm(KEY, DUE_MS);
  const lost: Firing[] = [];
  const keeper = {
    bucket: { timers } as unknown as Bucket, nowMs: () => DUE_MS, recorded: (_firing: Firing, _group: CommitGroup) => undefined, lost: (firing: Firing) => void lost.push(firing),
  };
  const timer = { actor: 'test.v1.Clock:a', name: 't', command: 'Ring', body: Buffer.alloc(0), everyMs: 1_000, cron: '', zone: '' };
  return { timers, firing: new Firing(timers.take(), DUE_MS, timer, keeper), lost };
}

/** Its actor cannot be brought into memory: it is to be parked, and there is no actor to ask what has become of the timer. */
function noted(): Rig {
  const made = rig();
  made.firing.refused(made.firing.job, 'UNKNOWN_ACTOR_TYPE', 'not in service');
  return made;
}

t.test('a firing whose actor cannot be brought into memory becomes a note, once', async (t) => {
  const { firing, lost } = noted();
  t.equal(firing.job.kind, JOB_NOTE);
  t.match(firing.job.verdict, { kind: 'parked', code: 'UNKNOWN_ACTOR_TYPE' });
  t.same(lost, [firing]);
  t.equal(firing.isNext(firing.job), true);
  t.equal(firing.isNext(firing.job), false, 'it stands in a batch');
});

t.test('a note of a timer that was cancelled while it waited for its batch is not written', async (t) => {
  const { timers, firing } = noted();
  timers.remove(KEY);
  t.equal(firing.isNext(firing.job), false);
});

t.test('nor is one of a repeating timer that has fired, and is due later now', async (t) => {
  const { timers, firing } = noted();
  timers.set(KEY, DUE_MS + 1_000);
  t.equal(firing.isNext(firing.job), false);
});

t.test('a job that another one has taken the place of is not this firing any more', async (t) => {
  const { firing, lost } = rig();
  const before = firing.job;
  t.equal(before.kind, JOB_COMMAND);
  firing.again();
  t.equal(firing.isNext(before), false);
  firing.lost(before);
  firing.refused(before, 'X', 'x');
  t.same(lost, [], 'nor is anything heard of it');
  t.equal(firing.job.kind, JOB_COMMAND);
});
