/**
 * A page in a browser that has no screen: jsdom parses it as browsers do and runs its scripts; what jsdom lacks for drawing is put in, and notes what
 * is drawn. Nothing is fetched: a request would be an error.
 */

import { JSDOM, VirtualConsole } from 'jsdom';

export interface OpenedPage {
  readonly document: Document;
  /** Errors of the page's scripts. */
  readonly errors: readonly string[];
  /** What was written on any canvas. */
  readonly texts: readonly string[];
  /** As if the window had now this width. */
  resize(width: number): void;
  fire(name: string): void;
  close(): void;
}

/** Of the DOM what the tests look at; the project's types have none of a browser's. */
export interface Document {
  querySelectorAll(selector: string): ArrayLike<PageElement> & Iterable<PageElement>;
  querySelector(selector: string): PageElement | null;
}

export interface PageElement {
  readonly tagName: string;
  readonly textContent: string | null;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  getAttribute(name: string): string | null;
  querySelector(selector: string): PageElement | null;
}

type Watcher = (entries: { target: unknown; contentRect: { width: number } }[]) => void;

export function openPage(page: string): OpenedPage {
  const errors: string[] = [];
  const texts: string[] = [];
  const watched: { call: Watcher; target: unknown }[] = [];
  const virtualConsole = new VirtualConsole();
  virtualConsole.on('jsdomError', (error) => void errors.push(String(error)));
  const dom = new JSDOM(page, {
    runScripts: 'dangerously', pretendToBeVisual: true, virtualConsole,
    beforeParse(window) {
      const context = drawingContext(texts);
      Object.assign(window, {
        matchMedia: () => ({ matches: false, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} }),
        Path2D: class { constructor() { return drawingContext([]); } },
        ResizeObserver: class {
          readonly call: Watcher;
          constructor(call: Watcher) { this.call = call; }
          observe(target: unknown): void { watched.push({ call: this.call, target }); }
        },
      });
      Object.assign(window.HTMLCanvasElement.prototype, { getContext: () => context });
    },
  });
  return {
    document: dom.window.document as unknown as Document, errors, texts,
    resize: (width) => watched.forEach(({ call, target }) => call([{ target, contentRect: { width } }])),
    fire: (name) => void dom.window.dispatchEvent(new dom.window.Event(name)),
    close: () => dom.window.close(),
  };
}

/** Takes every call; texts are noted. */
function drawingContext(texts: string[]): object {
  return new Proxy({}, {
    get: (target: Record<string | symbol, unknown>, name) => {
      if (name === 'fillText') return (text: string) => void texts.push(text);
      if (name === 'measureText') return (text: string) => ({ width: text.length * 7 });
      return Object.hasOwn(target, name) ? target[name] : () => undefined;
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}
