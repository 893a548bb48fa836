/** Which promoted snapshots go, and when. */

import t from 'tap';

import { HotLog } from './hot-log.ts';
import { BucketTable, newPipeline } from './hot-bucket.ts';
import type { HotBucket } from './hot-bucket.ts';
import { bucketKeys } from './keys.ts';
import { LateSnapshots } from './late-snapshots.ts';
import { luaLibrary } from './library.ts';
import { Promotions } from './promotions.ts';

const head = { hi: 1, lo: 2 };

function bucketAt(index: number): HotBucket {
  const id = { bits: 4, index };
  const log = new HotLog(0, head);
  return { id, keys: bucketKeys('main', id), incarnation: head, origin: head, epoch: 3, log, blocked: false, cold: [], late: new LateSnapshots(), demoting: Promise.resolve(), pipeline: newPipeline(log) };
}

interface Rig {
  readonly promotions: Promotions;
  readonly bucket: HotBucket;
  readonly buckets: BucketTable;
  /** What is stored after the calls so far. */
  stored(): string[];
}

function rigWith(bounds: { readonly promotedMax?: number; readonly bytesMax?: number }): Rig {
  const buckets = new BucketTable();
  const bucket = bucketAt(3);
  buckets.set(bucket);
  const stored = new Set<string>();
  const promotions = new Promotions({
    ...bounds, buckets,
    library: luaLibrary('', 'test'),
    links: {
      async callFunction(_lane, _library, name, _keys, args) {
        if (name === 'put_snapshots') stored.add(String(args[2]));
        else stored.delete(String(args[1]));
        return 1;
      },
    },
  });
  return { promotions, bucket, buckets, stored: () => [...stored] };
}

t.test('so many at most, and those promoted longest ago go first', async (t) => {
  const { promotions, bucket, stored } = rigWith({ promotedMax: 3 });
  const promote = (actor: string): void => promotions.promote(bucket, actor, { position: 1, head, bytes: Buffer.alloc(10) });
  for (const actor of ['a', 'b', 'c', 'a', 'd']) promote(actor);
  t.same(stored().sort(), ['a', 'c', 'd'], 'the second time counts');
  for (let i = 0; i < 100; i++) promote(`x${i}`);
  t.same(stored(), ['x97', 'x98', 'x99']);
});

t.test('so many bytes at most', async (t) => {
  const { promotions, bucket, stored } = rigWith({ bytesMax: 100 });
  const promote = (actor: string, bytes: number): void => promotions.promote(bucket, actor, { position: 1, head, bytes: Buffer.alloc(bytes) });
  for (const actor of ['a', 'b', 'c']) promote(actor, 30);
  promote('c', 40);
  t.same(stored().sort(), ['a', 'b', 'c'], '100 bytes, with the newer size of c');
  promote('d', 45);
  t.same(stored().sort(), ['c', 'd']);
  promote('e', 101);
  t.same(stored().sort(), ['c', 'd'], 'one that is larger than all together is left where it is');
});

t.test('of a bucket that is not owned here nothing is promoted', async (t) => {
  const { promotions, bucket, buckets, stored } = rigWith({});
  promotions.promote(bucketAt(3), 'a', { position: 1, head, bytes: Buffer.alloc(1) });
  buckets.forget(bucket.id);
  promotions.promote(bucket, 'b', { position: 1, head, bytes: Buffer.alloc(1) });
  t.same(stored(), []);
});

t.test('late snapshots: the bytes of those that are there', async (t) => {
  const late = new LateSnapshots();
  late.add('a', 10);
  late.add('b', 20);
  late.add('a', 15);
  t.same([late.bytes, late.actors], [35, ['a', 'b']]);
  late.delete('a');
  late.delete('a');
  late.delete('nobody');
  t.same([late.bytes, late.actors], [20, ['b']]);
});
