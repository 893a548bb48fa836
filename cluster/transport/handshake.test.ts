import t from 'tap';

import { decodeHello, encodeHello, Handshake, HANDSHAKE_BYTES_MAX, isName, NONCE_BYTES, refusalBytes } from './handshake.ts';
import type { Hello, Step } from './handshake.ts';

const SECRET = Buffer.from('sixteen bytes or');
const EMPTY = Buffer.alloc(0);

interface Side {
  readonly hello?: Partial<Hello>;
  readonly secret?: Buffer;
  readonly binding?: Buffer;
}

function dialler({ hello, secret = SECRET, binding = EMPTY }: Side = {}): Handshake {
  return new Handshake({
    role: 'dials', secret, binding,
    hello: { cluster: 'c', node: 'a', incarnation: 'i1', wanted: 'b', connection: 5, versions: { min: 1, max: 3 }, nonce: Buffer.alloc(NONCE_BYTES, 1), ...hello },
  });
}

function server({ hello, secret = SECRET, binding = EMPTY }: Side = {}): Handshake {
  return new Handshake({
    role: 'serves', secret, binding,
    hello: { cluster: 'c', node: 'b', incarnation: 'i2', wanted: '', connection: 0, versions: { min: 1, max: 2 }, nonce: Buffer.alloc(NONCE_BYTES, 2), ...hello },
  });
}

/** Passes bytes to and fro until both sides have said their last word; `change` stands between them. */
function run(a: Handshake, b: Handshake, change: (bytes: Buffer, from: 'a' | 'b', turn: number) => Buffer = (bytes) => bytes): { a: Step | null; b: Step | null } {
  const last: { a: Step | null; b: Step | null } = { a: null, b: null };
  let bytes = a.start();
  for (let turn = 0; turn < 6 && bytes.length > 0; turn++) {
    const [to, from] = turn % 2 === 0 ? (['b', 'a'] as const) : (['a', 'b'] as const);
    if (last[to] !== null) break;
    const step = (to === 'a' ? a : b).take(change(bytes, from, turn));
    if (step.kind !== 'more') last[to] = step;
    bytes = step.reply;
  }
  return last;
}

t.test('both learn who the other is, and take the highest version of both', async (t) => {
  const { a, b } = run(dialler(), server());
  t.match(a, { kind: 'done', version: 2, remote: { node: 'b', incarnation: 'i2' } });
  t.match(b, { kind: 'done', version: 2, remote: { node: 'a', incarnation: 'i1', connection: 5, wanted: 'b' } });
});

t.test('byte by byte, and with what follows in the same piece', async (t) => {
  const [a, b] = [dialler(), server()];
  const feed = (to: Handshake, bytes: Buffer): { reply: Buffer; last: Step | null } => {
    const replies: Buffer[] = [];
    for (const byte of bytes) {
      const step = to.take(Buffer.from([byte]));
      replies.push(step.reply);
      if (step.kind !== 'more') return { reply: Buffer.concat(replies), last: step };
    }
    return { reply: Buffer.concat(replies), last: null };
  };
  const hello = feed(b, a.start());
  const proof = feed(a, hello.reply);
  const { reply, last } = feed(b, proof.reply);
  t.match(last, { kind: 'done' });
  const done = a.take(Buffer.concat([reply, Buffer.from('frames')]));
  t.equal(done.kind === 'done' ? done.rest.toString() : '', 'frames');
});

t.test('refused, and both know why', async (t) => {
  const cases: [what: string, a: Side, b: Side, refusal: string][] = [
    ['another secret', { secret: Buffer.from('sixteen bytes of') }, {}, 'BAD_PROOF'],
    ['no secret', { secret: EMPTY }, {}, 'BAD_PROOF'],
    ['another cluster', { hello: { cluster: 'd' } }, {}, 'OTHER_CLUSTER'],
    ['another node', { hello: { wanted: 'x' } }, {}, 'OTHER_NODE'],
    ['versions that are over', { hello: { versions: { min: 3, max: 9 } } }, {}, 'NO_COMMON_VERSION'],
    ['versions to come', {}, { hello: { versions: { min: 4, max: 5 } } }, 'NO_COMMON_VERSION'],
    ['another TLS session', { binding: Buffer.from('one') }, { binding: Buffer.from('two') }, 'BAD_PROOF'],
  ];
  for (const [what, left, right, refusal] of cases) {
    t.match(run(dialler(left), server(right)), { a: { kind: 'refused', refusal }, b: { kind: 'refused', refusal } }, what);
  }
  const { a, b } = run(dialler({ hello: { versions: { min: 3, max: 9 } } }), server());
  t.match(a, { message: 'it speaks protocol 1 to 2, this node 3 to 9' });
  t.match(b, { message: 'it speaks protocol 3 to 9, this node 1 to 2' });
});

