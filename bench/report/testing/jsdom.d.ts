/** Of jsdom what testing/browser.ts uses. Its own types would bring those of a browser into the whole project, where they contradict Node's. */
declare module 'jsdom' {
  export class VirtualConsole {
    on(event: 'jsdomError', listener: (error: Error) => void): this;
  }

  export interface DomWindow {
    readonly document: unknown;
    readonly HTMLCanvasElement: { readonly prototype: object };
    readonly Event: new (name: string) => object;
    dispatchEvent(event: object): boolean;
    close(): void;
  }

  export class JSDOM {
    constructor(html: string, options: {
      readonly runScripts: 'dangerously';
      readonly pretendToBeVisual: boolean;
      readonly virtualConsole: VirtualConsole;
      beforeParse(window: DomWindow): void;
    });
    readonly window: DomWindow;
  }
}
