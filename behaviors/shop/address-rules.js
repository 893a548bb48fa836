// @ts-check
export const TEXT_LENGTH_MAX = 200;
export const BAD_ADDRESS = 'An address needs recipient, street, postcode, city and a country of two capital letters.';

/** @param {string} text */
export const isText = (text) => text.trim() !== '' && text.length <= TEXT_LENGTH_MAX;

/** @param {import('./types.js').shop.v1.Address | null | undefined} address */
export function isAddress(address) {
  if (address == null) return false;
  const { recipient, street, postcode, city, country } = address;
  return [recipient, street, postcode, city].every(isText) && /^[A-Z]{2}$/.test(country);
}

/**
 * The user and the name in the id of an address that is an actor of its own, "{u-1}/home"; null when it is no such id.
 * @param {string} id
 */
export function partsOf(id) {
  const parts = /^(\{[^{}]+\})\/(.+)$/.exec(id);
  return parts === null ? null : { user: /** @type {string} */ (parts[1]), name: /** @type {string} */ (parts[2]) };
}
