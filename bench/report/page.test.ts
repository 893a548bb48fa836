import { createHash } from 'node:crypto';
import { Script } from 'node:vm';

import t from 'tap';

import { renderPage } from './page.ts';
import type { Report } from './report.ts';
import { openPage, type OpenedPage } from './testing/browser.ts';
import { mapTexts, sampleCases, sampleReport, type SampleCase } from './testing/sample.ts';

const attack = `</script></style></title>--><!--<script>alert(1)</script><img src=x onerror=alert(1)>"'\` onload=alert(1) \u2028&lt;`;

/** A page drawn at the width of a desk, with the plots that are in sight. */
async function drawn(report: Report): Promise<OpenedPage> {
  const page = openPage(renderPage(report));
  page.resize(1_000);
  // uPlot draws in a microtask.
  await new Promise((resolve) => setImmediate(resolve));
  return page;
}

/** The JSON that page.js gets, and the largest number that it draws. */
function plotsOf({ document }: OpenedPage): { readonly plots: string; readonly highest: number } {
  const plots = document.querySelector('#plots')!.textContent!;
  const values = (JSON.parse(plots) as { lines: { values: (number | null)[] }[] }[]).flatMap((plot) => plot.lines.flatMap((line) => line.values));
  return { plots, highest: Math.max(...values.map((value) => value ?? 0)) };
}

function scriptsOf(page: string): string[] {
  return [...page.matchAll(/<script>([^]*?)<\/script>/g)].map((match) => match[1]!);
}

/** What a page says, scripts and style left out. */
function textOf({ document }: OpenedPage): string {
  return ['header', 'section', 'nav'].flatMap((tag) => [...document.querySelectorAll(tag)]).map((element) => element.textContent).join('\n');
}

