// @ts-check
// The secrets of the server, which are kept in the store: webhooks and tokens from before a restart stay valid.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  timingSafeEqual,
} from 'node:crypto';

/** @typedef {ReturnType<typeof secretsOf>} Secrets */

/** Returns new secrets, as they are kept. */
export const newSecrets = () => ({
  jwk: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
  tokenKey: randomBytes(32).toString('base64url'),
});

/** Returns what signs webhooks and tokens. */
export function secretsOf(/** @type {ReturnType<typeof newSecrets>} */ { jwk, tokenKey }) {
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  const { crv, kty, x } = createPublicKey(privateKey).export({ format: 'jwk' });
  // The thumbprint of RFC 7638.
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
  const kid = `ds_${thumbprint}`;
  const macOf = (/** @type {string} */ id, /** @type {number} */ generation) =>
    createHmac('sha256', tokenKey)
      .update(JSON.stringify([id, generation]))
      .digest('base64url');
  return {
    kid,
    jwks: { keys: [{ kty, crv, x, kid, use: 'sig', alg: 'EdDSA' }] },

    /** Returns the header that proves who has sent a webhook, and when. */
    signatureOf(/** @type {string} */ body) {
      const seconds = Math.floor(Date.now() / 1000);
      const signature = sign(null, Buffer.from(`${seconds}.${body}`), privateKey).toString('base64url');
      return `t=${seconds},kid=${kid},ed25519=${signature}`;
    },

    /** Returns the token of whoever works on a wake of a subscription. */
    tokenOf: (/** @type {string} */ id, /** @type {number} */ generation) =>
      `${generation}.${macOf(id, generation)}`,

    /** Returns the generation of the wake that a token belongs to, or `undefined` if nobody here has made it. */
    generationOf(/** @type {string} */ id, /** @type {string} */ token) {
      const [text = '', mac = ''] = token.split('.');
      const [given, expected] = [Buffer.from(mac), Buffer.from(macOf(id, Number(text)))];
      return given.length === expected.length && timingSafeEqual(given, expected) ? Number(text) : undefined;
    },
  };
}
