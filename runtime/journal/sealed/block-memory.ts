/**
 * Memory that begins at the start of a page, as a write past the page cache wants it. JavaScript has one kind of memory of which
 * that is true, the memory of WebAssembly (its pages are larger, and it is mapped, not allocated).
 */

// In no library that this project compiles against.
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer };
};

const WASM_PAGE_BYTES = 64 * 1024;

/** Zeros. Where there is no WebAssembly (`--jitless`), of any alignment: `Disk.blocksOf` then finds that direct writes fail. */
export function blockMemory(bytes: number): Buffer<ArrayBuffer> {
  const pages = Math.max(1, Math.ceil(bytes / WASM_PAGE_BYTES));
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return Buffer.from(memory.buffer, 0, bytes);
  } catch {
    return Buffer.alloc(bytes);
  }
}
