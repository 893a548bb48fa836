// @ts-check
import { defineActor } from 'troupe';

const NAME_LENGTH_MAX = 200;
const PRICE_MAX = 1_000_000_000_000;

/** @param {number} price */
const isPrice = (price) => price >= 0 && price <= PRICE_MAX;

/** @type {import('troupe').Behavior<import('./types.js').Actors['shop.v1.Product']>} */
const product = {
  initialState: () => ({}),

  decide: {
    CreateProduct(state, command, ctx) {
      const { name, description, price, inventoryId, onSale } = command;
      if (state.created) ctx.reject('ALREADY_CREATED', `Product ${ctx.id} exists already.`);
      if (name.trim() === '' || name.length > NAME_LENGTH_MAX) {
        ctx.reject('BAD_NAME', `A name has 1 to ${NAME_LENGTH_MAX} characters.`);
      }
      if (!isPrice(price)) ctx.reject('BAD_PRICE', `A price is 0 to ${PRICE_MAX}, in minor units.`);
      ctx.emit('ProductCreated', { name, description, price, inventoryId: inventoryId || ctx.id });
      if (onSale) ctx.emit('ProductPutOnSale', {});
      return { productId: ctx.id };
    },

    ChangePrice(state, { price }, ctx) {
      if (!state.created) ctx.reject('NOT_FOUND', `There is no product ${ctx.id}.`);
      if (!isPrice(price)) ctx.reject('BAD_PRICE', `A price is 0 to ${PRICE_MAX}, in minor units.`);
      if (price !== state.price) ctx.emit('PriceChanged', { oldPrice: state.price, newPrice: price });
      return { oldPrice: state.price };
    },

    PutOnSale(state, _command, ctx) {
      if (!state.created) ctx.reject('NOT_FOUND', `There is no product ${ctx.id}.`);
      if (!state.onSale) ctx.emit('ProductPutOnSale', {});
      return {};
    },

    TakeOffSale(state, { reason }, ctx) {
      if (!state.created) ctx.reject('NOT_FOUND', `There is no product ${ctx.id}.`);
      if (!state.onSale) ctx.reject('NOT_ON_SALE', `Product ${ctx.id} is not on sale.`);
      ctx.emit('ProductTakenOffSale', { reason });
      // Every order that refers to the product has linked itself to it; those that are paid take no notice.
      ctx.broadcast('VoidOrder', { reason: 'NOT_ON_SALE' });
      return {};
    },

    CheckOffer(state, { unitPrice, inventoryId }, ctx) {
      if (!state.created) ctx.reject('NOT_FOUND', `There is no product ${ctx.id}.`);
      if (!state.onSale) ctx.reject('NOT_ON_SALE', `Product ${ctx.id} is not on sale.`);
      if (unitPrice !== state.price) ctx.reject('PRICE_CHANGED', `Product ${ctx.id} costs ${state.price}, not ${unitPrice}.`);
      if (inventoryId !== '' && inventoryId !== state.inventoryId) {
        ctx.reject('WRONG_INVENTORY', `Product ${ctx.id} is in inventory ${state.inventoryId}, not ${inventoryId}.`);
      }
      return { unitPrice };
    },
  },

  evolve: {
    ProductCreated: (state, { name, description, price, inventoryId }) => ({
      ...state, created: true, name, description, price, inventoryId,
    }),
    PriceChanged: (state, { newPrice }) => ({ ...state, price: newPrice }),
    ProductPutOnSale: (state) => ({ ...state, onSale: true }),
    ProductTakenOffSale: (state) => ({ ...state, onSale: false }),
  },
};

export default defineActor('shop.v1.Product', product);
