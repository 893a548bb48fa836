/**
 * `troupe journal stat | verify | compact | accept-loss`: works on the store, or on the data folder of a node that does not run, without a
 * node. Settings are those of `troupe start`, from flags, TROUPE_* variables and --config.
 */

import { createInterface } from 'node:readline/promises';

import type { Command } from 'commander';

import { TroupeError } from '../codec/errors.ts';
import { flagOf, settingSpecs, type SettingName, type Settings } from '../config/defaults.ts';
import { loadSettings } from '../config/settings.ts';
import type { CompactReport, JournalInspection, Loss, Losses, StatReport, VerifyReport } from '../journal-tools.ts';
import { exitCodes } from './exit-codes.ts';
import { accepting, compactLine, lossLines, statTable, verifyLines } from './journal-text.ts';
import { withJson } from './node-options.ts';
import type { Terminal } from './terminal.ts';

const PROGRESS_MS = 1_000;

export function addJournal(program: Command, terminal: Terminal): void {
  const journal = program.command('journal').description('look at a journal and its tiers, compact it, accept what a store has lost').helpCommand(false)
    .addHelpText('after', '\nEach command has its own options: see `troupe journal stat --help`.');
  withSettings(journal.command('stat').description('how many records there are, and what is hot and cold'), ['redis', 'namespace', 'cold', 'data'])
    .option('--buckets-too', 'a line for each bucket')
    .action(async (options: Options) => {
      const report = await inspected(options, terminal, (inspection) => inspection.stat(progress(terminal)));
      showStat(report, options, terminal);
    });
  withSettings(journal.command('verify').description('read everything that is hot and cold, and say what is damaged (exit code 1 then)'), ['redis', 'namespace', 'cold', 'data'])
    .action(async (options: Options) => {
      const report = await inspected(options, terminal, (inspection) => inspection.verify(progress(terminal)));
      process.exitCode = showVerify(report, options, terminal);
    });
  withSettings(journal.command('compact').description('move what is hot to the cold tier now; nodes may go on working'), ['redis', 'namespace', 'cold'])
    .action(async (options: Options) => {
      const report = await inspected(options, terminal, (inspection) => compact(inspection, terminal));
      terminal.data(options['json'] === true ? JSON.stringify(report) : compactLine(report));
    });
  withSettings(journal.command('accept-loss').description('show what a store has lost that went back in time, and go on without it'), ['redis', 'namespace', 'cold', 'data', 'buckets'])
    .option('--bucket <n...>', 'accept the loss of these buckets')
    .option('--all', 'accept all losses')
    .option('--yes', 'do not ask')
    .action((options: Options) => acceptLoss(options, terminal));
}

type Options = Readonly<Record<string, unknown>>;

function withSettings(command: Command, names: readonly SettingName[]): Command {
  command.option('--config <file>', 'file of settings, a JSON object (TROUPE_CONFIG)');
  for (const name of names) command.option(`${flagOf(name)} ${settingSpecs[name].value}`, settingSpecs[name].help);
  return withJson(command);
}

function settingsOf(options: Options): Settings {
  const configFile = typeof options['config'] === 'string' ? options['config'] : process.env['TROUPE_CONFIG'];
  // Of the flags here `bucket` is no setting, and neither are those without a value.
  return loadSettings({ flags: options, env: process.env, configFile });
}

async function inspected<T>(options: Options, terminal: Terminal, work: (inspection: JournalInspection) => Promise<T>): Promise<T> {
  const { inspectJournal } = await import('../journal-tools.ts');
  const inspection = await inspectJournal(settingsOf(options), (message) => terminal.talk(message));
  try {
    return await work(inspection);
  } finally {
    await inspection.close();
  }
}

function compact(inspection: JournalInspection, terminal: Terminal): Promise<CompactReport> {
  if (inspection.compact === null) throw new TroupeError('CONFIG_INVALID', 'a data folder seals its files by itself; compacting is for a store, given with --redis');
  return inspection.compact(progress(terminal));
}

