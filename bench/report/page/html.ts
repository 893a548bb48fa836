/**
 * HTML that cannot be broken out of.
 *
 * H1  Every text that goes into a page is escaped, by the tag, where it is put in; only `Html` goes in as it is, and only the tag and `trusted` make one.
 * H2  JSON inside a script element holds no `<`, so that nothing in it ends the element or begins a comment.
 */

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | null | readonly Part[];

/** Attributes are written in double quotes. Null is nothing. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, i) => `${text}${partText(parts[i - 1]!)}${string}`));
}

/** For what the project itself wrote: style, scripts. Never for anything out of a report. */
export function trusted(text: string): Html {
  return new Html(text);
}

/** H2: inside texts, where alone `<` can stand in JSON, its escape means the same. Numbers to six digits: no plot shows more. */
export function embeddedJson(value: unknown): Html {
  return new Html(JSON.stringify(value, (_, item: unknown) => (typeof item === 'number' ? Number(item.toPrecision(6)) : item)).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function partText(part: Part): string {
  if (part === null) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(partText).join('');
  return String(part).replace(/[&<>"']/g, (c) => entities[c]!);
}
