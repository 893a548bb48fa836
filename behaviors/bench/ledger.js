import { defineActor } from 'troupe';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a over the UTF-16 units, started from the checksum so far. */
function checksumAfter(checksum, token) {
  let hash = checksum;
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), FNV_PRIME) >>> 0;
  return hash;
}

export default defineActor('bench.v1.Ledger', {
  initialState: () => ({ count: 0, checksum: FNV_OFFSET }),
  decide: {
    Append(state, command, ctx) {
      if (command.token === '') ctx.reject('NO_TOKEN', 'Give a token.');
      ctx.emit('Appended', { token: command.token });
      return { count: state.count + 1, checksum: checksumAfter(state.checksum, command.token) };
    },
  },
  evolve: {
    Appended: (state, event) => ({ count: state.count + 1, checksum: checksumAfter(state.checksum, event.token) }),
  },
});
