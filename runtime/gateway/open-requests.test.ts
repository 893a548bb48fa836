import fc from 'fast-check';
import t from 'tap';

import { hashId, OpenRequests } from './open-requests.ts';
import type { OpenRequest } from './open-requests.ts';

t.test('behaves like a map from ids to requests', async () => {
  const step = fc.record({ id: fc.integer({ min: 0, max: 40 }), remove: fc.boolean() });
  // Some ids share a hash, and many a place.
  const hash = (id: number): number => (id >> 1) * 8;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const open = new OpenRequests<OpenRequest>();
      const model = new Map<string, OpenRequest>();
      for (const { id, remove } of steps) {
        const name = `r${id}`;
        if (open.find(name, hash(id)) !== (model.get(name) ?? null)) return false;
        const known = model.get(name);
        if (remove) {
          if (open.remove(known ?? { id: name, idHash: hash(id) }) !== (known !== undefined)) return false;
          model.delete(name);
        } else if (known === undefined) {
          const request = { id: name, idHash: hash(id) };
          open.add(request);
          model.set(name, request);
        }
      }
      const all = new Set(open.all());
      if (all.size !== model.size || [...model.values()].some((request) => !all.has(request))) return false;
      open.clear();
      return [...open.all()].length === 0;
    }),
    { numRuns: 1_000 },
  );
});

t.test('ids that clients count have hashes of their own', async (t) => {
  t.equal(new Set(Array.from({ length: 10_000 }, (_, i) => hashId(String(i)))).size, 10_000);
});
