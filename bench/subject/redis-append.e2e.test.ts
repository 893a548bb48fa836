/** The loop of appends to Redis for half a second: it finds everything that was acknowledged, in every form, and reports it. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import t from 'tap';

import { LOGS_PER_CALL, runRedisAppend } from './redis-append-forms.ts';
import { RedisPipe, command } from './redis-pipe.ts';

t.setTimeout(1_200_000);

t.test('every form is measured', async (t) => {
  const round = await runRedisAppend({ fsync: 'everysec', msPerForm: 125 });
  const forms = ['events', ...LOGS_PER_CALL.map((logs) => `journal, ${logs} logs a call`), 'blob'];
  t.same(round.map(({ name }) => name), forms.map((form) => `redis-append/${form}/redis-everysec`));
  for (const { name, runs } of round) {
    t.equal(runs[0]!.unit, 'events/s');
    t.ok(runs[0]!.value > 0, `${name} has a throughput`);
  }
});

/** Answers the first write with `reply`, in pieces of so many bytes. */
async function answering(reply: string, bytes: number): Promise<{ pipe: RedisPipe; close(): void }> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('data', async () => {
      for (let at = 0; at < reply.length; at += bytes) {
        socket.write(reply.slice(at, at + bytes));
        await new Promise(setImmediate);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pipe = await RedisPipe.open((server.address() as AddressInfo).port);
  return {
    pipe,
    close: () => {
      pipe.close();
      server.close();
    },
  };
}

for (const bytes of [1, 3, 1000]) {
  t.test(`answers are counted as they come, ${bytes} bytes at a time`, async (t) => {
    const { pipe, close } = await answering('$3\r\n1-0\r\n*3\r\n:0\r\n*2\r\n:7\r\n$-1\r\n$4\r\n\r\n\r\n\r\n+OK\r\n*0\r\n:-2\r\n', bytes);
    t.teardown(close);
    await pipe.write([command('PING')], 5);
    t.equal(pipe.integers, 5);
  });
  t.test(`a refusal inside of an array is one, ${bytes} bytes at a time`, async (t) => {
    const { pipe, close } = await answering('*2\r\n:0\r\n-OOM no memory\r\n', bytes);
    t.teardown(close);
    await t.rejects(pipe.write([command('PING')], 1), /OOM no memory/);
    await t.rejects(pipe.write([command('PING')], 1), 'and nothing more is sent');
  });
}

t.test('a connection that ends is no answer', async (t) => {
  const { pipe, close } = await answering('+OK\r\n', 10);
  t.teardown(close);
  const written = pipe.write([command('PING'), command('PING')], 2);
  setImmediate(() => pipe.close());
  await t.rejects(written, /closed/);
});
