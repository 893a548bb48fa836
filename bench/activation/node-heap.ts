/**
 * The heap of a running node, after a collection: asked through Node's inspector, which the node was started with. What is left is what lives; without
 * the collection most of the figure would be garbage of the requests before.
 */

import { once } from 'node:events';

import { WebSocket } from 'ws';

const ANSWER_MAX_MS = 30_000;

export function inspectorArgs(port: number): string[] {
  return [`--inspect=127.0.0.1:${port}`];
}

/** Bytes that live on the heap of the process whose inspector listens there. Its array buffers lie outside, and are not among them. */
export async function heapAfterCollection(port: number): Promise<number> {
  const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error('the node has no inspector');
  const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
  try {
    await once(socket, 'open', { signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    await call(socket, 1, 'HeapProfiler.collectGarbage');
    const { usedSize } = (await call(socket, 2, 'Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize;
  } finally {
    socket.terminate();
  }
}

async function call(socket: WebSocket, id: number, method: string): Promise<unknown> {
  socket.send(JSON.stringify({ id, method }));
  for (;;) {
    const [data] = (await once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_MAX_MS) })) as [Buffer];
    const message = JSON.parse(data.toString()) as { id?: number; result?: unknown; error?: { message: string } };
    if (message.id !== id) continue;
    if (message.error !== undefined) throw new Error(`${method}: ${message.error.message}`);
    return message.result;
  }
}
