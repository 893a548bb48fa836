/** `troupe deadletters` as a process, against the admin port of a real engine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

import t from 'tap';

import { speaker, startRig } from '../actor/messages/testing/letters-rig.ts';
import { chainOf } from '../actor/causes/chain.ts';
import { createAdmin } from '../admin/admin.ts';
import { createMetrics } from '../admin/metrics.ts';
import { createAuthenticator } from '../gateway/auth.ts';

t.setTimeout(1_200_000);

const program = path.join(import.meta.dirname, 'main.ts');

t.test('listed, retried, dropped', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.close());
  const { engine } = rig.node;
  const metrics = createMetrics({ engine: () => ({ messages: engine.stat().messages }), buckets: () => engine.bucketStats() });
  const admin = createAdmin({ engine, deadLetters: engine.messages.desk, why: (ref, linksMax) => chainOf(engine.history, ref, linksMax), auth: await createAuthenticator({ kind: 'none' }), host: '127.0.0.1', port: 0, metrics });
  const { port } = await admin.listen();
  t.teardown(() => admin.close());
  const url = `http://127.0.0.1:${port}`;
  const troupe = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], { env: { TROUPE_ADMIN: url }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  };

  await rig.deploy({ throws: ['poison'] });
  t.strictSame(await troupe('deadletters'), { code: 0, out: '', err: 'no message is parked or has failed\n' });
  await rig.say('a', 'x', ['poison', 'fine', 'poison', 'poison'], { ask: true });
  const letters = await rig.letters(3);
  const { code, out } = await troupe('deadletters', 'list');
  t.equal(code, 0);
  t.equal(out.split('\n').length, 5);
  t.match(out, new RegExp(`\\n${letters[0]!.bucket}/${letters[0]!.position} +failed +\\d+ s +${speaker('a')} +test.v1.Listener:x +Hear +BEHAVIOR_ERROR +Error: I cannot bear poison`));
  const listed = await troupe('deadletters', 'list', '--json', '--type', 'test.v1.Listener');
  t.same(listed.out.trim().split('\n').map((line) => JSON.parse(line) as unknown), letters);
  t.equal((await troupe('deadletters', '--json', '--type', 'test.v1.Speaker')).out, '');

  t.match(await troupe('deadletters', '--type', 'test.v1.Listner'), { code: 1, out: '', err: /error UNKNOWN_ACTOR_TYPE: .*did you mean test\.v1\.Listener\?/ });
  t.match(await troupe('deadletters', 'retry', '--all', '--type', 'test.v1.Listner'), { code: 1, err: /UNKNOWN_ACTOR_TYPE/ });
  t.match(await troupe('links', 'test.v1.Listner:x'), { code: 1, out: '', err: /UNKNOWN_ACTOR_TYPE/ });
  t.match(await troupe('links', 'test.v1.Listner:x', '--held', '--json'), { code: 1, out: '', err: /UNKNOWN_ACTOR_TYPE/ });
  t.match(await troupe('links', 'test.v1.Listener:x'), { code: 0, out: '', err: /nobody is linked to/ });

  const events = await troupe('events', 'test.v1.Listener:x');
  t.equal(events.code, 0);
  const first = `${letters[0]!.bucket}/${letters[0]!.position}`;
  t.match(events.out, new RegExp(`^[\\dT:.Z-]+  Hear  bucket ${first.replace('/', ' position ')}  failed  by ${speaker('a')}\\n  command   \\{"word":"poison"\\}\\n  reply to  TakeAnswer\\n  failed    BEHAVIOR_ERROR: Error: I cannot bear poison.*\\n  hint      troupe deadletters retry ${first}, or drop ${first}$`, 'm'));
  t.equal(events.out.match(/^ {2}hint /gm)?.length, 3, 'each of them');
  t.match(events.out, /seq 1 +Heard \{"word":"fine"/, 'behind what was decided');
  const lines = (await troupe('events', 'test.v1.Listener:x', '--json')).out.trim().split('\n').map((line) => JSON.parse(line) as { kind: string; events: unknown[]; position: number });
  t.same(lines.map(({ kind, events: { length } }) => `${kind} ${length}`), ['decision 1', 'failed 0', 'failed 0', 'failed 0']);
  t.equal((await troupe('events', speaker('a'))).out.includes('deadletters'), false, 'only its own');

  const metricsText = await (await fetch(`${url}/metrics?buckets=true`)).text();
  t.match(metricsText, /^troupe_messages_failed 3$/m);
  t.match(metricsText, /^troupe_messages_parked 0$/m);
  t.match(metricsText, /^troupe_messages_taken_total [1-9]\d*$/m);
  t.match(metricsText, new RegExp(`^troupe_bucket_messages_failed\\{bucket="${letters[0]!.bucket}"\\} 3$`, 'm'));

  const place = ({ bucket, position }: { bucket: number; position: number }): string => `${bucket}/${position}`;
  const dropped = await troupe('deadletters', 'drop', place(letters[0]!));
  t.match(dropped, { code: 0, out: /is dropped, record \d+\/\d+, which is in no actor's history/ });
  const [, where] = /`troupe why (\d+\/\d+)`/.exec(dropped.out)!;
  t.match((await troupe('why', where!)).out, new RegExp(`test\\.v1\\.Listener:x  Hear  ${where}  dropped  by an operator  message of ${speaker('a')}$`, 'm'), 'who did it');
  t.match(await troupe('deadletters', 'drop', place(letters[0]!)), { code: 2, err: /BAD_REQUEST.*no parked or failed message/ });
  t.match(await troupe('deadletters', 'retry', place(letters[1]!)), { code: 1, out: /has failed again, as .*BEHAVIOR_ERROR/ });
  t.match(await troupe('deadletters', 'retry'), { code: 2, err: /CONFIG_INVALID/ });
  t.match(await troupe('deadletters', 'retry', '1/x'), { code: 2, err: /CONFIG_INVALID/ });
  const inVain = await troupe('deadletters', 'retry', '--all');
  t.match(inVain, { code: 1, err: '2 retried\n' }, 'what fails again is not tried a second time');
  await rig.deploy();
  const all = await troupe('deadletters', 'retry', '--all', '--json');
  t.same(all.out.trim().split('\n').map((line) => (JSON.parse(line) as { became: string }).became), ['decision', 'decision']);
  t.same(await rig.heard('x', 3), ['fine', 'poison', 'poison']);
  t.same((await rig.answers('a', 4)).sort(), ['MESSAGE_DROPPED', 'fine', 'poison', 'poison']);
  const why = await troupe('why', 'test.v1.Listener:x@2');
  t.equal(why.code, 0);
  t.equal(why.err, '');
  const [said, sent, ...rest] = why.out.split('\n');
  t.match(said, / test\.v1\.Speaker:a {2}Say {2}/);
  t.match(why.out, /^-> send {6}test\.v1\.Listener:x Hear {"word":"poison"} {2}speaker\.js:7:37$/m);
  t.match(why.out, /^-> failed {4}BEHAVIOR_ERROR/m);
  t.match(rest.join('\n'), /^-> event {5}2 Heard .* {2}listener\.js:9:11$/m);
  t.ok(sent !== undefined);
  const links = (await troupe('why', 'test.v1.Listener:x@2', '--json')).out.trim().split('\n').map((line) => JSON.parse(line) as { cause: { kind: string } });
  t.same(links[0]!.cause.kind, 'client', 'the beginning first');
  t.match(await troupe('why', 'test.v1.Listener:x@99'), { code: 2, err: /has no event 99\nhint: `troupe events <actor>` lists/ });
  t.match(await troupe('events', 'test.v1.Listener:x', '--changes'), { code: 0, out: /heard\[0\]: "fine"/ });
  t.match(await troupe('events', 'test.v1.Listener:x', '--changes', '--json'), { out: /"changes":\[\{"path":"heard\[1\]","after":"poison"\}\]/ });
  for (const path of ['/v1/why', '/v1/why?actor=test.v1.Listener:x&bucket=1', '/v1/why?bucket=1', '/v1/why?actor=test.v1.Listener:x&seq=a', '/v1/why?actor=test.v1.Listener:x&max=0', '/v1/records?actor=test.v1.Listener:x&changes=maybe', '/v1/deadletters?max=0', '/v1/deadletters?max=1001', '/v1/deadletters?after=1', '/v1/deadletters?x=1', '/v1/deadletters?type=a&type=b', '/v1/deadletters?actor=a&actor=b', '/v1/deadletters?actor=nonsense']) {
    t.equal((await fetch(`${url}${path}`)).status, 400, path);
  }
  t.equal((await fetch(`${url}/v1/deadletters/0/x/drop`, { method: 'POST' })).status, 400);

  await rig.deploy({ loops: ['loop'] });
  await rig.say('b', 'y', ['loop']);
  const [looped] = await rig.letters(1);
  t.equal(looped!.code, 'BEHAVIOR_FAILED', 'it is in the actor\'s history, and among the letters');
  const shown = (await troupe('events', 'test.v1.Listener:y')).out;
  t.equal(shown.match(/BEHAVIOR_FAILED/g)?.length, 1, 'once is enough');
  t.match(shown, new RegExp(`hint      troupe deadletters retry ${place(looped!)}, or drop`));
  const positions = (await troupe('events', 'test.v1.Listener:y', '--json')).out.trim().split('\n').map((line) => (JSON.parse(line) as { position: number }).position);
  t.same(positions, [looped!.position]);
  await troupe('deadletters', 'drop', place(looped!));
  t.match(await troupe('events', 'test.v1.Listener:z'), { code: 0, out: '', err: /no records of .*; a message that was dropped .*troupe why/ });
});
