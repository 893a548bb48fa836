import t from 'tap';

import { BadReportError, readReport } from './read.ts';
import { sampleReport } from './testing/sample.ts';

type Json = Record<string, unknown>;

/** A sample, changed before it is read again. */
function changed(change: (report: Json & { cases: (Json & { runs: Json[] })[] }) => void): string {
  const report = JSON.parse(JSON.stringify(sampleReport({ rounds: 2 })));
  change(report);
  return JSON.stringify(report);
}

t.test('V1: what was written is what is read', async (t) => {
  const report = sampleReport();
  t.same(readReport(JSON.stringify(report), 'a.json'), report);
  t.equal(readReport(changed((report) => void (report.cases = [])), 'a.json').cases.length, 0);
});

t.test('what is not a report says so', async (t) => {
  const complaint = (text: string): string => {
    try {
      readReport(text, 'a.json');
      return '';
    } catch (error) {
      t.type(error, BadReportError);
      return (error as Error).message;
    }
  };
  t.match(complaint('{"format"'), /^a\.json: not JSON: /);
  t.match(complaint(''), /^a\.json: not JSON: /);
  for (const other of ['null', '[]', '5', '{}', '{"format":7}', '{"format":"jest/1"}', '{"workload":"counter"}']) t.match(complaint(other), /a\.json: not a report of troupe bench/, other);
  t.match(complaint(changed((report) => void (report.format = 'troupe-bench/2'))), /of the form "troupe-bench\/2"; this version of troupe reads "troupe-bench\/1"/);
  t.match(complaint(changed((report) => void delete report.cases[3]!.runs[1]!.windowMs)), /cases\[3\]\.runs\[1\]\.windowMs: .*number/);
  t.match(complaint(changed((report) => void delete report.machine)), /\n {2}machine: /);
  t.match(complaint(changed((report) => void ((report.machine as Json).cores = 'two'))), /machine\.cores: /);
  t.match(complaint(changed((report) => void (report.cases[0]!.runs[0]!.commandsPerSecond = 'fast'))), /cases\[0\]\.runs\[0\]\.commandsPerSecond: /);
  t.match(complaint(changed((report) => void ((report.cases[0]!.runs[0]!.timeline as { commands: number[] }).commands.pop()))), /cases\[0\]\.runs\[0\]\.timeline: .*equally long/);
  t.match(complaint(changed((report) => void ((report.cases[0]!.runs[0]!.timeline as Json).sliceMs = 0))), /sliceMs is 0/);
  t.match(complaint(changed((report) => void (report.cases[1]!.id = report.cases[0]!.id))), /cases\[1\]\.id: a second case of the id "counter/);
  t.match(complaint(changed((report) => report.cases.forEach((one) => one.runs.forEach((run) => void delete run.round)))), /and 25 more/, 'not hundreds of lines');
});

t.test('B1 is held against what is read', async (t) => {
  const failed = changed((report) => void (report.cases[0]!.runs[0]!.check = { passed: false, detail: 'lost one' }));
  t.throws(() => readReport(failed, 'a.json'), /cases\[0\]\.runs\[0\]: its check failed, so it may have no throughput/);
});

t.test('V2: fields of a later version are left out', async (t) => {
  t.same(readReport(changed((report) => void (report.cases[0]!.runs[0]!.moonPhase = 3)), 'a.json'), sampleReport({ rounds: 2 }));
});
