// The shipments: a file of JSON lines, to which lines are only ever added. It is read once, at the start.
//
// The problem: a line that is half written when the process dies must not take the others with it. The rule: what cannot
// be read as a whole line is left out, and said; a shipment is told only after its line is on the disk.

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

const MAX = 100_000;

export class Store {
  constructor(path, log) {
    this.found = new Map();
    this.orders = new Map();
    this.fd = openSync(path, 'a+', 0o600);
    const text = readFileSync(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length !== text.length) {
      log('warning', 'a line was cut off and is left out');
      ftruncateSync(this.fd, Buffer.byteLength(whole));
    }
    for (const line of whole.split('\n')) if (line) this.keep(JSON.parse(line));
  }

  /** Keeps a shipment, and gives what is kept: of an order that was sent before, the first one. */
  add(shipment) {
    const known = this.orders.get(shipment.order_id);
    if (known) return known;
    if (this.found.size >= MAX) throw new RangeError('too many shipments');
    writeSync(this.fd, JSON.stringify(shipment) + '\n');
    fsyncSync(this.fd);
    this.keep(shipment);
    return shipment;
  }

  get(tracking) {
    return this.found.get(tracking);
  }

  close() {
    closeSync(this.fd);
  }

  keep(shipment) {
    this.orders.set(shipment.order_id, shipment);
    this.found.set(shipment.tracking, shipment);
  }
}
