import t from 'tap';

import { WorkerThread } from './worker-thread.ts';

const script = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId } from 'node:worker_threads';
    parentPort.on('message', (request) => {
      if (request === 'throw') throw new Error('as asked');
      if (request === 'exit') process.exit(1);
      parentPort.postMessage(request instanceof Uint8Array ? request.length : threadId);
    });
  `)}`,
);

await t.test('one thread answers; another one takes its place after it failed or ended', async (t) => {
  const thread = new WorkerThread<unknown, number>(script);
  const first = await thread.ask('who');
  t.equal(await thread.ask('who'), first);
  await t.rejects(thread.ask('throw'), /as asked/);
  const second = await thread.ask('who');
  t.not(second, first);
  await t.rejects(thread.ask('exit'), /ended/);
  t.not(await thread.ask('who'), second);
  await thread.close();
  const bytes = new Uint8Array(1000);
  t.equal(await thread.ask(bytes, [bytes.buffer]), 1000, 'closed it can be asked again');
  t.equal(bytes.length, 0, 'what is handed over is gone here');
  await thread.close();
});
