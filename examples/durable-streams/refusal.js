// @ts-check
// An answer of the server that refuses a request, thrown from wherever the reason is found.

/** @typedef {Record<string, string>} Headers */

export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Headers} [headers]
   */
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
