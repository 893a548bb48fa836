/**
 * Guesses at what was meant by a word that is not known.
 *
 * G1  A guess is near: of the last part of a name with dots, a third of its letters may be wrong, at least one, and two from four on. What all
 *     names begin with, a package, would otherwise count for the word and make a guess of any other type.
 * G2  A word that is no name but a load of text costs nothing: it is not compared.
 */

const WORD_LENGTH_MAX = 100;

/** The known word closest to one that is not known; null when none is close. */
export function nearest(word: string, known: Iterable<string>): string | null {
  if (word.length > WORD_LENGTH_MAX) return null;
  const own = word.slice(word.lastIndexOf('.') + 1).length;
  let best: string | null = null;
  let bestDistance = Math.max(own < 4 ? 1 : 2, Math.floor(own / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean PlaceOrder?`, to be put behind what says that a word is not known; nothing when none is close. */
export function meant(word: string, known: Iterable<string>): string {
  const near = nearest(word, known);
  return near === null ? '' : `; did you mean ${near}?`;
}

/** Levenshtein's distance: insertions, deletions and replacements of single characters. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
