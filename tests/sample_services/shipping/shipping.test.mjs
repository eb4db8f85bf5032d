// The rules, the store and the answers of shipping, inside one process: `node --test`.

import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Verifier } from '../../../sample_services/shipping/auth.mjs';
import { quote, status } from '../../../sample_services/shipping/domain.mjs';
import { Problem, traceparentOf } from '../../../sample_services/shipping/kit.mjs';
import { shipping } from '../../../sample_services/shipping/service.mjs';
import { Store } from '../../../sample_services/shipping/store.mjs';

const file = () => join(mkdtempSync(join(tmpdir(), 'shipping-')), 'shipments.jsonl');
const quiet = () => {};
const ORDER = { order_id: 1001, country: 'DE', grams: 500, service: 'standard' };

test('what it costs', () => {
  assert.deepEqual(quote('DE', 1000).map((one) => one.price), [550, 1375]);
  assert.equal(quote('DE', 1001)[0].price, 610);
  assert.ok(quote('NZ', 1)[0].price > quote('FR', 1)[0].price);
});

test('where it is', () => {
  const sent = { created: 0, days: 2 };
  assert.deepEqual([0, 43_199, 43_200, 172_799, 172_800].map((now) => status(sent, now)),
    ['label_made', 'label_made', 'in_transit', 'in_transit', 'delivered']);
});

test('shipments survive, and a line that was cut off takes none with it', () => {
  const path = file();
  const store = new Store(path, quiet);
  store.add({ tracking: 'a', order_id: 1 });
  assert.equal(store.add({ tracking: 'b', order_id: 1 }).tracking, 'a');
  store.close();
  appendFileSync(path, '{"tracking": "c", "ord');
  const said = [];
  const again = new Store(path, (level) => said.push(level));
  assert.deepEqual(said, ['warning']);
  again.add({ tracking: 'd', order_id: 2 });
  again.close();
  assert.equal(readFileSync(path, 'utf8').trim().split('\n').length, 2);
  assert.equal(new Store(path, quiet).get('d').order_id, 2);
});

test('which traces are taken over', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const of = (...values) => traceparentOf({ headersDistinct: { traceparent: values } });
  const good = `00-${id}-00f067aa0ba902b7-01`;
  assert.equal(of(good), good);
  for (const bad of [good.toUpperCase(), good + '-x', `ff${good.slice(2)}`, `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, '']) {
    assert.equal(of(bad), '');
  }
  assert.equal(of(good, good), '');
  assert.equal(traceparentOf({ headersDistinct: {} }), '');
});

async function serving(options, use) {
  const verifier = { require: async () => { if (options.refuse) throw new Problem(401, 'token_missing'); return {}; } };
  const store = new Store(file(), quiet);
  const server = shipping({ store, verifier, log: quiet, ...options });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const base = `http://127.0.0.1:${server.address().port}`;
  const ask = async (path, init) => {
    const answer = await fetch(base + path, init);
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  try {
    await use(ask);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    store.close();
  }
}

const post = (body, type = 'application/json') => ({ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'Content-Type': type } });

test('a shipment is made once, followed by its number, and tells nothing of where it goes', async () => {
  let now = 1_000_000;
  await serving({ clock: () => now }, async (ask) => {
    const made = await ask('/shipping/shipments', post(ORDER));
    assert.equal(made.status, 201);
    assert.match(made.body.tracking, /^GH[0-9a-f]{32}$/);
    const again = await ask('/shipping/shipments', post({ ...ORDER, country: 'FR' }));
    assert.deepEqual([again.status, again.body], [200, made.body]);
    now += 2 * 86_400;
    const followed = await ask(made.headers.get('location'));
    assert.deepEqual(followed.body, { ...made.body, status: 'delivered' });
    assert.ok(!('country' in followed.body) && !('order_id' in followed.body));
  });
});

test('what is wrong is refused with a reason', async () => {
  await serving({}, async (ask) => {
    const reason = async (path, init) => { const found = await ask(path, init); return [found.status, found.body.reason]; };
    for (const query of ['', '?country=DE', '?country=de&grams=1', '?country=DE&grams=0', '?country=DE&grams=30001',
      '?country=DE&grams=1e3', '?country=DE&grams=1&grams=2', '?country=DE&grams=1&x=1']) {
      assert.deepEqual(await reason(`/shipping/quotes${query}`), [400, 'invalid_query'], query);
    }
    for (const [name, value] of [['order_id', 0], ['order_id', '1'], ['country', 'Germany'], ['grams', 1.5], ['service', 'slow'], ['price', 1]]) {
      assert.deepEqual(await reason('/shipping/shipments', post({ ...ORDER, [name]: value })), [422, 'invalid_body'], name);
    }
    for (const body of ['[]', 'null', '1']) assert.deepEqual(await reason('/shipping/shipments', post(body)), [422, 'invalid_body']);
    assert.deepEqual(await reason('/shipping/shipments', post('{')), [400, 'malformed_json']);
    assert.deepEqual(await reason('/shipping/shipments', post('{}', 'text/plain')), [415, 'unsupported_media_type']);
    assert.deepEqual(await reason('/shipping/shipments', post(' '.repeat(20_000))), [413, 'too_large']);
    assert.deepEqual(await reason('/shipping/shipments/GH1'), [404, 'not_found']);
    assert.deepEqual(await reason('/shipping/elsewhere'), [404, 'not_found']);
    assert.deepEqual(await reason('/shipping/quotes', { method: 'DELETE' }), [405, 'method_not_allowed']);
    assert.match((await ask('/metrics')).body, /_count\{http_request_method="GET",http_route="\/shipping\/quotes",http_response_status_code="400"/);
  });
  await serving({ refuse: true }, async (ask) => assert.equal((await ask('/shipping/shipments', post(ORDER))).status, 401));
});

test('in a mesh only the own sidecar is answered, and the probes', async () => {
  await serving({ secret: 'of the two' }, async (ask) => {
    const path = '/shipping/quotes?country=DE&grams=1';
    const refused = await ask(path);
    assert.deepEqual([refused.status, refused.body.reason], [403, 'not_from_sidecar']);
    assert.equal((await ask(path, { headers: { 'X-Gatehouse-Sidecar': 'of the three' } })).status, 403);
    assert.equal((await ask(path, { headers: { 'X-Gatehouse-Sidecar': 'of the two' } })).status, 200);
    for (const probe of ['/healthz', '/readyz', '/metrics']) assert.equal((await ask(probe)).status, 200);
    assert.match((await ask('/metrics')).body, /service_requests_not_from_sidecar_total 2/);
  });
});

test('in a mesh the own sidecar is told the secret, and nobody else is', async () => {
  const seen = {};
  const keys = createServer((request, response) => {
    seen[request.url] = request.headers['x-gatehouse-service'];
    response.end('{"keys": []}');
  });
  await new Promise((done) => keys.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${keys.address().port}`;
  const coded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const settings = {
    service: 'shipping', issuer: 'i', audience: 'shop', gateway_issuer: 'g', meshed: ['identity'],
    peers: { identity: url, gateway: url }, secrets: { sidecar: 's3cret' },
  };
  const verifier = new Verifier(settings);
  for (const iss of ['i', 'g']) {
    const token = `${coded({ typ: 'at+jwt', kid: 'k', alg: 'RS256' })}.${coded({ iss })}.c2ln`;
    await assert.rejects(verifier.claims(token, ''), /./);
  }
  keys.close();
  assert.deepEqual(seen, { '/jwks.json': 's3cret', '/.well-known/gateway-jwks.json': undefined });
});
