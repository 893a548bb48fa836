// @ts-check
import { defineActor } from 'troupe';
import { BAD_ADDRESS, isAddress, isText, partsOf, TEXT_LENGTH_MAX } from './address-rules.js';

/**
 * @typedef {import('./types.js').Actors} Actors
 * @typedef {import('./types.js').shop.v1.OrderStatus} OrderStatus
 * @typedef {import('troupe').Source} Source
 */

const ADDRESSES_MAX = 20;
const ORDERS_MAX = 100;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/**
 * @param {string} orderId
 * @param {import('troupe').Context<Actors['shop.v1.User']>} ctx
 */
function mustBeOrder(orderId, ctx) {
  if (ctx.caller !== `shop.v1.Order:${orderId}`) ctx.reject('NOT_THE_ORDER', `This does not come from order ${orderId}.`);
}

/**
 * How an order goes on. Events of before it named its user are nobody's.
 * @param {{ readonly userId: string }} event
 * @param {Source} source
 * @param {OrderStatus} status
 */
function statusNote({ userId }, source, status) {
  if (userId === '') return null;
  return { to: userId, command: /** @type {const} */ ('NoteOrderStatus'), body: { orderId: source.id, status } };
}

/**
 * @param {Source} source
 * @param {boolean} gone
 */
function addressNote(source, gone) {
  const parts = partsOf(source.id);
  return parts === null ? null : { to: parts.user, command: /** @type {const} */ ('NoteAddress'), body: { name: parts.name, gone } };
}

/** @type {import('troupe').Behavior<Actors['shop.v1.User'], Actors>} */
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
        ctx.reject('BAD_ADDRESS', BAD_ADDRESS);
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

    NoteOrder(_state, { orderId, total, placedMs }, ctx) {
      mustBeOrder(orderId, ctx);
      ctx.emit('OrderNoted', { orderId, total, placedMs });
      return {};
    },

    NoteOrderStatus(state, { orderId, status }, ctx) {
      mustBeOrder(orderId, ctx);
      // One that is no longer among the newest hundred is of no interest.
      if (state.orders.some((order) => order.orderId === orderId)) ctx.emit('OrderStatusNoted', { orderId, status });
      return {};
    },

    NoteAddress(state, { name, gone }, ctx) {
      if (ctx.caller !== `shop.v1.Address:${ctx.id}/${name}`) ctx.reject('NOT_THE_ADDRESS', `This does not come from the address ${name}.`);
      const isListed = state.addressNames.includes(name);
      if (gone ? isListed : !isListed && state.addressNames.length < ADDRESSES_MAX) ctx.emit('AddressNoted', { name, gone });
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
    OrderNoted: (state, { orderId, total, placedMs }) => ({
      ...state,
      orders: [...state.orders, { orderId, status: /** @type {const} */ ('ORDER_STATUS_AWAITING_PAYMENT'), total, placedMs }].slice(-ORDERS_MAX),
    }),
    OrderStatusNoted: (state, { orderId, status }) => ({
      ...state,
      orders: state.orders.map((order) => (order.orderId === orderId ? { ...order, status } : order)),
    }),
    AddressNoted: (state, { name, gone }) => ({
      ...state,
      addressNames: gone ? state.addressNames.filter((other) => other !== name) : [...state.addressNames, name],
    }),
  },

  subscribe: {
    'shop.v1.Order': {
      OrderPlaced: ({ userId, total }, source) => ({ to: userId, command: 'NoteOrder', body: { orderId: source.id, total, placedMs: source.now } }),
      OrderPaid: (event, source) => statusNote(event, source, 'ORDER_STATUS_PAID'),
      OrderConfirmed: (event, source) => statusNote(event, source, 'ORDER_STATUS_CONFIRMED'),
      OrderExpired: (event, source) => statusNote(event, source, 'ORDER_STATUS_EXPIRED'),
      OrderVoided: (event, source) => statusNote(event, source, 'ORDER_STATUS_VOID'),
    },
    'shop.v1.Address': {
      AddressChanged: (_event, source) => addressNote(source, false),
      AddressCleared: (_event, source) => addressNote(source, true),
    },
  },
};

export default defineActor('shop.v1.User', user);
