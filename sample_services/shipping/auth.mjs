// Who is asking: access tokens verified in the service itself (RFC 8725, RFC 9068), as sample_services/kit/auth.py does.
// Two issuers are believed: identity, for the whole shop, and the gateway, whose tokens are for this service only.

import { createPublicKey, verify } from 'node:crypto';
import { Problem } from './kit.mjs';

const LEEWAY_S = 30;
const KEEP_MS = 300_000;
const AGAIN_MS = 30_000;
const TIME_OUT_MS = 3_000;
const MAX_TOKEN = 8_192;
const ALGORITHMS = { RS256: { type: 'rsa', digest: 'sha256' }, EdDSA: { type: 'ed25519', digest: null } };
const FORBIDDEN = ['crit', 'jwk', 'jku', 'x5u', 'x5c', 'b64'];

/** Keys by name, fetched when needed: an unknown name causes at most one fetch in half a minute. */
class Keys {
  constructor(url, headers) {
    Object.assign(this, { url, headers, keys: new Map(), fetched: -Infinity, next: -Infinity });
  }

  async get(kid, traceparent) {
    const now = performance.now();
    if ((!this.keys.has(kid) || now - this.fetched > KEEP_MS) && now >= this.next) await this.refresh(now, traceparent);
    if (this.keys.size === 0) throw new Problem(503, 'keys_unavailable', 'tokens cannot be verified now', { 'Retry-After': '1' });
    return this.keys.get(kid);
  }

  async refresh(now, traceparent) {
    this.next = now + 1_000;
    try {
      const headers = traceparent ? { ...this.headers, traceparent } : this.headers;
      const answer = await fetch(this.url, { headers, redirect: 'error', signal: AbortSignal.timeout(TIME_OUT_MS) });
      if (!answer.ok) return;
      const { keys } = await answer.json();
      this.keys = new Map(keys.slice(0, 20).map(usable).filter(Boolean));
      Object.assign(this, { fetched: now, next: now + AGAIN_MS });
    } catch {
      // the keys that we have serve on
    }
  }
}

function usable(jwk) {
  const wanted = ALGORITHMS[jwk.alg];
  if (!wanted || typeof jwk.kid !== 'string' || (jwk.use ?? 'sig') !== 'sig' || 'd' in jwk) return null;
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const weak = key.asymmetricKeyType === 'rsa' && key.asymmetricKeyDetails.modulusLength < 2048;
    return key.asymmetricKeyType === wanted.type && !weak ? [jwk.kid, { key, alg: jwk.alg }] : null;
  } catch {
    return null;
  }
}

export class Verifier {
  constructor(settings) {
    const peers = settings.peers ?? {};
    this.trusted = new Map();
    const meshed = (settings.meshed ?? []).includes('identity');  // reached through our sidecar, which wants our secret
    const headers = meshed ? { 'x-gatehouse-service': settings.secrets.sidecar } : {};
    if (peers.identity) this.trust(settings.issuer, settings.audience, peers.identity + '/jwks.json', headers);
    if (settings.gateway_issuer && peers.gateway) {
      this.trust(settings.gateway_issuer, settings.service, peers.gateway + '/.well-known/gateway-jwks.json');
    }
  }

  trust(issuer, audience, url, headers = {}) {
    this.trusted.set(issuer, { issuer, audience, keys: new Keys(url, headers) });
  }

  /** The claims of the request's token, which must have this scope; throws 401, 403 or 503. */
  async require(request, scope, traceparent) {
    const values = request.headersDistinct.authorization ?? [];
    if (values.length > 1) throw new Problem(400, 'repeated_authorization', 'send one Authorization header');
    const token = /^bearer +(\S+)$/i.exec(values[0] ?? '')?.[1];
    if (!token) throw new Problem(401, 'token_missing', 'send a bearer token', { 'WWW-Authenticate': 'Bearer' });
    const claims = await this.claims(token, traceparent);
    if (!String(claims.scope ?? '').split(' ').includes(scope)) {
      const challenge = { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` };
      throw new Problem(403, 'insufficient_scope', `this needs the scope ${scope}`, challenge);
    }
    return claims;
  }

  async claims(token, traceparent) {
    const parts = token.split('.');
    const [header, claims] = parts.slice(0, 2).map(decoded);
    if (token.length > MAX_TOKEN || parts.length !== 3 || !header || !claims || !canonical(parts[2])) throw refused('jwt_malformed');
    if (FORBIDDEN.some((name) => name in header)) throw refused('jwt_bad_header');
    if (!/^(application\/)?at\+jwt$/i.test(header.typ ?? '')) throw refused('jwt_wrong_type');
    const trusted = this.trusted.get(claims.iss);
    if (!trusted) throw refused('jwt_wrong_issuer');
    const known = typeof header.kid === 'string' ? await trusted.keys.get(header.kid, traceparent) : undefined;
    if (!known) throw refused('jwt_unknown_key');
    if (header.alg !== known.alg) throw refused('jwt_bad_algorithm');
    const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
    const fits = verify(ALGORITHMS[known.alg].digest, signed, known.key, Buffer.from(parts[2], 'base64url'));
    if (!fits) throw refused('jwt_bad_signature');
    if (![claims.aud].flat().includes(trusted.audience)) throw refused('jwt_wrong_audience');
    if (typeof claims.sub !== 'string' || typeof claims.exp !== 'number') throw refused('jwt_invalid');
    if (claims.exp + LEEWAY_S <= Date.now() / 1000) throw refused('jwt_expired');
    return claims;
  }
}

function decoded(part) {
  try {
    const value = canonical(part) && JSON.parse(Buffer.from(part, 'base64url'));
    return value && typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether this is the only way to write these bytes; else one token could have many forms. */
function canonical(part) {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function refused(reason) {
  const challenge = { 'WWW-Authenticate': 'Bearer error="invalid_token"' };
  return new Problem(401, reason, 'the token is not valid', challenge);
}
