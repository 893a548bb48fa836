// @ts-check
import { defineActor } from 'troupe';
import { BAD_ADDRESS, isAddress, partsOf } from './address-rules.js';

/** @typedef {import('./types.js').shop.v1.Address} AddressMessage */

const FIELDS = /** @type {const} */ (['recipient', 'street', 'postcode', 'city', 'country']);
/**
 * @param {AddressMessage | undefined} a
 * @param {AddressMessage | undefined} b
 */
const isSame = (a, b) => a !== undefined && b !== undefined && FIELDS.every((field) => a[field] === b[field]);

/** @type {import('troupe').Behavior<import('./types.js').Actors['shop.v1.Address']>} */
const address = {
  initialState: () => ({}),

  decide: {
    ChangeAddress(state, command, ctx) {
      if (partsOf(ctx.id) === null) ctx.reject('BAD_ID', 'The id of an address is "{<user>}/<name>", for example "{u-1}/home".');
      if (!isAddress(command.address)) ctx.reject('BAD_ADDRESS', BAD_ADDRESS);
      if (!isSame(state.address, command.address)) ctx.emit('AddressChanged', { address: command.address });
      return {};
    },

    ClearAddress(state, _command, ctx) {
      if (state.address !== undefined) ctx.emit('AddressCleared', {});
      return {};
    },
  },

  evolve: {
    AddressChanged: (_state, event) => ({ address: event.address }),
    AddressCleared: () => ({}),
  },
};

export default defineActor('shop.v1.Address', address);
