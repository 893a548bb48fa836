import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import t from 'tap';
import type { Test } from 'tap';

import { isPortOf } from './port-owner.ts';
import { startProxy } from './tcp-proxy.ts';
import type { From, TcpProxy } from './tcp-proxy.ts';

/** Long enough that what has not come by then is taken for not coming. */
const SILENCE_MS = 60;
const WAIT_MAX_MS = 60_000;
/** Longer than a test waits for anything. */
const LONG_MS = 600_000;

/** Says back what it hears, and remembers it. */
class Echo {
  readonly server: Server = createServer((socket) => this.onSocket(socket));
  readonly sockets = new Set<Socket>();
  heard = '';
  /** While set, it hears and says nothing. */
  isMute = false;

  private onSocket(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString();
      if (!this.isMute) socket.write(chunk);
    });
  }
}

class Client {
  readonly socket: Socket;
  heard = '';
  isClosed = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => (this.heard += chunk.toString()));
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.isClosed = true));
  }

  say(text: string): void {
    this.socket.write(text);
  }
}

/** Dials when it is told `dial`, says what else it is told over its newest connection, and tells what happens to each. */
const ELSEWHERE = `
  const { connect } = require('node:net');
  const tell = (text) => process.stdout.write(text + ';');
  let count = 0;
  let socket;
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    if (line !== 'dial') { socket.write(line); return; }
    const name = ++count;
    socket = connect({ host: '127.0.0.1', port: Number(process.argv[1]) });
    socket.on('connect', () => tell(name + ' open')).on('data', (chunk) => tell(name + ' heard ' + chunk)).on('close', () => tell(name + ' closed')).on('error', () => {});
  });
`;

/** Another process with connections of its own, numbered from 1. */
class Elsewhere {
  said = '';
  readonly child: ChildProcess;
  /** Tells its connections. */
  readonly from: From;

