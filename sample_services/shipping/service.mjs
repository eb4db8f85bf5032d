// The routes of shipping. A quote is anybody's; a shipment is made by staff; who knows a tracking number may follow it.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { MAX_GRAMS, quote, status } from './domain.mjs';
import { fromSidecar, jsonBody, Metrics, Problem, PROBES, traceparentOf } from './kit.mjs';

const MAX_ID = Number.MAX_SAFE_INTEGER;

/** A server, not yet listening. `clock` gives seconds since 1970. */
export function shipping({ store, verifier, log, secret = '', clock = () => Date.now() / 1000 }) {
  const metrics = new Metrics();
  let document;

  const routes = [
    ['GET', /^\/healthz$/, '/healthz', () => json({ status: 'ok' })],
    ['GET', /^\/readyz$/, '/readyz', () => json({ status: 'ready' })],
    ['GET', /^\/metrics$/, '/metrics', () => ({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: metrics.text() })],
    ['GET', /^\/shipping\/quotes$/, '/shipping/quotes', quotes],
    ['POST', /^\/shipping\/shipments$/, '/shipping/shipments', send],
    ['GET', /^\/shipping\/shipments\/([^/]+)$/, '/shipping/shipments/{tracking}', track],
    ['GET', /^\/shipping\/openapi\.json$/, '/shipping/openapi.json', openapi],
  ];

  function quotes({ query }) {
    const names = [...query.keys()];
    const country = query.get('country');
    const grams = query.get('grams') ?? '';
    const repeated = names.length !== new Set(names).size;
    const known = names.every((name) => name === 'country' || name === 'grams');
    const number = /^[1-9][0-9]{0,5}$/.test(grams) ? Number(grams) : 0;
    if (repeated || !known || !/^[A-Z]{2}$/.test(country ?? '') || number < 1 || number > MAX_GRAMS) {
      throw new Problem(400, 'invalid_query', `country is two capital letters, grams from 1 to ${MAX_GRAMS}`);
    }
    return json({ country, grams: number, options: quote(country, number) }, 200, { 'Cache-Control': 'public, max-age=300' });
  }

  async function send({ request, traceparent }) {
    await verifier.require(request, 'shipping:write', traceparent);
    const body = await jsonBody(request);
    const wanted = checked(body);
    const { days } = quote(wanted.country, wanted.grams).find((one) => one.service === wanted.service);
    const made = { tracking: `GH${randomBytes(16).toString('hex')}`, ...wanted, days, created: Math.floor(clock()) };
    const kept = store.add(made);
    const headers = { Location: `/shipping/shipments/${kept.tracking}` };
    return json(shown(kept), kept === made ? 201 : 200, headers);
  }

  function track({ match }) {
    const found = store.get(match[1]);
    if (!found) throw new Problem(404, 'not_found', 'there is no such shipment');
    return json(shown(found), 200, { 'Cache-Control': 'no-store' });
  }

  function openapi() {
    document ??= readFileSync(new URL('./openapi.json', import.meta.url));
    return { status: 200, type: 'application/json', body: document };
  }

  /** Without where it goes: a tracking number is shared more easily than an address should be. */
  function shown({ tracking, service, days, created, ...shipment }) {
    return { tracking, status: status({ days, created, ...shipment }, clock()), service, days, created };
  }

  async function answer(request, traceId) {
    if (!fromSidecar(request, secret)) {
      metrics.notFromSidecar += 1;
      throw new Problem(403, 'not_from_sidecar', 'this service is one of a mesh: only its own sidecar may call it');
    }
    const url = new URL(request.url, 'http://shipping');
    const here = routes.map(([method, pattern, route, handler]) => ({ method, match: pattern.exec(url.pathname), route, handler }))
      .filter((one) => one.match);
    const found = here.find((one) => one.method === request.method);
    request.route = here[0]?.route ?? 'unmatched';
    if (!here.length) throw new Problem(404, 'not_found');
    if (!found) throw new Problem(405, 'method_not_allowed', '', { Allow: here.map((one) => one.method).join(', ') });
    return found.handler({ request, query: url.searchParams, match: found.match, traceparent: traceparentOf(request), traceId });
  }

  return createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 15_000 }, async (request, response) => {
    const started = performance.now();
    const traceId = traceparentOf(request).slice(3, 35);
    let reason = '';
    let reply;
    try {
      reply = await answer(request, traceId);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(500, 'internal_error');
      if (problem !== error) {
        metrics.unexpected += 1;
        log('error', 'unexpected error', { exception: String(error?.stack ?? error), trace_id: traceId });
      }
      reason = problem.reason;
      reply = json(problem.document(traceId), problem.status, { 'Cache-Control': 'no-store', ...problem.headers });
      reply.type = 'application/problem+json';
    }
    const body = Buffer.from(reply.body);
    response.writeHead(reply.status, { 'Content-Type': reply.type, 'Content-Length': body.length, ...reply.headers });
    response.end(request.method === 'HEAD' ? undefined : body);
    const seconds = (performance.now() - started) / 1000;
    metrics.observe(request.method, request.route ?? 'unmatched', reply.status, seconds);
    const path = request.url.split('?')[0]; // never the query: people put secrets there
    if (!PROBES.has(path)) {
      const took = Math.round(seconds * 1e5) / 100;
      const about = { method: request.method, path, route: request.route, status: reply.status, reason, duration_ms: took };
      log('info', 'request', { ...about, bytes_sent: body.length, trace_id: traceId });
    }
  });
}

function checked(body) {
  const keys = body && typeof body === 'object' && !Array.isArray(body) ? Object.keys(body) : [];
  const { order_id: orderId, country, grams, service } = body ?? {};
  const good = {
    order_id: Number.isInteger(orderId) && orderId >= 1 && orderId <= MAX_ID,
    country: typeof country === 'string' && /^[A-Z]{2}$/.test(country),
    grams: Number.isInteger(grams) && grams >= 1 && grams <= MAX_GRAMS,
    service: service === 'standard' || service === 'express',
  };
  const wrong = Object.keys(good).filter((name) => !good[name]).concat(keys.filter((name) => !(name in good)));
  if (wrong.length) throw new Problem(422, 'invalid_body', `wrong: ${wrong.slice(0, 5).join(', ').slice(0, 100)}`);
  return { order_id: orderId, country, grams, service };
}

function json(value, code = 200, headers = {}) {
  return { status: code, type: 'application/json', body: JSON.stringify(value), headers };
}
