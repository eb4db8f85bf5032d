// Be the shipping service: `node main.mjs --settings-fd N`.
//
// The same contract as every service of the shop: settings as one JSON document on an inherited pipe, read to its end; a
// line "listening" when the port is bound; an orderly stop on SIGTERM, SIGINT, and when the supervisor's lifeline ends.

import { mkdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Verifier } from './auth.mjs';
import { logger } from './kit.mjs';
import { shipping } from './service.mjs';
import { Store } from './store.mjs';

const STOP_WITHIN_MS = 1_500;

function readSettings([option, value]) {
  try {
    if (option === '--settings-fd' && /^[0-9]+$/.test(value)) return JSON.parse(readFileSync(Number(value), 'utf8'));
    if (option === '--settings' && value) return JSON.parse(readFileSync(value, 'utf8'));
  } catch {
    process.stderr.write('the settings cannot be read\n'); // never with their content
    process.exit(2);
  }
  process.stderr.write('usage: node main.mjs --settings-fd N | --settings FILE\n');
  return process.exit(2);
}

const settings = { host: '127.0.0.1', port: 0, issuer: 'https://identity.shop.example', audience: 'shop', ...readSettings(process.argv.slice(2)) };
process.umask(0o077);
mkdirSync(settings.data_dir, { recursive: true, mode: 0o700 });
const log = logger(settings.service, settings.instance);
const store = new Store(join(settings.data_dir, 'shipments.jsonl'), log);
const server = shipping({ store, verifier: new Verifier(settings), log, secret: settings.secrets?.sidecar ?? '' });

let stopping = false;
function stop() {
  if (stopping) return;
  stopping = true;
  log('info', 'stopping');
  const end = () => {
    store.close();
    log('info', 'stopped');
    process.exit(0);
  };
  server.close(end);
  server.closeIdleConnections();
  setTimeout(end, STOP_WITHIN_MS).unref();
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (Number.isInteger(settings.lifeline_fd)) {
  const lifeline = new Socket({ fd: settings.lifeline_fd, readable: true, writable: false });
  lifeline.on('close', stop).on('end', stop).on('error', stop).resume();
}
server.on('error', (error) => {
  log('error', 'cannot listen', { error: error.code });
  process.exit(1);
});
server.listen(settings.port, settings.host, () => log('info', 'listening', { host: settings.host, port: server.address().port }));
