/** Which servers a workload runs on that starts and ends its servers itself. */

import type { CommonOptions } from '../harness/options.ts';
import { serverKinds } from '../subject/servers.ts';
import type { ServerKind } from '../subject/servers.ts';

/** Another's cluster cannot be ended, nor can its logs be read. @throws Error for such a one */
export function kindsOf({ subjects }: Pick<CommonOptions, 'subjects'>): ServerKind[] {
  return subjects.map((subject) => {
    if (subject === 'target') throw new Error('--target: this workload ends its servers, or reads their logs, and starts them itself');
    const kind = serverKinds.find((one) => one === subject);
    if (kind === undefined) throw new Error(`--subjects ${subject}: wanted is one of ${serverKinds.join(', ')}, which are started here`);
    return kind;
  });
}
