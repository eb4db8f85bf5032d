// The four golden numbers: what each means, and how Prometheus is asked for it.

import { millis, rate } from "../format.js";

const COUNT = "http_server_request_duration_seconds_count";
const perSecond = (value) => `${rate(value)}/s`;

export const CHARTS = [
  { name: "rate", title: "Rate", format: perSecond, meaning: "Requests that came to an end, per second: how much is asked of us.", promql: `sum(rate(${COUNT}[1m]))` },
  { name: "refused", title: "Refused", tone: "refused", format: perSecond, meaning: "Answers 4xx: no token, no permission, over a limit, no such thing. Some is normal; a jump is an attack, or a client's mistake.",
    promql: `sum(rate(${COUNT}{http_response_status_code=~"4.."}[1m]))` },
  { name: "failing", title: "Failed", tone: "failing", format: perSecond, meaning: "Answers 5xx: something of ours is broken. It should be nothing.",
    promql: `sum(rate(${COUNT}{http_response_status_code=~"5.."}[1m]))` },
  { name: "p95_ms", title: "p95", format: millis, meaning: "95 of 100 answers were faster than this; the other five are what people complain of.", least: 10,
    promql: "histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket[1m])))" },
];