/** A line a second, for somebody who is there to read it. */
function progress(terminal: Terminal): (done: number, buckets: number) => void {
  let shown = performance.now();
  return (done, buckets) => {
    if (process.stderr.isTTY !== true || performance.now() - shown < PROGRESS_MS) return;
    shown = performance.now();
    terminal.talk(`${done} of ${buckets} buckets`);
  };
}

function showStat(report: StatReport, options: Options, terminal: Terminal): void {
  const { buckets, ...total } = report;
  if (options['json'] !== true) terminal.data(statTable(report, options['bucketsToo'] === true));
  else if (options['bucketsToo'] === true) for (const { bucket, ...rest } of buckets) terminal.data(JSON.stringify({ bucket: bucket.index, ...rest }));
  else terminal.data(JSON.stringify({ ...total, buckets: buckets.length, lost: buckets.filter(({ note }) => note !== null).length }));
}

function showVerify(report: VerifyReport, options: Options, terminal: Terminal): number {
  if (options['json'] === true) terminal.data(JSON.stringify({ ...report, findings: report.findings.map(({ bucket, ...rest }) => ({ bucket: bucket?.index ?? null, ...rest })) }));
  else for (const line of verifyLines(report)) terminal.data(line);
  return report.findings.length === 0 ? exitCodes.ok : exitCodes.failed;
}

async function acceptLoss(options: Options, terminal: Terminal): Promise<void> {
  const { describeLoss, openLosses } = await import('../journal-tools.ts');
  const operations = await openLosses(settingsOf(options), (message) => terminal.talk(message));
  try {
    const losses = await operations.losses();
    const chosen = chosenOf(losses, options);
    if (options['json'] === true) for (const loss of losses.buckets) terminal.data(JSON.stringify({ bucket: loss.bucket.index, what: describeLoss(loss), accepted: chosen?.includes(loss) === true }));
    else for (const line of lossLines({ ...losses, buckets: chosen ?? losses.buckets }, describeLoss)) terminal.data(line);
    const others = losses.buckets.length - (chosen ?? losses.buckets).length;
    if (others > 0) terminal.talk(`of ${others} other ${others === 1 ? 'bucket' : 'buckets'} something is lost, too`);
    if (losses.journal === null && losses.buckets.length === 0) return;
    if (chosen === null) return terminal.talk('nothing was changed; to go on without what is lost, add --all, or --bucket with its numbers');
    if (options['yes'] !== true && !(await isConfirmed(chosen))) return terminal.talk('nothing was changed');
    await operations.accept(losses, chosen);
    terminal.talk(`accepted for ${chosen.length} ${chosen.length === 1 ? 'bucket' : 'buckets'}; nodes take them up by themselves`);
  } finally {
    operations.close();
  }
}

/** null when the operator only looks. @throws TroupeError CONFIG_INVALID for a bucket of which nothing is lost */
function chosenOf({ buckets }: Losses, options: Options): readonly Loss[] | null {
  const numbers = options['bucket'] as readonly string[] | undefined;
  if (options['all'] === true && numbers !== undefined) throw new TroupeError('CONFIG_INVALID', 'give --all or --bucket, not both');
  if (options['all'] === true) return buckets;
  return numbers?.map((number) => {
    const loss = buckets.find(({ bucket }) => String(bucket.index) === number);
    if (loss === undefined) throw new TroupeError('CONFIG_INVALID', `nothing is known to be lost of bucket ${number}`);
    return loss;
  }) ?? null;
}

async function isConfirmed(chosen: readonly Loss[]): Promise<boolean> {
  if (!process.stdin.isTTY) throw new TroupeError('CONFIG_INVALID', 'nobody is there to be asked; add --yes');
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question(accepting(chosen));
  asking.close();
  return answer.trim() === 'yes';
}
