// @ts-check
import { defineActor } from 'troupe';

const QUANTITY_MAX = 1_000_000;

/** @param {number} quantity */
const isQuantity = (quantity) => quantity >= 1 && quantity <= QUANTITY_MAX;
const BAD_QUANTITY = `A quantity is 1 to ${QUANTITY_MAX}.`;

/**
 * A reservation is the order's own affair: were anybody else to give it back, the order would sell what is not there.
 * @param {string} orderId
 * @param {import('troupe').Context<import('./types.js').Actors['shop.v1.Inventory']>} ctx
 */
function mustBeOrder(orderId, ctx) {
  if (ctx.caller !== `shop.v1.Order:${orderId}`) ctx.reject('NOT_THE_ORDER', `Only order ${orderId} itself may ask for this.`);
}

/**
 * The open reservations without the one of this order.
 * @param {Readonly<Record<string, number>>} reservations
 * @param {string} orderId
 */
function without(reservations, orderId) {
  const { [orderId]: _closed, ...rest } = reservations;
  return rest;
}

/** @type {import('troupe').Behavior<import('./types.js').Actors['shop.v1.Inventory']>} */
const inventory = {
  initialState: () => ({}),

  decide: {
    AddStock(state, { quantity }, ctx) {
      if (!isQuantity(quantity)) ctx.reject('BAD_QUANTITY', BAD_QUANTITY);
      ctx.emit('StockAdded', { quantity });
      return { available: state.available + quantity };
    },

    RemoveStock(state, { quantity, reason }, ctx) {
      if (!isQuantity(quantity)) ctx.reject('BAD_QUANTITY', BAD_QUANTITY);
      if (quantity > state.available) ctx.reject('OUT_OF_STOCK', `Only ${state.available} are available.`);
      ctx.emit('StockRemoved', { quantity, reason });
      return { available: state.available - quantity };
    },

    Reserve(state, { orderId, quantity }, ctx) {
      if (orderId === '') ctx.reject('BAD_ORDER', 'Give the id of the order.');
      mustBeOrder(orderId, ctx);
      if (!isQuantity(quantity)) ctx.reject('BAD_QUANTITY', BAD_QUANTITY);
      if (Object.hasOwn(state.reservations, orderId)) {
        const held = state.reservations[orderId];
        if (held !== quantity) ctx.reject('ALREADY_RESERVED', `Order ${orderId} has ${held} reserved already.`);
        return { quantity, available: state.available };
      }
      if (quantity > state.available) ctx.reject('OUT_OF_STOCK', `Only ${state.available} are available.`);
      ctx.emit('StockReserved', { orderId, quantity });
      return { quantity, available: state.available - quantity };
    },

    Confirm(state, { orderId }, ctx) {
      mustBeOrder(orderId, ctx);
      if (!Object.hasOwn(state.reservations, orderId)) ctx.reject('NOT_RESERVED', `Nothing is reserved for order ${orderId}.`);
      const quantity = state.reservations[orderId] ?? 0;
      ctx.emit('ReservationConfirmed', { orderId, quantity });
      return { quantity };
    },

    Release(state, { orderId }, ctx) {
      mustBeOrder(orderId, ctx);
      // An order releases whatever it may have asked for, also where the answer was no.
      if (!Object.hasOwn(state.reservations, orderId)) return { quantity: 0 };
      const quantity = state.reservations[orderId] ?? 0;
      ctx.emit('ReservationReleased', { orderId, quantity });
      return { quantity };
    },
  },

  evolve: {
    StockAdded: (state, { quantity }) => ({ ...state, available: state.available + quantity }),
    StockRemoved: (state, { quantity }) => ({ ...state, available: state.available - quantity }),
    StockReserved: (state, { orderId, quantity }) => ({
      ...state,
      available: state.available - quantity,
      reserved: state.reserved + quantity,
      reservations: { ...state.reservations, [orderId]: quantity },
    }),
    ReservationConfirmed: (state, { orderId, quantity }) => ({
      ...state,
      reserved: state.reserved - quantity,
      sold: state.sold + quantity,
      reservations: without(state.reservations, orderId),
    }),
    ReservationReleased: (state, { orderId, quantity }) => ({
      ...state,
      available: state.available + quantity,
      reserved: state.reserved - quantity,
      reservations: without(state.reservations, orderId),
    }),
  },
};

export default defineActor('shop.v1.Inventory', inventory);