  constructor(port: number) {
    this.child = spawn(process.execPath, ['-e', ELSEWHERE, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    this.from = (clientPort) => isPortOf(this.child.pid!, clientPort, port);
  }

  tell(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  async until(event: string): Promise<void> {
    await until(() => this.said.includes(`${event};`), `${event} of ${this.said}`);
  }
}

interface Rig {
  readonly echo: Echo;
  readonly proxy: TcpProxy;
  /** Whose first word has come back. */
  client(): Promise<Client>;
  /** As `client`, of another process. */
  elsewhere(): Promise<Elsewhere>;
}

async function rigOf(t: Test): Promise<Rig> {
  const echo = new Echo();
  echo.server.listen(0, '127.0.0.1');
  await once(echo.server, 'listening');
  const proxy = await startProxy((echo.server.address() as AddressInfo).port);
  const clients: Client[] = [];
  t.teardown(async () => {
    for (const { socket } of clients) socket.destroy();
    await proxy.close();
    for (const socket of echo.sockets) socket.destroy();
    echo.server.close();
  });
  return {
    echo, proxy,
    async client() {
      const client = new Client(proxy.port);
      clients.push(client);
      client.say('hello ');
      await until(() => client.heard === 'hello ');
      client.heard = '';
      echo.heard = '';
      return client;
    },
    async elsewhere() {
      const other = new Elsewhere(proxy.port);
      t.teardown(() => other.child.kill());
      other.tell('dial');
      await other.until('1 open');
      other.tell('hello');
      await other.until('1 heard hello');
      echo.heard = '';
      return other;
    },
  };
}

async function until(holds: () => boolean, what = String(holds)): Promise<void> {
  const end = performance.now() + WAIT_MAX_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MAX_MS} ms: ${what}`);
    await sleep(1);
  }
}

t.test('without a fault it is a wire, and counts', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const text = 'x'.repeat(1_000_000);
  a.say(text);
  b.say('b');
  await until(() => a.heard.length === text.length && b.heard === 'b');
  t.equal(a.heard, text);
  t.equal(proxy.connections, 2);
  t.equal(proxy.openConnections, 2);
  t.equal(proxy.bytesUp, text.length + 'b'.length + 2 * 'hello '.length);
  t.equal(proxy.bytesDown, proxy.bytesUp);
  t.equal(proxy.heldBytes, 0);
  a.say('last');
  a.socket.end();
  await until(() => a.isClosed && proxy.openConnections === 1 && echo.sockets.size === 1);
  t.ok(a.heard.endsWith('last'), 'what is said before an end arrives, and so does its answer');
  t.equal(proxy.connections, 2);
});

t.test('the server ends a connection: so does the proxy', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  for (const socket of echo.sockets) socket.end('farewell');
  await until(() => a.isClosed && proxy.openConnections === 0);
  t.equal(a.heard, 'farewell');
  await new Promise((resolve) => { echo.server.close(resolve); });
  const b = new Client(proxy.port);
  await until(() => b.isClosed);
  t.equal(b.heard, '', 'nobody there: accepted, and closed');
});

t.test('cut: all connections end, with what is under way, and new ones work', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  proxy.blackhole('up');
  a.say('lost');
  await until(() => proxy.heldBytes === 'lost'.length);
  proxy.cut();
  await until(() => a.isClosed && b.isClosed && echo.sockets.size === 0 && proxy.openConnections === 0);
  proxy.heal();
  const c = await client();
  c.say('c');
  await until(() => c.heard === 'c');
  t.equal(echo.heard, 'c');
  t.equal(proxy.heldBytes, 0);
});

t.test('refuse: connections end and nobody gets in until accept', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  await proxy.refuse();
  await until(() => a.isClosed && echo.sockets.size === 0);
  const refused = connect({ host: '127.0.0.1', port: proxy.port });
  t.match(await once(refused, 'error'), [{ code: 'ECONNREFUSED' }]);
  await proxy.refuse();
  const { port } = proxy;
  await proxy.accept();
  await proxy.accept();
  t.equal(proxy.port, port);
  const b = await client();
  b.say('b');
  await until(() => b.heard === 'b');
  t.equal(proxy.connections, 2, 'who was refused does not count');
});

t.test('black hole up: the server hears nothing, connections stay, and all comes in order when it heals', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  proxy.blackhole('up');
  a.say('1');
  await until(() => proxy.heldBytes === 1);
  a.say('2');
  await until(() => proxy.heldBytes === 2);
  await sleep(SILENCE_MS);
  t.equal(echo.heard, '');
  t.notOk(a.isClosed);
  proxy.heal();
  await until(() => a.heard === '12');
  t.equal(echo.heard, '12');
  t.equal(proxy.heldBytes, 0);
});

t.test('black hole down: the server hears and answers, and the client hears nothing until it heals', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  proxy.blackhole('down');
  a.say('1');
  await until(() => echo.heard === '1' && proxy.heldBytes === 1);
  a.say('2');
  await until(() => echo.heard === '12' && proxy.heldBytes === 2);
  await sleep(SILENCE_MS);
  t.equal(a.heard, '');
  t.notOk(a.isClosed);
  proxy.heal();
  await until(() => a.heard === '12');
});

t.test('black hole both ways: a sender that gives up does not take back what it said (P2)', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  proxy.blackhole('both');
  a.say('said');
  await until(() => proxy.heldBytes === 4);
  a.socket.destroy();
  await sleep(SILENCE_MS);
  t.equal(echo.heard, '');
  t.equal(echo.sockets.size, 2, 'the server does not hear of the end either');
  proxy.heal();
  await until(() => echo.heard === 'said' && echo.sockets.size === 1);
  b.say('b');
  await until(() => b.heard === 'b');
});

t.test('delay: later, in order, in one direction or both', async (t) => {
  const { proxy, client } = await rigOf(t);
  const a = await client();
  const round = async (text: string): Promise<number> => {
    a.heard = '';
    const began = performance.now();
    a.say(text);
    await until(() => a.heard === text);
    return performance.now() - began;
  };
  proxy.delay(40, 'up');
  t.ok((await round('up')) >= 40);
  proxy.delay(40, 'down');
  t.ok((await round('both')) >= 80);
  proxy.heal();
  a.heard = '';
  proxy.delay(LONG_MS, 'up');
  a.say('1');
  await until(() => proxy.heldBytes === 1);
  proxy.delay(0, 'up');
  a.say('2');
  await until(() => proxy.heldBytes === 2);
  t.equal(a.heard, '', 'the second does not overtake the first (P1)');
  const began = performance.now();
  proxy.heal();
  await until(() => a.heard === '12');
  t.ok(performance.now() - began < LONG_MS, 'nor waits for the time the first was given');
});

t.test('cutBeforeReply: executed, and its sender cut off before it learns of that', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const cut = proxy.cutBeforeReply((request) => request.includes('spend'));
  a.say('ask');
  await until(() => a.heard === 'ask');
  b.say('b');
  await until(() => b.heard === 'b');
  a.say('spend 5');
  t.equal((await cut).toString(), 'spend 5', 'what the server said');
  await until(() => a.isClosed && echo.sockets.size === 1);
  t.equal(a.heard, 'ask');
  t.equal(echo.heard, 'askbspend 5');
  b.say('spend 6');
  await until(() => b.heard === 'bspend 6');
  t.equal(echo.heard, 'askbspend 5spend 6', 'it happens once (P3)');
});

t.test('cutBeforeReply: the client stays until the server has answered', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  echo.isMute = true;
  const cut = proxy.cutBeforeReply();
  a.say('slow');
  await until(() => echo.heard === 'slow');
  a.say(' and more');
  await until(() => echo.heard === 'slow and more');
  await sleep(SILENCE_MS);
  t.notOk(a.isClosed);
  for (const socket of echo.sockets) socket.write('done');
  t.equal((await cut).toString(), 'done');
  await until(() => a.isClosed);
  t.equal(a.heard, '');
});

t.test('cutAfter: a request is torn, and so is an answer', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const up = proxy.cutAfter(5, 'up', (request) => request.includes('torn'));
  a.say('whole');
  await until(() => a.heard === 'whole');
  a.say('torn request');
  await up;
  await until(() => a.isClosed && echo.sockets.size === 0);
  t.equal(echo.heard, 'wholetorn ');
  t.equal(a.heard, 'whole');

  const b = await client();
  const down = proxy.cutAfter(7, 'down');
  b.say('1234');
  b.say('5678');
  await down;
  await until(() => b.isClosed && echo.sockets.size === 0);
  t.equal(echo.heard, '12345678');
  t.equal(b.heard, '1234567');
});

t.test('stall: a request comes when its sender has long gone', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const stalled = proxy.stall((request) => request.includes('append'));
  b.say('b');
  await until(() => b.heard === 'b');
  a.say('append 1');
  const request = await stalled;
  await until(() => a.isClosed);
  t.equal(request.bytes.toString(), 'append 1');
  const c = await client();
  c.say('c');
  await until(() => c.heard === 'c');
  proxy.cut();
  await until(() => c.isClosed && echo.sockets.size === 1);
  t.equal(echo.heard, 'c', 'the server has not heard of it, and has not missed its connection');
  t.equal((await request.deliver()).toString(), 'append 1', 'what the server says to it');
  t.equal(echo.heard, 'cappend 1');
  t.equal(a.heard, '');
  await until(() => echo.sockets.size === 0 && proxy.openConnections === 0);
  await t.rejects(request.deliver(), /is closed/, 'once');
});

t.test('stall: a long request is taken whole, and several in a row each', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const first = proxy.stall(() => true, 1_000);
  const second = proxy.stall();
  const text = 'a'.repeat(1_000_000);
  a.say(text);
  t.equal((await first).bytes.toString(), text);
  b.say('b');
  t.equal((await second).bytes.toString(), 'b');
  t.equal((await (await second).deliver()).toString(), 'b', 'in any order');
  await (await first).deliver();
  await until(() => echo.heard.length === text.length + 1);
  t.equal(echo.heard, `b${text}`);
});

t.test('stall: a slow sender is heard out', async (t) => {
  const { proxy, client } = await rigOf(t);
  const a = await client();
  const stalled = proxy.stall((request) => request.includes('0'), 2_000);
  for (let i = 0; i < 10; i++) {
    a.say(String(i));
    await sleep(25);
  }
  t.equal((await stalled).bytes.toString(), '0123456789');
});

t.test('stall: the server may hang up meanwhile', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const [first, second] = [proxy.stall(), proxy.stall()];
  a.say('a');
  b.say('b');
  await Promise.all([first, second]);
  echo.isMute = true;
  const lost = (await first).deliver();
  await until(() => echo.heard.length === 1);
  for (const socket of echo.sockets) socket.destroy();
  await t.rejects(lost, /server closed/);
  await t.rejects((await second).deliver(), /closed/);
});

t.test('cut for one client: its connections end, and nobody else notices (P4)', async (t) => {
  const { echo, proxy, client, elsewhere } = await rigOf(t);
  const other = await elsewhere();
  const here = await client();
  proxy.cut(other.from);
  await other.until('1 closed');
  await until(() => echo.sockets.size === 1 && proxy.openConnections === 1);
  here.say('here');
  await until(() => here.heard === 'here');
  other.tell('dial');
  await other.until('2 open');
  other.tell('back');
  await other.until('2 heard back');
  t.equal(echo.heard, 'hereback');
});

t.test('refuse for one client: its connections end, new ones are not heard, and nobody else notices, until accept (P4)', async (t) => {
  const { echo, proxy, client, elsewhere } = await rigOf(t);
  const other = await elsewhere();
  const here = await client();
  await proxy.refuse(other.from);
  await other.until('1 closed');
  const { connections } = proxy;
  other.tell('dial');
  other.tell('lost');
  await other.until('2 closed');
  t.equal(proxy.connections, connections, 'who was refused does not count');
  here.say('here');
  await until(() => here.heard === 'here');
  const alsoHere = await client();
  alsoHere.say('new');
  await until(() => alsoHere.heard === 'new');
  t.equal(echo.heard, 'new');
  t.equal(echo.sockets.size, 2);
  proxy.heal();
  other.tell('dial');
  await other.until('3 closed');
  await proxy.accept();
  other.tell('dial');
  await other.until('4 open');
  other.tell('back');
  await other.until('4 heard back');
  t.equal(echo.heard, 'newback');
  t.notOk(here.isClosed || alsoHere.isClosed);
});

t.test('black hole for one client: what it says and is told is held, on new connections too, and nobody else notices, until heal (P4)', async (t) => {
  for (const directions of ['both', 'up', 'down'] as const) {
    const { echo, proxy, client, elsewhere } = await rigOf(t);
    const other = await elsewhere();
    const here = await client();
    proxy.blackhole(directions, other.from);
    other.tell('one');
    await until(() => proxy.heldBytes === 3);
    other.tell('dial');
    await other.until('2 open');
    other.tell('two');
    await until(() => proxy.heldBytes === 6);
    here.say('here');
    await until(() => here.heard === 'here');
    t.equal(echo.heard, directions === 'down' ? 'onetwohere' : 'here', directions);
    t.notMatch(other.said, /heard (one|two)|closed/);
    await proxy.accept();
    t.equal(proxy.heldBytes, 6, 'accepting ends no black hole');
    proxy.heal();
    await other.until('1 heard one');
    await other.until('2 heard two');
    other.tell('on');
    await other.until('2 heard on');
    other.tell('dial');
    other.tell('new');
    await other.until('3 heard new');
    t.equal(proxy.heldBytes, 0);
  }
});

t.test('several are meant, each by its own process, and all are healed together', async (t) => {
  const { proxy, client, elsewhere } = await rigOf(t);
  const one = await elsewhere();
  const two = await elsewhere();
  const here = await client();
  proxy.blackhole('down', one.from);
  await proxy.refuse(two.from);
  await two.until('1 closed');
  one.tell('held');
  await until(() => proxy.heldBytes === 4);
  here.say('here');
  await until(() => here.heard === 'here');
  proxy.heal();
  await proxy.accept();
  await one.until('1 heard held');
  two.tell('dial');
  await two.until('2 open');
  two.tell('back');
  await two.until('2 heard back');
  t.notMatch(one.said, /closed/);
});

t.test('whose a connection is: of the process that has it, and anybody\'s when nobody has it any more', async (t) => {
  const { proxy, client, elsewhere } = await rigOf(t);
  const other = await elsewhere();
  const here = await client();
  const { localPort } = here.socket;
  t.ok(isPortOf(process.pid, localPort!, proxy.port));
  t.notOk(other.from(localPort!));
  here.socket.destroy();
  await until(() => here.isClosed);
  t.ok(other.from(localPort!) && isPortOf(process.pid, localPort!, proxy.port), 'closed');
  t.ok(isPortOf(1, 0, proxy.port), 'a client without a port');
  other.child.kill('SIGKILL');
  await once(other.child, 'exit');
  const next = await client();
  t.notOk(other.from(next.socket.localPort!), 'a process that has ended has none');
});

t.test('close ends everything', async (t) => {
  const { echo, proxy, client } = await rigOf(t);
  const a = await client();
  const b = await client();
  const stalled = proxy.stall();
  b.say('b');
  await stalled;
  await proxy.close();
  await until(() => a.isClosed && b.isClosed && echo.sockets.size === 0);
  t.equal(proxy.openConnections, 0);
  await proxy.close();
});
