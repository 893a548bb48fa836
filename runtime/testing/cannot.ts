/**
 * The one form in which a test may be skipped, `t.test(name, { skip: cannot(volume) }, ...)`: what was tried at run time answered with a reason, as a
 * text, instead of what the test needs. scripts/style.ts refuses every other.
 */

/** @throws TypeError for an empty reason: a test that is left out says what this machine cannot do */
export function cannot(tried: string | object): string | false {
  if (typeof tried !== 'string') return false;
  if (tried.trim() === '') throw new TypeError('what the machine cannot do is missing');
  return tried;
}