t.test('P1: nothing is fetched, and the policy names the scripts that are there', async (t) => {
  const page = renderPage(sampleReport());
  const scripts = scriptsOf(page);
  t.equal(scripts.length, 2);
  for (const script of scripts) {
    t.doesNotThrow(() => new Script(script), 'parses');
    t.ok(page.includes(`sha256-${createHash('sha256').update(script).digest('base64')}`), 'and has its hash in the policy');
  }
  t.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;; script-src/);
  t.match(scripts[0], /Permission is hereby granted/, 'the licence goes with the library');
  const opened = openPage(page);
  for (const element of opened.document.querySelectorAll('[src], link, iframe, object, embed, base')) t.fail(`<${element.tagName}> fetches`);
  for (const link of opened.document.querySelectorAll('a')) t.match(link.getAttribute('href'), /^#/);
  t.notMatch(opened.document.querySelector('style')!.textContent, /url\(|@import/);
  opened.close();
});

t.test('every plot is drawn, also in a closed part once it is opened, and on paper', async (t) => {
  const page = await drawn(sampleReport());
  t.same(page.errors, []);
  const holders = [...page.document.querySelectorAll('[data-plot]')];
  t.ok(holders.length > 50);
  for (const holder of holders) t.ok(holder.querySelector('canvas'), holder.getAttribute('aria-label')!);
  for (const text of ['99.99 %', 'seconds', 'nodes', 'zipf 0.99', '1', 'commands/s']) t.ok(page.texts.includes(text), `${text} is drawn`);
  page.resize(380);
  page.fire('beforeprint');
  page.fire('afterprint');
  await new Promise((resolve) => setImmediate(resolve));
  t.same(page.errors, []);
  page.close();
});

t.test('P3: links of the contents lead somewhere, plots have names and tables, tables have captions', async (t) => {
  const page = await drawn(sampleReport());
  for (const link of page.document.querySelectorAll('nav a')) t.ok(page.document.querySelector(`[id="${link.getAttribute('href')!.slice(1)}"]`), link.textContent!);
  for (const holder of page.document.querySelectorAll('[data-plot]')) t.match(holder.getAttribute('aria-label'), /\w/);
  for (const table of page.document.querySelectorAll('table')) t.match(table.querySelector('caption')?.textContent, /\w/);
  const text = textOf(page);
  for (const part of ['✓ reached', '✗ NOT reached', 'kill -9 of node 2', 'redis 7.0.15'.split(' ')[1]!, 'AMD EPYC', 'counter --rounds 3', 'Over the number of nodes', 'Over the rate', 'driver late', '80000/s embedded: round 1, 2, 3: latency had not settled']) t.ok(text.includes(part), part);
  t.notMatch(text, /undefined|NaN|\[object|null/);
  page.close();
});

t.test('B1: a case that failed its check shows its reason, and no figure anywhere', async (t) => {
  const figures = [{ name: 'longest gap', value: 5, unit: 'ms', isLessBetter: true }];
  const echo: SampleCase = { subject: 'echo', load: '64x16', isBaseline: true, speed: 600_000 };
  const page = await drawn(sampleReport({ cases: [echo, { subject: 'embedded', load: '64x16', speed: 777_777, figures, failed: [2] }], noise: 0 }));
  const failed = page.document.querySelector('[role=alert]')!.textContent!;
  t.match(failed, /1 of 2 cases failed their check/);
  t.match(failed, /Counter:c-17 is 41, and 42 was acknowledged/);
  const text = textOf(page);
  t.match(text, /CHECK FAILED/);
  t.notMatch(text, /777|longest gap/);
  const { plots, highest } = plotsOf(page);
  t.notMatch(plots, /embedded/, 'nor in the data of the plots');
  t.ok(highest < 700_000);
  t.same(page.errors, []);
  page.close();
});

t.test('P2: no text of a report becomes markup or script', async (t) => {
  const report = sampleReport({ cases: sampleCases.map((one) => ({ ...one, failed: one.load === '64x1' && one.isBaseline !== true ? [1] : [] })) });
  const hostile = mapTexts(report, (text) => `${text}${attack}`);
  const page = renderPage(hostile);
  for (const raw of ['<img', '<!--', 'alert(1)</script>']) t.notOk(page.includes(raw), raw);
  const opened = await drawn(hostile);
  t.same(opened.errors, []);
  t.equal(opened.document.querySelectorAll('img').length, 0);
  t.equal(opened.document.querySelectorAll('script').length, 3);
  const attributes = [...opened.document.querySelectorAll('*')].flatMap((element) => [...element.attributes].map(({ name }) => name));
  t.same(attributes.filter((name) => name.startsWith('on')), []);
  t.notOk(opened.document.querySelector('#plots')!.textContent!.includes('\u2028'));
  t.ok(textOf(opened).includes(attack), 'it is shown as it came');
  t.match(JSON.parse(opened.document.querySelector('#plots')!.textContent!), [{ title: 'Latency by share of the commands' }]);
  t.ok(opened.document.querySelectorAll('canvas').length > 10);
  opened.close();
});

t.test('one round, no timeline, nothing known, no cases', async (t) => {
  const ours: SampleCase = { subject: 'embedded', load: '64x16', speed: 1_000 };
  const bare = sampleReport({ rounds: 1, cases: [{ ...ours, slices: 0 }] });
  const unknown = bare.cases.map((one) => ({ ...one, runs: one.runs.map((run) => ({
    ...run, commandsPerSecond: null, latencyMs: null, latencyCurve: [], deviceBytesPerCommand: null,
    processes: run.processes.map(({ role }) => ({ role, cpuUsPerCommand: null, cores: null, rssMib: null, rssPeakMib: null, storageBytesPerCommand: null })),
  })) }));
  const reports: Report[] = [
    bare,
    sampleReport({ rounds: 1 }),
    { ...bare, cases: unknown, machine: { ...bare.machine, fileSystem: null } },
    { ...bare, cases: [{ ...bare.cases[0]!, runs: [] }] },
    { ...bare, cases: [], loops: [], goals: [], versions: {}, args: [] },
    sampleReport({ rounds: 1, cases: [{ ...ours, slices: 1 }, { ...ours, subject: 'echo', speed: 0, p50Ms: 0 }] }),
    sampleReport({ cases: [{ ...ours, speed: 0, p50Ms: 0, marks: [{ atMs: -5, untilMs: 900_000, text: 'all along' }] }] }),
  ];
  for (const [i, report] of reports.entries()) {
    const page = await drawn(report);
    t.same(page.errors, [], `report ${i}`);
    t.notMatch(textOf(page), /undefined|NaN|Infinity|\[object|null/, `report ${i}`);
    page.close();
  }
});
