import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';
import type { Test } from 'tap';

import { startRedis } from './redis-server.ts';
import type { RedisServer } from './redis-server.ts';
import { makeShiftedClock, shiftOf } from './shifted-clock.ts';
import type { ShiftedClock } from './shifted-clock.ts';

const HOUR_S = 3_600;

async function rigOf(t: Test): Promise<{ readonly clock: ShiftedClock; readonly redis: RedisServer }> {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-clock-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const clock = await makeShiftedClock(directory);
  const redis = await startRedis({ env: clock.env });
  t.teardown(() => redis.remove());
  return { clock, redis };
}

t.test('the clock of the server jumps, forward, back, and home', async (t) => {
  const { clock, redis } = await rigOf(t);
  t.ok(Math.abs(await shiftOf(redis)) < 30, 'at first it is right');
  for (const shiftS of [HOUR_S, -HOUR_S, 0]) {
    await clock.jump(shiftS, redis);
    t.ok(Math.abs((await shiftOf(redis)) - shiftS) < 30, `${shiftS} s ahead`);
  }
  const other = await startRedis();
  t.teardown(() => other.remove());
  await t.rejects(clock.jump(HOUR_S, other), /was to be 3600 s ahead, and is -?0 s ahead/, 'a server without the library, for comparison');
});

t.test('a key whose time is measured by it ends early, or late: what nothing may rest on', async (t) => {
  const { clock, redis } = await rigOf(t);
  await redis.command('SET', 'early', '1', 'EX', HOUR_S / 2);
  await clock.jump(HOUR_S, redis);
  t.equal(await redis.command('GET', 'early'), null);
  await redis.command('SET', 'late', '1', 'EX', 60);
  await clock.jump(-HOUR_S, redis);
  t.ok(Number(await redis.command('TTL', 'late')) > HOUR_S, 'it has the time of the jump, too');
});

t.test('a server that is killed, and one that stands still, has the time that was set meanwhile', async (t) => {
  const { clock, redis } = await rigOf(t);
  await redis.kill();
  clock.set(HOUR_S);
  await redis.restart();
  t.ok((await shiftOf(redis)) > HOUR_S / 2);
  await redis.suspend();
  clock.set(-HOUR_S);
  await redis.resume();
  await clock.jump(-HOUR_S, redis);
});

/** Says the time as each way of asking for it has it, then for how long a wait of 50 ms has lasted, and what it costs to ask, in nanoseconds of CPU time. */
const PROBE = `
  #define _GNU_SOURCE
  #include <pthread.h>
  #include <stdio.h>
  #include <sys/time.h>
  #include <time.h>
  static double ns(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
  int main(void) {
    struct timespec real, coarse, until; struct timeval day;
    clock_gettime(CLOCK_REALTIME, &real); clock_gettime(CLOCK_REALTIME_COARSE, &coarse); gettimeofday(&day, NULL);
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER; pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    until = real; until.tv_nsec += 50000000; if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
    double began = ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&mutex); pthread_cond_timedwait(&condition, &mutex, &until);
    double waited = ns(CLOCK_MONOTONIC) - began;
    began = ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 200000; i++) gettimeofday(&day, NULL);
    printf("%ld %ld %ld %ld %f %f", (long)real.tv_sec, (long)coarse.tv_sec, (long)day.tv_sec, (long)time(NULL), waited / 1e6, (ns(CLOCK_PROCESS_CPUTIME_ID) - began) / 200000);
  }
`;

t.test('whoever asks, and however, gets one time; a wait until then lasts as long as meant; and asking is cheap', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-clock-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const clock = await makeShiftedClock(directory);
  const program = join(directory, 'probe');
  execFileSync('cc', ['-x', 'c', '-O1', '-o', program, '-', '-lpthread'], { input: PROBE });
  const probe = (env: NodeJS.ProcessEnv): number[] => execFileSync(program, { env, encoding: 'utf8', timeout: 20_000 }).split(' ').map(Number);
  const bareNs = Math.min(...Array.from({ length: 3 }, () => probe({})[5]!));
  const costsNs: number[] = [];
  for (const shiftS of [0, HOUR_S, -HOUR_S]) {
    clock.set(shiftS);
    const nowS = Date.now() / 1_000;
    const [real, coarse, day, time, waitedMs, askedNs] = probe({ ...clock.env }) as [number, number, number, number, number, number];
    for (const found of [real, coarse, day, time]) t.ok(Math.abs(found - nowS - shiftS) < 30, `${shiftS} s ahead`);
    t.ok(waitedMs >= 49 && waitedMs < 5_000, `waited for ${waitedMs} ms`);
    costsNs.push(askedNs);
  }
  t.comment(`asking costs ${costsNs.map(Math.round).join(', ')} ns, and ${Math.round(bareNs)} ns without the library`);
  t.ok(Math.min(...costsNs) < 5 * bareNs + 200, 'no system call more');
});

t.test('without a compiler, one line says what to install', async (t) => {
  const { PATH } = process.env;
  t.teardown(() => { process.env.PATH = PATH; });
  process.env.PATH = '/nowhere';
  await t.rejects(makeShiftedClock(tmpdir()), { message: /^there is no C compiler \(cc\): install one \([^\n]*apt-get install gcc libc6-dev\)$/ });
});
