// @ts-check
import { defineActor } from 'troupe';

/** @type {import('troupe').Behavior<import('./types.js').Actors['shop.v1.Payment']>} */
const payment = {
  initialState: () => ({}),

  decide: {
    AuthorisePayment(state, { orderId, amount, method }, ctx) {
      if (state.status !== 'PAYMENT_STATUS_UNSPECIFIED') ctx.reject('ALREADY_AUTHORISED', `Payment ${ctx.id} exists already.`);
      if (orderId === '') ctx.reject('BAD_ORDER', 'Give the id of the order.');
      if (amount <= 0) ctx.reject('BAD_AMOUNT', 'An amount is at least 1 minor unit.');
      ctx.emit('PaymentAuthorised', { orderId, amount, method });
      ctx.send(`shop.v1.Order:${orderId}`, 'PayOrder', { amount, paymentId: ctx.id }, { onReply: 'TakeOrderAnswer' });
      return { paymentId: ctx.id };
    },

    CapturePayment(state, _command, ctx) {
      switch (state.status) {
        case 'PAYMENT_STATUS_UNSPECIFIED':
          return ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
        case 'PAYMENT_STATUS_CAPTURED':
          return { status: state.status };
        case 'PAYMENT_STATUS_AUTHORISED':
          ctx.emit('PaymentCaptured', { amount: state.amount });
          return { status: 'PAYMENT_STATUS_CAPTURED' };
        default:
          return ctx.reject('NOT_AUTHORISED', `Payment ${ctx.id} is refunded or failed.`);
      }
    },

    RefundPayment(state, { reason }, ctx) {
      switch (state.status) {
        case 'PAYMENT_STATUS_UNSPECIFIED':
          return ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
        case 'PAYMENT_STATUS_REFUNDED':
          return { status: state.status };
        case 'PAYMENT_STATUS_CAPTURED':
          ctx.emit('PaymentRefunded', { amount: state.amount, reason });
          return { status: 'PAYMENT_STATUS_REFUNDED' };
        default:
          return ctx.reject('NOT_CAPTURED', `Payment ${ctx.id} was not captured.`);
      }
    },

    TakeOrderAnswer(state, { refusal }, ctx) {
      if (state.status === 'PAYMENT_STATUS_UNSPECIFIED') ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
      // Captured by hand in the meantime, or answered before: what is settled stays.
      if (state.status !== 'PAYMENT_STATUS_AUTHORISED') return { status: state.status };
      if (refusal) {
        ctx.emit('PaymentFailed', { reason: refusal.code });
        return { status: 'PAYMENT_STATUS_FAILED' };
      }
      ctx.emit('PaymentCaptured', { amount: state.amount });
      return { status: 'PAYMENT_STATUS_CAPTURED' };
    },
  },

  evolve: {
    PaymentAuthorised: (state, { orderId, amount, method }) => ({
      ...state, status: 'PAYMENT_STATUS_AUTHORISED', orderId, amount, method,
    }),
    PaymentCaptured: (state) => ({ ...state, status: 'PAYMENT_STATUS_CAPTURED' }),
    PaymentRefunded: (state, { reason }) => ({ ...state, status: 'PAYMENT_STATUS_REFUNDED', reason }),
    PaymentFailed: (state, { reason }) => ({ ...state, status: 'PAYMENT_STATUS_FAILED', reason }),
  },
};

export default defineActor('shop.v1.Payment', payment);
