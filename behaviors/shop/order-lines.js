// @ts-check
/** @typedef {import('./types.js').shop.v1.Line} Line */

const ID_LENGTH_MAX = 100;
const LINES_MAX = 100;
const QUANTITY_MAX = 1_000_000;
const PRICE_MAX = 1_000_000_000_000;

/**
 * Whether this may be the id of an actor. What an order is placed with is an address later on, of what is sent or subscribed: then it would
 * be too late to refuse it.
 * @param {string} id
 */
export function isId(id) {
  return id !== '' && id.length <= ID_LENGTH_MAX && !FORBIDDEN_IN_ID.test(id);
}
const FORBIDDEN_IN_ID = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;

/**
 * Pieces wanted of each inventory: lines that share one are reserved together.
 * @param {readonly Line[]} lines
 */
export function quantities(lines) {
  /** @type {Map<string, number>} */
  const wanted = new Map();
  for (const { inventoryId, quantity } of lines) wanted.set(inventoryId, (wanted.get(inventoryId) ?? 0) + quantity);
  return wanted;
}

/** @param {readonly Line[]} lines */
export function totalOf(lines) {
  return lines.reduce((total, { quantity, unitPrice }) => total + quantity * unitPrice, 0);
}

/**
 * Why an order with these lines is refused; null when it is not.
 * @param {readonly Line[]} lines
 * @returns {{ code: string, message: string } | null}
 */
export function refusalOf(lines) {
  if (lines.length === 0) return { code: 'NO_LINES', message: 'An order has at least one line.' };
  if (lines.length > LINES_MAX) return { code: 'TOO_MANY_LINES', message: `An order has at most ${LINES_MAX} lines.` };
  const products = new Set();
  for (const { productId, quantity, unitPrice, inventoryId } of lines) {
    if (!isId(productId)) return { code: 'BAD_PRODUCT', message: 'Give the id of the product in every line.' };
    if (inventoryId !== '' && !isId(inventoryId)) return { code: 'BAD_INVENTORY', message: 'That is no id of an inventory.' };
    if (products.has(productId)) return { code: 'DUPLICATE_PRODUCT', message: `Product ${productId} has two lines.` };
    if (quantity < 1 || quantity > QUANTITY_MAX) {
      return { code: 'BAD_QUANTITY', message: `A quantity is 1 to ${QUANTITY_MAX}.` };
    }
    if (unitPrice < 0 || unitPrice > PRICE_MAX) {
      return { code: 'BAD_PRICE', message: `A unit price is 0 to ${PRICE_MAX}, in minor units.` };
    }
    products.add(productId);
  }
  // A total above 2^53 would be rounded, and then no amount would be right.
  if (!Number.isSafeInteger(totalOf(lines))) return { code: 'TOTAL_TOO_LARGE', message: 'The total is too large.' };
  return null;
}