t.test('the one who serves may be another one than was wanted', async (t) => {
  // It says yes to whatever is wanted.
  const { a } = run(dialler(), server({ hello: { node: 'm' } }), (bytes, from) => (from === 'a' ? dialler({ hello: { wanted: 'm' } }).start() : bytes));
  t.match(a, { kind: 'refused', refusal: 'OTHER_NODE', message: 'node m answers there, not b' });
});

t.test('no byte of a hello or a proof can be changed on the way', async (t) => {
  let changed = 0;
  for (const turn of [0, 1, 2, 3]) {
    let length = 4;
    for (let at = 3; at < length; at++) {
      const { a, b } = run(dialler(), server(), (bytes, _from, now) => {
        if (now !== turn) return bytes;
        length = bytes.length;
        const other = Buffer.from(bytes);
        other[at]! ^= 1;
        changed++;
        return other;
      });
      t.notOk(a?.kind === 'done', `the one who dials, turn ${turn}, byte ${at}`);
      if (turn < 3) t.notOk(b?.kind === 'done', `the one who serves, turn ${turn}, byte ${at}`);
    }
  }
  t.ok(changed > 150, `${changed} bytes`);
});

t.test('a proof is good once, for one side', async (t) => {
  let recorded: Buffer = EMPTY;
  run(dialler(), server(), (bytes, _from, turn) => {
    if (turn === 2) recorded = bytes;
    return bytes;
  });
  const again = server({ hello: { nonce: Buffer.alloc(NONCE_BYTES, 3) } });
  again.take(dialler().start());
  t.match(again.take(recorded), { kind: 'refused', refusal: 'BAD_PROOF' }, 'the same hello and proof to a server with a new nonce');
  const mirror = dialler();
  const hello = server();
  const reply = hello.take(mirror.start()).reply;
  const own = mirror.take(reply).reply;
  t.match(mirror.take(own), { kind: 'refused', refusal: 'BAD_PROOF' }, 'its own proof sent back');
});

t.test('who has not proved itself gets no proof', async (t) => {
  const b = server();
  const step = b.take(dialler().start());
  t.equal(step.kind, 'more');
  t.equal(step.reply[0], 1, 'a hello and nothing behind it');
  t.equal(step.reply.length, 3 + step.reply.readUInt16BE(1));
  t.match(b.take(Buffer.concat([Buffer.from([2, 0, 32]), Buffer.alloc(32)])), { kind: 'refused', reply: refusalBytes('BAD_PROOF') });
});

t.test('garbage', async (t) => {
  const bad = Buffer.from([1, 0, 3, 1, 2, 3]);
  const cases: [string, Buffer][] = [
    ['a length over the limit', Buffer.from([1, HANDSHAKE_BYTES_MAX >>> 8, HANDSHAKE_BYTES_MAX & 0xff])],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a hello that is none', bad],
    ['a proof before the hello', Buffer.concat([Buffer.from([2, 0, 32]), Buffer.alloc(32)])],
    ['a refusal from the one who dials', refusalBytes('BAD_PROOF')],
    ['two hellos', Buffer.concat([dialler().start(), dialler().start()])],
    ['a short proof', Buffer.concat([dialler().start(), Buffer.from([2, 0, 1, 7])])],
  ];
  for (const [what, bytes] of cases) t.match(server().take(bytes), { kind: 'refused' }, what);
  t.match(server().take(Buffer.from([1, 0])), { kind: 'more', reply: EMPTY }, 'half a head is waited for');
  t.match(dialler().take(Buffer.from([3, 0, 1, 250])), { kind: 'refused', refusal: 'BAD_HELLO' }, 'a refusal of a later version');
});

t.test('hellos', async (t) => {
  const hello: Hello = {
    cluster: 'c'.repeat(64), node: 'n'.repeat(64), incarnation: 'i'.repeat(64), wanted: 'w'.repeat(64), connection: Number.MAX_SAFE_INTEGER,
    versions: { min: 2 ** 31, max: 2 ** 32 }, nonce: Buffer.alloc(NONCE_BYTES, 0xff),
  };
  const bytes = encodeHello(hello);
  t.ok(bytes.length + 3 <= HANDSHAKE_BYTES_MAX, `the longest has ${bytes.length} bytes`);
  t.same(decodeHello(bytes), hello);
  t.same(decodeHello(Buffer.concat([bytes, Buffer.from('of a later version')])), hello);
  for (let length = 0; length < bytes.length; length++) t.equal(decodeHello(bytes.subarray(0, length)), null, `${length} bytes of it`);
  for (const change of [{ cluster: '' }, { node: 'a b' }, { incarnation: 'line\nbreak' }, { wanted: '\u001b[2J' }, { node: 'é' }, { versions: { min: 2, max: 1 } }]) {
    t.equal(decodeHello(encodeHello({ ...hello, ...change })), null, JSON.stringify(change));
  }
  t.notOk(isName('x'.repeat(65)));
});
