/**
 * Who a client is. `none` asks for nothing and is allowed on loopback only; `jwt` wants a signed token.
 *
 * A1  The algorithms that a key may be used with follow from the key, never from the token: a token signed by HMAC with a
 *     public key as its secret, or by nobody, is refused.
 * A2  A token without expiry, or without a subject, is refused: neither a leaked token nor an anonymous one lasts.
 */

import { readFile } from 'node:fs/promises';
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { createLocalJWKSet, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyOptions } from 'jose';

import { TroupeError } from '../codec/errors.ts';
import { limits } from '../limits.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';

export interface NoAuth {
  readonly kind: 'none';
}

/** Exactly one of secretFile, publicKeyFile and jwksFile. */
export interface JwtAuth {
  readonly kind: 'jwt';
  /** A secret for HS256, at least 32 bytes; white space at its ends does not count. */
  readonly secretFile?: string | undefined;
  /** A public key in PEM: RSA, EC P-256 / P-384 / P-521, or Ed25519. */
  readonly publicKeyFile?: string | undefined;
  /** A JSON Web Key Set of public keys. */
  readonly jwksFile?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** A scope that every client of the gateway must have. */
  readonly scope?: string | undefined;
}

export type AuthSettings = NoAuth | JwtAuth;

export interface Identity {
  /** '' without tokens. */
  readonly principal: string;
  readonly scopes: readonly string[];
  /** Wall clock; null without tokens. */
  readonly expiresAtMs: number | null;
}

export interface Authenticator {
  readonly kind: 'none' | 'jwt';
  /** Scope that the gateway asks for; null for none. */
  readonly scope: string | null;
  /** @throws TroupeError UNAUTHENTICATED */
  identify(token: string | null): Promise<Identity>;
}

export const ADMIN_SCOPE = 'troupe:admin';

const SECRET_BYTES_MIN = 32;
const RSA_BITS_MIN = 2_048;
const CLOCK_TOLERANCE_S = 5;
const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const publicKeyAlgorithms = [...rsaAlgorithms, 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const curveAlgorithms = new Map([['prime256v1', 'ES256'], ['secp384r1', 'ES384'], ['secp521r1', 'ES512']]);

type Verify = (token: string, options: JWTVerifyOptions) => Promise<JWTPayload>;

/** @throws TroupeError CONFIG_INVALID when the settings or the key are not usable */
export async function createAuthenticator(settings: AuthSettings, clock: Clock = systemClock): Promise<Authenticator> {
  if (settings.kind === 'none') {
    const anybody: Identity = { principal: '', scopes: [], expiresAtMs: null };
    return { kind: 'none', scope: null, identify: () => Promise.resolve(anybody) };
  }
  const verify = await createVerify(settings);
  const { issuer, audience } = settings;
  return {
    kind: 'jwt',
    scope: settings.scope ?? null,
    async identify(token) {
      if (token === null) throw new TroupeError('UNAUTHENTICATED', 'no token was given');
      const options: JWTVerifyOptions = {
        currentDate: new Date(clock.wallNow()),
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['sub', 'exp'],
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      };
      return identityOf(await verified(verify, token, options));
    },
  };
}

async function verified(verify: Verify, token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return await verify(token, options);
  } catch (cause) {
    throw new TroupeError('UNAUTHENTICATED', `the token is refused: ${whyRefused(cause)}`, { cause });
  }
}

/** What is wrong with a token, without a word of what is in it: short, because it is the reason of a close frame as well. */
function whyRefused(cause: unknown): string {
  const { code, claim, reason } = cause as { code?: unknown; claim?: unknown; reason?: unknown };
  switch (code) {
    case 'ERR_JWT_EXPIRED': return 'it has expired';
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED': return 'its signature is wrong; it was signed with another key, or changed';
    case 'ERR_JOSE_ALG_NOT_ALLOWED': return 'it is signed with an algorithm that does not fit this node\'s key';
    case 'ERR_JWKS_NO_MATCHING_KEY': return 'no key of the key set fits it';
    case 'ERR_JWKS_MULTIPLE_MATCHING_KEYS': return 'it names no key (kid), and several of the key set fit it';
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      if (claim === 'nbf' && reason === 'check_failed') return 'it is not valid yet (nbf)';
      return `its ${String(claim)} ${reason === 'missing' ? 'is missing' : reason === 'invalid' ? 'is malformed' : 'is not the one asked for'}`;
    case 'ERR_JOSE_NOT_SUPPORTED': return 'it is signed in a way that is not supported';
    default: return 'it is not a JWT';
  }
}

