import t from 'tap';

import { LogMaker } from '../contract-log.ts';
import { bytesOfHash } from './entry.ts';
import type { HotBucket } from './hot-bucket.ts';
import { newPipeline } from './hot-bucket.ts';
import { HotLog } from './hot-log.ts';
import { HotReader } from './hot-reader.ts';
import { bucketKeys } from './keys.ts';
import { LateSnapshots } from './late-snapshots.ts';
import type { LuaLibrary } from './library.ts';
import type { StoreLinks } from './links.ts';
import { Opening } from './opening.ts';
import { TieredHistory } from './tiered-history.ts';

const id = { bits: 4, index: 3 };
const incarnation = { hi: 1, lo: 2 };

await t.test('the answer to an append arrives while the log is read behind it: its entry is taken once', async (t) => {
  const keys = bucketKeys('main', id);
  const log = new HotLog(0, incarnation);
  const before: HotBucket = { id, keys, incarnation, origin: incarnation, epoch: 1, log, blocked: false, cold: [], late: new LateSnapshots(), demoting: Promise.resolve(), pipeline: newPipeline(log) };
  const maker = new LogMaker({ bucket: id, incarnation, epoch: 1, position: 0, head: incarnation, checkpoint: null });
  const appends = [maker.next(['a.A:1', 'a.A:2']), maker.next(['a.A:1'])];
  const entries = appends.map(({ position, count, headAfter, bytes }) => [Buffer.from(`${position + count - 1}-0`), [Buffer.from('h'), bytesOfHash(headAfter), Buffer.from('r'), bytes]]);
  const links = {
    async call(): Promise<unknown> {
      const [first] = appends;
      log.add(first!.count, first!.bytes.length, first!.headAfter, first!.actorHashes, 0);
      return entries;
    },
  } as unknown as StoreLinks;
  const library = null as unknown as LuaLibrary;
  const history = new TieredHistory({ hot: new HotReader(links, library), tier: null });
  const opening = new Opening({ links, library, history, hasFolder: false, namespace: 'main', node: 'n', owner: 'n 1' });
  const [hash, zero] = [bytesOfHash(incarnation), Buffer.from('0')];
  const { bucket } = await opening.read(id, [0, Buffer.from('2'), hash, hash, Buffer.from('3'), bytesOfHash(maker.head), zero, hash, Buffer.alloc(0), null], before, undefined);
  t.equal(bucket.log.position, 3);
  t.same(bucket.log.head, maker.head);
  t.equal(bucket.log.records, 3, 'no record twice');
});
