// How a service of the shop runs and talks, in JavaScript: what sample_services/kit is in Python, as far as it is needed.
// Problems (RFC 9457), access log without secrets, Prometheus text, trace context, the sidecar's secret.

import { timingSafeEqual, createHash } from 'node:crypto';

export const PROBES = new Set(['/healthz', '/readyz', '/metrics']);
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const TITLES = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  413: 'Content Too Large', 415: 'Unsupported Media Type', 422: 'Unprocessable Content', 500: 'Internal Server Error',
  503: 'Service Unavailable' };

/** A refusal with a status and a stable reason. */
export class Problem extends Error {
  constructor(status, reason, detail = '', headers = {}) {
    super(detail);
    Object.assign(this, { status, reason, detail, headers });
  }

  document(traceId) {
    const detail = this.detail ? { detail: this.detail } : {};
    const { status, reason } = this;
    return { type: 'about:blank', title: TITLES[status], status, reason, trace_id: traceId, ...detail };
  }
}

/** One line of JSON on stderr; whatever a stranger sent is escaped, so that nobody forges a line (CWE-117). */
export function logger(service, instance) {
  return (level, message, facts = {}) => {
    const line = { time: new Date().toISOString(), level, logger: service, message, service, instance, ...facts };
    const text = JSON.stringify(line, null, 1).replace(/\n ?/g, ' ');
    const escaped = text.replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
    process.stderr.write(escaped + '\n');
  };
}

/** The trace that a request belongs to, or '' (W3C Trace Context: what is malformed or comes twice is none). */
export function traceparentOf(request) {
  const values = request.headersDistinct.traceparent ?? [];
  const match = values.length === 1 && /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(values[0]);
  const usable = match && !/^0+$/.test(match[1]) && !/^0+$/.test(match[2]) && !(values[0].startsWith('00') && match[3]);
  return usable ? values[0] : '';
}

/** Whether the request comes from our own sidecar, or from nobody in particular where there is none. */
export function fromSidecar(request, secret) {
  if (!secret || PROBES.has(request.url)) return true;
  const values = request.headersDistinct['x-gatehouse-sidecar'] ?? [];
  const digest = (text) => createHash('sha256').update(text).digest(); // of one length, so that they can be compared
  return values.length === 1 && timingSafeEqual(digest(values[0]), digest(secret));
}

/** The body's JSON, of at most `limit` bytes. */
export async function jsonBody(request, limit = 16_384) {
  if (!/^application\/json *(;|$)/.test(request.headers['content-type'] ?? '')) {
    throw new Problem(415, 'unsupported_media_type', 'send application/json');
  }
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > limit) throw new Problem(413, 'too_large', `at most ${limit} bytes`, { Connection: 'close' });
    pieces.push(piece);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)));
  } catch {
    throw new Problem(400, 'malformed_json', 'the body is not JSON');
  }
}

/** What is counted: OpenTelemetry's HTTP metrics in Prometheus form, with labels from small known sets. */
export class Metrics {
  constructor() {
    this.series = new Map();
    this.notFromSidecar = 0;
    this.unexpected = 0;
  }

  observe(method, route, status, seconds) {
    const error = status >= 500 ? String(status) : '';
    const name = METHODS.has(method) ? method : '_OTHER';
    const labels = `http_request_method="${name}",http_route="${route}",http_response_status_code="${status}",error_type="${error}"`;
    const one = this.series.get(labels) ?? { count: 0, sum: 0, buckets: BUCKETS.map(() => 0) };
    one.count += 1;
    one.sum += seconds;
    BUCKETS.forEach((bound, index) => { if (seconds <= bound) one.buckets[index] += 1; });
    this.series.set(labels, one);
  }

  text() {
    const name = 'http_server_request_duration_seconds';
    const lines = [`# HELP ${name} Duration of HTTP requests that this service answered.`, `# TYPE ${name} histogram`];
    for (const [labels, one] of this.series) {
      one.buckets.forEach((count, index) => lines.push(`${name}_bucket{${labels},le="${BUCKETS[index]}"} ${count}`));
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${one.count}`);
      lines.push(`${name}_count{${labels}} ${one.count}`, `${name}_sum{${labels}} ${one.sum}`);
    }
    lines.push(...counter('service_requests_not_from_sidecar_total', 'Requests that came past the sidecar.', this.notFromSidecar));
    lines.push(...counter('service_unexpected_errors_total', 'Requests that ended in an unexpected exception.', this.unexpected));
    lines.push('# HELP process_resident_memory_bytes Resident memory size in bytes.', '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`);
    return lines.join('\n') + '\n';
  }
}

function counter(name, help, value) {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, `${name} ${value}`];
}
