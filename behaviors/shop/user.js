// @ts-check
import { defineActor } from 'troupe';

const ADDRESSES_MAX = 20;
const TEXT_LENGTH_MAX = 200;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** @param {string} text */
const isText = (text) => text.trim() !== '' && text.length <= TEXT_LENGTH_MAX;

/** @param {import('./types.js').shop.v1.Address | null | undefined} address */
function isAddress(address) {
  if (address == null) return false;
  const { recipient, street, postcode, city, country } = address;
  return [recipient, street, postcode, city].every(isText) && /^[A-Z]{2}$/.test(country);
}

/** @type {import('troupe').Behavior<import('./types.js').Actors['shop.v1.User']>} */
const user = {
  initialState: () => ({}),

  decide: {
    RegisterUser(state, command, ctx) {
      if (state.registered) ctx.reject('ALREADY_REGISTERED', `User ${ctx.id} is registered already.`);
      if (!isText(command.name)) ctx.reject('BAD_NAME', `A name has 1 to ${TEXT_LENGTH_MAX} characters.`);
      if (!EMAIL.test(command.email) || command.email.length > TEXT_LENGTH_MAX) {
        ctx.reject('BAD_EMAIL', 'An e-mail address has an @ and no blanks.');
      }
      ctx.emit('UserRegistered', { name: command.name, email: command.email });
      return { userId: ctx.id };
    },

    RenameUser(state, command, ctx) {
      if (!state.registered) ctx.reject('NOT_FOUND', `There is no user ${ctx.id}.`);
      if (!isText(command.name)) ctx.reject('BAD_NAME', `A name has 1 to ${TEXT_LENGTH_MAX} characters.`);
      if (command.name !== state.name) ctx.emit('UserRenamed', { name: command.name });
      return {};
    },

    AddAddress(state, command, ctx) {
      if (!state.registered) ctx.reject('NOT_FOUND', `There is no user ${ctx.id}.`);
      if (!isAddress(command.address)) {
        ctx.reject('BAD_ADDRESS', 'An address needs recipient, street, postcode, city and a country of two capital letters.');
      }
      if (Object.keys(state.addresses).length >= ADDRESSES_MAX) {
        ctx.reject('TOO_MANY_ADDRESSES', `A user has at most ${ADDRESSES_MAX} addresses.`);
      }
      const addressId = state.lastAddressId + 1;
      ctx.emit('AddressAdded', { addressId, address: command.address });
      return { addressId };
    },

    RemoveAddress(state, command, ctx) {
      if (!state.registered) ctx.reject('NOT_FOUND', `There is no user ${ctx.id}.`);
      if (!(command.addressId in state.addresses)) {
        ctx.reject('ADDRESS_NOT_FOUND', `User ${ctx.id} has no address ${command.addressId}.`);
      }
      ctx.emit('AddressRemoved', { addressId: command.addressId });
      return {};
    },
  },

  evolve: {
    UserRegistered: (state, { name, email }) => ({ ...state, registered: true, name, email }),
    UserRenamed: (state, { name }) => ({ ...state, name }),
    AddressAdded: (state, { addressId, address }) => ({
      ...state,
      addresses: { ...state.addresses, [addressId]: /** @type {NonNullable<typeof address>} */ (address) },
      lastAddressId: addressId,
    }),
    AddressRemoved(state, { addressId }) {
      const { [addressId]: _removed, ...addresses } = state.addresses;
      return { ...state, addresses };
    },
  },
};

export default defineActor('shop.v1.User', user);
