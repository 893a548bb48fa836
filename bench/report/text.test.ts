import t from 'tap';

import { renderText } from './text.ts';
import { mapTexts, sampleCases, sampleReport, type SampleCase } from './testing/sample.ts';

const embedded: SampleCase = { subject: 'embedded', load: '64x16', speed: 1_000 };

t.test('cases, ratios, costs, figures, loops, goals and checks', async (t) => {
  const text = renderText(sampleReport());
  for (const line of [/AMD EPYC 7B13, 2 cores/, /redis 7\.0\.15/, /^64x16 +embedded +disk +2\d\d,\d{3} /m, /^64x16 +embedded \/ echo +0\.\d\d/m, /^96x16 +cluster nodes 3 +node 3 +\d/m, /longest gap +\d+(\.\d+)? ms/, /redisPipeline +calls +[\d,]+ \/s/, /^redisPipeline: calls of Redis/m, /^64x1: embedded \/ floor.* 0\.520 +NO$/m, /not measured$/m, /^check of 64x16 echo: /m, /driver late p99/]) t.match(text, line);
  t.notMatch(text, /CHECK FAILED|undefined|NaN|\[object/);
});

t.test('a failed check takes the figures of its case, and is told with its reason', async (t) => {
  const text = renderText(sampleReport({ cases: [{ ...embedded, failed: [2], figures: [{ name: 'lag', value: 5, unit: 'ms', isLessBetter: true }] }] }));
  t.match(text, /^64x16 +embedded +disk +CHECK FAILED +- +- +-/m);
  t.match(text, /^CHECK FAILED 64x16 embedded, round 2: Counter:c-17 is 41/m);
  t.notMatch(text, /lag|CPU/);
  t.match(text, /2 UNKNOWN_OUTCOME/);
});

t.test('one round has no range; nothing at all is said to be nothing', async (t) => {
  t.match(renderText(sampleReport({ rounds: 1, cases: [embedded] })), /^64x16 +embedded +disk +\d[\d,]* +- /m);
  const empty = { ...sampleReport({ cases: [] }), loops: [], goals: [], versions: {}, args: [] };
  t.match(renderText(empty), /no cases/);
  const absent = sampleReport({ cases: [embedded] });
  const cases = absent.cases.map((one) => ({ ...one, runs: one.runs.map((run) => ({ ...run, commandsPerSecond: null, latencyMs: null, deviceBytesPerCommand: null, processes: run.processes.map((process) => ({ role: process.role, cpuUsPerCommand: null, cores: null, rssMib: null, rssPeakMib: null, storageBytesPerCommand: null })) })) }));
  t.notMatch(renderText({ ...absent, machine: { ...absent.machine, fileSystem: null }, cases }), /null|undefined|NaN|CHECK FAILED/);
  t.match(renderText({ ...absent, cases: [{ ...absent.cases[0]!, runs: [] }] }), /^64x16 +embedded +disk +- /m);
});

t.test('what there is to know of a run stands below its figures', async (t) => {
  const report = sampleReport({ rounds: 2, cases: [{ ...embedded, remarks: ['latency had not settled after 15 s of warm-up'] }] });
  t.match(renderText(report), /^64x16 embedded: round 1, 2: latency had not settled after 15 s of warm-up$/m);
  const [one] = report.cases;
  t.match(renderText({ ...report, cases: [{ ...one!, runs: one!.runs.slice(0, 1) }] }), /^64x16 embedded: latency had not settled/m);
});

t.test('a machine that was busy is said to have been', async (t) => {
  const report = sampleReport({ cases: [embedded] });
  t.match(renderText({ ...report, machine: { ...report.machine, loadBefore: 9.09 } }), /^load before the run 9\.09 on 2 cores: it was busy in the minute before/m);
  t.match(renderText({ ...report, machine: { ...report.machine, loadBefore: 0.4 } }), /^load before the run 0\.4;/m);
});

t.test('nothing from a report moves the cursor of a terminal', async (t) => {
  const text = renderText(mapTexts(sampleReport({ cases: sampleCases.map((one) => ({ ...one, failed: one.load === '64x1' ? [1] : [] })) }), (text) => `\u001b[2J\r\u0007\u202e${text}\nfake line`));
  t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  t.notMatch(text, /^fake line/m);
});
