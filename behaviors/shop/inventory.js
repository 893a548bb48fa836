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

/** @typedef {import('./types.js').shop.v1.InventoryState['shelves']} Shelves */

const SHELVES = 64;

/**
 * Orders in flight may be ten thousand. A state is never changed but copied, so they lie on shelves: what is copied is one shelf, and the list of shelves.
 * @param {string} orderId
 */
function shelfOf(orderId) {
  let sum = 0;
  for (let i = 0; i < orderId.length; i++) sum = (Math.imul(sum, 31) + orderId.charCodeAt(i)) | 0;
  return sum & (SHELVES - 1);
}

/**
 * What is reserved for this order, 0 for nothing.
 * @param {Shelves} shelves
 * @param {string} orderId
 */
function heldFor(shelves, orderId) {
  const shelf = shelves[shelfOf(orderId)]?.reservations;
  return shelf !== undefined && Object.hasOwn(shelf, orderId) ? (shelf[orderId] ?? 0) : 0;
}

/**
 * @param {Shelves} shelves
 * @param {string} orderId
 * @param {number} quantity
 */
function withReservation(shelves, orderId, quantity) {
  const at = shelfOf(orderId);
  return { ...shelves, [at]: { reservations: { ...shelves[at]?.reservations, [orderId]: quantity } } };
}

/**
 * @param {Shelves} shelves
 * @param {string} orderId
 */
function withoutReservation(shelves, orderId) {
  const at = shelfOf(orderId);
  const { [orderId]: _closed, ...reservations } = shelves[at]?.reservations ?? {};
  if (Object.keys(reservations).length > 0) return { ...shelves, [at]: { reservations } };
  const { [at]: _empty, ...rest } = shelves;
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
      const held = heldFor(state.shelves, orderId);
      if (held > 0) {
        if (held !== quantity) ctx.reject('ALREADY_RESERVED', `Order ${orderId} has ${held} reserved already.`);
        return { quantity, available: state.available };
      }
      if (quantity > state.available) ctx.reject('OUT_OF_STOCK', `Only ${state.available} are available.`);
      ctx.emit('StockReserved', { orderId, quantity });
      return { quantity, available: state.available - quantity };
    },

    Confirm(state, { orderId }, ctx) {
      mustBeOrder(orderId, ctx);
      const quantity = heldFor(state.shelves, orderId);
      if (quantity === 0) ctx.reject('NOT_RESERVED', `Nothing is reserved for order ${orderId}.`);
      ctx.emit('ReservationConfirmed', { orderId, quantity });
      return { quantity };
    },

    Release(state, { orderId }, ctx) {
      mustBeOrder(orderId, ctx);
      // An order releases whatever it may have asked for, also where the answer was no.
      const quantity = heldFor(state.shelves, orderId);
      if (quantity === 0) return { quantity };
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
      shelves: withReservation(state.shelves, orderId, quantity),
    }),
    ReservationConfirmed: (state, { orderId, quantity }) => ({
      ...state,
      reserved: state.reserved - quantity,
      sold: state.sold + quantity,
      shelves: withoutReservation(state.shelves, orderId),
    }),
    ReservationReleased: (state, { orderId, quantity }) => ({
      ...state,
      available: state.available + quantity,
      reserved: state.reserved - quantity,
      shelves: withoutReservation(state.shelves, orderId),
    }),
  },

  // Before there were shelves, all reservations were one map.
  migrate({ reservations, ...state }) {
    const shelves = { ...state.shelves };
    for (const [orderId, quantity] of Object.entries(reservations)) {
      const shelf = (shelves[shelfOf(orderId)] ??= { reservations: { __proto__: null } });
      shelf.reservations[orderId] = quantity;
    }
    return { ...state, shelves };
  },
};

export default defineActor('shop.v1.Inventory', inventory);