function identityOf(payload: JWTPayload): Identity {
  const principal = payload.sub;
  if (typeof principal !== 'string' || !isPrincipal(principal)) {
    throw new TroupeError('UNAUTHENTICATED', `the token's sub is not 1 to ${limits.principalBytesMax} bytes without control characters`);
  }
  const scope = payload['scope'];
  return {
    principal,
    scopes: typeof scope === 'string' ? scope.split(' ').filter((name) => name !== '') : [],
    expiresAtMs: payload.exp! * 1_000,
  };
}

function isPrincipal(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  if (text === '' || /[\u0000-\u001f\u007f-\u009f]/.test(text) || !text.isWellFormed()) return false;
  return Buffer.byteLength(text) <= limits.principalBytesMax;
}

async function createVerify(settings: JwtAuth): Promise<Verify> {
  const { secretFile, publicKeyFile, jwksFile } = settings;
  const given = [secretFile, publicKeyFile, jwksFile].filter((file) => file !== undefined);
  if (given.length !== 1) throw invalid('jwt needs exactly one of a secret file, a public key file and a key set file');
  if (secretFile !== undefined) {
    const secret = secretOf(await fileText(secretFile), secretFile);
    return async (token, options) => (await jwtVerify(token, secret, { ...options, algorithms: ['HS256'] })).payload;
  }
  if (publicKeyFile !== undefined) {
    const key = publicKeyOf(await fileText(publicKeyFile), publicKeyFile);
    const algorithms = algorithmsOf(key, publicKeyFile);
    return async (token, options) => (await jwtVerify(token, key, { ...options, algorithms })).payload;
  }
  const keys = createLocalJWKSet(keySetOf(await fileText(jwksFile!), jwksFile!));
  return async (token, options) => (await jwtVerify(token, keys, { ...options, algorithms: publicKeyAlgorithms })).payload;
}

function secretOf(text: string, file: string): Uint8Array {
  const secret = Buffer.from(text.trim());
  if (secret.length < SECRET_BYTES_MIN) throw invalid(`${file}: the secret is shorter than ${SECRET_BYTES_MIN} bytes`);
  // A key pair given as a secret would make the public half enough to sign.
  if (text.includes('-----BEGIN')) throw invalid(`${file} holds a PEM key, not a secret; give it as the public key file`);
  return secret;
}

function publicKeyOf(text: string, file: string): KeyObject {
  if (text.includes('PRIVATE KEY')) throw invalid(`${file} holds a private key; the node needs the public one only`);
  try {
    return createPublicKey(text);
  } catch (cause) {
    throw invalid(`${file} is not a public key in PEM`, cause);
  }
}

function algorithmsOf(key: KeyObject, file: string): string[] {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      if ((details?.modulusLength ?? 0) < RSA_BITS_MIN) throw invalid(`${file}: an RSA key has at least ${RSA_BITS_MIN} bits`);
      return rsaAlgorithms;
    }
    case 'ed25519': return ['EdDSA', 'Ed25519'];
    case 'ec': {
      const algorithm = curveAlgorithms.get(details?.namedCurve ?? '');
      if (algorithm !== undefined) return [algorithm];
      throw invalid(`${file}: the curve ${details?.namedCurve} is not supported`);
    }
    default: throw invalid(`${file}: keys of type ${key.asymmetricKeyType} are not supported`);
  }
}

function keySetOf(text: string, file: string): JSONWebKeySet {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is not JSON`, cause);
  }
  const keys = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined;
  if (!Array.isArray(keys) || keys.length === 0) throw invalid(`${file} is not a JSON Web Key Set: it has no keys`);
  for (const key of keys as { kty?: unknown; d?: unknown }[]) {
    if (key?.kty === 'oct') throw invalid(`${file} holds a secret; a key set has public keys only`);
    if (key?.d !== undefined) throw invalid(`${file} holds a private key; a key set has public keys only`);
  }
  return set as JSONWebKeySet;
}

async function fileText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw invalid(`${file} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function invalid(message: string, cause?: unknown): TroupeError {
  return new TroupeError('CONFIG_INVALID', message, { cause });
}
