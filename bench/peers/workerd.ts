/**
 * workerd as a peer: a Durable Object a counter, its value in the object's SQLite database, reached over HTTP through a worker.
 *
 * The output gate is as it is by default: the answer waits until the write is committed. Objects stay in memory (`preventEviction`), which is the faster
 * way, and only workerd has it.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { Installed } from './install.ts';
import type { Peer } from './peer.ts';
import { ServerProcess } from './server-process.ts';

/**
 * The synchronous key-value interface of an object with SQLite storage: one statement to read, one to write, one transaction. The body is read first:
 * input gates close for storage, not for a body. [Read behind the value, it lets another request of the object in between, and an increment is lost.]
 */
const WORKER = `import { DurableObject } from 'cloudflare:workers';

export class Counter extends DurableObject {
  async fetch(request) {
    const by = request.method === 'POST' ? Number(await request.text()) : 0;
    const value = (this.ctx.storage.kv.get('value') ?? 0) + by;
    if (by > 0) this.ctx.storage.kv.put('value', value);
    return new Response(String(value));
  }
}

export default {
  fetch(request, env) {
    return env.COUNTER.getByName(new URL(request.url).pathname.slice(1)).fetch(request);
  },
};
`;

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "counter", worker = .counter), (name = "disk", disk = (writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "counter")],
);

const counter :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  bindings = [(name = "COUNTER", durableObjectNamespace = "Counter")],
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter", enableSql = true, preventEviction = true)],
  durableObjectStorage = (localDisk = "disk"),
);
`;

/** An object in memory has its database, the log of that and the index of the log open. [Where the limit is reached, workerd answers 500 and ends.] */
const FILES_PER_ACTOR = 3;
const FILES_BESIDE = 500;

/** One line a socket, as JSON. */
interface ControlMessage {
  readonly event: string;
  readonly port?: number;
}

export async function startWorkerd(directory: string, { binary }: Installed): Promise<Peer> {
  mkdirSync(join(directory, 'data'), { recursive: true });
  writeFileSync(join(directory, 'worker.js'), WORKER);
  writeFileSync(join(directory, 'config.capnp'), CONFIG);
  // Storage on a local disk is called experimental there.
  const args = ['serve', '--experimental', '--control-fd=3', `--directory-path=disk=${join(directory, 'data')}`, 'config.capnp'];
  const server = new ServerProcess({ binary, args, directory, env: {} });
  let port = 0;
  createInterface(server.control).on('line', (line) => {
    const message = JSON.parse(line) as ControlMessage;
    if (message.event === 'listen') port = message.port ?? 0;
  });
  try {
    await server.until(async () => port > 0);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    name: 'workerd',
    port,
    durability: 'disk (SQLite write-ahead log, fsync before the answer)',
    guarantee:
      'The output gate holds what leaves the object until its writes are flushed to disk (github.com/cloudflare/workerd, src/workerd/io/io-gate.h; ' +
      'blog.cloudflare.com/durable-objects-easy-fast-correct-choose-three): a commit to the SQLite database of that object, which calls fsync on its write-ahead log (seen with strace). ' +
      "One machine: what Cloudflare's own service does beyond it (blog.cloudflare.com/sqlite-in-durable-objects) workerd alone does not do.",
    actorsMax: actorsMax(),
    settings: { storage: 'SQLite, ctx.storage.kv', preventEviction: true, allowUnconfirmed: false },
    processes: () => [{ role: 'workerd', pid: server.pid }],
    stop: () => server.stop(),
  };
}

/** By the limit of open files that a child of this process has. */
function actorsMax(): number {
  const limit = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((Number(limit) - FILES_BESIDE) / FILES_PER_ACTOR));
}
