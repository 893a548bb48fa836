/** What a node checks of bundles before it looks at what it has stored: the same check of the same sandbox, in a process of its own. */

import { TroupeError } from '../codec/errors.ts';

/**
 * Loads each, in order; answers the types that it defines.
 * @throws TroupeError BUNDLE_INVALID, as a node would refuse it
 */
export async function loadBundles(contents: readonly Buffer[]): Promise<string[][]> {
  const { createSandboxPool } = await import('../sandbox/pool.ts');
  const pool = createSandboxPool();
  const types: string[][] = [];
  try {
    await pool.start();
    for (const content of contents) types.push((await pool.check(content)).types.map(({ type }) => type).sort());
  } finally {
    await pool.close();
  }
  if (types.some((list) => list.length === 0)) throw new TroupeError('BUNDLE_INVALID', 'the bundle defines no actor type');
  return types;
}
