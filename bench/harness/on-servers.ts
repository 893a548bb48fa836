/** One round of a case that starts and ends its servers itself. */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { RunReport } from '../report/report.ts';
import { Servers } from '../subject/servers.ts';
import type { ServerKind } from '../subject/servers.ts';
import type { CaseRound, RoundContext } from './case.ts';

/** Fresh servers, of which none runs yet; they and their data are gone behind it. At the end of `body` they must run. */
export async function onServers(kind: ServerKind, { root, options }: Pick<RoundContext, 'root' | 'options'>, body: (servers: Servers, directory: string) => Promise<RunReport>): Promise<CaseRound> {
  const directory = mkdtempSync(join(root, `${kind}-`));
  const servers = await Servers.open(kind, directory, options);
  try {
    const run = await body(servers, directory);
    return { durability: await servers.durability(), run };
  } finally {
    await servers.close();
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  }
}
