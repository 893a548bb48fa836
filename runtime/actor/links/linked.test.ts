/** The fold of links and broadcasts against a model that keeps one object per link, and a checkpoint of it against protobufjs. */

import protobuf from 'protobufjs';
import t from 'tap';

import { writePlace } from '../../codec/record.ts';
import { KIND_CURSOR, KIND_DECISION, KIND_LINKED, RecordReader } from '../../codec/record.ts';
import { writeCause, writeCursor, writeLinkTaken } from '../../codec/record-messages.ts';
import { WireReader, WireWriter } from '../../codec/wire.ts';
import { Channels } from '../messages/channels.ts';
import { Random } from '../testing/random-actor.ts';
import { Linked } from './linked.ts';
import { keyOfLink, LinkTable } from './link-table.ts';

const root = await protobuf.load(new URL('../../../proto/troupe/v1/snapshot.proto', import.meta.url).pathname);
const checkpointType = root.lookupType('troupe.v1.BucketCheckpoint');

/** What the fold must say, kept as plainly as can be. */
interface ModelLink {
  readonly target: string;
  readonly actor: string;
  readonly source: number;
  readonly incarnation: number;
  readonly number: number;
  readonly linkedAt: number;
  unlinkedAt: number;
}

interface ModelBroadcast {
  readonly actor: string;
  readonly position: number;
  readonly index: number;
  /** Positions of links that are still to be sent to, from the beginning. */
  readonly left: number[];
}

class Model {
  readonly links: ModelLink[] = [];
  readonly broadcasts: ModelBroadcast[] = [];

  standing(target: string): ModelLink[] {
    return this.links.filter((link) => link.target === target && link.unlinkedAt === 0);
  }

  /** Of each actor, the broadcast that runs. */
  first(actor: string): ModelBroadcast | undefined {
    return this.broadcasts.find((broadcast) => broadcast.actor === actor && broadcast.left.length > 0);
  }
}

/** One bucket's log, record by record, folded by what is tested and told to the model. */
class Log {
  linked = new Linked();
  channels = new Channels(3);
  readonly model = new Model();
  position = 0;
  private readonly incarnations = new Map<number, number>();
  private readonly numbers = new Map<number, number>();

  link(target: string, actor: string, source: number): void {
    const number = this.next(source);
    this.record(KIND_LINKED, (wire) => {
      this.cause(wire, source, number);
      writeLinkTaken(wire, { target, actor, unlink: false, linkedNumber: 0 });
    });
    this.model.links.push({ target, actor, source, incarnation: this.incarnationOf(source), number, linkedAt: this.position, unlinkedAt: 0 });
  }

  unlink(link: ModelLink): void {
    const number = this.next(link.source);
    this.record(KIND_LINKED, (wire) => {
      this.cause(wire, link.source, number);
      writeLinkTaken(wire, { target: link.target, actor: link.actor, unlink: true, linkedNumber: link.number });
    });
    if (link.unlinkedAt === 0) link.unlinkedAt = this.position;
  }

  broadcast(actor: string, count: number): void {
    this.record(KIND_DECISION, (wire) => {
      wire.string(4, actor);
      for (let i = 0; i < count; i++) {
        const start = wire.begin(37);
        wire.string(1, 'Tell');
        wire.end(start);
      }
    });
    const left = this.model.standing(actor).map(({ linkedAt }) => linkedAt);
    for (let index = 0; index < count; index++) this.model.broadcasts.push({ actor, position: this.position, index, left: [...left] });
  }

  cursor({ actor, position, index }: ModelBroadcast, through: number, done: boolean): void {
    this.record(KIND_CURSOR, (wire) => writeCursor(wire, { actor, position, index, through, done }));
  }

  loseEnd(source: number): void {
    this.incarnations.set(source, this.incarnationOf(source) + 1);
    this.numbers.set(source, 0);
  }

  incarnationOf(source: number): number {
    return this.incarnations.get(source) ?? 1;
  }

  /** As a restart from a checkpoint would have it. */
  restart(): void {
    const wire = new WireWriter();
    this.linked.encode(wire);
    this.channels.encode(wire);
    const bytes = wire.copy();
    const decoded = checkpointType.toObject(checkpointType.decode(bytes), { longs: Number });
    checkAgainstSchema(decoded, this.model);
    this.linked = new Linked();
    this.channels = new Channels(3);
    const reader = new WireReader().over(bytes);
    while (reader.next()) {
      reader.span();
      if (reader.field === 15 || reader.field === 16) this.linked.restore(reader.field, bytes, reader.from, reader.to);
      else this.channels.restore(reader.field, bytes, reader.from, reader.to, { hi: 0, lo: 1 });
    }
  }

  private next(source: number): number {
    const number = (this.numbers.get(source) ?? 0) + 1;
    this.numbers.set(source, number);
    return number;
  }

  private cause(wire: WireWriter, source: number, number: number): void {
    writeCause(wire, { incarnationHi: source, incarnationLo: this.incarnationOf(source), bits: 3, index: source, position: 1, entry: 0, number });
  }

  private record(kind: number, fill: (wire: WireWriter) => void): void {
    const wire = new WireWriter();
    wire.uint(1, kind);
    writePlace(wire, ++this.position, 1, { hi: 0, lo: 1 });
    fill(wire);
    const record = new RecordReader().over(wire.copy());
    this.channels.fold(record);
    this.linked.fold(record, this.channels);
  }
}

/** The checkpoint says of every link that still matters where it was made, and by whom as far as a channel and a number tell. */
function checkAgainstSchema(decoded: { [field: string]: any }, model: Model): void {
  const running = model.broadcasts.filter(({ left }) => left.length > 0);
  const wanted = new Map<string, string[]>();
  for (const link of model.links) {
    const isKept = running.some(({ actor, left }) => actor === link.target && left.includes(link.linkedAt));
    if (link.unlinkedAt > 0 && !isKept) continue;
    const list = wanted.get(link.target) ?? [];
    list.push(`${link.linkedAt} ${link.number * 65_536 + link.source}`);
    wanted.set(link.target, list);
  }
  for (const [target, list] of wanted) {
    const entry = (decoded['linked'] ?? []).find(({ actor }: { actor: string }) => actor === target);
    let position = 0;
    const rows = (entry?.positionSteps ?? []).map((step: number, i: number) => `${(position += step)} ${entry.links[i]}`);
    // Ended links may stay longer than they are needed, until the broadcast is over.
    for (const row of list) if (!rows.includes(row)) throw new Error(`${target}: the checkpoint lacks ${row}: ${rows.join(', ')}`);
  }
  const shown = (decoded['broadcasts'] ?? []).map((b: { actor: string; position: number; index?: number }) => `${b.actor} ${b.position} ${b.index ?? 0}`).sort();
  const expected = running.map((b) => `${b.actor} ${b.position} ${b.index}`).sort();
  if (shown.join() !== expected.join()) throw new Error(`broadcasts: ${shown.join()} instead of ${expected.join()}`);
}

const targets = ['a.B:1', 'a.B:2', 'a.B:3'];

function compare(log: Log): string | null {
  for (const target of targets) {
    const standing = log.model.standing(target).map(({ linkedAt }) => linkedAt);
    if (log.linked.count(target) !== standing.length) return `${target} has ${log.linked.count(target)} links instead of ${standing.length}`;
    const found = log.linked.positionsOf(target, 1, Infinity);
    if (found.join() !== standing.join()) return `${target}: ${found.join()} instead of ${standing.join()}`;
    const first = log.model.first(target);
    const running = log.linked.running.get(target)?.[0];
    if ((first === undefined) !== (running === undefined)) return `${target}: a broadcast runs in one of both`;
    if (first === undefined || running === undefined) continue;
    if (running.position !== first.position || running.index !== first.index) return `${target}: another broadcast runs`;
    const recipients = log.linked.recipients(running, running.through, Infinity);
    if (recipients.join() !== first.left.join()) return `${target}: left are ${recipients.join()} instead of ${first.left.join()}`;
  }
  return null;
}

function step(log: Log, random: Random): void {
  const target = random.pick(targets);
  const what = random.below(100);
  if (what < 50) log.link(target, `a.C:${random.below(40)}`, random.below(4));
  else if (what < 75) {
    // Of an actor whose log has lost its end only links of the newest incarnation are ended, and those that no other has the number of.
    const links = log.model.links.filter((link) => link.unlinkedAt === 0 || random.below(20) === 0);
    if (links.length === 0) return;
    const link = random.pick(links);
    const twins = log.model.links.filter((other) => other.source === link.source && other.number === link.number && other.target === link.target && other.actor === link.actor);
    if (twins.length === 1) log.unlink(link);
  } else if (what < 83) log.broadcast(target, 1 + random.below(2));
  else if (what < 98) {
    const first = log.model.first(target);
    if (first === undefined) return;
    const sent = first.left.splice(0, 1 + random.below(4));
    log.cursor(first, sent.at(-1)!, first.left.length === 0);
  } else if (what < 99) log.restart();
  else if (random.below(4) === 0) log.loseEnd(random.below(4));
}

t.test('links and broadcasts are what a plain model makes of the same log', async (t) => {
  let links = 0;
  let namesakes = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const log = new Log();
    for (let i = 0; i < 600; i++) {
      step(log, random);
      const wrong = compare(log);
      if (wrong !== null) {
        t.fail(`seed ${seed}, step ${i}: ${wrong}`);
        return;
      }
    }
    links += log.model.links.length;
    const keys = log.model.links.map(({ target, source, number }) => `${target} ${source} ${number}`);
    namesakes += keys.length - new Set(keys).size;
  }
  t.ok(links > 10_000 && namesakes > 100, `${links} links, ${namesakes} with the key of another`);
});

t.test('a million links of one actor', async (t) => {
  const table = new LinkTable();
  const count = 1_000_000;
  const key = (i: number): number => keyOfLink(1 + Math.floor(i / 256), i % 256);
  for (let i = 0; i < count; i++) table.add(i * 3 + 1, key(i), '');
  t.ok(table.bytes <= 24 * count, `${table.bytes / count} bytes a link`);
  for (let i = 0; i < count; i += 2) if (!table.end(key(i), '', 4_000_000, () => false)) t.fail(`no link ${i}`);
  t.equal(table.end(key(0), '', 4_000_000, () => false), false, 'it has gone');
  t.equal(table.standing, count / 2);
  t.same(table.standingAt(Infinity, 0, 3), [4, 10, 16]);
  t.ok(table.bytes <= 32 * count, `${table.bytes / count} bytes a link that was`);
});
